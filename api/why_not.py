"""Why a lock does not have a project, or has it at another version: solved again with it added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.catalog import Reader, open_catalog
from resolver.errors import DataError, NoSolution, printable
from resolver.lock import Lock, LockTarget
from resolver.lock_request import request_from_json
from resolver.locking import Locking, make_lock
from resolver.preferences import preferences_of
from resolver.requirement import Request, Requirement

from .filling import Filling
from .notices import Notices
from .spelling import name_nearest

__all__ = ["WhyNot", "render_why_not", "why_not"]

#: Changes that the text shows; JSON has all of them.
_MOST_CHANGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """What stands against a requirement that a lock does not meet, or what it would change."""

    requirement: str
    locked: str | None
    """The version in the lock."""
    passed_over: str | None
    """A newer version that the order of providers kept out of the lock."""
    reason: NoSolution | None
    """Why it cannot be had together with what was asked for; None where it can."""
    changes: Mapping[str, tuple[str | None, str | None]]
    """Where it can: project -> version in the lock and version with it, None where there is none."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "requirement": self.requirement,
            "locked": self.locked,
            "possible": self.reason is None,
            "reason": None if self.reason is None else self.reason.to_json(),
            "changes": {name: {"before": old, "after": new} for name, (old, new) in self.changes.items()},
        }


def why_not(lock: Lock, target: LockTarget, requirement: Requirement, db: str | None, notices: Notices) -> WhyNot:
    """Return why *target* of *lock* does not meet *requirement*: by what the catalog knows, fetching nothing.

    :raises DataError: ``not-covered`` where facts are missing, and what is wrong with a catalog.
    """
    request = request_from_json(lock.request)
    request = replace(
        request,
        requirements=(*request.requirements, requirement),
        systems=(target.system,),
        pythons=(target.python,),
    )

    def attempt(request: Request, reader: Reader) -> Locking:
        preferences = preferences_of(lock)
        return make_lock(request, reader, preferences=preferences, nixpkgs=lock.nixpkgs, snapshot=lock.snapshot)

    with open_catalog(db, create=False, readonly=True) as handle:
        generation = None
        if lock.snapshot is not None:
            from db.snapshot import resolve_snapshot

            generation = resolve_snapshot(handle, lock.snapshot)
        filling = Filling(
            handle=handle, settings=_nothing_is_fetched, notices=notices, offline=True, generation=generation
        )
        try:
            outcome = filling.run(attempt, request)
        except DataError as error:
            raise _not_told(error) from error
        reason = outcome.failure
        if reason is not None:
            reason = name_nearest(reason, handle.reader(generation), request.indexes)
    pins = {pin.name: pin for pin in target.pins}
    locked = pins.get(requirement.project)
    before: dict[str, str] = {name: pin.version for name, pin in pins.items()}
    after: dict[str, str] = {}
    if outcome.lock is not None:
        after = {pin.name: pin.version for pin in outcome.lock.targets[0].pins}
    changed = [n for n in sorted({*before, *after}) if before.get(n) != after.get(n)] if after else []
    return WhyNot(
        requirement=str(requirement),
        locked=None if locked is None else locked.version,
        passed_over=None if locked is None else locked.passed_over,
        reason=reason,
        changes={name: (before.get(name), after.get(name)) for name in changed},
    )


def _not_told(error: DataError) -> DataError:
    """Return *error* with the next step for a command that never fetches, where facts are missing."""
    if error.code != "not-covered":
        return error
    details: Mapping[str, Any] = error.details
    names = " ".join(sorted({fact["project"] for fact in (*details["pages"], *details["metadata"])})[:8])
    return DataError(
        "not-covered",
        error.message,
        context=error.context,
        hint=f"this command fetches nothing; `mach crawl {names}` gets what is missing",
        details=error.details,
    )


def _nothing_is_fetched() -> Any:
    raise AssertionError("nothing is fetched offline")


def render_why_not(answer: WhyNot) -> str:
    """Return *answer* as text."""
    if answer.locked is None:
        lines = [f"{answer.requirement} is not in the lock"]
    else:
        lines = [f"{answer.requirement} is not in the lock, which has {answer.locked}"]
    if answer.reason is not None:
        lines.append(f"  it cannot be had with what you ask for: {answer.reason.message}")
        lines += [f"  {line}" for line in answer.reason.context]
    else:
        if answer.locked is None:
            lines.append("  nothing that you ask for requires it, and nothing forbids it")
        else:
            lines.append("  nothing forbids it: the lock keeps or prefers what it has")
        if answer.passed_over is not None:
            lines.append(f"  the order of providers passed over {answer.passed_over}")
        lines.append(f"  ask for {answer.requirement!r} to get it; these would change:")
        changes = [f"    {n} {old or 'none'} -> {new or 'none'}" for n, (old, new) in answer.changes.items()]
        lines += changes[:_MOST_CHANGES]
        if len(changes) > _MOST_CHANGES:
            lines.append(f"    and {len(changes) - _MOST_CHANGES} more")
    return "".join(printable(line) + "\n" for line in lines)
