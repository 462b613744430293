"""One answer of the service: a lock or the reason why there is none, with the id of its permanent link."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resolver.errors import NoSolution
from resolver.lock import RESOLVER_VERSION, render_lock
from resolver.locking import Locking
from resolver.names import NormalizedName

from .question import Question

__all__ = ["Answer", "Resolution", "resolution_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a request was resolved to, for ever."""

    id: str
    """64 hexadecimal digits, computed from the request, the facts that were read, and mach's resolver-version."""
    request: Mapping[str, Any]
    """The normalised request, as locks have it."""
    lock: str | None
    """The text of mach.lock; None where there is no solution."""
    problem: Mapping[str, Any] | None
    """The error as JSON values (:meth:`resolver.errors.MachError.to_json`); None where there is a lock."""
    warnings: tuple[str, ...] = ()
    snapshot: str | None = None
    """Id of the snapshot that was named."""
    nixpkgs: Mapping[str, str] | None = None
    """``rev`` and ``sha256`` of the nixpkgs that was pinned."""

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        texts = (self.lock or "", *self.request.get("requirements", ()), *self.warnings)
        return 2_000 + sum(map(len, texts)) + (0 if self.problem is None else len(str(self.problem)))

    @property
    def failure(self) -> NoSolution | None:
        """The problem as an error."""
        return None if self.problem is None else NoSolution.from_json(self.problem)

    def to_bytes(self) -> bytes:
        """Return the resolution as JSON text, for :meth:`of_bytes`."""
        names = ("id", "request", "lock", "problem", "warnings", "snapshot", "nixpkgs")
        value = {name: getattr(self, name) for name in names}
        return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def of_bytes(cls, data: bytes) -> Resolution:
        """Return the resolution that :meth:`to_bytes` wrote."""
        value = json.loads(data)
        return cls(**{**value, "warnings": tuple(value["warnings"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A resolution, and what a service needs to remember it."""

    resolution: Resolution
    generation: int
    """The state of the catalog that was read in the end."""
    reads: Sequence[tuple[str, NormalizedName]] | None
    """Pages that it depends on, as :class:`db.resolutions.Run` has them."""
    statistics: Mapping[str, int | float] = field(default_factory=dict)

    @property
    def lasting(self) -> bool:
        """Whether the same question has this answer the next time: who gave up may find one then."""
        problem = self.resolution.problem
        return problem is None or problem["code"] != "gave-up"


def resolution_of(question: Question, request: Mapping[str, Any], outcome: Locking) -> Resolution:
    """Return what came out of a run without needs.

    A lock follows from the request and the facts that were read, and so does its id. Why
    there is none is told with what else the catalog holds (nearest names, fixes that were
    tried): its text takes part in the id as well.

    :param request: the normalised request, as locks have it.
    """
    assert not outcome.needs, "a run with needs has no outcome"
    lock = None if outcome.lock is None else render_lock(outcome.lock)
    problem = None if outcome.failure is None else outcome.failure.to_json()
    nixpkgs = question.nixpkgs
    value = [question.key, outcome.reading.digest(), problem, RESOLVER_VERSION]
    return Resolution(
        id=hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest(),
        request=request,
        lock=lock,
        problem=None if problem is None else json.loads(json.dumps(problem)),
        warnings=outcome.warnings,
        snapshot=question.snapshot,
        nixpkgs=None if nixpkgs is None else {"rev": nixpkgs.rev, "sha256": nixpkgs.sha256},
    )
