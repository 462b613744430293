"""Guesses at the facts that a resolution will ask for next, so that they are fetched ahead.

A wrong guess costs a download and changes no answer: a fact influences a run only if
the run asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from crawler.fill import MetadataRequest, PageRequest
from crawler.fill import Request as FetchRequest
from db.facts import MetadataFact, PageFact
from db.page import build_page
from db.state import ProjectState, apply_page
from resolver.candidates import Pool
from resolver.catalog import ID, METADATA, Page
from resolver.dependencies import MarkerJudge, dependencies_of
from resolver.names import NormalizedName
from resolver.policy import Policy
from resolver.target import Target

__all__ = ["Foresight"]

#: Larger sdists are fetched only where a resolution really asks for their metadata.
_LARGEST_SDIST = 2_000_000


class Foresight:
    """Follows pages to the most likely file, and metadata to the pages of its dependencies.

    :param targets: what is resolved for.
    :param policy: orders candidates as the resolution will.
    :param index: where dependencies are looked for first.
    :param known: tells which of some projects have a page that need not be fetched.
    :param extras: extras that the user asked for, by project.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        policy: Policy,
        index: str,
        known: Callable[[Iterable[NormalizedName]], Iterable[NormalizedName]],
        extras: dict[NormalizedName, set[str]],
    ) -> None:
        self._targets = targets
        self._policy = policy
        self._index = index
        self._known = known
        self._followed: set[NormalizedName] = set()
        self._extras = extras
        self._judges = [MarkerJudge(t.environment) for t in targets]

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
        for target in self._targets:
            rules = self._policy.rules_for(fact.project)
            pool = Pool(page, target, rules)
            usable = pool.available(pool.ranks.all, 0)
            best = next(pool.ordered(usable, 0, None), None)
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
        for judge in self._judges:
            for extra in ("", *sorted(self._extras.get(fact.project, ()))):
                dependencies, _ = dependencies_of(fact.requires_dist, extra, judge)
                for dependency in dependencies:
                    if dependency.url is not None:
                        continue
                    wanted[dependency.project] = None
                    if dependency.extras:
                        self._extras.setdefault(dependency.project, set()).update(dependency.extras)
        new = [project for project in wanted if project not in self._followed]
        self._followed.update(new)
        known = set(self._known(new))
        return [PageRequest(index=self._index, project=project) for project in new if project not in known]
