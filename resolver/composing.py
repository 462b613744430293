"""From solutions to the values of a lock: targets, build closures, and what the builders run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .dependencies import MarkerJudge
from .interpreters import patch_interval
from .lock import BuildClosure, Lock, LockedArtifact, LockedPath, LockTarget, Nixpkgs, Pin, digest_closure
from .lock_request import request_to_json
from .requirement import Request
from .resolution import ResolvedPin, Solved
from .target import Target, required_glibc

if TYPE_CHECKING:
    from .locking import Run

__all__ = ["compose_lock"]


class _Closures:
    """The build closures of a lock, by digest of their content."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.found: dict[str, BuildClosure] = {}

    def add(self, pin: ResolvedPin) -> str | None:
        """Return the digest of the closure that *pin* is built in; None for a wheel."""
        if pin.plan is None or pin.plan.closure is None:
            return None
        closure = pin.plan.closure
        self._run.pins.load_artifacts(closure.pins)
        value = BuildClosure(pins=tuple(self._run.pins.pin(p, build=self.add(p)) for p in closure.pins))
        digest = digest_closure(value)
        self.found[digest] = value
        return digest


def compose_lock(
    run: Run,
    solved: Sequence[tuple[Target, Solved]],
    tools: Mapping[str, Solved],
    nixpkgs: Nixpkgs | None,
    snapshot: str | None,
) -> Lock:
    """Return the lock of one run.

    :param solved: the solution of each target, in the order of the lock.
    :param tools: solutions for what the builders run, by tool.
    :param nixpkgs: the pinned nixpkgs, where there is one.
    :param snapshot: the snapshot's id, only where the user pinned one.
    :raises InputError: ``hash-missing``.
    :raises NoSolution: ``hash-mismatch``.
    :raises DataError: ``no-hash``.
    """
    run.pins.load_artifacts(pin for s in (*(s for _, s in solved), *tools.values()) for pin in s.pins)
    closures = _Closures(run)
    targets = tuple(_target(run, target, s, closures) for target, s in solved)
    return Lock(
        request=request_to_json(run.request),
        policy=run.policy.to_json(),
        facts=run.reading.digest(),
        snapshot=snapshot,
        nixpkgs=nixpkgs,
        targets=targets,
        tools={name: run.pins.artifact(s.pins[0]) for name, s in tools.items()},
        build_closures=closures.found,
    )


def _target(run: Run, target: Target, solved: Solved, closures: _Closures) -> LockTarget:
    hashes = _hashes(run.request, target)
    # what is installed, and what it is built in: the answer holds where all of it does
    parts = [solved, *(p.plan.closure for p in solved.pins if p.plan is not None and p.plan.closure is not None)]
    markers = {key: marker for part in parts for key, marker in part.markers.items()}
    pythons = sorted({text for part in parts for text in part.pythons})
    interval = patch_interval(target.python, target.environment, markers=markers, requires_python=pythons)
    pins = tuple(run.pins.pin(p, build=closures.add(p), hashes=hashes) for p in solved.pins)
    return LockTarget(
        system=target.system,
        python=target.python,
        python_interval=interval,
        glibc=_glibc(target, pins),
        roots=solved.roots,
        pins=pins,
    )


def _hashes(request: Request, target: Target) -> dict[str, frozenset[str]]:
    """Return the hashes that the request gives for each project on *target*; several lines narrow each other."""
    answer: dict[str, frozenset[str]] = {}
    judge = MarkerJudge(target.environment)
    for requirement in (*request.requirements, *request.constraints):
        if requirement.hashes and judge.holds(requirement.marker):
            given = frozenset(requirement.hashes)
            known = answer.get(requirement.project)
            answer[requirement.project] = given if known is None else known & given
    return answer


def _glibc(target: Target, pins: Iterable[Pin]) -> str | None:
    """Return the highest glibc that a chosen wheel asks for, by its file name."""
    found = []
    for pin in pins:
        if pin.provider == "wheel" and isinstance(pin.artifact, LockedArtifact | LockedPath):
            if pin.artifact.filename.endswith("-any.whl"):
                continue
            tagset = "-".join(pin.artifact.filename.removesuffix(".whl").split("-")[-3:])
            needed = required_glibc(tagset, target)
            if needed is not None:
                found.append(tuple(int(n) for n in needed.split(".")))
    return ".".join(map(str, max(found))) if found else None
