"""Archives of locks: saving every source by its hash, and checking that an archive has them all."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resolver.errors import DataError, MachError, Unavailable, shorten
from resolver.lock import Lock
from resolver.sources import Source, folders_of, sources_of

from .notices import Notices

if TYPE_CHECKING:
    from crawler.settings import IndexSettings

__all__ = ["Archived", "archive_lock", "check_archive"]

#: Files that are read or fetched at once.
DEFAULT_CONNECTIONS = 4
#: Requests a second to begin with, at most.
_PER_SECOND = 10.0
#: Seconds that one file may take; wheels with CUDA have gigabytes.
_SECONDS_A_FILE = 7200.0
_MOST_SHOWN = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What an archive has of a lock, each list sorted by name."""

    folder: Path
    kept: tuple[Source, ...] = ()
    """There already, with their content."""
    saved: tuple[Source, ...] = ()
    missing: tuple[Source, ...] = ()
    damaged: tuple[Source, ...] = ()
    """There, with another content; after :func:`archive_lock`, those among :attr:`saved` that were so before."""
    failed: tuple[tuple[Source, MachError], ...] = ()
    left_out: tuple[str, ...] = ()
    """Folders of the user's, which no hash fixes."""

    def to_json(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        lists = {name: getattr(self, name) for name in ("kept", "saved", "missing", "damaged")}
        return {
            "archive": str(self.folder),
            **{name: [_shown(source) for source in found] for name, found in lists.items()},
            "failed": [{**_shown(source), "error": error.to_json()} for source, error in self.failed],
            "left-out": list(self.left_out),
        }


def _shown(source: Source) -> dict[str, object]:
    return {"name": source.name, "filename": source.label}


def archive_lock(
    lock: Lock,
    folder: Path,
    settings: IndexSettings,
    notices: Notices,
    *,
    root: Path,
    archives: Sequence[Path | str] = (),
    connections: int = DEFAULT_CONNECTIONS,
    local_urls: bool = False,
) -> Archived:
    """Have every source of *lock* in the archive *folder*, and write its index.

    What is there is read and checked; what is missing or damaged is fetched. Files of other locks stay.

    :param settings: how servers are reached.
    :param root: the folder of the lock, where its relative paths start.
    :param archives: other archives, asked before the places in the lock.
    :param local_urls: whether ``file:`` URLs of the lock are read.
    :raises Unavailable: ``archive-incomplete`` where sources could not be had; what was saved is kept.
        ``output-unwritable``, ``archive-unreadable``, ``no-temporary-space`` at once.
    :raises DataError: ``archive-index-invalid``.
    """
    from crawler.archive_fetch import Fetching
    from crawler.archive_folder import ArchiveFolder
    from crawler.archive_index import read_index, write_index
    from crawler.client import Client, Limits, Manners

    sources = sources_of(lock)
    place = ArchiveFolder(folder)
    place.create()
    read_index(place)
    manners = Manners(connections=connections, per_second=_PER_SECOND, backoff=0.5, patience=60.0)
    done: dict[str, str] = {}
    errors: dict[str, MachError] = {}
    with Client(settings, manners, Limits(seconds=_SECONDS_A_FILE)) as client:
        fetching = Fetching(place, client, archives=archives, root=root, local_urls=local_urls)

        def have(source: Source) -> str:
            state = place.state_of(source)
            if state != "intact":
                fetching.save(source)
            return state

        try:
            for source, result in _at_once(sources, have, connections):
                if isinstance(result, MachError):
                    if result.code in ("output-unwritable", "archive-unreadable", "no-temporary-space"):
                        raise result
                    errors[source.name] = result
                else:
                    done[source.name] = result
                notices.progress(len(done) + len(errors), len(sources), source.label)
        except BaseException:
            client.cancel()
            place.discard_partial()
            raise
    write_index(place, sources)
    answer = Archived(
        folder=folder,
        kept=tuple(s for s in sources if done.get(s.name) == "intact"),
        saved=tuple(s for s in sources if done.get(s.name) in ("missing", "damaged")),
        damaged=tuple(s for s in sources if done.get(s.name) == "damaged"),
        failed=tuple((s, errors[s.name]) for s in sources if s.name in errors),
        left_out=folders_of(lock),
    )
    if answer.failed:
        raise _unavailable(answer, len(sources))
    return answer


def _unavailable(answer: Archived, count: int) -> Unavailable:
    failed = answer.failed
    lines = []
    for _, error in failed[:_MOST_SHOWN]:
        lines += [f"{error.message} ({error.code})", *(f"  {shorten(line)}" for line in error.context)]
    if len(failed) > _MOST_SHOWN:
        lines.append(f"and {len(failed) - _MOST_SHOWN} more")
    return Unavailable(
        "archive-incomplete",
        f"{len(failed)} of the lock's {count} sources are not in {answer.folder}",
        context=lines,
        hint=f"{failed[0][1].hint or 'see to it'}; run the command again then: what is saved is kept",
        details=answer.to_json(),
    )


def check_archive(lock: Lock, folder: Path, notices: Notices) -> Archived:
    """Return what the archive *folder* has of *lock*, reading every file; nothing is fetched or written.

    :raises DataError: ``archive-incomplete`` where a source is missing or damaged.
    :raises Unavailable: ``archive-unreadable``, ``no-temporary-space``.
    """
    from crawler.archive_folder import ArchiveFolder

    sources = sources_of(lock)
    place = ArchiveFolder(folder)
    found: dict[str, str] = {}
    for source, result in _at_once(sources, place.state_of, DEFAULT_CONNECTIONS):
        if isinstance(result, MachError):
            raise result
        found[source.name] = result
        notices.progress(len(found), len(sources), source.label)
    answer = Archived(
        folder=folder,
        kept=tuple(s for s in sources if found[s.name] == "intact"),
        missing=tuple(s for s in sources if found[s.name] == "missing"),
        damaged=tuple(s for s in sources if found[s.name] == "damaged"),
        left_out=folders_of(lock),
    )
    wrong = [*(f"missing: {s.label}, as {s.name}" for s in answer.missing)]
    wrong += [f"damaged: {s.label}, as {s.name}" for s in answer.damaged]
    if wrong:
        more = [f"and {len(wrong) - _MOST_SHOWN} more"] if len(wrong) > _MOST_SHOWN else []
        raise DataError(
            "archive-incomplete",
            f"{len(wrong)} of the lock's {len(sources)} sources are missing from {folder}, or damaged in it",
            context=wrong[:_MOST_SHOWN] + more,
            hint="run the command without --check: it fetches what is missing or damaged",
            details=answer.to_json(),
        )
    return answer


def _at_once(
    sources: Iterable[Source], work: Callable[[Source], T], threads: int
) -> Iterable[tuple[Source, T | MachError]]:
    """Yield each source with what *work* returns or raises for it, as it comes; other exceptions are raised here."""
    waiting: queue.SimpleQueue[Source] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[Source, T | BaseException]] = queue.SimpleQueue()
    stopped = threading.Event()
    count = 0
    for source in sources:
        waiting.put(source)
        count += 1

    def run() -> None:
        while not stopped.is_set():
            try:
                source = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                finished.put((source, work(source)))
            except BaseException as error:
                finished.put((source, error))

    for number in range(min(threads, count)):
        # daemons: Ctrl-C must not wait for answers that are on their way
        threading.Thread(target=run, name=f"mach-archive-{number}", daemon=True).start()
    try:
        for _ in range(count):
            source, result = finished.get()
            if isinstance(result, BaseException) and not isinstance(result, MachError):
                raise result
            yield source, result
    finally:
        stopped.set()
