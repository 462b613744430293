"""The adapter between mach's candidates and resolvelib's search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from resolvelib import AbstractProvider, BaseReporter, ResolutionTooDeep
from resolvelib.resolvers import Resolution

from .candidates import Candidate, Pool
from .edges import UNUSABLE, Edge
from .limits import Limits
from .names import NormalizedName
from .statistics import Statistics
from .supply import Supply

__all__ = ["Bridge", "Restart", "Search", "Watch"]

#: Projects and extras in one solution; resolvelib keeps a copy of all pins for each of them.
MOST_PINS = 4_000
#: Ranks that are left of a project, by provider.
Domain = Mapping[str, int]


class _Matches(Sequence[Candidate]):
    """Candidates that are made each time they are looked at, for the pins as they are then.

    A sequence, because resolvelib keeps what a callable gave when its truth was asked.

    :param surely: there is one, whatever the pins are: resolvelib asks that of every requirement of every candidate.
    """

    __slots__ = ("_make", "_surely")

    def __init__(self, make: Callable[[], Iterator[Candidate]], surely: bool) -> None:
        self._make = make
        self._surely = surely

    def __iter__(self) -> Iterator[Candidate]:
        return self._make()

    def __bool__(self) -> bool:
        return self._surely or next(self._make(), None) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self._make())

    def __getitem__(self, index: Any) -> Any:
        return list(self._make())[index]


class Bridge(AbstractProvider[Edge, Candidate, str]):
    """Answers resolvelib's questions from a :class:`Supply`.

    Pins are *sticky*: a requirement that contradicts a current pin conflicts at once,
    where stock resolvelib 1.2.1 would silently redo the pin and, in cycles, lose
    dependencies or never end (its issue 206). In the complete mode backtracking is
    chronological as well: during a conflict every candidate claims the conflict's
    causes (see :class:`Watch`), so that no decision is jumped over.

    Unknown facts are never backtracked over: an unknown project is a candidate without
    dependencies, the need is recorded in the reading, and the result is thrown away.

    :param domains: what arc consistency left of some projects.
    :param late: projects that are decided after the others, the higher the later.
    :param limits: which providers projects may come from; None: all that the policy allows.
    """

    def __init__(
        self,
        supply: Supply,
        *,
        domains: Mapping[NormalizedName, Domain],
        late: Mapping[NormalizedName, int],
        limits: Limits | None = None,
    ) -> None:
        self.supply = supply
        self._domains = domains
        self._late = late
        self._limits = limits
        #: Current pins: the mapping of resolvelib's newest state.
        self.pins: Mapping[str, Candidate] = {}
        #: The requirements of the conflict that is being resolved, in the complete mode; empty otherwise.
        self.conflict: list[Edge] = []
        #: Sort keys of the nodes, see :meth:`get_preference`.
        self._urgency: dict[str, tuple[bool, bool, bool, bool, str]] = {}
        # the user's projects before others, but not in the order of the lines: however a request is
        # written, it has the same answer
        self._asked = frozenset(edge.key for edge in supply.roots)

    def identify(self, requirement_or_candidate: Edge | Candidate) -> str:
        """Return the node that a requirement asks for or a candidate stands for."""
        return requirement_or_candidate.key

    def get_preference(self, identifier: str, *_: Any, **__: Any) -> Any:
        """Return the sort key of *identifier*: pinned, bounded, the user's own, any specifier, name (nearly as pip)."""
        # an unknown project has no key: nothing was matched
        return self._urgency.get(identifier) or (True, True, identifier not in self._asked, True, identifier)

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> Iterable[str]:
        """Return the one node to decide next.

        An extra is decided right after its base, never before. Projects that were found to be
        decided too early come last; nodes of the last conflict come first; then see :meth:`get_preference`.
        """
        causes = {c.requirement.key for c in backtrack_causes}
        causes.update(c.parent.key for c in backtrack_causes if c.parent is not None)
        late, urgency, preference = self._late, self._urgency, self.get_preference
        best: tuple[Any, str] | None = None
        for key in identifiers:
            place = 0
            if key[-1] == "]":
                if key.partition("[")[0] not in resolutions:
                    continue
                place = -1
            elif late:
                place = late.get(NormalizedName(key), 0)
            rank = (place, key not in causes, urgency.get(key) or preference(key))
            if best is None or rank < best[0]:
                best = (rank, key)
        assert best is not None, "an extra without its base"
        return (best[1],)

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Edge]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Sequence[Candidate]:
        """Return the candidates of *identifier* that meet its requirements, most preferred first."""
        if identifier == UNUSABLE:
            return ()
        edges = list(requirements[identifier])
        bad = set(incompatibilities[identifier])
        pin = self.pins.get(identifier)
        if pin is not None and pin not in bad:
            return (pin,) if all(self.supply.is_met(e, pin) for e in edges) else ()
        first = edges[0]
        pool = self.supply.pool(first.project)
        if pool is None:
            unknown = Candidate(identifier, first.project, first.extra, -1, "", -1, "?")
            return () if unknown in bad else (unknown,)
        if first.extra:
            edges += requirements[str(first.project)]
        return self._matches(identifier, first, edges, pool, bad)

    def _matches(
        self, key: str, first: Edge, edges: list[Edge], pool: Pool, bad: set[Candidate]
    ) -> Sequence[Candidate]:
        supply = self.supply
        pinned = bounded = stated = False
        bound: set[str] = set()
        for edge in edges:
            flags = edge.flags
            pinned, bounded, stated = pinned or flags.pinned, bounded or flags.bounded, stated or flags.stated
            if edge.provider is not None:
                bound.add(edge.provider)
        self._urgency[key] = (not pinned, not bounded, key not in self._asked, not stated, key)
        yanked, preferred = supply.yanked(pool), supply.preferred(pool)
        domain = self._domains.get(first.project)
        allowed = pool.providers if self._limits is None else self._limits.allowed(pool)
        usable = pool.available(supply.admitted(pool, edges), yanked)
        if preferred is not None and not (usable >> preferred[0] & 1 and bound <= {preferred[1]}):
            preferred = None

        def generate() -> Iterator[Candidate]:
            base = self.pins.get(str(first.project)) if first.extra else None
            for rank, provider in pool.ordered(usable, yanked, preferred):
                if provider not in allowed or not bound <= {provider}:
                    continue
                if domain is not None and not domain.get(provider, 0) >> rank & 1:
                    continue
                if base is not None and (rank, provider) != (base.rank, base.provider):
                    continue
                candidate = supply.candidate(pool, rank, provider, first.extra)
                if candidate not in bad:
                    yield candidate

        surely = False
        if not bad and not first.extra:
            for provider in pool.providers:
                if provider in allowed and bound <= {provider}:
                    mask = (pool.masks[provider] | pool.yanked[provider] & yanked) & usable
                    if mask if domain is None else mask & domain.get(provider, 0):
                        surely = True
                        break
        return _Matches(generate, surely)

    def is_satisfied_by(self, requirement: Edge, candidate: Candidate) -> bool:
        """Return whether *candidate* meets *requirement*."""
        return self.supply.is_met(requirement, candidate)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Edge]:
        """Return what *candidate* requires, and in complete mode during a conflict its causes as well."""
        edges = self.supply.edges_of(candidate)
        return edges + self.conflict if self.conflict else edges


