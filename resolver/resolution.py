"""The search for one target: from roots to verified pins, or to the reason why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from resolvelib import ResolutionImpossible, ResolutionTooDeep

from .bridge import Bridge, Domain, Restart, Search, Watch
from .candidates import Candidate, Pool
from .catalog import Page
from .consistency import Consistency
from .edges import Edge
from .errors import shorten
from .limits import Limits
from .names import NormalizedName, normalize_extra
from .statistics import Statistics
from .supply import Supply

if TYPE_CHECKING:
    from .building import Plan

__all__ = ["Failure", "ResolvedPin", "Solved", "refute", "solve"]

#: Searches of the fast mode; the last one is not stopped for being in a bad order.
MOST_RESTARTS = 20
#: Dead ends after the second consistency before the third one, which may ask for all versions of anything.
LATER_CONFLICTS = 100
#: How often consistency is established in one search, each time reaching further.
MOST_CONSISTENCIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPin:
    """One project of a solution, still tied to the page that it came from."""

    project: NormalizedName
    version: str
    provider: str
    extras: tuple[str, ...]
    page: Page
    rows: tuple[int, ...]
    """Rows of the page that provide it on the target, best first."""
    dependencies: Mapping[str, tuple[str, ...]]
    passed_over: str | None
    fallback: str | None = None
    """Why it does not come from its best provider, ``from wheel: …``."""
    plan: Plan | None = None
    """How an sdist is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solution in which every pin satisfies every edge."""

    pins: tuple[ResolvedPin, ...]
    """Sorted by project."""
    roots: Mapping[str, tuple[str, ...]]
    markers: Mapping[tuple[str, str], Marker]
    """Every marker that was evaluated, by its text and the extra."""
    pythons: tuple[str, ...]
    """Every Requires-Python text that was evaluated."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No solution: proved, or given up."""

    gave_up: bool
    causes: tuple[Edge, ...]
    """The requirements of the last conflict, or of the contradiction that consistency found."""
    supply: Supply


def solve(supply: Supply, statistics: Statistics, limits: Limits | None = None) -> Solved | Failure | None:
    """Search for pins that meet the roots of *supply*.

    Stages, each a remedy for what the one before cannot do:

    1. a greedy search with sticky pins, existing pins first;
    2. after a few dead ends, or where one pin turns away candidate after candidate of another
       project: arc consistency, and a restart that decides such a culprit last;
    3. more restarts of the latter kind, and consistency twice more, further from the conflict,
       where dead ends go on; then also as if the user got the most preferred candidates of what
       they ask for, which is tried first;
    4. an "impossible" or a result that fails verification is confirmed by a search that jumps
       over nothing (resolvelib 1.2.1 alone is not sound; its issue 206).

    :param statistics: is counted up.
    :param limits: which providers projects may come from; None: all that the policy allows.
    :return: the solution, why there is none, or None where facts are missing: they stand
        in :attr:`Reading.needs` then.
    """
    search = _Search(supply, statistics, limits=limits)
    outcome = search.fast()
    if outcome is None and not supply.reading.needs:
        statistics.complete += 1
        # a result that fails verification even now is no answer, and no proof of anything
        outcome = search.complete() or Failure(gave_up=True, causes=(), supply=supply)
    return None if supply.reading.needs else outcome


def refute(supply: Supply, statistics: Statistics) -> bool:
    """Return whether it is proved that no pins meet the roots of *supply*, whatever the unknown facts say.

    False where there is a solution, and where that was not decided. Unknown facts count as
    unconstraining; they are noted as needs all the same.
    """
    search = _Search(supply, statistics, presume=True)
    outcome = search.fast() or search.complete()
    return isinstance(outcome, Failure) and not outcome.gave_up


