"""Guesses at the facts that a resolution will ask for next, so that they are fetched ahead.

A wrong guess costs a download and changes no answer: a fact influences a run only if
the run asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from crawler.fill import MetadataRequest, PageRequest
from crawler.fill import Request as FetchRequest
from db.facts import MetadataFact, PageFact
from db.page import build_page
from db.state import ProjectState, apply_page
from resolver.candidates import Pool
from resolver.catalog import ID, METADATA, Page
from resolver.dependencies import Dependency, MarkerJudge, dependencies_of
from resolver.edges import SpecifierFlags
from resolver.names import NormalizedName
from resolver.policy import Policy
from resolver.target import make_target

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from resolver.requirement import Request

__all__ = ["Foresight"]

#: Larger sdists are fetched only where a resolution really asks for their metadata.
_LARGEST_SDIST = 2_000_000


class _Bounds:
    """What is known to be asked of each project on one target: by the user, and by files that were followed."""

    def __init__(self, request: Request, judge: MarkerJudge) -> None:
        self._users: dict[NormalizedName, dict[str, SpecifierSet]] = {}
        self._others: dict[NormalizedName, dict[str, SpecifierSet]] = {}
        overrides = [override.requirement for override in request.overrides if override.parent is None]
        self._replaced = {requirement.project for requirement in overrides}
        asked = [r for r in (*request.requirements, *request.constraints) if r.project not in self._replaced]
        for requirement in (*asked, *overrides):
            if judge.holds(requirement.marker):
                self._users.setdefault(requirement.project, {})[str(requirement.specifier)] = requirement.specifier

    def add(self, dependency: Dependency) -> None:
        """Take note of what a file asks for."""
        if dependency.project not in self._replaced:
            self._others.setdefault(dependency.project, {})[str(dependency.specifier)] = dependency.specifier

    def best(self, pool: Pool) -> tuple[int, str] | None:
        """Return the (rank, provider) that comes first of what all allow, else of what the user allows, else of all."""
        users = self._users.get(pool.page.project, {})
        others = self._others.get(pool.page.project, {})
        yanked = 0
        for text, specifiers in users.items():
            if SpecifierFlags(specifiers).pinned:
                yanked |= pool.ranks.mask(specifiers, text)
        for bounds in (users | others, users, {}):
            mask = pool.ranks.all
            for text, specifiers in bounds.items():
                mask &= pool.ranks.mask(specifiers, text)
            usable = pool.available(mask, yanked)
            if usable:
                return next(pool.ordered(usable, yanked, None))
        return None


class Foresight:
    """Follows pages to the most likely file, and metadata to the pages of its dependencies.

    :param request: what is resolved.
    :param known: tells which of some projects have a page that need not be fetched.
    """

    def __init__(self, request: Request, known: Callable[[Iterable[NormalizedName]], Iterable[NormalizedName]]) -> None:
        self._policy = Policy.of(request)
        self._targets = [make_target(system, python) for system in request.systems for python in request.pythons]
        self._judges = [MarkerJudge(target.environment) for target in self._targets]
        self._bounds = [_Bounds(request, judge) for judge in self._judges]
        self._direct = {requirement.project for requirement in request.requirements}
        self._named = {r.project for r in request.requirements if r.specifier.prereleases}
        #: Where dependencies are looked for first.
        self._index = request.indexes[0]
        self._known = known
        self._followed: set[NormalizedName] = set()
        self._extras: dict[NormalizedName, set[str]] = {}
        for requirement in request.requirements:
            if requirement.extras:
                self._extras.setdefault(requirement.project, set()).update(requirement.extras)

    def __call__(self, fact: PageFact | MetadataFact) -> Iterable[FetchRequest]:
        """Return what is likely to be asked for after *fact*."""
        return self._after_page(fact) if isinstance(fact, PageFact) else self._after_metadata(fact)

    def next_files(self, page: Page, file_id: int, count: int) -> list[int]:
        """Return the wheels of unknown metadata that a search which turns *file_id* down tries after it.

        :param count: how many at most, for each target.
        :return: ids of files of *page*, without repeats.
        """
        found: dict[int, None] = {}
        for target in self._targets:
            pool = Pool(page, target, self._policy.rules_for(page.project))
            order = pool.ordered(pool.available(pool.ranks.all, 0), 0, None)
            rows = [pool.row(rank, provider) for rank, provider in order if provider == "wheel"]
            ids = [page.files[row][ID] for row in rows]
            if file_id in ids:
                after = rows[ids.index(file_id) + 1 :]
                unknown = [page.files[row][ID] for row in after if page.files[row][METADATA] < 0]
                found.update(dict.fromkeys(unknown[:count]))
        return list(found)

    def _after_page(self, fact: PageFact) -> list[FetchRequest]:
        state = apply_page(ProjectState(index=fact.index, project=fact.project), fact)
        keys = list(state.files)
        page = build_page(state, {key: number for number, key in enumerate(keys)})
        requests: list[FetchRequest] = []
        direct, named = fact.project in self._direct, fact.project in self._named
        rules = self._policy.rules_for(fact.project, direct=direct, named=named)
        for target, bounds in zip(self._targets, self._bounds, strict=True):
            pool = Pool(page, target, rules)
            best = bounds.best(pool)
            if best is None:
                continue
            file = state.files[keys[page.files[pool.row(*best)][ID]]].listing
            if best[1] == "sdist" and (file.size is None or file.size > _LARGEST_SDIST):
                continue
            requests.append(MetadataRequest(index=fact.index, project=fact.project, file=file))
        return requests

    def _after_metadata(self, fact: MetadataFact) -> list[FetchRequest]:
        if fact.failure is not None:
            return []
        wanted: dict[NormalizedName, None] = {}
        for judge, bounds in zip(self._judges, self._bounds, strict=True):
            for extra in ("", *sorted(self._extras.get(fact.project, ()))):
                dependencies, _ = dependencies_of(fact.requires_dist, extra, judge)
                for dependency in dependencies:
                    if dependency.url is not None:
                        continue
                    wanted[dependency.project] = None
                    bounds.add(dependency)
                    if dependency.extras:
                        self._extras.setdefault(dependency.project, set()).update(dependency.extras)
        new = [project for project in wanted if project not in self._followed]
        self._followed.update(new)
        known = set(self._known(new))
        return [PageRequest(index=self._index, project=project) for project in new if project not in known]
