"""Fetching what a service was asked for and could not fetch, with what that will lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from db.catalog import CatalogHandle
from resolver.catalog import METADATA, RANK
from resolver.errors import MachError
from resolver.names import NormalizedName, normalize_project

from .crawl_service import Crawl, Crawled, crawl_projects, sum_of

if TYPE_CHECKING:
    from crawler.fill import Request
    from db.wanted import Wanted

__all__ = ["crawl_wanted"]

#: Newest versions whose metadata is fetched with a page; older ones are wanted by file where an answer takes them.
_NEWEST = 3
#: Projects, and files, that are fetched before what they brought is published.
_PROJECTS_AT_ONCE, _FILES_AT_ONCE = 20, 100
#: Projects that one crawl fetches, those that the wanted ones lead to among them.
_MOST_PROJECTS = 1_000


def crawl_wanted(how: Crawl) -> Crawled:
    """Fetch what is wanted, and the projects that its newest releases depend on; it waits no longer then.

    Who asked would otherwise have to come again for each level of the graph. It is published in small batches, and
    what is asked for meanwhile goes before what is fetched ahead. What failed goes on waiting. Where *how* does
    not say how many of each project's newest versions, there are 3.
    """
    from db.wanted import forget, wanted

    handle, indexes = how.handle, how.settings.indexes
    some = replace(how, newest=how.newest or _NEWEST)
    done = [how.brought()]
    tried: set[Wanted] = set()
    seen: set[NormalizedName] = set()
    ahead: list[NormalizedName] = []
    while len(seen) < _MOST_PROJECTS:
        wishes = [wish for index in indexes for wish in wanted(handle, index) if wish not in tried]
        if len(done) == 1:
            how.notices.note(f"{len(wishes)} facts are wanted")
        got = [wish for wish in wishes if wish.filename][:_FILES_AT_ONCE]
        batch: list[NormalizedName] = []
        if got:
            done.append(_fetch_files(how, got))
        else:
            pages = (*(wish.project for wish in wishes), *ahead)
            batch = [name for name in dict.fromkeys(pages) if name not in seen][:_PROJECTS_AT_ONCE]
            if batch:
                done.append(crawl_projects(some, batch))
                seen.update(batch)
                ahead += _leads_to(handle, indexes, batch)
            got = [wish for wish in wishes if wish.project in seen]
        tried.update(got)
        failed = sum_of(done).failed
        forget(handle, [wish for wish in got if (wish.project, wish.filename) not in failed])
        if not got and not batch:
            break
    return sum_of(done)


def _fetch_files(how: Crawl, wishes: Iterable[Wanted]) -> Crawled:
    """Fetch the metadata of single files that are wanted."""
    from crawler.fill import MetadataRequest, fill
    from db.writer import publish

    requests = []
    reader = how.handle.reader()
    by_project: dict[tuple[str, NormalizedName], set[str]] = {}
    for wish in wishes:
        by_project.setdefault((wish.index, wish.project), set()).add(wish.filename)
    for (index, project), names in by_project.items():
        for file in reader.listing(index, project) or ():
            if file.filename in names:
                whole = file.sha256 is None
                requests.append(MetadataRequest(index=index, project=project, file=file, whole=whole))
    errors: Mapping[Request, MachError] = {}
    count = 0
    if requests:
        with how.client() as client:
            result = fill(requests, client=client, progress=how.tell)
        publish(how.handle, result.facts)
        errors, count = result.errors, len(result.facts)
    return how.brought(metadata=count, errors=errors)


def _leads_to(
    handle: CatalogHandle, indexes: Sequence[str], projects: Iterable[NormalizedName]
) -> list[NormalizedName]:
    """Return the projects that the newest release of each of *projects* requires and that the catalog does not know."""
    reader = handle.reader()
    found: dict[NormalizedName, None] = {}
    for index in indexes:
        for page in reader.pages(index, projects).values():
            known = [row for row in page.files if row[METADATA] >= 0]
            newest = max((row[RANK] for row in known), default=-1)
            for position in {row[METADATA] for row in known if row[RANK] == newest}:
                found.update(dict.fromkeys(_names(page.depsets[position][1])))
    names = list(found)
    missing = set(names)
    for index in indexes:
        missing -= reader.pages(index, names).keys()
    return [name for name in names if name in missing]


def _names(lines: Iterable[str]) -> Iterable[NormalizedName]:
    """Yield the projects that requirement lines name, but for those of extras."""
    for line in lines:
        try:
            requirement = Requirement(line)
            if requirement.marker is None or "extra" not in str(requirement.marker):
                yield normalize_project(requirement.name)
        except (InvalidRequirement, ValueError):
            continue
