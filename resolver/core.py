"""The minimal core of an impossibility: what of the user's requirements and of the graph it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from .edges import Edge
from .excerpt import Excerpt, Unit, ask_unit, limit_unit, units_of
from .resolution import Failure, refute
from .statistics import Statistics
from .supply import Supply

__all__ = ["Core", "find_core"]

#: Rounds that all trials for one core may take together: the text does not depend on the machine.
MOST_ROUNDS = 3_000
#: Trials for one core.
MOST_TRIALS = 400
#: Rounds of one trial.
TRIAL_ROUNDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What is impossible together."""

    units: tuple[Unit, ...]
    """In an order of reading: the user's first, then what they lead to, level by level."""
    proved: bool
    """The units alone were found impossible."""
    minimal: bool
    """And no unit could be left out."""


def find_core(failure: Failure) -> Core:
    """Return a minimal part of the requirements and of the graph that has no solution.

    One requirement of the user's after the other is left out and the rest solved again, in
    halves first; then the same with what the graph's projects require of each other. Only
    facts that the failed search asked for take part (:class:`Excerpt`).
    """
    return _Reduction(failure).run()


class _Reduction:
    def __init__(self, failure: Failure) -> None:
        self._supply: Supply = failure.supply
        self._statistics = Statistics()
        self._trials = 0
        self._minimal = True
        self._graph = _Graph(self._supply)
        self._near = self._graph.above({node for edge in failure.causes for node in (edge.key, _asker(edge))})

    def run(self) -> Core:
        graph, near = self._graph, self._near
        asked = _ordered(ask_unit(e) for e in self._supply.roots)
        limits = _ordered(limit_unit(e) for edges in self._supply.constraints.values() for e in edges)
        own = [*asked, *limits]
        close = _ordered(ask_unit(e) for e in self._supply.roots if e.key in near)
        close += [u for p, edges in self._supply.constraints.items() if p in near for u in map(limit_unit, edges)]
        needs = graph.within(near)
        if not self._is_impossible([*close, *needs]):
            close, needs = own, graph.all()
            if not self._is_impossible([*close, *needs]):
                return Core(units=tuple(u for u in own if u in set(close)), proved=False, minimal=False)
        close = self._shrink(close, lambda units: [*units, *needs])
        needs = graph.reached([e for e in self._supply.roots if ask_unit(e) in set(close)], needs)
        needs = self._shrink(needs, lambda units: [*close, *units])
        return Core(units=(*close, *needs), proved=True, minimal=self._minimal)

    def _is_impossible(self, units: Collection[Unit]) -> bool:
        left = MOST_ROUNDS - self._statistics.rounds
        if left <= 0 or self._trials >= MOST_TRIALS:
            self._minimal = False
            return False
        self._trials += 1
        return refute(Excerpt(self._supply, frozenset(units), rounds=min(left, TRIAL_ROUNDS)), self._statistics)

    def _shrink(self, units: Sequence[Unit], whole: Callable[[Sequence[Unit]], Sequence[Unit]]) -> list[Unit]:
        """Leave out what can be left out: halves first, then smaller and smaller parts; the last ones first."""
        kept = list(units)
        size = len(kept)
        while size:
            end = len(kept)
            while end > 0:
                start = max(0, end - size)
                rest = kept[:start] + kept[end:]
                if self._is_impossible(whole(rest)):
                    kept = rest
                end = start
            size //= 2
        return kept


class _Graph:
    """The relations that the failed search knows, by node."""

    def __init__(self, supply: Supply) -> None:
        self._up: dict[str, set[str]] = {}
        self._units: dict[str, dict[Unit, set[str]]] = {}
        for unit, node, target in units_of(supply):
            self._up.setdefault(target, set()).add(node)
            self._units.setdefault(node, {}).setdefault(unit, set()).add(target)
        for node in list(self._units):
            base, bracket, _ = node.partition("[")
            if bracket:
                self._up.setdefault(base, set()).add(node)

    def above(self, nodes: Iterable[str]) -> set[str]:
        """Return *nodes* and all from which they can be reached."""
        found = set(nodes)
        todo = list(found)
        while todo:
            for node in self._up.get(todo.pop(), ()):
                if node not in found:
                    found.add(node)
                    todo.append(node)
        return found

    def all(self) -> list[Unit]:
        """Return every unit."""
        return [unit for node in sorted(self._units) for unit in self._sorted(node)]

    def within(self, nodes: Collection[str]) -> list[Unit]:
        """Return the units between *nodes*."""
        return [unit for unit in self.all() if unit.who in nodes and (unit.kind == "unusable" or unit.what in nodes)]

    def reached(self, roots: Iterable[Edge], units: Iterable[Unit]) -> list[Unit]:
        """Return those *units* that *roots* lead to, level by level."""
        allowed = set(units)
        level = list(dict.fromkeys(edge.key for edge in roots))
        seen = set(level)
        answer: list[Unit] = []
        while level:
            below: dict[str, None] = {}
            for node in sorted(level, key=lambda key: "[" in key):
                for unit in self._sorted(node):
                    if unit in allowed:
                        answer.append(unit)
                        below.update(dict.fromkeys(sorted(self._units[node][unit])))
                below[node.partition("[")[0]] = None
            level = [node for node in below if node not in seen]
            seen.update(level)
        return answer

    def _sorted(self, node: str) -> list[Unit]:
        return sorted(self._units.get(node, ()))


def _ordered(units: Iterable[Unit]) -> list[Unit]:
    return list(dict.fromkeys(units))


def _asker(edge: Edge) -> str:
    """Return the node of the candidate that asks; a root's origin gives a name that no node has."""
    return edge.origin.rpartition(" ")[0]