class _Search:
    """The stages over one supply, and what they have learned.

    :param presume: go on where facts are missing.
    """

    def __init__(
        self, supply: Supply, statistics: Statistics, *, limits: Limits | None = None, presume: bool = False
    ) -> None:
        self._supply = supply
        self._limits = limits
        self._presume = presume
        self._statistics = statistics
        self._policy = supply.policy
        self._domains: Mapping[NormalizedName, Domain] = {}
        #: What is left where the most preferred candidates of the user's own projects are taken, while that is tried.
        self._assumed: Mapping[NormalizedName, Domain] | None = None
        self._late: dict[NormalizedName, int] = {}
        self._put_off: set[tuple[NormalizedName, NormalizedName]] = set()
        self._consistencies = 0
        self._last: Any = None

    def fast(self) -> Solved | Failure | None:
        """Return a verified solution or a proved contradiction; None where the complete mode must decide."""
        for restart in range(MOST_RESTARTS + 1):
            last = restart == MOST_RESTARTS
            bridge = self._bridge()
            watch = Watch(
                bridge,
                self._statistics,
                complete=False,
                most_conflicts=self._patience(),
                most_rejections=None if last else self._policy.rejections,
                put_off=self._put_off,
            )
            try:
                solved = self._run(bridge, watch)
                if solved is not None or self._assumed is None:
                    return solved
                self._assumed = None
            except Restart:
                self._statistics.restarts += 1
                if self._supply.reading.needs and not self._presume:
                    return None
                if watch.culprit is not None and watch.victim is not None:
                    self._put_off.add((watch.culprit, watch.victim))
                    # after everything that it turned away, and after what was put off before
                    self._late[watch.culprit] = 1 + max(self._late.values(), default=0)
                if self._consistencies == 0 or watch.culprit is None:
                    failure = self._make_consistent(watch.involved)
                    if failure is not None:
                        return failure
            except ResolutionImpossible:
                if self._assumed is None:
                    return None
                self._assumed = None
        return None

    def complete(self) -> Solved | Failure | None:
        """Return a verified solution, or why there is none, from a search that jumps over nothing."""
        self._assumed = None
        bridge = self._bridge()
        try:
            return self._run(bridge, Watch(bridge, self._statistics, complete=True))
        except ResolutionImpossible as error:
            causes = tuple(c.requirement for c in error.causes)
            return Failure(gave_up=False, causes=causes, supply=self._supply)
        except ResolutionTooDeep:
            causes = tuple(c.requirement for c in self._last.state.backtrack_causes)
            return Failure(gave_up=True, causes=causes, supply=self._supply)

    def _bridge(self) -> Bridge:
        domains = self._domains if self._assumed is None else self._assumed
        return Bridge(self._supply, domains=domains, late=self._late, limits=self._limits)

    def _run(self, bridge: Bridge, watch: Watch) -> Solved | None:
        search: Any = Search(bridge, watch)
        self._last = search
        try:
            state = search.resolve(self._supply.roots, max_rounds=self._policy.rounds)
        except ResolutionTooDeep:
            if watch.is_complete:
                raise
            return None
        return _collect(self._supply, state.mapping)

    def _patience(self) -> int | None:
        """Return the dead ends after which the next consistency is worth its facts; None where there is none."""
        if self._consistencies == MOST_CONSISTENCIES:
            return None
        return LATER_CONFLICTS if self._consistencies == MOST_CONSISTENCIES - 1 else self._policy.conflicts

    def _make_consistent(self, involved: Iterable[NormalizedName]) -> Failure | None:
        """Run consistency: around the conflict first, then over every project, at last over all their versions."""
        is_first = self._consistencies == 0
        self._consistencies += 1
        policy = self._policy
        consistency = Consistency(
            self._supply,
            involved,
            policy.consistency_facts if is_first else policy.consistency_facts_later,
            self._limits,
            versions=None if self._consistencies == MOST_CONSISTENCIES else policy.consistency_versions,
            wide=not is_first,
        )
        self._domains = consistency.run()
        self._statistics.pruned += consistency.pruned
        if consistency.emptied is not None:
            return Failure(gave_up=False, causes=tuple(consistency.causes()), supply=self._supply)
        self._assumed = None if is_first else self._assume(involved)
        return None

    def _assume(self, involved: Iterable[NormalizedName]) -> Mapping[NormalizedName, Domain] | None:
        """Return what is left where the user gets the most preferred candidates; None where that cannot be."""
        consistency = Consistency(
            self._supply,
            involved,
            self._policy.consistency_facts_later,
            self._limits,
            versions=self._policy.consistency_versions,
            assume=True,
        )
        domains = consistency.run()
        return domains if consistency.emptied is None else None


