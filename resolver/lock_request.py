"""A request as a lock records it: plain JSON values in a normal form, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .errors import InputError
from .requirement import Request, Requirement, parse_requirement

__all__ = ["render_time", "request_from_json", "request_to_json"]


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


def request_from_json(value: Mapping[str, Any]) -> Request:
    """Return the request that a lock records; origins say so.

    :raises InputError: ``invalid-requirement``, ``invalid-lock-request`` where *value* is none.
    """
    try:
        as_of = value["as-of"]
        return Request(
            requirements=tuple(_requirement(text) for text in value["requirements"]),
            constraints=tuple(_requirement(text) for text in value["constraints"]),
            indexes=tuple(value["indexes"]),
            python=value["python"],
            systems=tuple(value["systems"]),
            providers={name: tuple(order) for name, order in value["providers"].items()},
            prefer=value["prefer"],
            prereleases=value["prereleases"],
            as_of=None if as_of is None else int(datetime.fromisoformat(as_of).timestamp()),
            require_hashes=value["require-hashes"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            "invalid-lock-request",
            "the lock does not hold a request that can be repeated",
            context=[f"{type(error).__name__}: {error}"],
            hint="lock again with `mach lock -r FILE`",
        ) from error


def _requirement(text: str) -> Requirement:
    requirement, *hashes = text.split(" --hash=")
    return parse_requirement(requirement, "mach.lock", hashes=tuple(hashes))
