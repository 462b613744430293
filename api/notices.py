"""What a use case tells its user while it works: notes, warnings and progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Notices"]


def _ignore(_: str) -> None:
    return None


def _no_progress(_done: int, _total: int, _what: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Callables that take what there is to tell; by default nothing is told."""

    detail: Callable[[str], None] = _ignore
    """A line for those who asked for more (``-v``)."""
    note: Callable[[str], None] = _ignore
    """A line that tells what was done or chosen."""
    warn: Callable[[str], None] = _ignore
    """A line about something that the user may want to change."""
    progress: Callable[[int, int, str], None] = _no_progress
    """(done, known so far, what was done last); done == known ends it."""
