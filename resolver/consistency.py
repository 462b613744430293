"""Arc consistency over the whole graph: versions that can be in no solution are taken away before a search.

A version of a project that every solution has is dead where one of its dependencies has
no live version; and a project that all live versions of such a project require is in every
solution itself, with only those versions that one of them admits. Both rules are applied
until nothing changes. Only impossible versions go, so no answer is lost (sound). It is
never limited to the newest versions: that gave wrong answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .bridge import Domain
from .candidates import Candidate, Pool
from .edges import UNUSABLE, Edge
from .limits import Limits
from .names import NormalizedName
from .supply import Supply

__all__ = ["Consistency"]


class Consistency:
    """Live versions of the projects that every solution has.

    What a candidate requires takes part where the run has asked for it, or may still ask:
    at most *budget* more files' metadata, those of the projects in *first* before others. Where
    *versions* is given, it asks for none of sdists (each is a download of the whole file, or a
    build), and for more than the most preferred version only of projects near the conflict of
    which at most *versions* are unasked. A dependency that is not asked for counts as live and
    unconstraining, which is sound.

    :ivar domains: project -> provider -> mask of live ranks.
    :ivar dead: candidate -> the edge that has no live version.
    :ivar demands: project -> the edges that narrowed it, by origin and text.
    :ivar emptied: a project of every solution that has no live version left: there is no solution.
    """

    def __init__(
        self,
        supply: Supply,
        first: Iterable[NormalizedName],
        budget: int,
        limits: Limits | None = None,
        *,
        versions: int | None = None,
    ) -> None:
        self._supply = supply
        self._limits = limits
        self._budget = budget
        self._versions = versions
        self._first = list(first)
        self._near = set(self._first)
        self.domains: dict[NormalizedName, dict[str, int]] = {}
        self.dead: dict[Candidate, Edge] = {}
        self.demands: dict[NormalizedName, dict[tuple[str, str], Edge]] = {}
        self.emptied: NormalizedName | None = None
        #: Nodes that every solution has, in the order of finding; an extra's node as its key.
        self._mandatory: dict[str, tuple[NormalizedName, str]] = {}
        self._changed: set[NormalizedName] = set()
        self._targets: dict[str, set[NormalizedName]] = {}

    @property
    def pruned(self) -> int:
        """How many candidates were found dead."""
        return len(self.dead)

    def run(self) -> Mapping[NormalizedName, Domain]:
        """Apply both rules until nothing changes, and return the domains."""
        for edge in sorted(self._supply.roots, key=lambda edge: (edge.key, edge.text)):
            self._demand(edge, [edge])
        while self.emptied is None:
            due = [key for key in self._mandatory if self._is_due(key)]
            if not due:
                break
            self._changed = set()
            due.sort(key=self._place)
            for key in due:
                self._revise(key)
                if self.emptied is not None:
                    break
        return self.domains

    def _place(self, key: str) -> int:
        project = self._mandatory[key][0]
        return self._first.index(project) if project in self._first else len(self._first)

    def _is_due(self, key: str) -> bool:
        known = self._targets.get(key)
        return known is None or not known.isdisjoint(self._changed)

    def causes(self) -> list[Edge]:
        """Return the edges that left :attr:`emptied` without a live version."""
        if self.emptied is None:
            return []
        edges = list(self.demands.get(self.emptied, {}).values())
        return edges + [edge for candidate, edge in self.dead.items() if candidate.project == self.emptied]

    # ---- domains

    def _domain(self, project: NormalizedName) -> dict[str, int] | None:
        """Return the live ranks of a project by provider, or None where its page is unknown."""
        domain = self.domains.get(project)
        if domain is None:
            pool = self._supply.pool(project)
            if pool is None:
                return None
            domain = self.domains[project] = self._eligible(pool)
        return domain

    def _eligible(self, pool: Pool) -> dict[str, int]:
        yanked = self._supply.yanked(pool)
        mask = self._supply.admitted(pool, ())
        allowed = pool.providers if self._limits is None else self._limits.allowed(pool)
        return {p: (pool.masks[p] | (pool.yanked[p] & yanked)) & mask if p in allowed else 0 for p in pool.providers}

    def _narrow(self, project: NormalizedName, allowed: Mapping[str, int], edges: Iterable[Edge]) -> None:
        domain = self._domain(project)
        assert domain is not None, "only known projects are narrowed"
        self.demands.setdefault(project, {}).update({(edge.origin, edge.text): edge for edge in edges})
        for provider, mask in domain.items():
            left = mask & allowed.get(provider, 0)
            if left != mask:
                domain[provider] = left
                self._changed.add(project)
        if not any(domain.values()):
            self.emptied = project

    def _allowed(self, edges: Iterable[Edge]) -> dict[str, int] | None:
        """Return what the *edges*, all to one project, admit together, by provider; None: everything."""
        allowed: dict[str, int] | None = None
        for edge in edges:
            pool = self._supply.pool(edge.project)
            if pool is None:
                return None
            mask = self._supply.mask(edge, pool)
            one = {p: mask if edge.exact is None or edge.exact[1] == p else 0 for p in pool.providers}
            allowed = one if allowed is None else {p: allowed[p] & one[p] for p in one}
        return allowed

    def _is_live(self, edge: Edge) -> bool:
        if edge.key == UNUSABLE:
            return False
        if self._versions is not None and not self._supply.knows_pool(edge.project):
            return True  # its page is not worth asking for: nothing says that every solution has the project
        domain = self._domain(edge.project)
        if domain is None:
            return True
        allowed = self._allowed([edge])
        return allowed is None or any(domain[p] & allowed[p] for p in domain)

    # ---- the two rules

    def _demand(self, edge: Edge, edges: list[Edge]) -> None:
        """Note that every solution has the node of *edge*, within what *edges* admit."""
        if edge.key not in self._mandatory and edge.key != UNUSABLE:
            self._mandatory[edge.key] = (edge.project, edge.extra)
            self._changed.add(edge.project)
        if self._domain(edge.project) is not None:
            allowed = self._allowed(edges)
            if allowed is not None:
                self._narrow(edge.project, allowed, edges)

    def _candidates(self, project: NormalizedName, extra: str) -> list[Candidate]:
        domain, pool = self._domain(project), self._supply.pool(project)
        if domain is None or pool is None:
            return []
        mask = 0
        for part in domain.values():
            mask |= part
        order = pool.ordered(mask, self._supply.yanked(pool), None)
        return [self._supply.candidate(pool, r, p, extra) for r, p in order if domain[p] >> r & 1]

    def _ask(self, candidates: Sequence[Candidate]) -> None:
        """Ask what one node's *candidates* require, as far as the bounds go."""
        unasked = [candidate for candidate in candidates if not self._supply.knows_edges(candidate)]
        if self._versions is not None:
            unasked = [candidate for candidate in unasked if candidate.provider != "sdist"]
            if unasked[:1] == candidates[:1]:
                # the most preferred one shows whether the project has to do with the conflict at all
                self._ask_now(unasked[:1])
            if not unasked or len(unasked) > self._versions or not self._is_near(candidates):
                return
        self._ask_now(unasked)

    def _ask_now(self, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            if self._budget > 0 and not self._supply.knows_edges(candidate):
                self._budget -= 1
                self._supply.edges_of(candidate)

    def _is_near(self, candidates: Sequence[Candidate]) -> bool:
        """Return whether a project is of the conflict, has lost a version, or is known to require such a project."""
        if candidates[0].project in self._near:
            return True
        known = (self._supply.edges_of(c) for c in candidates if self._supply.knows_edges(c))
        return any(edge.project in self._near for edges in known for edge in edges)

    def _revise(self, key: str) -> None:
        project, extra = self._mandatory[key]
        live: list[list[Edge] | None] = []
        targets: set[NormalizedName] = set()
        candidates = self._candidates(project, extra)
        self._ask(candidates)
        for candidate in candidates:
            if not self._supply.knows_edges(candidate):
                live.append(None)
                continue
            edges = self._supply.edges_of(candidate)
            targets.update(edge.project for edge in edges)
            blocked = next((edge for edge in edges if not self._is_live(edge)), None)
            if blocked is None:
                live.append(edges)
                continue
            self.dead[candidate] = blocked
            self._near.add(project)
            domain = self.domains[project]
            domain[candidate.provider] &= ~(1 << candidate.rank)
            self._changed.add(project)
            if not any(domain.values()):
                self.emptied = project
                return
        self._targets[key] = targets | {project}
        if live and all(edges is not None for edges in live):
            self._propagate([edges for edges in live if edges is not None])

    def _propagate(self, live: list[list[Edge]]) -> None:
        """Demand what all live candidates of a node require, within the union of what each admits."""
        by_node = [_group(edges) for edges in live]
        for key in by_node[0]:
            if not all(key in nodes for nodes in by_node):
                continue
            union: dict[str, int] | None = {}
            for nodes in by_node:
                allowed = self._allowed(nodes[key])
                if allowed is None:
                    union = None
                    break
                assert union is not None
                union = {p: union.get(p, 0) | mask for p, mask in allowed.items()}
            self._demand(by_node[0][key][0], [])
            if union is not None:
                asking = [edge for nodes in by_node for edge in nodes[key]]
                self._narrow(by_node[0][key][0].project, union, asking)
            if self.emptied is not None:
                return


def _group(edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(edge.key, []).append(edge)
    return groups
