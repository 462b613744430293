"""A request as a lock records it: plain JSON values in a normal form, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .requirement import Request, Requirement

__all__ = ["render_time", "request_to_json"]


def render_time(seconds: int) -> str:
    """Return UTC seconds since 1970 as ``2026-11-21T05:14:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _texts(requirements: Sequence[Requirement]) -> list[str]:
    answer = set()
    for requirement in requirements:
        hashes = "".join(f" --hash={h}" for h in requirement.hashes)
        answer.add(f"{requirement}{hashes}")
    return sorted(answer)


def request_to_json(request: Request) -> dict[str, Any]:
    """Return *request* as JSON values, the same for requests that mean the same.

    Order, repeats, comments and origins are no part of it. ``digest`` is ``sha256:…`` over
    the rest.
    """
    value: dict[str, Any] = {
        "requirements": _texts(request.requirements),
        "constraints": _texts(request.constraints),
        "indexes": list(request.indexes),
        "python": request.python,
        "systems": sorted(set(request.systems)),
        "providers": {name: list(order) for name, order in sorted(request.providers.items())},
        "prefer": request.prefer,
        "prereleases": request.prereleases,
        "as-of": None if request.as_of is None else render_time(request.as_of),
        "require-hashes": request.require_hashes,
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**value, "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}
