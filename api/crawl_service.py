"""Crawling: pages and metadata of projects, fetched politely and published in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crawler.settings import IndexSettings
from db.catalog import CatalogHandle
from resolver.catalog import ID, METADATA
from resolver.errors import MachError
from resolver.names import NormalizedName

from .notices import Notices

if TYPE_CHECKING:
    from crawler.client import Client
    from crawler.fill import Request
    from db.facts import Fact

__all__ = ["Crawl", "Crawled", "crawl_changes", "crawl_projects", "sum_of"]

#: Pages that are held in memory before they are published as one generation.
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """Where a crawl fetches from, what it takes, how politely, and into which catalog."""

    handle: CatalogHandle
    settings: IndexSettings
    notices: Notices
    newest: int | None = None
    """How many of each project's newest versions; None for all."""
    sdists: bool = False
    """Whether the metadata of sdists is fetched as well."""
    connections: int = 4
    per_second: float = 5.0

    def client(self) -> Client:
        """Return a client of the indexes that has these manners; a context manager."""
        from crawler.client import Client, Manners

        return Client(self.settings, Manners.polite(connections=self.connections, per_second=self.per_second))

    def tell(self, done: int, total: int, fact: Fact | None) -> None:
        """Tell how far it is."""
        self.notices.progress(done, total, "" if fact is None else fact.project)

    def brought(
        self, *, pages: int = 0, absent: int = 0, metadata: int = 0, errors: Mapping[Request, MachError] | None = None
    ) -> Crawled:
        """Return what it brought, with the state that the catalog is in."""
        from crawler.fill import PageRequest

        errors = errors or {}
        return Crawled(
            pages=pages,
            absent=absent,
            metadata=metadata,
            generation=self.handle.generation(),
            errors=tuple(errors.values()),
            failed=frozenset((r.project, "" if isinstance(r, PageRequest) else r.file.filename) for r in errors),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """What a crawl brought."""

    pages: int
    absent: int
    metadata: int
    generation: int
    errors: tuple[MachError, ...]
    failed: frozenset[tuple[NormalizedName, str]]
    """What the errors are about: a project with a file's name, or with the empty text for its page."""


def sum_of(crawls: Sequence[Crawled]) -> Crawled:
    """Return what several crawls, one after the other, brought together."""
    return Crawled(
        pages=sum(one.pages for one in crawls),
        absent=sum(one.absent for one in crawls),
        metadata=sum(one.metadata for one in crawls),
        generation=crawls[-1].generation,
        errors=tuple(error for one in crawls for error in one.errors),
        failed=frozenset().union(*(one.failed for one in crawls)),
    )


def crawl_projects(
    how: Crawl, projects: Iterable[NormalizedName], serials: Mapping[NormalizedName, int] | None = None
) -> Crawled:
    """Fetch pages and metadata of *projects* and publish them in batches.

    A project is looked for on the indexes in order; the first that has it is taken. A
    crawl that is killed keeps every batch that was published.

    :param serials: what pages must have reached; an older one is stale.
    """
    from crawler.bulk import crawl
    from crawler.fill import PageRequest
    from db.facts import AbsenceFact, FileFact, MetadataFact, PageFact
    from db.writer import publish

    handle = how.handle
    pages = absent = metadata = 0
    errors: dict[Request, MachError] = {}

    def is_known(page: PageFact, file: FileFact) -> bool:
        return file.filename in known.get((page.index, page.project), ())

    wanted = list(dict.fromkeys(projects))
    with how.client() as client:
        for start in range(0, len(wanted), _BATCH):
            batch: Sequence[NormalizedName] = wanted[start : start + _BATCH]
            for index in how.settings.indexes:
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
                result = crawl(
                    requests,
                    client=client,
                    newest=how.newest,
                    sdists=how.sdists,
                    is_known=is_known,
                    progress=how.tell,
                )
                publish(handle, result.facts)
                errors |= result.errors
                missing = {f.project for f in result.facts if isinstance(f, AbsenceFact)}
                pages += sum(isinstance(f, PageFact) for f in result.facts)
                metadata += sum(isinstance(f, MetadataFact) for f in result.facts)
                batch = [project for project in batch if project in missing]
                if not batch:
                    break
            absent += len(batch)
    return how.brought(pages=pages, absent=absent, metadata=metadata, errors=errors)


def crawl_changes(how: Crawl) -> Crawled:
    """Fetch what changed, since the last time, of the projects that the catalog knows, by the index's serials.

    :raises Unavailable: ``index-without-serials`` where an index does not tell them.
    """
    from crawler.bulk import fetch_root
    from db.writer import note_serial

    done = [how.brought()]
    for index in how.settings.indexes:
        known = how.handle.reader().projects(index)
        with how.client() as client:
            root = fetch_root(client, index)
        since = how.handle.last_serial(index)
        # a project that is listed no longer is asked for as well: it may be gone
        changed = [p for p in known if p not in root.serials or since is None or root.serials[p] > since]
        how.notices.note(f"{len(changed)} of {len(known)} known projects changed on {index}")
        here = replace(how, settings=replace(how.settings, indexes=(index,)))
        one = crawl_projects(here, changed, root.serials)
        if not one.errors:
            note_serial(how.handle, index, root.serial)
        done.append(one)
    return sum_of(done)


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
