"""Fetching a batch of facts, and those that are likely to be needed next, with many threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from db.facts import Fact, FileFact, MetadataFact, PageFact
from resolver.errors import MachError
from resolver.names import NormalizedName

from .client import Client, unavailable
from .metadata import fetch_metadata
from .simple_index import SkippedRow, fetch_page
from .urls import origin_of

__all__ = ["FillResult", "MetadataRequest", "PageRequest", "Progress", "Request", "fill"]

#: After so many failures to reach one server, without one answer of it, the rest is not tried.
_GIVE_UP_AFTER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The page of *project* on *index* is wanted; validators are those of the page that is known."""

    index: str
    project: NormalizedName
    etag: str | None = None
    last_modified: str | None = None
    last_serial: int | None = None

    @property
    def url(self) -> str:
        """Where it is asked for."""
        return f"{self.index}{self.project}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRequest:
    """The metadata of *file* is wanted; with *whole* its digest as well (a page that gives none)."""

    index: str
    project: NormalizedName
    file: FileFact
    whole: bool = False

    @property
    def url(self) -> str:
        """Where it is asked for."""
        return self.file.url


Request = PageRequest | MetadataRequest
#: Called with (requests done, requests known so far, the fact just fetched or None for a failure).
Progress = Callable[[int, int, Fact | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """What a batch brought; facts come in the order of their requests' arrival."""

    facts: tuple[Fact, ...]
    errors: Mapping[Request, MachError]
    """Requests that failed; those fetched ahead are among them."""
    skipped: tuple[SkippedRow, ...]
    """Rows of pages that no file could be made of."""


@dataclass(frozen=True, slots=True)
class _Done:
    request: Request
    fact: Fact | None = None
    skipped: tuple[SkippedRow, ...] = ()
    error: MachError | None = None
    bug: BaseException | None = None


class _Pool:
    """Threads that fetch what is put in, and stop at once when told to."""

    def __init__(self, client: Client, size: int, keep: Path | None) -> None:
        self._client = client
        self._keep = keep
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._lost: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._size = size
        self._threads = 0

    def put(self, request: Request) -> None:
        """Have *request* fetched."""
        self._waiting.put(request)
        if self._threads < self._size:
            self._threads += 1
            # daemons: Ctrl-C must not wait for answers that are on their way
            threading.Thread(target=self._work, name=f"mach-fetch-{self._threads}", daemon=True).start()

    def take(self) -> _Done:
        """Wait for the next answer."""
        return self._finished.get()

    def stop(self) -> None:
        """Let the threads end after what they are doing."""
        self._stopped.set()
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while True:
            request = self._waiting.get()
            if request is None or self._stopped.is_set():
                return
            try:
                self._finished.put(self._fetch(request))
            except MachError as error:
                self._finished.put(_Done(request, error=error))
            except BaseException as bug:
                self._finished.put(_Done(request, bug=bug))

    def _fetch(self, request: Request) -> _Done:
        server = origin_of(request.url)
        if self._lost.get(server, 0) >= _GIVE_UP_AFTER:
            return _Done(request, error=self._given_up(request))
        try:
            done = self._fetch_now(request)
        except MachError as error:
            with self._lock:
                if error.code != "index-unreachable":
                    self._lost[server] = -1_000_000
                else:
                    self._lost[server] = self._lost.get(server, 0) + 1
            raise
        with self._lock:
            self._lost[server] = -1_000_000
        return done

    def _fetch_now(self, request: Request) -> _Done:
        if isinstance(request, PageRequest):
            answer = fetch_page(
                self._client,
                request.index,
                request.project,
                etag=request.etag,
                last_modified=request.last_modified,
                last_serial=request.last_serial,
            )
            return _Done(request, fact=answer.fact, skipped=answer.skipped)
        fact = fetch_metadata(
            self._client, request.file, request.index, request.project, whole=request.whole, keep=self._keep
        )
        return _Done(request, fact=fact)

    def _given_up(self, request: Request) -> MachError:
        what = request.project if isinstance(request, PageRequest) else request.file.filename
        return unavailable(
            "index-unreachable",
            f"the index cannot be reached for {what}",
            url=request.url,
            context=(f"not tried: {_GIVE_UP_AFTER} requests to this server failed before",),
            hint="check the network, or work from what is known with --offline",
        )


def fill(
    needs: Iterable[Request],
    *,
    client: Client,
    ahead: Callable[[PageFact | MetadataFact], Iterable[Request]] | None = None,
    progress: Progress | None = None,
    keep: Path | None = None,
    most: int | None = None,
) -> FillResult:
    """Fetch the facts that *needs* name, and those that *ahead* asks for; nothing is resolved.

    :param needs: each is fetched once, however often it is named.
    :param client: its manners say how many threads fetch.
    :param ahead: called in this thread with each page and each metadata that arrives; returns
        what is likely to be needed next.  What was requested before is not fetched again.
    :param progress: called in this thread after each answer.
    :param keep: a folder for sdists that were read whole, see :func:`crawler.metadata.fetch_metadata`.
    :param most: fetches after which nothing more is asked for ahead; None for no limit.
    :returns: all facts; a fetch that fails loses none of the others.
    :raises KeyboardInterrupt: at once; what was fetched so far is lost to the caller.
    """
    facts: list[Fact] = []
    skipped: list[SkippedRow] = []
    errors: dict[Request, MachError] = {}
    seen: set[tuple[str, str, str, bool]] = set()
    pool = _Pool(client, client.manners.connections, keep)

    def add(requests: Iterable[Request], room: int | None = None) -> int:
        count = 0
        for request in requests:
            if count == room:
                break
            filename, whole = "", False
            if isinstance(request, MetadataRequest):
                filename, whole = request.file.filename, request.whole
            key = (request.index, request.project, filename, whole)
            if key not in seen:
                seen.add(key)
                pool.put(request)
                count += 1
        return count

    try:
        total = add(needs)
        done = 0
        while done < total:
            answer = pool.take()
            done += 1
            if answer.bug is not None:
                raise answer.bug
            if answer.error is not None:
                errors[answer.request] = answer.error
            if answer.fact is not None:
                facts.append(answer.fact)
                skipped += answer.skipped
                if ahead is not None and isinstance(answer.fact, PageFact | MetadataFact):
                    room = None if most is None else max(0, most - total)
                    total += add(ahead(answer.fact), room)
            if progress is not None:
                progress(done, total, answer.fact)
    finally:
        pool.stop()
    return FillResult(facts=tuple(facts), errors=errors, skipped=tuple(skipped))
