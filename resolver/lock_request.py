"""A request as a lock records it: plain JSON values in a normal form, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .direct import parse_reference
from .errors import InputError
from .interpreters import split_python
from .names import normalize_project
from .policy import PREFERENCES, PRERELEASE_MODES, RESOLUTIONS, parse_choice
from .requirement import Request, Requirement, parse_override, parse_requirement

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
        "pythons": list(request.pythons),
        "systems": sorted(set(request.systems)),
        "providers": {name: list(order) for name, order in sorted(request.providers.items())},
        "prefer": request.prefer,
        "prerelease": dict(sorted(request.prerelease.items())),
        "resolution": request.resolution,
        "as-of": {name: render_time(moment) for name, moment in sorted(request.as_of.items())},
        "build-providers": {name: list(order) for name, order in sorted(request.build_providers.items())},
        "build-as-of": {name: render_time(moment) for name, moment in sorted(request.build_as_of.items())},
        "crates-url": request.crates_url,
        "overrides": sorted(str(override) for override in request.overrides),
        "excludes": sorted(request.excludes),
        "require-hashes": request.require_hashes,
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**value, "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


def request_from_json(value: Mapping[str, Any]) -> Request:
    """Return the request that a lock records; origins say so.

    :raises InputError: ``invalid-requirement``, ``invalid-lock-request`` where *value* is none.
    """
    try:
        return Request(
            requirements=tuple(_requirement(text) for text in _words(value["requirements"])),
            constraints=tuple(_requirement(text) for text in _words(value["constraints"])),
            indexes=_words(value["indexes"]),
            pythons=tuple(_exact(text) for text in _words(value["pythons"])),
            systems=_words(value["systems"]),
            providers={name: _words(order) for name, order in value["providers"].items()},
            prefer=parse_choice(_word(value["prefer"]), PREFERENCES, "--prefer"),
            prerelease={
                name: parse_choice(_word(mode), PRERELEASE_MODES, "--prerelease")
                for name, mode in value["prerelease"].items()
            },
            resolution=parse_choice(_word(value["resolution"]), RESOLUTIONS, "--resolution"),
            as_of=_moments(value["as-of"]),
            build_as_of=_moments(value["build-as-of"]),
            build_providers={name: _words(order) for name, order in value["build-providers"].items()},
            crates_url=_crates_url(_word(value["crates-url"])),
            overrides=tuple(parse_override(text, "mach.lock") for text in _words(value["overrides"])),
            excludes=tuple(normalize_project(name) for name in _words(value["excludes"])),
            require_hashes=value["require-hashes"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            "invalid-lock-request",
            "the lock does not hold a request that can be repeated",
            context=[f"{type(error).__name__}: {error}"],
            hint="lock again with `mach lock -r FILE`",
        ) from error


def _crates_url(text: str) -> str:
    from .crates import parse_crates_url

    return parse_crates_url(text) if text else ""


def _moments(value: Any) -> dict[str, int]:
    return {name: int(datetime.fromisoformat(text).timestamp()) for name, text in value.items()}


def _exact(python: str) -> str:
    split_python(python)
    return python


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(_word(item) for item in value)


def _requirement(text: str) -> Requirement:
    text, *hashes = text.split(" --hash=")
    requirement = parse_requirement(text, "mach.lock", hashes=tuple(hashes))
    if requirement.url is not None:
        parse_reference(requirement.url)  # raises where it is none
    return requirement