class Search(Resolution[Edge, Candidate, str]):
    """resolvelib's search, spared a question that it asks about every node twice a round, and slow copies.

    Pins are sticky and a candidate never asks for its own node, so a pin meets the requirements
    of its node for as long as it stands, and whether there is one is all there is to know.
    Results are verified edge by edge afterwards.
    """

    def _is_current_pin_satisfying(self, name: str, criterion: Any) -> bool:
        return name in self._states[-1].mapping  # asked ten thousand times: past the property `state`

    def _push_new_state(self) -> None:
        base = self._states[-1]
        # dictionaries keep the order as well, and are copied in a fifth of the time
        self._states.append(type(base)(dict(base.mapping), base.criteria.copy(), base.backtrack_causes[:]))


class Restart(Exception):
    """The search is better begun anew with what was learned: raised out of resolvelib by :class:`Watch`."""


class Watch(BaseReporter[Edge, Candidate, str]):
    """Keeps the bridge's view of the pins current, counts, and stops a search that goes wrong.

    :param complete: make backtracking chronological, and never stop.
    :param most_conflicts: dead ends after which the search is stopped; None for no limit.
    :param most_rejections: rejections of candidates of one project by another one's pin after
        which the latter counts as decided too early; None for no limit.
    :param put_off: (culprit, victim) pairs that were found before: where the culprit gives way to
        the victim now, that is as it should be.
    """

    def __init__(
        self,
        bridge: Bridge,
        statistics: Statistics,
        *,
        complete: bool,
        most_conflicts: int | None = None,
        most_rejections: int | None = None,
        put_off: Collection[tuple[NormalizedName, NormalizedName]] = (),
    ) -> None:
        self._bridge = bridge
        self._put_off = put_off
        self._statistics = statistics
        #: Whether backtracking is chronological.
        self.is_complete = complete
        self._most_conflicts = most_conflicts
        self._most_rejections = most_rejections
        self._pairs: Counter[tuple[NormalizedName, NormalizedName]] = Counter()
        #: (project, whose candidate contradicted it) of the candidates turned away since the last pin.
        self._contradicted: list[tuple[NormalizedName, NormalizedName | None]] = []
        self.conflicts = 0
        #: The requirements and candidates of the dead ends so far, projects in the order of appearance.
        self.involved: dict[NormalizedName, None] = {}
        #: The project that was decided too early, once that is found.
        self.culprit: NormalizedName | None = None
        #: The project that it turned away.
        self.victim: NormalizedName | None = None

    def ending_round(self, index: int, state: Any) -> None:
        """Take over the state that the next round starts from.

        :raises ResolutionTooDeep: where a solution would have more than :data:`MOST_PINS` pins.
        """
        if len(state.mapping) > MOST_PINS:
            raise ResolutionTooDeep(index)
        self._statistics.rounds += 1
        self._bridge.pins = state.mapping
        self._bridge.conflict = []
        self._contradicted.clear()

    def rejecting_candidate(self, criterion: Any, candidate: Candidate) -> None:
        """Count whose pin it was that did not fit *candidate*.

        :raises Restart: where one pin turned away too many candidates of one project.
        """
        self._statistics.rejections += 1
        if self._most_rejections is None:
            return
        information = list(criterion.information)
        edge: Edge = information[0].requirement
        if edge.key in self._bridge.pins:
            self._count(candidate.project, edge.project)
        else:
            self._contradicted.append((candidate.project, self._contradicting(information, candidate)))

    def _contradicting(self, information: list[Any], candidate: Candidate) -> NormalizedName | None:
        """Return the project whose candidate asks for what *candidate* rules out; None where only the user does."""
        supply = self._bridge.supply
        edge: Edge = information[0].requirement
        pool = None if edge.key == UNUSABLE else supply.pool(edge.project)
        if pool is None:
            return None
        admitted = supply.admitted(pool, (i.requirement for i in information if i.parent == candidate))
        for one in information:
            if one.parent is not None and one.parent != candidate and not supply.mask(one.requirement, pool) & admitted:
                return NormalizedName(one.parent.project)
        return None

    def _count(self, project: NormalizedName, culprit: NormalizedName) -> None:
        """Count that *culprit* was decided too early for *project*.

        :raises Restart: where it was too often.
        """
        if culprit == project or (project, culprit) in self._put_off:
            return
        self._pairs[project, culprit] += 1
        if self._most_rejections is not None and self._pairs[project, culprit] >= self._most_rejections:
            self.culprit, self.victim = culprit, project
            self.involved.update(dict.fromkeys((project, culprit)))
            raise Restart

    def resolving_conflicts(self, causes: Iterable[Any]) -> None:
        """Count a dead end; in complete mode, make the next backjump stop at once.

        :raises Restart: where there were too many, or too many of one project because of one other.
        """
        self.conflicts += 1
        self._statistics.conflicts += 1
        for cause in causes:
            self.involved[cause.requirement.project] = None
            if cause.parent is not None:
                self.involved[cause.parent.project] = None
        if self.is_complete:
            self._bridge.conflict = [c.requirement for c in causes]
        elif self._most_conflicts is not None and self.conflicts >= self._most_conflicts:
            raise Restart
        contradicted = set(self._contradicted)
        self._contradicted.clear()
        if len(contradicted) == 1:
            project, culprit = contradicted.pop()
            if culprit is not None and not self.is_complete:
                self._count(project, culprit)
