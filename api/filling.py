"""Resolving with a catalog that fills itself: run, fetch what is missing, run afresh."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from db.catalog import CatalogHandle, Freshness, Reader
from resolver.catalog import BuildNeed, MetadataNeed, PageNeed
from resolver.direct import is_direct, is_fixed
from resolver.errors import MachError, Unavailable
from resolver.locking import Locking
from resolver.nameless import nameless_part, with_names
from resolver.names import NormalizedName
from resolver.nixpkgs_index import is_nixpkgs_index
from resolver.statistics import Statistics

from .backends import Backends, kept_files
from .missing_facts import not_covered, refuse_unknown_nixpkgs
from .nix_hooks import NixHooks
from .notices import Notices

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.client import Client
    from crawler.fill import Request as FetchRequest
    from crawler.settings import IndexSettings
    from db.facts import AbsenceFact, Fact, FileFact
    from resolver.building import Builder
    from resolver.requirement import Request

    from .foresight import Foresight

__all__ = ["DEFAULT_MAX_AGE", "Filling"]

#: Seconds after which a project page that a resolution reads is asked for again (the index's own cache time).
DEFAULT_MAX_AGE = 600
#: Runs that a single resolution may take before something is clearly wrong.
_MOST_RUNS = 500
#: Fetches ahead that are told of together.
_CHARGED_TOGETHER = 50
#: Files of one project that are fetched ahead at once.
_LONGEST_SERIES = 32


@dataclass(slots=True, kw_only=True)
class Filling:
    """Fetches the facts that runs ask for, into one catalog.

    :ivar handle: the open catalog.
    :ivar settings: indexes and how to reach them; called only when something is fetched.
    :ivar max_age: seconds; older pages that a run reads are revalidated, each once.
    :ivar offline: nothing is ever fetched.
    :ivar generation: the state to read, None for the newest.
    :ivar statistics: counted up.
    :ivar generation_read: the state that the last run read.
    """

    handle: CatalogHandle
    settings: Callable[[], IndexSettings]
    notices: Notices
    offline: bool = False
    max_age: int = DEFAULT_MAX_AGE
    generation: int | None = None
    clock: Callable[[], float] = time.time
    local_paths: Mapping[str, Path] = field(default_factory=dict)
    """Where the local sources of the request lie, by reference."""
    nix: NixHooks = field(default_factory=NixHooks)
    """Asks build backends by Nix builds, where that is needed."""
    builds: bool = True
    """Whether build backends may be asked at all."""
    most_facts: int | None = None
    """Most that is fetched from indexes; None for no limit."""
    spend: Callable[[int], object] | None = None
    """Called with the number of fetches before they are made; raises where they must not be."""
    charge: Callable[[int], object] | None = None
    """Called with the number of those that were made ahead, which nobody was asked about."""
    publish: Callable[[Sequence[Fact]], object] | None = None
    """Stores what was fetched; None writes it to the catalog, as a generation of its own."""
    statistics: Statistics = field(default_factory=Statistics)
    generation_read: int = field(default=0, init=False)
    _backends: Backends = field(init=False)
    _client: Client | None = None
    _checked: set[tuple[str, NormalizedName]] = field(default_factory=set)
    _tried: Counter[tuple[str, NormalizedName]] = field(default_factory=Counter)
    """Runs that lacked metadata of a project."""

    def __post_init__(self) -> None:
        self._backends = Backends(self.handle, self._connect, self.local_paths, self.notices.detail, self.nix)

    def find_builder(self) -> Builder | None:
        """Return this machine as one that can ask build backends; None where nothing is asked of any index."""
        return self._backends.find_builder()

    def run(
        self,
        attempt: Callable[[Request, Reader], Locking],
        request: Request,
        ahead: Callable[[], Foresight] | None = None,
    ) -> Locking:
        """Return the first outcome of *attempt* that needs no more facts.

        Each run starts afresh on the newest state; only the last one counts, so that a
        catalog that was empty and one that was full give the same answer. Folders that only
        their build backend can name are asked for alone, until they are named.

        :param attempt: resolves a request, with what is known of its local sources.
        :param ahead: makes the guess at what is needed next; called once a batch.
        :raises DataError: ``not-covered`` where facts are missing and nothing may be fetched.
        :raises Unavailable: where a needed fact cannot be fetched.
        :raises NoSolution: ``version-not-told``.
        """
        for _ in range(_MOST_RUNS):
            request = with_names(request, self._backends.told_names())
            nameless = nameless_part(request)
            reader = self.handle.reader(self.generation)
            self.generation_read = reader.generation
            reader = reader if self.offline else self._backends.renew(reader)
            began = time.perf_counter()
            outcome = attempt(self._backends.complete(nameless or request), reader)
            self.statistics.runs += 1
            self.statistics.seconds_resolving += time.perf_counter() - began
            if outcome.needs:
                refuse_unknown_nixpkgs(outcome.needs)
                if self.offline and not self._backends.can_do_without_network(outcome.needs, reader):
                    raise not_covered(outcome.needs, reader)
                self.statistics.needed += len(outcome.needs)
                self._fetch_needs(outcome, request, reader, ahead)
            elif self.offline or not self._revalidate(outcome):
                assert nameless is None, "who asks for what has no name learns it, or is refused"
                return outcome
        raise Unavailable(
            "filling-does-not-end",
            f"facts were still missing after {_MOST_RUNS} rounds of fetching",
            hint="the index may be changing all the time; pin a snapshot and use --snapshot",
        )

    # ---- missing facts

    def _fetch_needs(
        self, outcome: Locking, request: Request, reader: Reader, ahead: Callable[[], Foresight] | None
    ) -> None:
        from crawler.fill import MetadataRequest, PageRequest

        ids = [need.file_id for need in outcome.needs if isinstance(need, MetadataNeed)]
        files = reader.file_facts(ids)
        requests: dict[FetchRequest, None] = {}
        builds = [need for need in outcome.needs if isinstance(need, BuildNeed)]
        for need in outcome.needs:
            if isinstance(need, BuildNeed):
                continue
            if isinstance(need, PageNeed) and is_direct(need.index):
                self._fetch_direct(need.index, need.project)
            elif isinstance(need, PageNeed):
                self._checked.add((need.index, need.project))
                requests[PageRequest(index=need.index, project=need.project)] = None
            else:
                file = files[need.file_id]
                requests[
                    MetadataRequest(index=need.index, project=need.project, file=file, whole=file.sha256 is None)
                ] = None
        guess = None if ahead is None else ahead()
        likely = {} if guess is None else self._series(outcome, reader, guess)
        errors = self._fetch(requests | likely, guess) if requests else {}
        failed = [errors[request] for request in requests if request in errors]
        if failed:
            raise failed[0]
        if builds:
            if not self.builds:
                raise not_covered(builds, reader)
            began = time.perf_counter()
            try:
                self.statistics.fetched += self._backends.ask(builds, request, reader, self.notices.progress)
            finally:
                self.statistics.seconds_building += time.perf_counter() - began

    def _series(self, outcome: Locking, reader: Reader, guess: Foresight) -> dict[FetchRequest, None]:
        """Return requests for what comes next of projects whose versions are tried one by one.

        Each of them costs a run otherwise. The more runs a project took, the more of its files:
        4 with the third, then 8, 16, and 32 with each further one (uv does alike).
        """
        from crawler.fill import MetadataRequest

        likely: dict[FetchRequest, None] = {}
        needs = {(need.index, need.project): need for need in outcome.needs if isinstance(need, MetadataNeed)}
        for (index, project), need in needs.items():
            self._tried[index, project] += 1
            count = min(1 << self._tried[index, project] - 1, _LONGEST_SERIES)
            if count < 4:
                continue
            page = reader.pages(index, [project])[project]
            for file in reader.file_facts(guess.next_files(page, need.file_id, count)).values():
                likely[MetadataRequest(index=index, project=project, file=file)] = None
        return likely

    def _fetch(self, requests: Iterable[FetchRequest], ahead: Foresight | None) -> Mapping[FetchRequest, MachError]:
        """Fetch and publish; return the errors. What arrived is kept whatever else fails."""
        from crawler.fill import fill
        from db.facts import AbsenceFact, PageFact

        requests = tuple(requests)
        if self.most_facts is not None and self.statistics.fetched + len(requests) > self.most_facts:
            raise Unavailable(
                "too-much-to-fetch",
                f"the answer takes more than {self.most_facts} facts that the catalog does not have",
                hint="ask again: what was fetched is kept; or fill the catalog ahead with `mach crawl`",
            )
        if self.spend is not None:
            self.spend(len(requests))
        count = len(requests)

        def charge(total: int) -> None:
            nonlocal count
            if self.charge is not None and total > count:
                self.charge(total - count)
                count = total

        def tell(done: int, total: int, fact: Fact | None) -> None:
            if total >= count + _CHARGED_TOGETHER:
                charge(total)  # now: who ends this process in the middle gets nothing for nothing
            if isinstance(fact, PageFact | AbsenceFact):
                self._checked.add((fact.index, fact.project))
            self.notices.progress(done, total, "" if fact is None else fact.project)

        began = time.perf_counter()
        left = None if self.most_facts is None else self.most_facts - self.statistics.fetched
        result = fill(requests, client=self._connect(), ahead=ahead, progress=tell, keep=kept_files(), most=left)
        charge(len(result.facts) + len(result.errors))
        for skipped in result.skipped:
            self.notices.detail(str(skipped))
        self._warn_of_gone([fact for fact in result.facts if isinstance(fact, AbsenceFact)])
        if result.facts:
            self._publish(result.facts)
        self.statistics.fetched += len(result.facts)
        self.statistics.seconds_fetching += time.perf_counter() - began
        return result.errors

    def _warn_of_gone(self, absences: Iterable[AbsenceFact]) -> None:
        """Tell which projects an index denies that it had before: the next index is asked for them from now on."""
        by_index: dict[str, list[NormalizedName]] = {}
        for fact in absences:
            by_index.setdefault(fact.index, []).append(fact.project)
        for index, projects in by_index.items():
            known = self.handle.reader().pages(index, projects)
            for project in projects:
                if project in known and not known[project].absent:
                    self.notices.warn(
                        f"{project} is gone from {index}, which had it; where it is only hidden from you, check the "
                        "password before you lock: another index may have a project of this name"
                    )

    def _fetch_direct(
        self, index: str, project: NormalizedName, known: FileFact | None = None, etag: str | None = None
    ) -> None:
        """Fetch and publish what a direct reference says; where *known* still is what it means, note that alone."""
        from crawler.direct import fetch_direct

        self._checked.add((index, project))
        began = time.perf_counter()
        facts = fetch_direct(
            self._connect(), index, project, now=int(self.clock()), known=known, etag=etag, keep=kept_files()
        )
        self._publish(facts)
        self.statistics.fetched += len(facts)
        self.statistics.seconds_fetching += time.perf_counter() - began

    def _publish(self, facts: Sequence[Fact]) -> None:
        if self.publish is not None:
            self.publish(facts)
            return
        from db.writer import publish

        publish(self.handle, facts)

    def _connect(self) -> Client:
        """Return the one client of this command: its connections stay open from batch to batch."""
        if self._client is None:
            from crawler.client import Client, Manners

            self._client = Client(self.settings(), Manners.interactive())
        return self._client

    def close(self) -> None:
        """Close the connections to indexes, and let go of what Nix keeps for this command."""
        self.nix.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    # ---- freshness

    def _revalidate(self, outcome: Locking) -> bool:
        """Ask again for pages that the run read and that are too old; return whether the catalog learned anything."""
        now = self.clock()
        by_index: dict[str, list[NormalizedName]] = {}
        before = self.handle.generation()
        for index, project in outcome.reading.pages_asked():
            if is_nixpkgs_index(index):
                continue  # what a hash names never changes
            if is_direct(index):
                self._revalidate_direct(index, project, now)
            elif (index, project) not in self._checked:
                by_index.setdefault(index, []).append(project)
        stale: list[tuple[str, NormalizedName, Freshness | None]] = []
        for index, projects in by_index.items():
            known = self.handle.freshness(index, projects)
            for project in projects:
                fresh = known.get(project)
                if fresh is None or now - fresh.checked_at > self.max_age:
                    stale.append((index, project, fresh))
                    self._checked.add((index, project))
        if not stale:
            return self.handle.generation() != before
        from crawler.fill import PageRequest

        requests: dict[FetchRequest, int] = {}
        for index, project, fresh in stale:
            request = PageRequest(
                index=index,
                project=project,
                etag=fresh.etag if fresh else None,
                last_modified=fresh.last_modified if fresh else None,
                last_serial=fresh.last_serial if fresh else None,
            )
            requests[request] = fresh.checked_at if fresh else 0
        errors = self._fetch(requests, None)
        if errors:
            _refuse_doubtful(outcome, errors)
            oldest = min(requests[r] for r in errors if r in requests)
            first = next(iter(errors.values()))
            age = f"up to {_age(now - oldest)} old" if oldest else "of unknown age"
            self.notices.warn(
                f"{len(errors)} of {len(requests)} project pages could not be checked ({first.message}); "
                f"answering from facts that are {age}"
            )
        return self.handle.generation() != before

    def _revalidate_direct(self, index: str, project: NormalizedName, now: float) -> None:
        """Look whether a branch or a URL without a hash still means what is known, where that is too old."""
        if (index, project) in self._checked or is_fixed(index):
            return
        fresh = self.handle.freshness(index, (project,)).get(project)
        if fresh is not None and now - fresh.checked_at <= self.max_age:
            return
        known = next(iter(self.handle.reader().listing(index, project) or ()), None)
        try:
            self._fetch_direct(index, project, known, fresh.etag if fresh is not None else None)
        except Unavailable as error:
            self.notices.warn(f"{error.message}; answering from what was fetched before")


def _refuse_doubtful(outcome: Locking, errors: Mapping[FetchRequest, MachError]) -> None:
    """Raise where a project would come from an index because an earlier one lacked it, and that one cannot be asked.

    It may have the project by now; whoever puts one of that name on the later index must gain nothing by that.
    """
    from crawler.fill import PageRequest

    asked, indexes = set(outcome.reading.pages_asked()), outcome.reading.indexes
    for request, error in errors.items():
        if isinstance(request, PageRequest) and request.index in indexes:
            later = indexes[indexes.index(request.index) + 1 :]
            if any((index, request.project) in asked for index in later):
                raise error


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{int(seconds)} seconds"
