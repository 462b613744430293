"""The adapter between mach's candidates and resolvelib's search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import SpecifierSet
from resolvelib import AbstractProvider, BaseReporter

from .candidates import Candidate, Pool, requires_python_admits
from .dependencies import MarkerJudge, dependencies_of
from .names import NormalizedName
from .policy import Policy
from .reading import Reading
from .requirement import Requirement
from .target import Target

__all__ = ["UNUSABLE", "Bridge", "Edge", "Watch"]

#: Identity of the node that has no candidates: requiring it makes a candidate unusable.
UNUSABLE = "<unusable>"


class Edge:
    """One requirement in the search: what is asked of one node, and by whom."""

    __slots__ = ("exact", "extra", "key", "mask", "origin", "project", "specifier", "text")

    def __init__(
        self,
        project: NormalizedName,
        extra: str,
        specifier: SpecifierSet,
        text: str,
        origin: str,
        exact: tuple[int, str] | None = None,
    ) -> None:
        self.project = project
        self.extra = extra
        self.key = f"{project}[{extra}]" if extra else str(project)
        self.specifier = specifier
        self.text = text
        self.origin = origin
        #: (rank, provider) that alone satisfies the edge: from an extra's node to its base.
        self.exact = exact
        #: Mask of the ranks that satisfy the specifier; -1 until the project's page is known.
        self.mask = -1

    def __repr__(self) -> str:
        return f"Edge({self.text!r} from {self.origin!r})"


class _Flags:
    """What a specifier set says about the order in which projects are decided."""

    __slots__ = ("bounded", "pinned", "stated")

    def __init__(self, specifiers: SpecifierSet) -> None:
        self.stated = len(specifiers) > 0
        self.pinned = any(
            s.operator == "===" or (s.operator == "==" and not s.version.endswith(".*")) for s in specifiers
        )
        self.bounded = any(
            s.operator in ("<", "<=", "~=") or (s.operator == "==" and s.version.endswith(".*")) for s in specifiers
        )


class Bridge(AbstractProvider[Edge, Candidate, str]):
    """Answers resolvelib's questions from a reading of the catalog.

    Pins are *sticky*: a requirement that contradicts a current pin conflicts at once,
    where stock resolvelib 1.2.1 would silently redo the pin and, in cycles, lose
    dependencies or never end (its issue 206). With *complete* set, backtracking is
    chronological as well: during a conflict every candidate claims the conflict's
    causes, so that no decision is jumped over.

    Unknown facts are never backtracked over: an unknown project is a candidate without
    dependencies, the need is recorded in the reading, and the result is thrown away.
    """

    def __init__(
        self,
        reading: Reading,
        target: Target,
        policy: Policy,
        judge: MarkerJudge,
        *,
        roots: Sequence[Requirement],
        constraints: Sequence[Requirement],
        preferences: Mapping[str, tuple[str, str]],
        complete: bool,
    ) -> None:
        self._reading = reading
        self._target = target
        self._policy = policy
        self._judge = judge
        self._preferences = preferences
        self._complete = complete
        #: Current pins: the mapping of resolvelib's newest state.
        self.pins: Mapping[str, Candidate] = {}
        #: The requirements of the conflict that is being resolved; empty otherwise.
        self.conflict: list[Edge] = []
        self._pools: dict[NormalizedName, Pool | None] = {}
        self._edges: dict[Candidate, list[Edge]] = {}
        self._problems: dict[Candidate, str] = {}
        self._flags: dict[SpecifierSet, _Flags] = {}
        self._node_flags: dict[str, tuple[bool, bool, bool]] = {}
        self._constraints: dict[NormalizedName, list[Edge]] = {}
        #: Requires-Python texts that were evaluated.
        self.pythons: dict[str, bool] = {}
        for requirement in constraints:
            if self._judge.holds(requirement.marker):
                edge = Edge(requirement.project, "", requirement.specifier, str(requirement), requirement.origin)
                self._constraints.setdefault(requirement.project, []).append(edge)
        self.root_edges: list[Edge] = []
        self._order: dict[str, int] = {}
        for requirement in roots:
            if self._judge.holds(requirement.marker):
                self.root_edges += self._split(
                    requirement.project,
                    requirement.extras,
                    requirement.specifier,
                    _without_marker(requirement),
                    requirement.origin,
                )
        for edge in self.root_edges:
            self._order.setdefault(edge.key, len(self._order))
        self._yanked_allowed: dict[NormalizedName, list[Edge]] = {}
        for edge in self.root_edges:
            if self._flags_of(edge.specifier).pinned:
                self._yanked_allowed.setdefault(edge.project, []).append(edge)
        reading.load({edge.project for edge in self.root_edges})

    # ---- what the catalog says

    def admits_python(self, text: str) -> bool:
        """Return whether Requires-Python *text* admits the target's Python; remembered for the interval."""
        verdict = self.pythons.get(text)
        if verdict is None:
            verdict = self.pythons[text] = requires_python_admits(text, self._target.python)
        return verdict

    def pool(self, project: NormalizedName) -> Pool | None:
        """Return the eligible files of *project*, or None where its page is unknown (the need is recorded)."""
        try:
            return self._pools[project]
        except KeyError:
            pass
        page = self._reading.page(project)
        pool = None if page is None else Pool(page, self._target, self._policy, self.admits_python)
        self._pools[project] = pool
        return pool

    def yanked_mask(self, pool: Pool) -> int:
        """Return the ranks that may be taken although yanked: a root ``==`` names them, or a pin has them."""
        mask = 0
        for edge in self._yanked_allowed.get(pool.page.project, ()):
            mask |= pool.ranks.mask(edge.specifier)
        preferred = self._preferred(pool)
        return mask if preferred is None else mask | 1 << preferred[0]

    def _preferred(self, pool: Pool) -> tuple[int, str] | None:
        pin = self._preferences.get(pool.page.project)
        if pin is None or pin[1] not in pool.masks:
            return None
        try:
            rank = pool.page.versions.index(pin[0])
        except ValueError:
            return None
        return (rank, pin[1]) if rank in pool.files[pin[1]] else None

    def _flags_of(self, specifiers: SpecifierSet) -> _Flags:
        flags = self._flags.get(specifiers)
        if flags is None:
            flags = self._flags[specifiers] = _Flags(specifiers)
        return flags

    # ---- edges

    @staticmethod
    def _split(
        project: NormalizedName, extras: Iterable[str], specifier: SpecifierSet, text: str, origin: str
    ) -> list[Edge]:
        edges = [Edge(project, "", specifier, text, origin)]
        edges += [Edge(project, extra, specifier, text, origin) for extra in extras]
        return edges

    def problem_of(self, candidate: Candidate) -> str | None:
        """Return why *candidate* cannot be used at all, or None; only known after its dependencies were asked for."""
        return self._problems.get(candidate)

    def edges_of(self, candidate: Candidate) -> list[Edge]:
        """Return what *candidate* requires on the target."""
        edges = self._edges.get(candidate)
        if edges is None:
            edges = self._edges[candidate] = self._edges_now(candidate)
        return edges

    def _edges_now(self, candidate: Candidate) -> list[Edge]:
        edges: list[Edge] = []
        origin = str(candidate)
        if candidate.extra:
            edges.append(
                Edge(
                    candidate.project,
                    "",
                    SpecifierSet(),
                    f"{candidate.project}=={candidate.version}",
                    origin,
                    exact=(candidate.rank, candidate.provider),
                )
            )
        pool = self.pool(candidate.project)
        if pool is None or candidate.row < 0:
            return edges
        depset: Any = self._reading.depset(pool.page, candidate.row)
        if depset is None:
            return edges
        _, lines, _, python, failure = depset
        problem = failure
        if problem is None and python is not None and not self.admits_python(python):
            problem = f"it requires Python {python}"
        if problem is None:
            dependencies, problem = dependencies_of(lines, candidate.extra, self._judge)
            self._reading.load({d.project for d in dependencies})
            for dependency in dependencies:
                edges += self._split(
                    dependency.project, dependency.extras, dependency.specifier, dependency.text, origin
                )
        if problem is not None:
            self._problems[candidate] = problem
            unusable = Edge(candidate.project, "", SpecifierSet(), problem, origin)
            unusable.key = UNUSABLE
            edges.append(unusable)
        return edges

    def _mask(self, edge: Edge, pool: Pool) -> int:
        if edge.mask < 0:
            edge.mask = pool.ranks.mask(edge.specifier) if edge.exact is None else 1 << edge.exact[0]
        return edge.mask

    def admitted(self, pool: Pool, edges: Iterable[Edge]) -> int:
        """Return the ranks of *pool* that all *edges* and the user's constraints admit."""
        mask = pool.ranks.all
        for edge in (*edges, *self._constraints.get(pool.page.project, ())):
            mask &= self._mask(edge, pool)
        return mask

    # ---- resolvelib's questions

    def identify(self, requirement_or_candidate: Edge | Candidate) -> str:
        """Return the node that a requirement asks for or a candidate stands for."""
        return requirement_or_candidate.key

    def get_preference(self, identifier: str, *_: Any, **__: Any) -> Any:
        """Return the sort key of *identifier*; unused, since the narrowing decides alone."""
        return self._preference(identifier)

    def _preference(self, key: str) -> tuple[bool, bool, int, bool, str]:
        pinned, bounded, stated = self._node_flags.get(key, (False, False, False))
        return (not pinned, not bounded, self._order.get(key, 1 << 30), not stated, key)

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> Iterable[str]:
        """Return the one node to decide next.

        An extra is decided right after its base, never before; nodes of the last conflict
        come next; then pinned, bounded, the user's order, any specifier, name (pip's order).
        """
        causes = {c.requirement.key for c in backtrack_causes}
        causes.update(c.parent.key for c in backtrack_causes if c.parent is not None)
        best: tuple[Any, str] | None = None
        for key in identifiers:
            base, bracket, _ = key.partition("[")
            if bracket:
                if base in resolutions:
                    return (key,)
                continue
            rank = (key not in causes, self._preference(key))
            if best is None or rank < best[0]:
                best = (rank, key)
        assert best is not None, "an extra without its base"
        return (best[1],)

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Edge]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Iterable[Candidate] | Callable[[], Iterator[Candidate]]:
        """Return the candidates of *identifier* that meet its requirements, most preferred first."""
        if identifier == UNUSABLE:
            return ()
        edges = list(requirements[identifier])
        bad = set(incompatibilities[identifier])
        pin = self.pins.get(identifier)
        if pin is not None and pin not in bad:
            return (pin,) if all(self.is_satisfied_by(e, pin) for e in edges) else ()
        first = edges[0]
        pool = self.pool(first.project)
        if pool is None:
            unknown = Candidate(identifier, first.project, first.extra, -1, "", -1, "?")
            return () if unknown in bad else (unknown,)
        if first.extra:
            edges += requirements[str(first.project)]
        edges += self._constraints.get(first.project, ())
        return self._matches(identifier, first, edges, pool, bad)

    def _matches(
        self, key: str, first: Edge, edges: list[Edge], pool: Pool, bad: set[Candidate]
    ) -> Callable[[], Iterator[Candidate]]:
        mask, providers = pool.ranks.all, None
        pinned = bounded = stated = False
        for edge in edges:
            mask &= self._mask(edge, pool)
            if edge.exact is not None:
                providers = edge.exact[1]
            flags = self._flags_of(edge.specifier)
            pinned |= flags.pinned
            bounded |= flags.bounded
            stated |= flags.stated
        self._node_flags[key] = (pinned, bounded, stated)
        yanked = self.yanked_mask(pool)
        preferred = self._preferred(pool)
        if preferred is not None and not mask >> preferred[0] & 1:
            preferred = None
        usable = pool.available(mask, yanked)

        def generate() -> Iterator[Candidate]:
            base = self.pins.get(str(first.project)) if first.extra else None
            for rank, provider in pool.ordered(usable, yanked, preferred):
                if providers is not None and provider != providers:
                    continue
                if base is not None and (rank, provider) != (base.rank, base.provider):
                    continue
                candidate = Candidate(
                    key, first.project, first.extra, rank, provider, pool.row(rank, provider), pool.page.versions[rank]
                )
                if candidate not in bad:
                    yield candidate

        return generate

    def is_satisfied_by(self, requirement: Edge, candidate: Candidate) -> bool:
        """Return whether *candidate* meets *requirement*."""
        if candidate.rank < 0:
            return True
        if requirement.exact is not None:
            return requirement.exact == (candidate.rank, candidate.provider)
        mask = requirement.mask
        if mask < 0:
            pool = self.pool(requirement.project)
            if pool is None:
                return True
            mask = self._mask(requirement, pool)
        return bool(mask >> candidate.rank & 1)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Edge]:
        """Return what *candidate* requires, and in complete mode during a conflict its causes as well."""
        edges = self.edges_of(candidate)
        return edges + self.conflict if self.conflict else edges


def _without_marker(requirement: Requirement) -> str:
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    return f"{requirement.project}{extras}{requirement.specifier}"


class Watch(BaseReporter[Edge, Candidate, str]):
    """Keeps the bridge's view of the pins current, and counts rounds and conflicts."""

    def __init__(self, bridge: Bridge, complete: bool) -> None:
        self._bridge = bridge
        self._complete = complete
        self.rounds = 0
        self.conflicts = 0

    def ending_round(self, index: int, state: Any) -> None:
        """Take over the state that the next round starts from."""
        self.rounds = index + 1
        self._bridge.pins = state.mapping
        self._bridge.conflict = []

    def resolving_conflicts(self, causes: Iterable[Any]) -> None:
        """Count a conflict; in complete mode, make the next backjump stop at once."""
        self.conflicts += 1
        if self._complete:
            self._bridge.conflict = [c.requirement for c in causes]
