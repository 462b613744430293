"""What a crawled nixpkgs says of a whole Python set: its interpreter, its glibc, the oldest macOS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .interpreters import NEWEST_PATCHES, series
from .nixpkgs_index import parse_attribute_filename
from .target import DEFAULT_GLIBC, DEFAULT_MACOS, Target, make_target

__all__ = ["NixpkgsSet", "read_set", "target_in"]

_PYTHON = re.compile(r"(3\.[0-9]{1,2}\.[0-9]{1,2})(?![0-9])")
_PAIR = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?![0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class NixpkgsSet:
    """The Python set of a nixpkgs for one system and one X.Y, as far as a target depends on it."""

    python: str | None = None
    """Exact version of its interpreter, ``3.11.9``."""
    glibc: tuple[int, int] | None = None
    """``(2, 40)``; None on macOS."""
    macos: tuple[int, int] | None = None
    """Oldest macOS that it builds for; None elsewhere."""


def read_set(filenames: Iterable[str], python: str) -> NixpkgsSet:
    """Return what the page of a set (:data:`resolver.nixpkgs_index.TREE`) says.

    What does not have the form of a version says nothing: a page may come from another machine.

    :param filenames: of the page, ``glibc@2.40.nixpkgs``.
    :param python: ``3.11`` or ``3.11.9``, for which the set is.
    """
    told = dict(found for name in filenames if (found := parse_attribute_filename(name)) is not None)
    exact = _PYTHON.match(told.get("python" + series(python).replace(".", ""), ""))
    known = exact is not None and series(exact[1]) == series(python) and series(python) in NEWEST_PATCHES
    return NixpkgsSet(
        python=exact[1] if exact is not None and known else None,
        glibc=_pair(told.get("glibc")),
        macos=_pair(told.get("darwin")),
    )


def _pair(text: str | None) -> tuple[int, int] | None:
    found = _PAIR.match(text or "")
    return None if found is None else (int(found[1]), int(found[2]))


def target_in(known: NixpkgsSet | None, system: str, python: str) -> Target:
    """Return the target for a platform and an exact CPython in a nixpkgs.

    :param known: None where nothing is known of it: what the oldest supported nixpkgs has is taken then.
    :raises InputError: as :func:`resolver.target.make_target`.
    """
    glibc = known.glibc if known is not None and system.endswith("-linux") else None
    macos = known.macos if known is not None and system.endswith("-darwin") else None
    return make_target(system, python, glibc=glibc or DEFAULT_GLIBC, macos=macos or DEFAULT_MACOS)
