"""What can be had for one target under one policy: candidates, their requirements, and who wants what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet

from .candidates import Candidate, Pool, make_pool, requires_python_admits
from .catalog import KIND, SDIST, Page
from .dependencies import Dependency, MarkerJudge, dependencies_of
from .direct import is_same_place, parse_reference
from .edges import UNUSABLE, Edge
from .errors import InputError
from .names import NormalizedName
from .policy import Policy, Rules
from .reading import Reading
from .replacing import Replacing, without_marker
from .requirement import Override, Requirement
from .target import Target
from .unversioned import TAKES_A_VERSION, UNVERSIONED, read_version, refuse_source, with_version

if TYPE_CHECKING:
    from .building import Plan

__all__ = ["Supply"]

#: Finds how the sdist in a row of a page is built for a target; None where facts are missing.
FindPlan = Callable[[Page, int, Target], "Plan | None"]


class Supply:
    """Pools and edges on one target, computed once and shared by every stage of a resolution.

    :param preferences: existing pins, project -> (version, provider).
    :param find_plan: finds how an sdist is built; None where none is.
    """

    def __init__(
        self,
        reading: Reading,
        target: Target,
        policy: Policy,
        *,
        roots: Sequence[Requirement],
        constraints: Sequence[Requirement] = (),
        overrides: Sequence[Override] = (),
        excludes: Iterable[NormalizedName] = (),
        preferences: Mapping[str, tuple[str, str]] | None = None,
        find_plan: FindPlan | None = None,
    ) -> None:
        self._find_plan = find_plan
        self.reading = reading
        self.target = target
        self.policy = policy
        self.judge = MarkerJudge(target.environment)
        self._preferences = preferences or {}
        self._pools: dict[NormalizedName, Pool | None] = {}
        self._edges: dict[Candidate, list[Edge]] = {}
        #: Projects whose pages were loaded with others.
        self._loaded: set[NormalizedName] = set()
        self._preferred: dict[NormalizedName, tuple[int, str] | None] = {}
        self._yanked: dict[NormalizedName, int] = {}
        #: Requires-Python texts that were evaluated.
        self.pythons: dict[str, bool] = {}
        #: Requirements that bind a project only where something else asks for it.
        self.constraints: dict[NormalizedName, list[Edge]] = {}
        for requirement in constraints:
            if self.judge.holds(requirement.marker):
                edge = Edge(requirement.project, "", requirement.specifier, str(requirement), requirement.origin)
                self.constraints.setdefault(requirement.project, []).append(edge)
        #: What overrides and excludes make of all that is required.
        self.replacing = Replacing(overrides, excludes, self.judge)
        #: Projects that a direct reference of the user's provides -> its normal form.
        self.directs: dict[NormalizedName, str] = {}
        self._asked = (*roots, *constraints)
        self._find_directs(self._asked)
        #: What the user asks for on this target, one edge for each node.
        self.roots: list[Edge] = []
        for requirement in roots:
            if self.judge.holds(requirement.marker):
                extras, text = requirement.extras, without_marker(requirement)
                dependency = Dependency(requirement.project, extras, requirement.specifier, text)
                self.roots += self.replacing.split(dependency, None, requirement.origin)
        reading.load({edge.project for edge in self.roots} - self.directs.keys())

    def _find_directs(self, requirements: Iterable[Requirement]) -> None:
        stated: dict[NormalizedName, Requirement] = {}
        for requirement in requirements:
            if requirement.url is None or not self.judge.holds(requirement.marker):
                continue
            if self.replacing.overrides_everywhere(requirement.project):
                continue
            first = stated.setdefault(requirement.project, requirement)
            if first.url != requirement.url:
                raise InputError(
                    "conflicting-references",
                    f"{requirement.project} is asked for from two places",
                    context=[f"{r.origin}: {without_marker(r)}" for r in (first, requirement)],
                    hint="remove one of them, or let markers tell apart for which target each is",
                )
            self.directs[requirement.project] = requirement.url

    # ---- pools

    def admits_python(self, text: str) -> bool:
        """Return whether Requires-Python *text* admits the target's Python; remembered for the interval."""
        verdict = self.pythons.get(text)
        if verdict is None:
            verdict = self.pythons[text] = requires_python_admits(text, self.target.python)
        return verdict

    def pool(self, project: NormalizedName) -> Pool | None:
        """Return the eligible files of *project*, or None where its page is unknown (the need is recorded)."""
        try:
            return self._pools[project]
        except KeyError:
            pass
        reference = self.directs.get(project)
        rules = self._rules_for(project)
        page = self._page(project, rules) if reference is None else self._direct_page(reference, project)
        pool = None
        if page is not None:
            pool = make_pool(page, self.target, rules)
            for text in page.pythons:
                self.admits_python(text)
        self._pools[project] = pool
        return pool

    def _page(self, project: NormalizedName, rules: Rules) -> Page | None:
        """Return what is known of *project*: of an index what may come from one, of nixpkgs where that is allowed."""
        if "nixpkgs" not in rules.providers:
            return self.reading.page(project)
        more = self.reading.nixpkgs(project, self.target)
        if rules.providers == ("nixpkgs",):
            return more
        base = self.reading.page(project)
        if base is None or more is None:
            return None
        from .nixpkgs_index import join_pages  # only where nixpkgs takes part

        return join_pages(base, more)

    def _direct_page(self, reference: str, project: NormalizedName) -> Page | None:
        """Return what a direct *reference* says of *project*: with the version that its backend tells, if it has none.

        None where facts are missing.

        :raises NoSolution: ``version-not-told``.
        """
        page = self.reading.direct(reference, project)
        if page is None or page.versions != [UNVERSIONED]:
            return page
        depset: Any = self.reading.depset(page, 0)
        if depset is None or depset[4] != TAKES_A_VERSION:
            return None if depset is None else page
        plan = self.plan(page, 0)
        if plan is None:
            return None
        version = None if plan.metadata[4] is not None else read_version(plan.metadata[5])
        if version is None:
            origins = [requirement.origin for requirement in self._asked if requirement.url == reference]
            raise refuse_source(parse_reference(reference).location, plan.metadata[4], origins)
        return with_version(page, version)

    def _rules_for(self, project: NormalizedName) -> Rules:
        asked = [edge for edge in self.roots if edge.project == project]
        named = any(edge.specifier.prereleases for edge in asked)
        rules = self.policy.rules_for(project, direct=bool(asked), named=named)
        if project in self.directs:
            # the user named this very artifact: no list of providers, no mode and no date stands in its way
            return replace(rules, providers=("wheel", "sdist"), prerelease="allow", as_of=None)
        return rules

    def preferred(self, pool: Pool) -> tuple[int, str] | None:
        """Return (rank, provider) of the existing pin of a project, where it still is there to be taken."""
        project = pool.page.project
        if project not in self._preferred:
            self._preferred[project] = self._find_preferred(pool)
        return self._preferred[project]

    def _find_preferred(self, pool: Pool) -> tuple[int, str] | None:
        pin = self._preferences.get(pool.page.project)
        if pin is None or pin[1] not in pool.masks:
            return None
        try:
            rank = pool.page.versions.index(pin[0])
        except ValueError:
            return None
        return (rank, pin[1]) if rank in pool.files[pin[1]] else None

    def yanked(self, pool: Pool) -> int:
        """Return the ranks that may be taken although yanked: a ``==`` of the user's names them, or a pin has them."""
        project = pool.page.project
        mask = self._yanked.get(project)
        if mask is None:
            mask = 0
            named = [edge for edge in self.roots if edge.project == project]
            # constraints and overrides, too: they are the user's own, and the pins of a foreign lock
            others = (*self.constraints.get(project, ()), *self.replacing.stated.get(project, ()))
            for edge in (*named, *others):
                if edge.flags.pinned:
                    mask |= pool.ranks.mask(edge.specifier, edge.flags.text)
            preferred = self.preferred(pool)
            if preferred is not None:
                mask |= 1 << preferred[0]
            self._yanked[project] = mask
        return mask

    def candidate(self, pool: Pool, rank: int, provider: str, extra: str = "") -> Candidate:
        """Return the candidate of *pool* that (rank, provider) and an extra name."""
        project = pool.page.project
        key = f"{project}[{extra}]" if extra else str(project)
        return Candidate(key, project, extra, rank, provider, pool.row(rank, provider), pool.page.versions[rank])

    # ---- edges

    def mask(self, edge: Edge, pool: Pool) -> int:
        """Return the ranks of *pool* that satisfy *edge*."""
        if edge.mask < 0:
            edge.mask = pool.ranks.mask(edge.specifier, edge.flags.text) if edge.exact is None else 1 << edge.exact[0]
        return edge.mask

    def admitted(self, pool: Pool, edges: Iterable[Edge]) -> int:
        """Return the ranks of *pool* that all *edges* and the user's constraints admit."""
        mask = pool.ranks.all
        for edge in (*edges, *self.constraints.get(pool.page.project, ())):
            mask &= self.mask(edge, pool)
        return mask

    def is_met(self, edge: Edge, candidate: Candidate) -> bool:
        """Return whether *candidate* satisfies *edge*; an unknown project satisfies everything."""
        if candidate.rank < 0:
            return True
        if edge.exact is not None:
            return edge.exact == (candidate.rank, candidate.provider)
        if edge.provider is not None and candidate.provider != edge.provider:
            return False
        mask = edge.mask
        if mask < 0:
            pool = self.pool(edge.project)
            if pool is None:
                return True
            mask = self.mask(edge, pool)
        return bool(mask >> candidate.rank & 1)

    def knows_pool(self, project: NormalizedName) -> bool:
        """Return whether the page of *project* was asked for before."""
        return project in self._pools

    def knows_edges(self, candidate: Candidate) -> bool:
        """Return whether what *candidate* requires was asked for before."""
        return candidate in self._edges

    def known_edges(self) -> Mapping[Candidate, Sequence[Edge]]:
        """Return what was asked for so far, by candidate."""
        return self._edges

    def known_pool(self, project: NormalizedName) -> Pool | None:
        """Return the pool of *project* where it was asked for before and is known."""
        return self._pools.get(project)

    def edges_of(self, candidate: Candidate) -> list[Edge]:
        """Ask for what *candidate* requires on the target."""
        edges = self._edges.get(candidate)
        if edges is None:
            edges = self._edges[candidate] = [self._settle_own(e, candidate) for e in self._find_edges(candidate)]
            edges[:] = [edge for edge in edges if edge.key != candidate.key]
        return edges

    def _settle_own(self, edge: Edge, candidate: Candidate) -> Edge:
        """Return *edge*; where it asks a candidate for another version of itself, one that nothing can meet."""
        if edge.key == candidate.key and not self.is_met(edge, candidate):
            text = f"it requires {edge.text}, which it is not"
            edge = Edge(candidate.project, "", SpecifierSet(), text, edge.origin)
            edge.key = UNUSABLE
        return edge

    @staticmethod
    def edge_to_base(candidate: Candidate) -> Edge:
        """Return the edge from an extra's node to the very candidate of its base."""
        text = f"{candidate.project}=={candidate.version}"
        exact = (candidate.rank, candidate.provider)
        return Edge(candidate.project, "", SpecifierSet(), text, str(candidate), exact=exact)

    def _find_edges(self, candidate: Candidate) -> Iterator[Edge]:
        origin = str(candidate)
        if candidate.extra:
            yield self.edge_to_base(candidate)
        pool = self.pool(candidate.project)
        if pool is None or candidate.row < 0:
            return
        depset: Any = self.metadata(pool.page, candidate.row)
        if depset is None:
            return
        _, lines, _, python, problem, _ = depset
        if problem is None and python is not None and not self.admits_python(python):
            problem = f"it requires Python {python}"
        if problem is None:
            dependencies, problem = dependencies_of(lines, candidate.extra, self.judge)
            new = {d.project for d in dependencies} - self._loaded
            if new:
                self._loaded |= new
                self.reading.load(new)
            # what nixpkgs has built was built with what nixpkgs has
            provider = "nixpkgs" if candidate.provider == "nixpkgs" else None
            for dependency in dependencies:
                if dependency.url is not None and not self._is_named(dependency, candidate.project):
                    problem = (
                        f"its requirement {dependency.text!r} names a URL that no requirement of yours names for "
                        f"{dependency.project}"
                    )
                    break
                yield from self.replacing.split(dependency, candidate.project, origin, provider)
        if problem is not None:
            unusable = Edge(candidate.project, "", SpecifierSet(), problem, origin)
            unusable.key = UNUSABLE
            yield unusable

    def metadata(self, page: Page, row: int) -> Sequence[Any] | None:
        """Ask for the metadata of the file in *row* of *page*: an entry of :attr:`Page.depsets`.

        That of an sdist says why it cannot be built, where it cannot; None where facts are missing.
        """
        page, row = page.source(row)
        plan = self.plan(page, row)
        if plan is not None:
            return plan.metadata
        if self._find_plan is not None and page.files[row][KIND] == SDIST:
            return None
        return self.reading.depset(page, row)

    def plan(self, page: Page, row: int) -> Plan | None:
        """Ask how the sdist in *row* of *page* is built; None for a wheel, and where facts are missing."""
        page, row = page.source(row)
        if self._find_plan is None or page.files[row][KIND] != SDIST:
            return None
        return self._find_plan(page, row, self.target)

    def _is_named(self, dependency: Dependency, parent: NormalizedName) -> bool:
        """Return whether the URL of a release's *dependency* is one that the user names, or does not count."""
        project = dependency.project
        if self.replacing.takes_away(project, parent):
            return True
        stated = self.directs.get(project)
        return stated is not None and dependency.url is not None and is_same_place(stated, dependency.url)
