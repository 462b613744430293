"""Checking a catalog against itself, and counting what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resolver.catalog import Page, decode_page, encode_page
from resolver.errors import printable

from .connection import SCHEMA_VERSION
from .digest import canonical_json, facts_digest
from .filenames import Candidate, classify
from .load import load_state
from .page import build_page
from .snapshot import snapshot_id
from .snapshot_tree import replay
from .state import BUILD_COLUMNS

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["Difference", "Status", "status", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something in the catalog that is not what its facts say."""

    where: str
    """``project numpy on https://index.example/simple/, generation 4``."""
    what: str


def verify(catalog: CatalogHandle) -> tuple[Difference, ...]:
    """Compute all derived values again, from rows alone, and return what differs.

    For every state of every project: the digest of its facts and its page.  Besides:
    digests of interned metadata, versions and tags of files, facts that replace each
    other, kept snapshot ids, and SQLite's own check of the file.  An intact catalog gives the empty tuple.

    :raises DataError: ``catalog-corrupt`` where the database cannot even be read.
    """
    return tuple(
        Difference(where=printable(difference.where), what=printable(difference.what))
        for check in (_check_database, _check_depsets, _check_files, _check_links, _check_states, _check_snapshots)
        for difference in check(catalog)
    )


def _check_database(catalog: CatalogHandle) -> Iterator[Difference]:
    if catalog.location.file is not None:
        for (line,) in catalog.connection.rows("PRAGMA integrity_check(20)"):
            if line != "ok":
                yield Difference(where="database file", what=str(line))
        for table, row, parent, _ in catalog.connection.rows("PRAGMA foreign_key_check"):
            yield Difference(where=f"table {table}, row {row}", what=f"refers to a row of {parent} that is not there")


def _check_depsets(catalog: CatalogHandle) -> Iterator[Difference]:
    for number, digest, body in catalog.connection.rows("SELECT id, digest, body FROM depset ORDER BY id"):
        where = f"dependency set {number}"
        if hashlib.sha256(body.encode()).digest() != bytes(digest):
            yield Difference(where=where, what="its digest is not that of its content")
            continue
        try:
            canonical = canonical_json(json.loads(body)).decode() == body
        except ValueError:
            canonical = False
        if not canonical:
            yield Difference(where=where, what="its content is not canonical JSON")


def _check_files(catalog: CatalogHandle) -> Iterator[Difference]:
    rows = catalog.connection.rows(
        "SELECT f.id, f.filename, p.name, i.text, r.version, t.text FROM file f"
        " JOIN project p ON p.id = f.project_id JOIN index_url i ON i.id = p.index_id"
        " LEFT JOIN release r ON r.id = f.release_id LEFT JOIN tagset t ON t.id = f.tagset_id ORDER BY f.id"
    )
    for number, filename, project, index, version, tags in rows:
        what = classify(filename, project, index)
        expected = (str(what.version), what.tags) if isinstance(what, Candidate) else (None, None)
        if (version, tags) != expected:
            yield Difference(
                where=f"file {number} ({filename})",
                what=f"is kept as version {version}, tags {tags}; its name says {expected[0]}, {expected[1]}",
            )


def _check_links(catalog: CatalogHandle) -> Iterator[Difference]:
    """Find facts of which two hold at once: readers take either of them."""
    for table, place in (("metadata_link", ()), ("built_link", BUILD_COLUMNS)):
        same = " AND ".join(f"a.{column} = b.{column}" for column in ("file_id", *place))
        rows = catalog.connection.rows(
            f"SELECT a.file_id, a.first_generation, b.first_generation FROM {table} a JOIN {table} b ON {same}"  # noqa: S608 - our own constants
            " WHERE a.first_generation < b.first_generation"
            " AND (a.gone_generation IS NULL OR a.gone_generation > b.first_generation)"
        )
        for number, first, second in rows:
            yield Difference(
                where=f"file {number}, table {table}",
                what=f"what was learned in generation {first} still holds beside that of generation {second}",
            )


