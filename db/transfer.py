"""Moving facts between catalogs: whole snapshots, or just the facts of a lock."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.errors import DataError, InputError, Unavailable
from resolver.names import NormalizedName

from .digest import bucket_digest, bucket_of, facts_digest, snapshot_digest
from .factfile import Header, read_header, read_states, write_states
from .load import load_state
from .snapshot import snapshot_id
from .state import BuildKey, FileKey, FileState, Metadata, ProjectState

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["Imported", "export_facts", "export_snapshot", "import_file"]

_PROJECTS = """
    SELECT p.id, i.text, p.name FROM project p JOIN index_url i ON i.id = p.index_id
    WHERE EXISTS (SELECT 1 FROM project_state s WHERE s.project_id = p.id AND s.generation <= ?)
"""


def export_snapshot(catalog: CatalogHandle, file: Path, generation: int | None = None) -> str:
    """Write the whole state of *generation* (by default the newest) to *file* and return its snapshot id.

    :raises Unavailable: ``export-unwritable``; *file* is then as it was before.
    """
    number = catalog.reader(generation).generation
    identity = snapshot_id(catalog, number)
    projects = sorted((index, name, row) for row, index, name in catalog.connection.rows(_PROJECTS, (number,)))

    def states() -> Iterator[ProjectState]:
        for index, name, row in projects:
            yield load_state(catalog.connection, row, index, name, number).state

    _write(file, Header(kind="snapshot", snapshot=identity), states())
    return identity


def export_facts(
    catalog: CatalogHandle,
    file: Path,
    *,
    pages: Iterable[tuple[str, NormalizedName]],
    metadata: Iterable[tuple[str, NormalizedName, str]],
    builds: Iterable[tuple[str, NormalizedName, str, BuildKey]] | None = None,
    generation: int | None = None,
) -> None:
    """Write to *file* what a resolution needs that read exactly these facts.

    :param pages: (index, project): each page is written whole, as it lists now, or as absent.
    :param metadata: (index, project, file name): only these files' metadata is written; their pages are, too.
    :param builds: (index, project, file name, where it was said): only this of what build backends said
        is written; None: all that is known of the files in *metadata*.
    :raises DataError: ``not-covered`` where the catalog does not know one of them.
    :raises Unavailable: ``export-unwritable``; *file* is then as it was before.
    """
    number = catalog.reader(generation).generation
    wanted: dict[tuple[str, NormalizedName], set[str]] = {(index, project): set() for index, project in pages}
    for index, project, filename in metadata:
        wanted.setdefault((index, project), set()).add(filename)
    asked: dict[tuple[str, NormalizedName], set[tuple[str, BuildKey]]] | None = None
    if builds is not None:
        asked = {}
        for index, project, filename, place in builds:
            wanted.setdefault((index, project), set())
            asked.setdefault((index, project), set()).add((filename, place))
    ids = {(index, name): row for row, index, name in catalog.connection.rows(_PROJECTS, (number,))}

    def states() -> Iterator[ProjectState]:
        for index, project in sorted(wanted):
            if (index, project) not in ids:
                raise _not_covered(f"the page of {project}", index)
            state = load_state(catalog.connection, ids[index, project], index, project, number).state
            live = {key: found for key, found in state.files.items() if found.live}
            known = {key[0] for key, found in live.items() if found.metadata is not None}
            names = wanted[index, project]
            for filename in sorted(names - known):
                raise _not_covered(f"the metadata of {filename}", index)
            if asked is None:
                said = {(key[0], place) for key, f in live.items() if key[0] in names for place in f.built}
            else:
                said = asked.get((index, project), set())
                for filename, place in sorted(said - {(key[0], p) for key, f in live.items() for p in f.built}):
                    raise _not_covered(f"what the build backend of {filename} says ({', '.join(place)})", index)
            chosen = {
                key: replace(
                    found,
                    metadata=found.metadata if key[0] in names else None,
                    built={place: m for place, m in found.built.items() if (key[0], place) in said},
                )
                for key, found in live.items()
            }
            yield replace(state, files=chosen)

    _write(file, Header(kind="facts", snapshot=None), states())


def _not_covered(what: str, index: str) -> DataError:
    return DataError(
        "not-covered",
        f"the catalog does not know {what}",
        context=[f"index {index}"],
        hint="resolve again without --offline, or `mach crawl` the project",
    )


def _write(file: Path, header: Header, states: Iterable[ProjectState]) -> None:
    part: str | None = None
    try:
        if file.exists() and not file.is_file():
            # a device or a pipe is written to; a rename would put a file in its place
            with file.open("wb") as stream:
                write_states(stream, header, states)
            return
        handle, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
        with os.fdopen(handle, "wb") as stream:
            write_states(stream, header, states)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(part).chmod(0o666 & ~umask)
        Path(part).replace(file)
    except OSError as error:
        raise Unavailable(
            "export-unwritable",
            f"{file} cannot be written: {error.strerror or error}",
            hint="free space, or choose another place",
        ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    generation: int
    """The newest generation afterwards."""
    snapshot: str | None
    """Id of the snapshot in the file; None for the facts of a lock."""
    projects: int
    """Projects in the file."""
    learned: int
    """Of these, how many the catalog learned something of."""


def import_file(
    catalog: CatalogHandle, file: Path, *, replace_listings: bool = False, allow_file_urls: bool = False
) -> Imported:
    """Add the facts in *file* to the catalog, all or none, in one generation.

    The file says nothing of when its pages were fetched, so they count as never checked.
    Where the catalog knows another listing or other metadata of a project, nobody can tell
    which is newer: that is refused, or with *replace_listings* the file's is taken as the
    newest state.  Of what was found out about sdists, what newer rules found stays.

    :raises InputError: ``invalid-fact-file``, ``fact-file-too-new``, ``import-conflict``,
        ``unreadable-file``.
    :raises Unavailable: where the catalog cannot be written.
    """
    from .engine import begin
    from .writer import Publication

    try:
        stream = file.open("rb")
    except OSError as error:
        raise InputError(
            "unreadable-file",
            f"{file} cannot be read: {error.strerror or error}",
            hint="check the name and its permissions",
        ) from error
    with stream:
        header = read_header(stream, str(file))
        stream.seek(0)
        # Everything is checked before the lock is taken, and again while it is applied.
        _check_identity(header, read_states(stream, str(file), allow_file_urls=allow_file_urls), file)
        stream.seek(0)
        projects = learned = 0
        with begin(catalog.engine, catalog.location) as connection:
            publication = Publication(connection)
            for state in read_states(stream, str(file), allow_file_urls=allow_file_urls):
                projects += 1
                if publication.write(state.index, state.project, _merging(state, replace_listings), None):
                    learned += 1
                    if replace_listings:
                        publication.forget_freshness(state.index, state.project)
            return Imported(
                generation=publication.finish(), snapshot=header.snapshot, projects=projects, learned=learned
            )


def _check_identity(header: Header, states: Iterator[ProjectState], file: Path) -> None:
    buckets: dict[int, dict[tuple[str, str], bytes]] = {}
    for state in states:
        place = buckets.setdefault(bucket_of(state.index, state.project), {})
        place[state.index, state.project] = facts_digest(state)
    computed = snapshot_digest((number, bucket_digest(found)) for number, found in buckets.items())
    if header.snapshot is not None and header.snapshot != computed:
        raise InputError(
            "invalid-fact-file",
            f"{file} says that it holds snapshot {header.snapshot}, it holds {computed}",
            context=["nothing was imported"],
            hint="export it again with `mach db export`",
        )


def _merging(new: ProjectState, replace_listings: bool) -> Callable[[ProjectState], ProjectState]:
    """Return the change that adds *new* to what the catalog knows."""

    def choose(known: Metadata | None, found: Metadata, what: str) -> Metadata:
        if known is None:
            return found
        if known.says_the_same(found):
            return known
        if replace_listings:
            return found
        if _rules(known) == _rules(found):
            raise _conflict(new, what)
        return max(known, found, key=_rules)

    def change(known: ProjectState) -> ProjectState:
        if known.known and _listing(known) != _listing(new) and not replace_listings:
            raise _conflict(new, "another listing")
        # What the file does not list is gone: nothing, unless the listing is replaced.
        files = {key: file if key in new.files else replace(file, live=False) for key, file in known.files.items()}
        for key, file in new.files.items():
            before = files.get(key)
            if before is None:
                files[key] = file
                continue
            metadata = before.metadata
            if file.metadata is not None:
                metadata = choose(before.metadata, file.metadata, f"other metadata of {key[0]}")
            built = dict(before.built)
            for place, said in file.built.items():
                built[place] = choose(built.get(place), said, f"that the build backend of {key[0]} said something else")
            listing = file.listing if file.live or replace_listings else before.listing
            files[key] = FileState(listing=listing, live=file.live, metadata=metadata, built=built)
        return ProjectState(index=new.index, project=new.project, absent=new.absent, files=files)

    return change


def _rules(metadata: Metadata) -> int:
    """Return by which version of the rules for sdists it was found out; older results count as unknown."""
    return -1 if metadata.build is None else metadata.build.extractor


def _listing(state: ProjectState) -> tuple[bool, Mapping[FileKey, Any]]:
    return state.absent, {key: file.listing for key, file in state.files.items() if file.live}


def _conflict(state: ProjectState, what: str) -> InputError:
    return InputError(
        "import-conflict",
        f"the catalog knows {what} for {state.project}",
        context=[f"index {state.index}", "nothing was imported"],
        hint="import into a catalog of its own (--db FILE), or have the file's facts replace the catalog's",
    )
