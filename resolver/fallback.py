"""Provider order with minimal, reported fallback to later providers.

Every project starts on its best provider that has an eligible candidate. Where that
cannot be, the projects of a minimal core may use one provider more. In the end each fallen
pin is tried once more on a better provider while no other pin moves to a worse one, until
nothing changes: no project can move to a better provider without another moving to a
worse one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .limits import Limits
from .names import NormalizedName
from .resolution import Failure, ResolvedPin, Solved, solve
from .statistics import Statistics
from .supply import Supply

__all__ = ["settle"]


def settle(supply: Supply, statistics: Statistics) -> Solved | Failure | None:
    """Search for pins as :func:`resolver.resolution.solve` does, with fallback between providers.

    Where the policy prefers versions to providers, or only one provider is allowed, nothing
    can fall back and a single search decides.
    """
    policy = supply.policy
    if policy.prefer != "provider" or all(len(order) < 2 for order in policy.providers.values()):
        return solve(supply, statistics)
    return _Settling(supply, statistics).run()


class _Settling:
    """The levels reached so far, and why they were raised."""

    def __init__(self, supply: Supply, statistics: Statistics) -> None:
        self._supply = supply
        self._statistics = statistics
        self._levels: dict[NormalizedName, int] = {}
        self._cores: dict[NormalizedName, tuple[NormalizedName, ...]] = {}

    def run(self) -> Solved | Failure | None:
        limits = Limits(self._supply)
        outcome = solve(self._supply, self._statistics, limits)
        if isinstance(outcome, Failure) and limits.met:
            without = solve(self._supply, self._statistics)
            if not isinstance(without, Solved):
                return without
            outcome = self._relax(outcome, limits)
        if not isinstance(outcome, Solved):
            return outcome
        if not self._cores:
            return outcome
        outcome = self._raise_fallen(outcome)
        return None if outcome is None else self._report(outcome)

    def _relax(self, outcome: Solved | Failure | None, limits: Limits) -> Solved | Failure | None:
        """Let the projects of minimal cores use one provider more until there is a solution."""
        while isinstance(outcome, Failure) and not outcome.gave_up:
            core = self._minimal_core(limits)
            if core is None:
                return None
            for project in core:
                self._levels[project] = limits.levels[project] + 1
                self._cores[project] = core
            limits = Limits(self._supply, self._levels)
            outcome = solve(self._supply, self._statistics, limits)
        return outcome

    def _minimal_core(self, limits: Limits) -> tuple[NormalizedName, ...] | None:
        """Return projects whose limits alone rule every solution out, none of which can be spared.

        None where facts are missing.
        """
        core = sorted(limits.met)
        for project in list(core):
            fewer = frozenset(core) - {project}
            outcome = solve(self._supply, self._statistics, Limits(self._supply, limits.levels, only=fewer))
            if outcome is None:
                return None
            if isinstance(outcome, Failure) and not outcome.gave_up:
                core = sorted(fewer)
        return tuple(core)

    def _level_of(self, pin: ResolvedPin) -> int:
        pool = self._supply.pool(pin.project)
        assert pool is not None, "a pin's page is known"
        return pool.providers.index(pin.provider) + 1

    def _best_of(self, project: NormalizedName) -> int:
        pool = self._supply.pool(project)
        assert pool is not None, "a pin's page is known"
        return Limits(self._supply).best(pool)

    def _fallen(self, pins: Iterable[ResolvedPin]) -> list[ResolvedPin]:
        return [pin for pin in pins if self._level_of(pin) > self._best_of(pin.project)]

    def _raise_fallen(self, solved: Solved) -> Solved | None:
        """Move fallen pins up, one by one in order of name, until a pass changes nothing."""
        changed = True
        while changed:
            changed = False
            for pin in self._fallen(solved.pins):
                levels = {other.project: self._level_of(other) for other in solved.pins}
                if pin.project not in levels or levels[pin.project] <= self._best_of(pin.project):
                    continue
                levels[pin.project] -= 1
                outcome = solve(self._supply, self._statistics, Limits(self._supply, levels))
                if outcome is None:
                    return None
                if isinstance(outcome, Solved):
                    solved, changed = outcome, True
        return solved

    def _report(self, solved: Solved) -> Solved:
        """Add to every fallen pin what kept it from its best provider."""
        fallen = {pin.project for pin in self._fallen(solved.pins)}
        return replace(
            solved,
            pins=tuple(
                replace(pin, fallback=self._reason(pin)) if pin.project in fallen else pin for pin in solved.pins
            ),
        )

    def _reason(self, pin: ResolvedPin) -> str:
        pool = self._supply.pool(pin.project)
        assert pool is not None, "a pin's page is known"
        better = pool.providers[self._best_of(pin.project) - 1]
        others = [name for name in self._cores.get(pin.project, ()) if name != pin.project]
        if others:
            return f"from {better}: not together with {', '.join(others)}"
        return f"from {better}: no version of it fits the other pins"
