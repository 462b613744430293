"""Folders that only their build backend can name: what stands for a name, and how names take its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from .lock import Lock, LockedPath
from .names import NormalizedName, normalize_project
from .requirement import Request, Requirement

__all__ = ["nameless_part", "names_in", "stand_in_name", "with_names"]


def stand_in_name(reference: str) -> NormalizedName:
    """Return what stands for the name of the project at *reference*, a direct reference in normal form."""
    return normalize_project("unnamed-" + hashlib.sha256(reference.encode()).hexdigest()[:16])


def _is_nameless(requirement: Requirement) -> bool:
    return requirement.url is not None and requirement.project == stand_in_name(requirement.url)


def nameless_part(request: Request) -> Request | None:
    """Return the request for only what has no name yet, on every target; None where all have one."""
    found = [replace(r, marker=None) for r in (*request.requirements, *request.constraints) if _is_nameless(r)]
    if not found:
        return None
    return replace(request, requirements=tuple(found), constraints=(), overrides=(), excludes=())


def with_names(request: Request, names: Mapping[str, NormalizedName]) -> Request:
    """Return *request* with *names*, by reference, in place of what stood for them."""

    def name(requirement: Requirement) -> Requirement:
        told = names.get(requirement.url or "")
        return requirement if told is None or not _is_nameless(requirement) else replace(requirement, project=told)

    if not names:
        return request
    return replace(
        request, requirements=tuple(map(name, request.requirements)), constraints=tuple(map(name, request.constraints))
    )


def names_in(lock: Lock, request: Request) -> Mapping[str, NormalizedName]:
    """Return the names that *lock* has, by reference, of those folders of *request* that state what they did then."""
    names = {}
    for pin in (pin for target in lock.targets for pin in target.pins):
        source = request.local_sources.get(pin.direct or "")
        if pin.direct and source and isinstance(pin.artifact, LockedPath) and pin.artifact.states == source.digest:
            names[pin.direct] = normalize_project(pin.name)
    return names
