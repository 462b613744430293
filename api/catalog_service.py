"""Use cases on the catalog itself: filling it ahead of need, and carrying facts elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.settings import IndexSettings
from db.catalog import CatalogHandle, Reader
from resolver.catalog import ID, METADATA
from resolver.errors import DataError, MachError
from resolver.lock import Lock, Nixpkgs
from resolver.lock_request import request_from_json
from resolver.locking import Locking, make_lock
from resolver.names import NormalizedName
from resolver.preferences import Preferences, preferences_of
from resolver.requirement import Request

from .filling import Filling
from .local_sources import with_local_sources
from .notices import Notices

if TYPE_CHECKING:
    from resolver.building import Builder

__all__ = ["Crawled", "crawl_changes", "crawl_projects", "export_lock_facts", "pull", "sum_of"]

#: Pages that are held in memory before they are published as one generation.
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """What a crawl brought."""

    pages: int
    absent: int
    metadata: int
    generation: int
    errors: tuple[MachError, ...]


def sum_of(crawls: Sequence[Crawled]) -> Crawled:
    """Return what several crawls, one after the other, brought together."""
    return Crawled(
        pages=sum(one.pages for one in crawls),
        absent=sum(one.absent for one in crawls),
        metadata=sum(one.metadata for one in crawls),
        generation=crawls[-1].generation,
        errors=tuple(error for one in crawls for error in one.errors),
    )


def crawl_projects(
    handle: CatalogHandle,
    settings: IndexSettings,
    projects: Iterable[NormalizedName],
    notices: Notices,
    *,
    newest: int | None,
    sdists: bool,
    connections: int = 4,
    per_second: float = 5.0,
    serials: Mapping[NormalizedName, int] | None = None,
) -> Crawled:
    """Fetch pages and metadata of *projects* politely and publish them in batches.

    A project is looked for on the indexes in order; the first that has it is taken. A
    crawl that is killed keeps every batch that was published.

    :param newest: how many of each project's newest versions; None for all.
    :param sdists: whether the metadata of sdists is fetched as well.
    :param serials: what pages must have reached; an older one is stale.
    """
    from crawler.bulk import crawl
    from crawler.client import Client, Manners
    from crawler.fill import PageRequest
    from db.facts import AbsenceFact, Fact, FileFact, MetadataFact, PageFact
    from db.writer import publish

    pages = absent = metadata = 0
    errors: list[MachError] = []

    def tell(done: int, total: int, fact: Fact | None) -> None:
        notices.progress(done, total, "" if fact is None else fact.project)

    def is_known(page: PageFact, file: FileFact) -> bool:
        return file.filename in known.get((page.index, page.project), ())

    wanted = list(dict.fromkeys(projects))
    with Client(settings, Manners.polite(connections=connections, per_second=per_second)) as client:
        for start in range(0, len(wanted), _BATCH):
            batch: Sequence[NormalizedName] = wanted[start : start + _BATCH]
            for index in settings.indexes:
                known = _files_with_metadata(handle, index, batch)
                fresh = handle.freshness(index, batch)
                requests = [
                    PageRequest(
                        index=index,
                        project=project,
                        last_serial=(serials or {}).get(project)
                        or (fresh[project].last_serial if project in fresh else None),
                    )
                    for project in batch
                ]
                result = crawl(requests, client=client, newest=newest, sdists=sdists, is_known=is_known, progress=tell)
                publish(handle, result.facts)
                errors += result.errors.values()
                missing = {f.project for f in result.facts if isinstance(f, AbsenceFact)}
                pages += sum(isinstance(f, PageFact) for f in result.facts)
                metadata += sum(isinstance(f, MetadataFact) for f in result.facts)
                batch = [project for project in batch if project in missing]
                if not batch:
                    break
            absent += len(batch)
    return Crawled(pages=pages, absent=absent, metadata=metadata, generation=handle.generation(), errors=tuple(errors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What pulling a snapshot brought."""

    snapshot: str
    """Its id."""
    is_state: bool
    """The catalog has the snapshot as a state of its own, which can be named; else it holds other facts as well."""
    learned: int
    """Projects that the catalog learned something of; 0 where it had the snapshot already."""


def pull(
    handle: CatalogHandle,
    settings: IndexSettings,
    notices: Notices,
    *,
    snapshot: str,
    name: str | None = None,
    replace_listings: bool = False,
    token: str | None = None,
) -> Pulled:
    """Fetch a snapshot from a service of mach and add its facts to the catalog, all or none.

    :param settings: with the service's URL as the only index.
    :param snapshot: id, prefix or name that the service knows, or ``newest``.
    :param name: to give to the snapshot here.
    :param replace_listings: as :func:`db.transfer.import_file` takes it.
    :param token: what the service wants to be shown.
    :raises InputError: ``unknown-snapshot``, and what :func:`db.transfer.import_file` raises.
    :raises Unavailable: ``service-unusable``; where the service or the catalog cannot be used.
    """
    import tempfile

    from crawler.client import Client
    from crawler.pulling import pull_snapshot
    from db.snapshot import pin, snapshots
    from db.transfer import import_file

    def is_state(identity: str) -> bool:
        return any(state.id == identity for state in snapshots(handle))

    learned = 0
    with tempfile.TemporaryDirectory(prefix="mach-pull-") as folder, Client(settings) as client:
        file = Path(folder) / "facts.mach"
        identity, is_new = pull_snapshot(
            client,
            settings.indexes[0],
            snapshot,
            file,
            known=is_state,
            token=token,
            progress=lambda done, total: notices.progress(done, total, "bytes"),
        )
        if is_new:
            learned = import_file(handle, file, replace_listings=replace_listings).learned
    there = is_state(identity)
    if name is not None and there:
        pin(handle, name, identity, replace=True)
    return Pulled(snapshot=identity, is_state=there, learned=learned)


