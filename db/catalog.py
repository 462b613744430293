"""Opening a catalog, and reading one state of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from resolver.catalog import Artifact, Page
from resolver.errors import DataError
from resolver.names import NormalizedName

from .connection import (
    SCHEMA_VERSION,
    Connection,
    connect,
    corrupt,
    expand,
    missing,
    read_schema_version,
    too_new,
    translate_errors,
)
from .held_pages import HeldArtifacts, HeldPages
from .listings import batches, digits, listed_files, url_of
from .location import Location, parse_location
from .pages import RebuiltPages, read_pages
from .snapshot_tree import SnapshotTree

if TYPE_CHECKING:
    import sqlalchemy as sa

    from .facts import FileFact

__all__ = ["CatalogHandle", "Freshness", "Reader", "open_catalog"]

#: Bytes of pages that a handle keeps in memory, about.
_MOST_HELD = 128 << 20
#: Artifacts that it keeps, each about a kilobyte.
_MOST_ARTIFACTS = 20_000
_FRESHNESS = """
    SELECT p.name, f.checked_at, f.etag, f.last_modified, f.last_serial
    FROM index_url i
    JOIN project p ON p.index_id = i.id
    JOIN freshness f ON f.project_id = p.id
    WHERE i.text = ? AND p.name IN (??)
"""
_NAMES = """
    SELECT p.name
    FROM index_url i
    JOIN project p ON p.index_id = i.id
    WHERE i.text = ? AND p.name >= ? AND p.name < ? AND length(p.name) BETWEEN ? AND ?
    AND EXISTS (SELECT 1 FROM project_state s WHERE s.project_id = p.id AND s.generation <= ?)
    AND NOT EXISTS (SELECT 1 FROM absence a WHERE a.project_id = p.id AND a.first_generation <= ?
        AND (a.gone_generation IS NULL OR a.gone_generation > ?))
    ORDER BY p.name
    LIMIT 5000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """When an index was last asked for a page, and what it gave for asking again."""

    checked_at: int
    """UTC seconds since 1970; 0 where the page was imported."""
    etag: str | None
    last_modified: str | None
    last_serial: int | None


class Reader:
    """One generation of a catalog: a :class:`resolver.catalog.Catalog`."""

    __slots__ = ("_handle", "generation")

    def __init__(self, handle: CatalogHandle, generation: int) -> None:
        self._handle = handle
        self.generation = generation

    def pages(self, index: str, projects: Iterable[NormalizedName]) -> Mapping[NormalizedName, Page]:
        """Return the known pages of *projects* on *index*, at most 200 names a query.

        :raises DataError: ``catalog-corrupt``.
        """
        return read_pages(self._handle, index, projects, self.generation)

    def projects(self, index: str) -> list[NormalizedName]:
        """Return the names of all projects that this generation knows on *index*, absent ones included, sorted."""
        rows = self._handle.connection.rows(
            "SELECT p.name FROM project p JOIN index_url i ON i.id = p.index_id WHERE i.text = ? AND EXISTS"
            " (SELECT 1 FROM project_state s WHERE s.project_id = p.id AND s.generation <= ?)",
            (index, self.generation),
        )
        return sorted(row[0] for row in rows)

    def names_like(self, index: str, project: str) -> list[str]:
        """Return names of projects that *index* has and that may be meant by *project*, sorted: for typing errors.

        They are of about its length and begin with its first two letters, perhaps with
        those swapped or the first one left out.
        """
        first = project[:2]
        found: set[str] = set()
        for start in sorted({first, first[::-1], project[1:3]} - {""}):
            end = start[:-1] + chr(ord(start[-1]) + 1)
            values = (index, start, end, len(project) - 2, len(project) + 2, *[self.generation] * 3)
            found.update(row[0] for row in self._handle.connection.rows(_NAMES, values))
        return sorted(found - {project})

    def artifacts(self, file_ids: Iterable[int]) -> Mapping[int, Artifact]:
        """Return the files with these ids, by id; those that this generation does not list are left out."""
        held = self._handle.held_artifacts
        turn = held.turn
        found, missing = held.look_up(self.generation, dict.fromkeys(file_ids))
        if not missing:
            return found
        for number, downloaded, row in listed_files(self._handle.connection, missing, self.generation):
            filename, sha256, _, _, _, size, upload_time = row[:7]
            found[number] = Artifact(
                filename=filename,
                url=url_of(row),
                sha256=digits(downloaded if sha256 is None else sha256),
                size=size,
                upload_time=upload_time,
            )
        held.hold(self.generation, missing, found, turn)
        return found

    def file_facts(self, file_ids: Iterable[int]) -> Mapping[int, FileFact]:
        """Return what the page says of these files, by id: what a crawler needs to fetch their metadata."""
        from .load import make_listing

        rows = listed_files(self._handle.connection, file_ids, self.generation)
        return {number: make_listing(row) for number, _, row in rows}

    def listing(self, index: str, project: NormalizedName) -> tuple[FileFact, ...] | None:
        """Return all files that a project's page lists, sorted by name; None where the page is unknown."""
        from .load import load_state

        connection = self._handle.connection
        rows = connection.rows(
            "SELECT p.id FROM project p JOIN index_url i ON i.id = p.index_id WHERE i.text = ? AND p.name = ?"
            " AND EXISTS (SELECT 1 FROM project_state s WHERE s.project_id = p.id AND s.generation <= ?)",
            (index, project, self.generation),
        )
        if not rows:
            return None
        state = load_state(connection, rows[0][0], index, project, self.generation).state
        return tuple(sorted((f.listing for f in state.files.values() if f.live), key=lambda f: f.filename))