def _collect(supply: Supply, mapping: Mapping[str, Candidate]) -> Solved | None:
    """Return what the roots reach in *mapping*, or None where an edge is not satisfied by its pin.

    The walk is iterative and our own: resolvelib's recursive one fails on orphaned cycles.
    """
    reached: dict[str, Candidate] = {}
    demands: dict[NormalizedName, list[Edge]] = {}
    todo = list(supply.roots)
    while todo:
        edge = todo.pop()
        candidate = mapping.get(edge.key)
        if candidate is None or not supply.is_met(edge, candidate):
            return None
        if edge.exact is None:
            demands.setdefault(edge.project, []).append(edge)
        if edge.key not in reached:
            reached[edge.key] = candidate
            todo += supply.edges_of(candidate)
    if supply.reading.needs:
        return None
    nodes: dict[NormalizedName, list[Candidate]] = {}
    for candidate in reached.values():
        nodes.setdefault(candidate.project, []).append(candidate)
    raised = supply.judge.raised.items()
    warnings = [f"the override {o} replaces nothing: nobody asks for it" for o in supply.replacing.unused_overrides()]
    warnings += [
        f"the exclude {name} leaves nothing out: nobody asks for it" for name in supply.replacing.unused_excludes()
    ]
    warnings += [
        f"the marker {shorten(text)!r} was taken as not applicable: {shorten(reason)}" for text, reason in raised
    ]
    pins = []
    for project in sorted(nodes):
        pool = supply.pool(project)
        assert pool is not None, "its page is known, since nothing is needed"
        pins.append(_pin(supply, pool, nodes[project], supply.admitted(pool, demands.get(project, ())), warnings))
    for pin in pins:
        warnings += _building_notes(pin)
    return Solved(
        pins=tuple(pins),
        roots=_texts(supply.roots),
        markers=supply.judge.evaluated(),
        pythons=tuple(sorted(supply.pythons)),
        warnings=tuple(warnings),
    )


def _building_notes(pin: ResolvedPin) -> Iterator[str]:
    release = f"{pin.project} {pin.version}"
    if pin.plan is not None and pin.plan.place is not None:
        yield f"the build backend of {release} was asked on {pin.plan.place}, not on the target's own"
    if pin.plan is not None and pin.plan.is_late:
        yield f"what {release} is built in is newer than the sdist: nothing of its time can build it"


def _texts(edges: Sequence[Edge]) -> dict[str, tuple[str, ...]]:
    texts: dict[str, set[str]] = {}
    for edge in edges:
        if edge.exact is None:
            texts.setdefault(edge.project, set()).add(edge.text)
    return {project: tuple(sorted(found)) for project, found in sorted(texts.items())}


def _pin(supply: Supply, pool: Pool, nodes: list[Candidate], admitted: int, warnings: list[str]) -> ResolvedPin:
    base = next(c for c in nodes if not c.extra)
    depset: Any = supply.metadata(pool.page, base.row)
    extras = tuple(sorted(c.extra for c in nodes if c.extra))
    normal = {normalize_extra(e) for e in depset[2]} if extras else set()
    for extra in extras:
        if extra not in normal:
            offered = f"it offers {shorten(', '.join(sorted(normal)), 500)}" if normal else "it offers none"
            warnings.append(f"{base.project} {base.version} has no extra {shorten(extra)!r}; {offered}")
    if pool.yanked[base.provider] >> base.rank & 1:
        warnings.append(f"{base.project} {base.version} was yanked")
    rows = pool.files[base.provider][base.rank]
    best = pool.row(base.rank, base.provider)
    edges = [edge for node in nodes for edge in supply.edges_of(node)]
    return ResolvedPin(
        project=base.project,
        version=base.version,
        provider=base.provider,
        extras=extras,
        page=pool.page,
        rows=(best, *(row for row in rows if row != best)),
        dependencies=_texts(edges),
        passed_over=_passed_over(pool, base, admitted),
        plan=supply.plan(pool.page, best),
    )


def _passed_over(pool: Pool, base: Candidate, admitted: int) -> str | None:
    """Return the newest stable version that the provider order alone kept from being taken, ``2.4.0 (sdist)``."""
    if admitted.bit_length() <= base.rank + 1:
        return None
    newer = admitted & ~((1 << (base.rank + 1)) - 1) & ~pool.ranks.prereleases
    best: tuple[int, str] | None = None
    for provider in pool.providers:
        mask = pool.masks[provider] & newer
        if provider != base.provider and mask and (best is None or mask.bit_length() - 1 > best[0]):
            best = (mask.bit_length() - 1, provider)
    return None if best is None else f"{pool.page.versions[best[0]]} ({best[1]})"
