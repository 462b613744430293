"""SQLAlchemy engines for writing, and bringing a catalog's schema to this version of mach."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from resolver.errors import DataError

from .connection import BUSY_SECONDS, SCHEMA_VERSION, read_schema_version, too_new, translate_errors, with_patience
from .location import Location

__all__ = ["WriteRows", "begin", "begin_favour", "keep_pages", "make_engine", "prepare", "upgrade"]

#: Key of PostgreSQL's advisory lock around migrations: "mach" in ASCII.
_MIGRATION_LOCK = 0x6D616368
#: Seconds that who could do without writing waits for a writer.
_SHORT_PATIENCE = 0.1


def make_engine(location: Location, *, patience: float = BUSY_SECONDS) -> sa.Engine:
    """Return an engine whose transactions are for writing: SQLite's begin with its write lock.

    :param patience: seconds for which SQLite waits for another writer.
    """
    if location.url is not None:
        url = make_url(location.url).set(drivername="postgresql+psycopg")
        # a service writes all the time: a connection is kept, and asked whether it still lives before it is used
        return sa.create_engine(
            url,
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,
            connect_args=with_patience(location.url),
        )
    assert location.file is not None
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(location.file.absolute())),
        poolclass=NullPool,
        connect_args={"timeout": patience},
    )
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own idea of transactions would begin them too late and end them at DDL.
    connection.isolation_level = None
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to SQLite's write-ahead log, waiting for a process that does the same.

    SQLite refuses that at once: where two would wait for each other in a ring, it does
    not call the handler that waits (https://www.sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


@contextlib.contextmanager
def begin(engine: sa.Engine, location: Location) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that holds the catalog's one write lock."""
    with translate_errors(location), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Readers go on; a second writer waits here, so numbers become visible in order.
            connection.exec_driver_sql("LOCK TABLE generation IN SHARE ROW EXCLUSIVE MODE")
        yield connection


class WriteRows:
    """A writer's SQLAlchemy connection in the dress of :class:`db.connection.Connection`."""

    __slots__ = ("_connection", "_mark")

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._mark = "%s" if connection.dialect.name == "postgresql" else "?"

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of *statement*, as tuples."""
        result = self._connection.exec_driver_sql(statement.replace("?", self._mark), tuple(parameters))
        return [tuple(row) for row in result]

    def close(self) -> None:
        """Do nothing: who began the transaction ends it."""


@contextlib.contextmanager
def begin_favour(location: Location, patience: float = _SHORT_PATIENCE) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that saves others work, and hardly waits for others who write.

    :param patience: seconds.
    :raises Unavailable: where the catalog cannot be written now.
    """
    with translate_errors(location), contextlib.ExitStack() as stack:
        engine = make_engine(location, patience=patience)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.begin())
        if location.file is None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(patience * 1000)}")
        yield connection


def keep_pages(location: Location, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to the table of pages; those that are there already stay as they are.

    :raises Unavailable: where the catalog cannot be written now.
    """
    from sqlalchemy.dialects import postgresql, sqlite

    from .schema import page

    dialect = postgresql if location.file is None else sqlite
    with begin_favour(location) as connection:
        connection.execute(dialect.insert(page).on_conflict_do_nothing(), rows)


def prepare(location: Location) -> None:
    """Create the catalog at *location*, or migrate an older one after a backup of its file.

    Runs under a lock, in one transaction: a second process that comes meanwhile finds
    the work done, and a killed one leaves the old schema.  The backup stands beside the
    file as ``NAME.schema-N.backup``; PostgreSQL's backups are its operator's.

    :raises DataError: ``catalog-too-new``, ``catalog-foreign``, ``catalog-corrupt``.
    """
    with translate_errors(location):
        if location.file is not None:
            location.file.parent.mkdir(parents=True, exist_ok=True)
        engine = make_engine(location)
        try:
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    _check_encoding(connection, location)
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                version = read_schema_version(WriteRows(connection), location)
                if version == SCHEMA_VERSION:
                    return
                if version is None:
                    _create(connection)
                    return
                if version > SCHEMA_VERSION:
                    raise too_new(location, version)
                if location.file is not None:
                    _back_up(location, version)
                upgrade(connection, SCHEMA_VERSION)
        finally:
            engine.dispose()


def _check_encoding(connection: sa.Connection, location: Location) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise DataError(
            "catalog-encoding",
            f"the database {location} keeps text as {encoding}; a catalog needs UTF8",
            hint="create one with `createdb --encoding=UTF8 --template=template0 NAME`",
        )


def _create(connection: sa.Connection) -> None:
    """Make the schema of this version at once: what the migrations make, without the time that alembic takes."""
    from .schema import alembic_version, meta, metadata_tables

    metadata_tables.create_all(connection, checkfirst=False)
    connection.execute(meta.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
    connection.execute(alembic_version.insert().values(version_num=_revision(SCHEMA_VERSION)))


def _revision(version: int) -> str:
    return f"{version:04d}"


def _back_up(location: Location, version: int) -> None:
    assert location.file is not None
    target = location.file.with_name(f"{location.file.name}.schema-{version}.backup")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    # The write lock is ours already, and a reader sees the last committed state.
    source = sqlite3.connect(location.file, timeout=BUSY_SECONDS)
    copy = sqlite3.connect(part)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    part.replace(target)


def upgrade(connection: sa.Connection, version: int) -> None:
    """Run the migrations up to schema *version* in the transaction that *connection* is in."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, _revision(version))