class CatalogHandle:
    """An open catalog: readers of its generations, and the engine that writes to it.

    Safe to share between threads; each has a connection of its own.

    :ivar held: pages that were read.
    :ivar held_artifacts: artifacts that were read.
    :ivar rebuilt: pages that were not in the catalog.
    :ivar tree: computes snapshot ids.
    :ivar turn: counts how often a connection was lost: what was learned before may be of another database.
    """

    def __init__(self, location: Location, *, readonly: bool) -> None:
        self.location = location
        self.readonly = readonly
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._guard = threading.Lock()
        self._engine: sa.Engine | None = None
        self.held = HeldPages(_MOST_HELD)
        self.held_artifacts = HeldArtifacts(_MOST_ARTIFACTS)
        self.rebuilt = RebuiltPages()
        self.tree = SnapshotTree()
        self.turn = 0

    def __enter__(self) -> CatalogHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the handle opens new ones when it is used again."""
        self.rebuilt.keep(self)
        self._forget()
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()
            if self._engine is not None:
                self._engine.dispose()
                self._fold_log()

    def _forget(self) -> None:
        """Let go of what was read: the database may be another one when it is there again."""
        self.turn += 1
        self.held.clear()
        self.held_artifacts.clear()
        self.rebuilt.clear()
        self.tree.clear()

    def _fold_log(self) -> None:
        """Put what SQLite keeps in its log into the file itself, so that a copy of the file alone is whole."""
        if self.location.file is None:
            return
        import sqlite3

        # where others are busy or the disk is full, the log stays beside the file: nothing is lost
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.location.file)) as log:
            log.execute("PRAGMA busy_timeout = 0")
            log.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def connection(self) -> Connection:
        """This thread's connection for reading."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = connect(self.location, self._forget)
            with self._guard:
                self._connections.append(found)
            self._local.connection = found
        return found

    @property
    def engine(self) -> sa.Engine:
        """The engine for writing (imports SQLAlchemy).

        :raises DataError: ``catalog-readonly`` where the catalog was opened for reading only.
        """
        if self.readonly:
            raise DataError(
                "catalog-readonly",
                f"the catalog {self.location} was opened for reading only",
                hint="run the command without --snapshot and --offline to write to it",
            )
        with self._guard:
            if self._engine is None:
                from .engine import make_engine

                self._engine = make_engine(self.location)
            return self._engine

    def generation(self) -> int:
        """Return the newest generation's number, 0 where the catalog is empty."""
        return int(self.connection.rows("SELECT max(number) FROM generation")[0][0] or 0)

    def newest(self) -> tuple[int, int] | None:
        """Return the newest generation's number and when it was published, UTC seconds since 1970; None without one."""
        rows = self.connection.rows("SELECT number, created_at FROM generation ORDER BY number DESC LIMIT 1")
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def reader(self, generation: int | None = None) -> Reader:
        """Return a reader of *generation*, by default the one that is the newest now.

        :raises DataError: ``unknown-generation``.
        """
        newest = self.generation()
        if generation is None:
            return Reader(self, newest)
        if not 0 <= generation <= newest:
            raise DataError(
                "unknown-generation",
                f"the catalog {self.location} has generations up to {newest}, not {generation}",
                hint="`mach db snapshots` lists what there is",
            )
        return Reader(self, generation)

    def freshness(self, index: str, projects: Iterable[NormalizedName]) -> Mapping[NormalizedName, Freshness]:
        """Return when pages of *projects* on *index* were last asked for; never-asked ones are left out."""
        answer: dict[NormalizedName, Freshness] = {}
        for names in batches(dict.fromkeys(projects)):
            rows = self.connection.rows(expand(_FRESHNESS, len(names)), (index, *names))
            for name, checked_at, etag, last_modified, last_serial in rows:
                answer[name] = Freshness(
                    checked_at=checked_at, etag=etag, last_modified=last_modified, last_serial=last_serial
                )
        return answer

    def last_serial(self, index: str) -> int | None:
        """Return the serial up to which *index* was followed (:func:`db.writer.note_serial`), None if never."""
        rows = self.connection.rows(
            "SELECT s.last_serial FROM index_serial s JOIN index_url i ON i.id = s.index_id WHERE i.text = ?", (index,)
        )
        return int(rows[0][0]) if rows else None


