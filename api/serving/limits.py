"""What the operator allows one request, and one process of the service."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crawler.settings import IndexSettings
from resolver.errors import InputError

__all__ = ["Limits", "WorkerSettings", "refuse_rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may take."""

    seconds: float
    """Of a worker process; it is ended and replaced then."""
    memory: int
    """Bytes of address space that a worker may take beyond what it starts with."""
    facts: int
    """Fetched from indexes."""
    waiting: int
    """Requests that wait for a worker; more are sent away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker process has to know."""

    db: str | None
    """The catalog: file or URL; None for the user's own."""
    indexes: IndexSettings
    limits: Limits
    max_age: int
    """Seconds after which a page that is read is asked for again, where the service fetches."""
    publisher: str
    """Address (path of a socket) of the process that writes to the catalog."""
    key: bytes
    """What the publisher wants to hear first."""
    log: str
    """Form of the log's lines: ``json`` or ``plain``."""


def refuse_rate(wait: float, what: str) -> InputError:
    """Return the error for a client that has to wait.

    :param wait: seconds until it may ask again.
    :param what: what there were too many of.
    """
    seconds = max(1, math.ceil(wait))
    return InputError(
        "rate-limited",
        f"there were too many {what} from you within a minute",
        hint=f"ask again in {seconds} second{'s' if seconds > 1 else ''}",
        details={"retry-after": seconds},
    )
