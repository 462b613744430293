"""Reading a project's state, and the values behind file ids, from the catalog's rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from resolver.names import NormalizedName

from .connection import Connection, expand
from .facts import FileFact
from .state import FileKey, FileState, Metadata, ProjectState
from .urls import join_url

__all__ = ["StoredState", "batches", "load_files", "load_state", "make_listing"]

#: Most values that one statement names.
BATCH = 200

#: What :func:`make_listing` takes.
_COLUMNS = """
    f.filename, h.sha256, h.url_digest, h.url, b.text, l.size, l.upload_time, r.text,
    l.yanked, l.yanked_reason, l.has_metadata, h.metadata_sha256
"""
_TABLES = """
    FROM file f
    JOIN listing l ON l.file_id = f.id
    LEFT JOIN listing_hash h ON h.listing_id = l.id
    LEFT JOIN url_base b ON b.id = h.url_base_id
    LEFT JOIN requires_python r ON r.id = l.requires_python_id
"""
_OF_PROJECT = (
    f"SELECT f.id, l.id, l.gone_generation, {_COLUMNS} {_TABLES}"
    " WHERE f.project_id = ? AND l.first_generation <= ? ORDER BY l.id"
)
_OF_FILES = (
    f"SELECT f.id, m.sha256, {_COLUMNS} {_TABLES}"
    " LEFT JOIN metadata_link m ON m.file_id = f.id AND m.first_generation <= ?"
    " AND (m.gone_generation IS NULL OR m.gone_generation > ?)"
    " WHERE l.first_generation <= ? AND (l.gone_generation IS NULL OR l.gone_generation > ?) AND f.id IN (??)"
)
_LINKS = """
    SELECT m.file_id, m.depset_id, m.source, m.sha256
    FROM file f
    JOIN metadata_link m ON m.file_id = f.id
    WHERE f.project_id = ? AND m.first_generation <= ? AND (m.gone_generation IS NULL OR m.gone_generation > ?)
"""


@dataclass(slots=True, kw_only=True)
class StoredState:
    """A project's state with the ids of the rows that hold it."""

    state: ProjectState
    file_ids: dict[FileKey, int] = field(default_factory=dict)
    listing_ids: dict[FileKey, int] = field(default_factory=dict)
    """The last listing of each file."""


def batches(values: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """Yield *values* in lists of at most *size*."""
    values = list(values)
    for start in range(0, len(values), size):
        yield values[start : start + size]


def make_listing(row: Any) -> FileFact:
    """Return the listing in a *row* of :data:`_COLUMNS`."""
    filename, sha256, url_digest, url, base, size, upload, python, yanked, reason, offered, sidecar = row
    return FileFact(
        filename=filename,
        url=url if url_digest is None else join_url(base, bytes(url_digest), filename),
        sha256=None if sha256 is None else bytes(sha256).hex(),
        size=size,
        upload_time=upload,
        requires_python=python,
        yanked=bool(yanked),
        yanked_reason=reason,
        has_metadata=bool(offered),
        metadata_sha256=None if sidecar is None else bytes(sidecar).hex(),
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
    links = _load_metadata(connection, project_id, generation)
    found = StoredState(state=ProjectState(index=index, project=project))
    files: dict[FileKey, FileState] = {}
    listings = connection.rows(_OF_PROJECT, (project_id, generation))
    last: dict[int, Any] = {row[0]: row for row in listings}
    for file_id, row in last.items():
        listing = make_listing(row[3:])
        key = (listing.filename, listing.sha256)
        files[key] = FileState(listing=listing, live=row[2] is None or row[2] > generation, metadata=links.get(file_id))
        found.file_ids[key] = file_id
        found.listing_ids[key] = row[1]
    found.state = ProjectState(index=index, project=project, absent=bool(absent), files=files)
    return found


def _load_metadata(connection: Connection, project_id: int, generation: int) -> dict[int, Metadata]:
    links = connection.rows(_LINKS, (project_id, generation, generation))
    bodies: dict[int, Any] = {}
    for ids in batches(sorted({row[1] for row in links})):
        for number, body in connection.rows(expand("SELECT id, body FROM depset WHERE id IN (??)", len(ids)), ids):
            bodies[number] = json.loads(body)
    return {
        file_id: make_metadata(bodies[number], source, None if sha256 is None else bytes(sha256).hex())
        for file_id, number, source, sha256 in links
    }


def make_metadata(body: Any, source: str, sha256: str | None) -> Metadata:
    """Return the metadata whose :func:`db.digest.depset_body` decodes to *body*."""
    requires_dist, provides_extra, requires_python, failure = body
    return Metadata(
        requires_dist=tuple(requires_dist),
        provides_extra=tuple(provides_extra),
        requires_python=requires_python,
        failure=failure,
        source=source,
        sha256=sha256,
    )


def load_files(
    connection: Connection, file_ids: Iterable[int], generation: int
) -> Mapping[int, tuple[FileFact, str | None]]:
    """Return, by file id, what the page said at *generation*, and a digest that only a download told.

    Files that no page listed then are left out.
    """
    answer: dict[int, tuple[FileFact, str | None]] = {}
    for ids in batches(sorted(set(file_ids))):
        rows = connection.rows(expand(_OF_FILES, len(ids)), (generation, generation, generation, generation, *ids))
        for row in rows:
            answer[row[0]] = (make_listing(row[2:]), None if row[1] is None else bytes(row[1]).hex())
    return answer
