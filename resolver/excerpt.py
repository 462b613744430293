"""A part of what a failed search knew: some of the user's requirements, and some of the graph's relations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from .candidates import Candidate, Pool
from .catalog import PageNeed
from .edges import UNUSABLE, Edge
from .names import NormalizedName
from .supply import Supply

__all__ = ["Excerpt", "Unit", "ask_unit", "limit_unit", "units_of"]


class Unit(NamedTuple):
    """Something that a proof of impossibility uses or does not use, as a whole.

    ``ask`` and ``limit``: a requirement and a constraint of the user's, by origin and text.
    ``need``: all that versions of one node require of one project. ``unusable``: that
    versions of a node cannot be used.
    """

    kind: str
    who: str
    """Origin, or the node's key."""
    what: str
    """Text, or the project that is required."""


def ask_unit(edge: Edge) -> Unit:
    """Return the unit of a root edge; the edges of one requirement share it."""
    return Unit("ask", edge.origin, edge.text)


def limit_unit(edge: Edge) -> Unit:
    """Return the unit of a constraint."""
    return Unit("limit", edge.origin, edge.text)


def need_unit(key: str, edge: Edge) -> Unit | None:
    """Return the unit of what a node with *key* requires; None for the edge from an extra to its base, always kept."""
    if edge.exact is not None:
        return None
    return Unit("unusable", key, "") if edge.key == UNUSABLE else Unit("need", key, edge.project)


def units_of(supply: Supply) -> Iterator[tuple[Unit, str, str]]:
    """Yield (unit, node that requires, node that is required) of all edges that were asked for, with repeats."""
    for candidate, edges in supply.known_edges().items():
        for edge in edges:
            unit = need_unit(candidate.key, edge)
            if unit is not None:
                yield unit, candidate.key, edge.key


class Excerpt(Supply):
    """A supply of *whole*'s facts that were asked for, with only those edges whose unit is in *units*.

    It asks for nothing: what *whole* did not ask for counts as unconstraining, and a need is
    noted in a reading of its own. So an excerpt that is impossible proves that *whole* is,
    whatever the catalog does not know; and the proof is the same on every catalog.
    """

    def __init__(self, whole: Supply, units: Collection[Unit], *, rounds: int) -> None:
        self.__dict__.update(whole.__dict__)
        self._whole = whole
        self._units = units
        self.reading = whole.reading.afresh()
        self.policy = replace(whole.policy, rounds=rounds)
        self.roots = [edge for edge in whole.roots if ask_unit(edge) in units]
        limits = {p: [e for e in edges if limit_unit(e) in units] for p, edges in whole.constraints.items()}
        self.constraints = {project: edges for project, edges in limits.items() if edges}
        self._kept: dict[Candidate, list[Edge]] = {}

    def yanked(self, pool: Pool) -> int:
        """Return what the whole may take although yanked: leaving a requirement out must only ever allow more."""
        return self._whole.yanked(pool)

    def pool(self, project: NormalizedName) -> Pool | None:
        """Return the pool that the whole knows, or None where it never asked for the page."""
        found = self._whole.known_pool(project)
        if found is None:
            self._note(project)
        return found

    def _note(self, project: NormalizedName) -> None:
        self.reading.needs[PageNeed("", project)] = None

    def knows_edges(self, candidate: Candidate) -> bool:
        """Return whether the whole asked for what *candidate* requires."""
        return self._whole.knows_edges(candidate)

    def edges_of(self, candidate: Candidate) -> list[Edge]:
        """Return the kept ones of the edges of *candidate*."""
        kept = self._kept.get(candidate)
        if kept is None:
            kept = self._kept[candidate] = list(self._keep(candidate))
        return kept

    def _keep(self, candidate: Candidate) -> Iterable[Edge]:
        if candidate.rank < 0:
            return ()
        if not self._whole.knows_edges(candidate):
            self._note(candidate.project)
            return (self.edge_to_base(candidate),) if candidate.extra else ()
        edges = self._whole.edges_of(candidate)
        return [edge for edge in edges if (unit := need_unit(candidate.key, edge)) is None or unit in self._units]
