"""Why there is no solution, as values: the core, the steps, what was filtered out, and the fixes that work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Demand", "Fix", "Step", "Trouble"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One requirement or constraint of the user's that takes part in the conflict."""

    kind: str
    """``requirement`` or ``constraint``."""
    text: str
    """PEP 508; a requirement without its marker."""
    project: str
    origin: str

    def __str__(self) -> str:
        """Return ``numpy<2 (requirements.txt:4)``."""
        return f"{self.text} ({self.origin})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, "requirement": self.text, "project": self.project, "origin": self.origin}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What some versions of one project require of another, or why they cannot be used."""

    project: str
    """With its extra where one asks: ``a[x]``."""
    versions: tuple[str, ...]
    """Ascending."""
    requirements: tuple[str, ...]
    """What they require; empty where they cannot be used."""
    on: str
    """The project that is required; empty where they cannot be used."""
    text: str
    """The sentence."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "project": self.project,
            "versions": list(self.versions),
            "requirements": list(self.requirements),
            "on": self.on or None,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change of the request with which there is a solution: it was solved."""

    kind: str
    """``relax``, ``drop`` or ``option``."""
    text: str
    """What to do: ``numpy<3 instead of numpy<2 (requirements.txt:4)``."""
    origin: str = ""
    """Where the requirement stands; empty for an option."""
    before: str = ""
    after: str = ""
    """The requirement, or option, to write; empty where one is dropped."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Versions that the projects of the conflict get then."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "text": self.text,
            "origin": self.origin or None,
            "from": self.before or None,
            "to": self.after or None,
            "takes": dict(self.takes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the request has no solution on one target."""

    code: str
    project: str | None
    """The project that cannot be had; None where several requirements contradict each other."""
    core: tuple[Demand, ...]
    steps: tuple[Step, ...]
    filtered: Mapping[str, Mapping[str, int]]
    """project -> reason -> how many versions that are wanted it took away."""
    yanked: Mapping[str, str]
    """project -> its newest version that is wanted and was yanked, where no other is left."""
    minimal: bool
    """Without any one of the core there would be a solution, as far as it was proved within the budget."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "project": self.project,
            "core": [demand.to_json() for demand in self.core],
            "steps": [step.to_json() for step in self.steps],
            "filtered": {project: dict(reasons) for project, reasons in self.filtered.items()},
            "minimal": self.minimal,
        }
