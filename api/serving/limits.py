"""What the operator allows one request, and one process of the service."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crawler.settings import IndexSettings
from resolver.errors import InputError

__all__ = ["FILLS", "Limits", "WorkerSettings", "refuse_rate"]

#: What happens to facts that the catalog lacks: fetched at once, queued for the crawler, or refused.
FILLS = ("on-demand", "queue", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may take."""

    seconds: float = 30.0
    """Of a worker process; it is ended and replaced then."""
    memory: int = 2 << 30
    """Bytes of address space that a worker may take beyond what it starts with."""
    facts: int = 5_000
    """Fetched from indexes."""
    waiting: int = 256
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
    publisher: str | None = None
    """Address (path of a socket) of the process that writes to the catalog; None to write by oneself."""
    key: bytes = b""
    """What the publisher wants to hear first."""
    log: str = "plain"
    """Form of the log's lines (:data:`.journal.LOG_FORMS`)."""


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