def open_catalog(
    where: str | Path | None = None, *, create: bool = True, readonly: bool = False, checked: bool = False
) -> CatalogHandle:
    """Return a handle of the catalog at *where*: a file, ``sqlite:///FILE``, ``postgresql://…``; None: the user's own.

    A new or older catalog is made or migrated first, unless *readonly*; with *create*
    false a missing one is an error.  The check of the schema's version needs neither
    SQLAlchemy nor alembic.

    :param checked: somebody opened it a moment ago: nothing is looked at before the first question, so that a process
        of a service can start while the database is away for a while.
    :raises InputError: ``invalid-catalog-url``.
    :raises DataError: ``catalog-missing``, ``catalog-too-new``, ``catalog-too-old`` (only
        where *readonly*), ``catalog-foreign``, ``catalog-corrupt``.
    :raises Unavailable: ``catalog-locked``, ``catalog-unwritable``, ``catalog-unreachable``.
    """
    location = parse_location(None if where is None else str(where))
    handle = CatalogHandle(location, readonly=readonly)
    if checked:
        return handle
    try:
        version = _schema_version(handle)
        if version == SCHEMA_VERSION:
            return handle
        if version is not None and version > SCHEMA_VERSION:
            raise too_new(location, version)
        if version is None and (readonly or not create):
            raise missing(location)
        if readonly:
            raise DataError(
                "catalog-too-old",
                f"the catalog {location} has schema version {version}, this mach needs {SCHEMA_VERSION}",
                hint="run `mach db status` with write access once: it migrates the catalog after a backup",
            )
        handle.close()
        from .engine import prepare

        prepare(location)
        return handle
    except BaseException:
        handle.close()
        raise


def _schema_version(handle: CatalogHandle) -> int | None:
    file = handle.location.file
    if file is not None:
        with translate_errors(handle.location):
            if file.exists() and not file.is_file():
                raise DataError(
                    "catalog-unwritable",
                    f"the catalog {handle.location} is a folder, a device or a pipe, and no file",
                    hint="name a file with --db",
                )
            if not file.exists() or file.stat().st_size == 0:
                return None
            # SQLite takes some other small files for empty databases, and would write over them.
            with file.open("rb") as stream:
                start = stream.read(512)
        if len(start) < 512 or not start.startswith(b"SQLite format 3\0"):
            raise corrupt(handle.location, "the file is not an SQLite database")
    return read_schema_version(handle.connection, handle.location)