def crawl_changes(
    handle: CatalogHandle,
    settings: IndexSettings,
    notices: Notices,
    *,
    newest: int | None,
    sdists: bool,
    connections: int = 4,
    per_second: float = 5.0,
) -> Crawled:
    """Fetch what changed, since the last time, of the projects that the catalog knows, by the index's serials.

    :raises Unavailable: ``index-without-serials`` where an index does not tell them.
    """
    from crawler.bulk import fetch_root
    from crawler.client import Client, Manners
    from db.writer import note_serial

    done = Crawled(pages=0, absent=0, metadata=0, generation=handle.generation(), errors=())
    for index in settings.indexes:
        known = handle.reader().projects(index)
        with Client(settings, Manners.polite(connections=connections, per_second=per_second)) as client:
            root = fetch_root(client, index)
        since = handle.last_serial(index)
        # a project that is listed no longer is asked for as well: it may be gone
        changed = [p for p in known if p not in root.serials or since is None or root.serials[p] > since]
        notices.note(f"{len(changed)} of {len(known)} known projects changed on {index}")
        one = crawl_projects(
            handle,
            replace(settings, indexes=(index,)),
            changed,
            notices,
            newest=newest,
            sdists=sdists,
            connections=connections,
            per_second=per_second,
            serials=root.serials,
        )
        if not one.errors:
            note_serial(handle, index, root.serial)
        done = Crawled(
            pages=done.pages + one.pages,
            absent=done.absent + one.absent,
            metadata=done.metadata + one.metadata,
            generation=one.generation,
            errors=(*done.errors, *one.errors),
        )
    return done


def _files_with_metadata(
    handle: CatalogHandle, index: str, projects: Sequence[NormalizedName]
) -> dict[tuple[str, NormalizedName], set[str]]:
    reader = handle.reader()
    ids: dict[int, NormalizedName] = {}
    for project, page in reader.pages(index, projects).items():
        ids.update({row[ID]: project for row in page.files if row[METADATA] >= 0})
    answer: dict[tuple[str, NormalizedName], set[str]] = {}
    for number, artifact in reader.artifacts(ids).items():
        answer.setdefault((index, ids[number]), set()).add(artifact.filename)
    return answer


def _repeat(
    preferences: Preferences,
    nixpkgs: Nixpkgs | None,
    find_builder: Callable[[], Builder | None],
    before_crawl: bool,
    request: Request,
    reader: Reader,
) -> Locking:
    return make_lock(
        request,
        reader,
        preferences=preferences,
        nixpkgs=nixpkgs,
        find_builder=find_builder,
        before_crawl=before_crawl,
    )


def export_lock_facts(
    handle: CatalogHandle,
    lock: Lock,
    file: Path,
    generation: int | None = None,
    *,
    folder: Path,
    notices: Notices,
) -> None:
    """Write to *file* exactly the facts that *lock* was made from.

    The resolution is repeated to find them: afresh and with the lock's own pins as preferences,
    with the targets that a crawled nixpkgs says and those from before; one of these reads what
    the lock's digest names.

    :param folder: where the lock lies: local paths in it start there.
    :raises DataError: ``facts-moved`` where this state of the catalog gives neither.
    """
    from db.transfer import export_facts

    request, paths = with_local_sources(request_from_json(lock.request), folder)
    reader = handle.reader(generation)
    crawls = (False,) if lock.nixpkgs is None else (False, True)
    for preferences, before_crawl in product(({}, preferences_of(lock)), crawls):
        filling = Filling(
            handle=handle,
            settings=lambda: IndexSettings(indexes=()),
            notices=notices,
            offline=True,
            generation=generation,
            local_paths=paths,
        )
        try:
            attempt = partial(_repeat, preferences, lock.nixpkgs, filling.find_builder, before_crawl)
            run = filling.run(attempt, request)
        except DataError:
            continue  # facts are missing: it is not that state
        finally:
            filling.close()
        if run.lock is not None and run.lock.facts == lock.facts:
            files = reader.file_facts(number for _, _, number in run.reading.metadata_asked())
            export_facts(
                handle,
                file,
                pages=run.reading.pages_asked(),
                metadata=[(i, p, files[number].filename) for i, p, number in run.reading.metadata_asked()],
                generation=generation,
            )
            return
    raise DataError(
        "facts-moved",
        "this state of the catalog does not hold the facts that the lock was made from",
        context=[f"the lock names {lock.facts}"],
        hint="name the state with --snapshot, or lock again with --upgrade and export then",
    )