def _check_states(catalog: CatalogHandle) -> Iterator[Difference]:
    states = catalog.connection.rows(
        "SELECT p.id, i.text, p.name, s.generation, s.digest, g.body FROM project_state s"
        " JOIN project p ON p.id = s.project_id JOIN index_url i ON i.id = p.index_id"
        " LEFT JOIN page g ON g.project_id = s.project_id AND g.generation = s.generation"
        " ORDER BY p.id, s.generation"
    )
    for project_id, index, project, generation, digest, body in states:
        where = f"project {project} on {index}, generation {generation}"
        stored = load_state(catalog.connection, project_id, index, project, generation)
        if facts_digest(stored.state) != bytes(digest):
            yield Difference(where=where, what="the digest of its facts is not that of its rows")
        if body is None:
            continue  # pages are derived and may be pruned; readers then build them again
        expected = build_page(stored.state, stored.file_ids)
        try:
            same = _page_values(decode_page(body)) == _page_values(decode_page(encode_page(expected)))
        except ValueError as error:
            yield Difference(where=where, what=f"its page cannot be read: {error}")
            continue
        if not same:
            yield Difference(where=where, what="its page is not that of its rows")


def _page_values(page: Page) -> list[Any]:
    return [getattr(page, name) for name in Page.__slots__]


def _check_snapshots(catalog: CatalogHandle) -> Iterator[Difference]:
    kept = dict(catalog.connection.rows("SELECT number, snapshot FROM generation"))
    computed = replay(catalog, max(kept, default=0))
    for number, snapshot in sorted(kept.items()):
        if snapshot is not None and snapshot != computed.get(number):
            yield Difference(
                where=f"generation {number}", what=f"is kept as snapshot {snapshot}, is {computed.get(number)}"
            )
    for name, snapshot, number in catalog.connection.rows("SELECT name, snapshot, generation FROM snapshot_name"):
        if computed.get(number) != snapshot:
            yield Difference(where=f"snapshot name {name}", what=f"names {snapshot}, which generation {number} is not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a catalog holds in its newest generation."""

    location: str
    """Without a password."""
    engine: str
    """``sqlite`` or ``postgresql``."""
    schema_version: int
    projects: int
    """Projects that their index has."""
    absent: int
    """Projects that their index answered it does not have."""
    files: int
    """Files that pages list."""
    removed: int
    """Files that pages listed once and no longer do."""
    metadata: int
    """Listed files whose metadata, or why it cannot be had, is known."""
    generation: int
    """Number of the newest generation, 0 where nothing was learned yet."""
    snapshot: str
    """Id of the newest state."""
    size: int
    """Bytes on disk."""


def status(catalog: CatalogHandle) -> Status:
    """Return the catalog's counts, newest snapshot id and size."""

    def count(statement: str) -> int:
        return int(catalog.connection.rows(statement)[0][0])

    absent = count("SELECT count(*) FROM absence WHERE gone_generation IS NULL")
    files = count("SELECT count(*) FROM listing WHERE gone_generation IS NULL")
    file = catalog.location.file
    if file is not None:
        parts = [file.with_name(file.name + tail) for tail in ("", "-wal")]
        size = sum(part.stat().st_size for part in parts if part.exists())
    else:
        size = count(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = current_schema() AND c.relkind = 'r'"
        )
    return Status(
        location=str(catalog.location),
        engine="sqlite" if file is not None else "postgresql",
        schema_version=SCHEMA_VERSION,
        projects=count("SELECT count(*) FROM project") - absent,
        absent=absent,
        files=files,
        removed=count("SELECT count(*) FROM file") - files,
        metadata=count(
            "SELECT count(*) FROM metadata_link m JOIN listing l ON l.file_id = m.file_id"
            " WHERE m.gone_generation IS NULL AND l.gone_generation IS NULL"
        ),
        generation=catalog.generation(),
        snapshot=snapshot_id(catalog),
        size=size,
    )
