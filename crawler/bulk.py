"""Crawling projects ahead of need, and finding which ones changed since the last crawl."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from packaging.version import Version
from pypi_simple import ACCEPT_JSON_PREFERRED

from db.facts import Fact, FileFact, MetadataFact, PageFact
from db.filenames import Candidate, classify
from resolver.errors import MachError
from resolver.interpreters import NEWEST_PATCHES
from resolver.names import NormalizedName, normalize_project
from resolver.target import SYSTEMS, Target, best_tag_rank, make_target

from .client import REFUSALS, Client, unavailable
from .fill import FillResult, MetadataRequest, PageRequest, Progress, Request, fill
from .metadata import version_in_name
from .simple_index import JSON_TYPES, read_serial

__all__ = ["RootPage", "crawl", "fetch_root"]

#: Newer than any: a pinned nixpkgs says which of them its targets have.
_ANY_GLIBC, _ANY_MACOS = (2, 99), (99, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPage:
    """The root page of an index: its projects with the serials of their last changes."""

    index: str
    serial: int
    """Of the whole index: the cursor for the next crawl."""
    serials: Mapping[NormalizedName, int]
    """Of each project that the index lists; a page below its serial here is stale."""


def fetch_root(client: Client, index: str) -> RootPage:
    """Return the root page of *index* (PEP 691 with the serials that Warehouse and its mirrors add).

    :raises Unavailable: ``index-unreachable``, ``index-error``, ``index-garbage``; ``index-without-serials``
        where the page has none, so that changes cannot be told.
    """
    what = "the list of all projects"
    answer = client.get(index, what=what, limit=client.limits.root, headers={"Accept": ACCEPT_JSON_PREFERRED})
    if answer.status in REFUSALS:
        raise client.refusal(index, answer.status, what=what, answered=answer.url)
    if answer.status != 200:
        raise unavailable(
            "index-error",
            f"the index answers {answer.status} for {what}",
            url=index,
            hint="check the URL of the index",
        )
    without = unavailable(
        "index-without-serials",
        "the index does not say when its projects changed",
        url=index,
        hint="name the projects to crawl: mach crawl NAME...",
    )
    if answer.content_type not in JSON_TYPES:
        raise without
    try:
        data = json.loads(answer.body)
        meta, rows = data["meta"], data["projects"]
        serial = read_serial(meta.get("_last-serial"))
        serials: dict[NormalizedName, int] = {}
        for row in rows:
            changed = read_serial(row.get("_last-serial"))
            if changed is None:
                raise without
            try:
                serials[normalize_project(row["name"])] = changed
            except ValueError:
                continue  # a name that PEP 508 forbids can be asked for by nobody
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise unavailable(
            "index-garbage",
            f"the index answers with something that is not {what}",
            url=index,
            hint="name another index with --index-url",
        ) from error
    if serial is None:
        raise without
    return RootPage(index=index, serial=serial, serials=serials)


def crawl(
    pages: Iterable[PageRequest],
    *,
    client: Client,
    newest: int | None = None,
    sdists: bool = False,
    is_known: Callable[[PageFact, FileFact], bool] | None = None,
    progress: Progress | None = None,
) -> FillResult:
    """Fetch the *pages* and the metadata of the wheels that they list, where a target of mach takes them.

    Wheels for other platforms and interpreters (musllinux, Windows, PyPy, an old CPython) are never chosen.
    Wheels of one release mostly share their METADATA; one sidecar is fetched for each digest,
    and each file gets its own fact.  All facts are held in memory: crawl a whole index in
    batches of some hundred pages, publishing each.

    :param client: one with :meth:`Manners.polite`.
    :param newest: how many of each project's newest versions; None for all.
    :param sdists: whether to fetch the metadata of sdists as well (each takes a whole download).
    :param is_known: tells files whose metadata is known already, so is not fetched again.
    """
    twins: dict[tuple[str, NormalizedName, str], list[MetadataRequest]] = {}

    def choose(fact: PageFact | MetadataFact) -> Iterator[Request]:
        if not isinstance(fact, PageFact):
            return
        groups: dict[object, list[MetadataRequest]] = defaultdict(list)
        for version, file in _choose_files(fact, newest=newest, sdists=sdists):
            if is_known is None or not is_known(fact, file):
                digest = file.metadata_sha256 if file.has_metadata else None
                key = file.filename if digest is None else (digest, version)
                groups[key].append(MetadataRequest(index=fact.index, project=fact.project, file=file))
        for first, *others in groups.values():
            twins[first.index, first.project, first.file.filename] = others
            yield first

    result = fill(pages, client=client, ahead=choose, progress=progress)
    facts: list[Fact] = list(result.facts)
    errors: dict[Request, MachError] = dict(result.errors)
    left: list[Request] = []
    for fact in result.facts:
        if isinstance(fact, MetadataFact):
            others = twins.pop((fact.index, fact.project, fact.filename))
            if fact.source == "sidecar":
                facts += (replace(fact, filename=other.file.filename) for other in others)
            else:
                left += others
    # Where one file's sidecar could not be had, those of its twins may.
    left += (other for others in twins.values() for other in others)
    if left:
        second = fill(left, client=client, progress=progress)
        facts += second.facts
        errors |= second.errors
    return FillResult(facts=tuple(facts), errors=errors, skipped=result.skipped)


def _choose_files(page: PageFact, *, newest: int | None, sdists: bool) -> Iterator[tuple[Version, FileFact]]:
    """Yield wheels for some target (and sdists) whose names give a version, of the newest versions first."""
    found = []
    for file in page.files:
        if file.filename.endswith(".whl"):
            wheel = classify(file.filename, page.project, page.index)
            if isinstance(wheel, Candidate) and _is_for_some_target(wheel.tags or ""):
                found.append((wheel.version, file))
        elif sdists:
            version = version_in_name(file.filename, page.project)
            if version is not None:
                found.append((version, file))
    kept = sorted({version for version, _ in found}, reverse=True)[:newest]
    position = {version: at for at, version in enumerate(kept)}
    yield from sorted(
        (pair for pair in found if pair[0] in position), key=lambda pair: (position[pair[0]], pair[1].filename)
    )


@cache
def _targets() -> tuple[Target, ...]:
    """Return every platform with every Python that mach knows, and the newest glibc and macOS."""
    return tuple(
        make_target(system, python, glibc=_ANY_GLIBC, macos=_ANY_MACOS)
        for system in SYSTEMS
        for python in NEWEST_PATCHES.values()
    )


@lru_cache(maxsize=1 << 14)
def _is_for_some_target(tags: str) -> bool:
    return any(best_tag_rank(target, tags) is not None for target in _targets())
