"""Reading a project's state from the catalog's rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from resolver.crates import read_crates
from resolver.names import NormalizedName
from resolver.unversioned import read_version

from .connection import Connection, expand
from .facts import BuildSystem, FileFact
from .listings import COLUMNS, TABLES, batches, digits, url_of
from .state import BuildKey, FileKey, FileState, Metadata, ProjectState

__all__ = ["StoredState", "load_state", "make_listing"]

_OF_PROJECT = (
    f"SELECT f.id, l.id, l.gone_generation, {COLUMNS} {TABLES}"
    " WHERE f.project_id = ? AND l.first_generation <= ? ORDER BY l.id"
)
_LINKS = """
    SELECT m.file_id, m.depset_id, m.source, m.sha256
    FROM file f
    JOIN metadata_link m ON m.file_id = f.id
    WHERE f.project_id = ? AND m.first_generation <= ? AND (m.gone_generation IS NULL OR m.gone_generation > ?)
"""
_BUILT = """
    SELECT b.file_id, b.depset_id, b.source, b.python, b.system, b.step, b.closure
    FROM file f
    JOIN built_link b ON b.file_id = f.id
    WHERE f.project_id = ? AND b.first_generation <= ? AND (b.gone_generation IS NULL OR b.gone_generation > ?)
"""


@dataclass(slots=True, kw_only=True)
class StoredState:
    """A project's state with the ids of the rows that hold it."""

    state: ProjectState
    file_ids: dict[FileKey, int] = field(default_factory=dict)
    listing_ids: dict[FileKey, int] = field(default_factory=dict)
    """The last listing of each file."""


def make_listing(row: Any) -> FileFact:
    """Return the listing in a *row* of :data:`db.listings.COLUMNS`."""
    filename, sha256, _, _, _, size, upload, python, yanked, reason, offered, sidecar = row
    return FileFact(
        filename=filename,
        url=url_of(row),
        sha256=digits(sha256),
        size=size,
        upload_time=upload,
        requires_python=python,
        yanked=bool(yanked),
        yanked_reason=reason,
        has_metadata=bool(offered),
        metadata_sha256=digits(sidecar),
    )


def load_state(
    connection: Connection, project_id: int, index: str, project: NormalizedName, generation: int
) -> StoredState:
    """Return the state in which a project was when *generation* was the newest one."""
    absent = connection.rows(
        "SELECT 1 FROM absence WHERE project_id = ? AND first_generation <= ?"
        " AND (gone_generation IS NULL OR gone_generation > ?)",
        (project_id, generation, generation),
    )
    links, built = _load_metadata(connection, project_id, generation)
    found = StoredState(state=ProjectState(index=index, project=project))
    files: dict[FileKey, FileState] = {}
    listings = connection.rows(_OF_PROJECT, (project_id, generation))
    last: dict[int, Any] = {row[0]: row for row in listings}
    for file_id, row in last.items():
        listing = make_listing(row[3:])
        key = (listing.filename, listing.sha256)
        files[key] = FileState(
            listing=listing,
            live=row[2] is None or row[2] > generation,
            metadata=links.get(file_id),
            built=built.get(file_id, {}),
        )
        found.file_ids[key] = file_id
        found.listing_ids[key] = row[1]
    found.state = ProjectState(index=index, project=project, absent=bool(absent), files=files)
    return found


def _load_metadata(
    connection: Connection, project_id: int, generation: int
) -> tuple[dict[int, Metadata], dict[int, dict[BuildKey, Metadata]]]:
    links = connection.rows(_LINKS, (project_id, generation, generation))
    builds = connection.rows(_BUILT, (project_id, generation, generation))
    bodies: dict[int, Any] = {}
    for ids in batches(sorted({row[1] for row in (*links, *builds)})):
        for number, body in connection.rows(expand("SELECT id, body FROM depset WHERE id IN (??)", len(ids)), ids):
            bodies[number] = json.loads(body)
    built: dict[int, dict[BuildKey, Metadata]] = {}
    for file_id, number, source, *place in builds:
        python, system, step, closure = place
        said = make_metadata(bodies[number], source, None)
        built.setdefault(file_id, {})[python, system, step, closure] = said
    return {
        file_id: make_metadata(bodies[number], source, digits(sha256)) for file_id, number, source, sha256 in links
    }, built


def make_metadata(body: Any, source: str, sha256: str | None) -> Metadata:
    """Return the metadata whose :func:`db.digest.depset_body` decodes to *body*."""
    requires_dist, provides_extra, requires_python, failure, *builds = body
    build: BuildSystem | None = None
    for item in builds:
        requires, backend, backend_path, extractor = item[:4]
        build = BuildSystem(
            requires=tuple(requires),
            backend=backend,
            backend_path=tuple(backend_path),
            extractor=extractor,
            crates=read_crates(item),
            version=read_version(item),
        )
    return Metadata(
        requires_dist=tuple(requires_dist),
        provides_extra=tuple(provides_extra),
        requires_python=requires_python,
        failure=failure,
        build=build,
        source=source,
        sha256=sha256,
    )
