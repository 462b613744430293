"""The memory of a service: what it answered, and for which states of the catalog that answer holds."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from resolver.errors import DataError
from resolver.names import NormalizedName

from . import schema
from .connection import corrupt, expand
from .engine import begin
from .listings import batches

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["MOST_RESOLUTIONS", "Run", "load", "recall", "remember"]

#: Resolutions that a catalog keeps; older ones are forgotten.
MOST_RESOLUTIONS = 100_000
#: Runs of one request that are looked at, newest first.
_MOST_RUNS = 8
#: Bytes that a body may have once it is unpacked.
_LARGEST = 64 << 20

_RUNS = """
    SELECT r.generation, r.reads, r.resolution_id, b.body
    FROM resolution_run r
    JOIN resolution b ON b.id = r.resolution_id
    WHERE r.request = ?
    ORDER BY r.generation DESC
    LIMIT ?
"""
_CHANGED = """
    SELECT 1 FROM project_state s
    WHERE s.generation > ? AND s.generation <= ? AND s.project_id IN (??)
    LIMIT 1
"""
_FRESHNESS = """
    SELECT i.text, f.checked_at
    FROM project p
    JOIN index_url i ON i.id = p.index_id
    LEFT JOIN freshness f ON f.project_id = p.id
    WHERE p.id IN (??)
"""
_IDS = """
    SELECT p.id, p.name FROM project p JOIN index_url i ON i.id = p.index_id WHERE i.text = ? AND p.name IN (??)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One resolution of a request on one state of a catalog."""

    request: str
    """Key of the request: what makes two requests the same."""
    generation: int
    resolution: str
    """The resolution's id."""
    body: bytes
    """What was answered, as its reader understands it."""
    reads: Sequence[tuple[str, NormalizedName]] | None
    """(index, project) of every page that the answer depends on: it holds for every state in which these are
    the same. None where it may depend on more, and holds for this generation alone."""


def recall(
    catalog: CatalogHandle,
    request: str,
    generation: int,
    *,
    checked_since: int | None = None,
    never_old: Callable[[str], bool] = lambda index: False,
) -> tuple[str, bytes] | None:
    """Return (id, body) of the resolution that *request* has at *generation*, None where none is known.

    :param checked_since: where given, only an answer whose pages the indexes were asked for since then
        (UTC seconds since 1970) is returned; a page of which that is not known counts as old.
    :param never_old: tells of an index whether what it says never changes.
    :raises DataError: ``catalog-corrupt``.
    """
    for known, reads, name, body in catalog.connection.rows(_RUNS, (request, _MOST_RUNS)):
        ids = None if reads is None else json.loads(_unpack(catalog, reads))
        if known != generation and (ids is None or _has_changed(catalog, sorted((known, generation)), ids)):
            continue
        if checked_since is not None and (ids is None or _is_old(catalog, checked_since, never_old, ids)):
            continue
        return str(name), _unpack(catalog, body)
    return None


def _has_changed(catalog: CatalogHandle, between: Sequence[int], ids: Sequence[int]) -> bool:
    return any(catalog.connection.rows(expand(_CHANGED, len(some)), (*between, *some)) for some in batches(ids))


def _is_old(catalog: CatalogHandle, since: int, never_old: Callable[[str], bool], ids: Sequence[int]) -> bool:
    return any(
        (checked_at is None or checked_at < since) and not never_old(index)
        for some in batches(ids)
        for index, checked_at in catalog.connection.rows(expand(_FRESHNESS, len(some)), some)
    )


def load(catalog: CatalogHandle, resolution: str) -> bytes | None:
    """Return the body of the resolution with this id, None where none is kept.

    :raises DataError: ``catalog-corrupt``.
    """
    rows = catalog.connection.rows("SELECT body FROM resolution WHERE id = ?", (resolution,))
    return _unpack(catalog, rows[0][0]) if rows else None


def _unpack(catalog: CatalogHandle, data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(bytes(data), _LARGEST)
    except zlib.error as error:
        raise corrupt(catalog.location, f"a resolution cannot be unpacked: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise corrupt(catalog.location, "a resolution is cut off or too large")
    return body


def remember(catalog: CatalogHandle, runs: Iterable[Run], *, most: int = MOST_RESOLUTIONS) -> None:
    """Keep *runs*, in one transaction; those that are kept already stay as they are.

    :param most: resolutions to keep; the oldest beyond are forgotten.
    :raises Unavailable: where the catalog cannot be written.
    """
    table, run_table = schema.resolution, schema.resolution_run
    now = int(time.time())
    with begin(catalog.engine, catalog.location) as connection:
        for run in runs:
            reads = None if run.reads is None else _pack(json.dumps(_ids_of(catalog, run)).encode())
            mine = run_table.c.request == run.request, run_table.c.generation == run.generation
            if connection.execute(sa.select(run_table.c.request).where(*mine)).first() is not None:
                continue
            if connection.execute(sa.select(table.c.id).where(table.c.id == run.resolution)).first() is None:
                connection.execute(table.insert().values(id=run.resolution, body=_pack(run.body), created_at=now))
            connection.execute(
                run_table.insert().values(
                    request=run.request, generation=run.generation, resolution_id=run.resolution, reads=reads
                )
            )
        _forget(connection, most)


def _forget(connection: sa.Connection, most: int) -> None:
    table = schema.resolution
    surplus = (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) - most
    if surplus > 0:
        # their runs go with them
        old = sa.select(table.c.id).order_by(table.c.created_at, table.c.id).limit(surplus)
        connection.execute(table.delete().where(table.c.id.in_(old)))


def _ids_of(catalog: CatalogHandle, run: Run) -> list[int]:
    """Return the catalog's ids of the projects that *run* read."""
    assert run.reads is not None
    by_index: dict[str, list[str]] = {}
    for index, project in run.reads:
        by_index.setdefault(index, []).append(project)
    found: list[int] = []
    for index, projects in by_index.items():
        for names in batches(projects):
            found += (row[0] for row in catalog.connection.rows(expand(_IDS, len(names)), (index, *names)))
    if len(found) != len(run.reads):
        raise DataError(
            "unknown-page",
            "a resolution read pages that the catalog does not know",
            hint="this is a bug of mach; please report it",
        )
    return sorted(found)


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 1)
