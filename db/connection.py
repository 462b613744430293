"""Plain connections for reading, without SQLAlchemy, and what their errors mean to people."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from resolver.errors import DataError, InputError, MachError, Unavailable

from .location import Location

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "BUSY_SECONDS",
    "SCHEMA_VERSION",
    "Connection",
    "connect",
    "corrupt",
    "expand",
    "missing",
    "read_schema_version",
    "too_new",
    "translate_errors",
]

#: Raised with every change of :mod:`db.schema`, and of :data:`resolver.catalog.EXTRACTOR`: kept pages leave out
#: what other rules found, so they are dropped then.  Revision ``0001`` of the migrations makes version 1.
SCHEMA_VERSION = 5
#: How long a writer waits for another one, in seconds.
BUSY_SECONDS = 30


class Connection(Protocol):
    """What readers need of a database: rows for a statement with ``?`` in it."""

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of *statement*, as tuples."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


def expand(statement: str, count: int) -> str:
    """Return *statement* with its ``??`` replaced by *count* placeholders, for an ``IN (??)`` list."""
    return statement.replace("??", ",".join("?" * count))


class _Sqlite:
    """A read-only connection to a catalog's file."""

    __slots__ = ("_connection", "_location")

    def __init__(self, location: Location) -> None:
        assert location.file is not None
        self._location = location
        name = quote(str(location.file.absolute()))
        with translate_errors(location):
            try:
                self._connection = self._open(f"file:{name}?mode=ro")
            except sqlite3.OperationalError:
                # A write-ahead log cannot be opened on read-only media; where nobody writes, none is needed.
                if not location.file.is_file() or location.file.with_name(location.file.name + "-wal").exists():
                    raise
                self._connection = self._open(f"file:{name}?mode=ro&immutable=1")

    @staticmethod
    def _open(uri: str) -> sqlite3.Connection:
        # One thread uses it at a time; the handle that owns it may close it from another one.
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with translate_errors(self._location):
            return self._connection.execute(statement, parameters).fetchall()

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    """An autocommitting, read-only connection to a PostgreSQL catalog."""

    __slots__ = ("_connection", "_location", "_reopened")

    def __init__(self, location: Location, reopened: Callable[[], object]) -> None:
        self._location = location
        self._reopened = reopened
        self._connection = self._open()

    def _open(self) -> psycopg.Connection[Any]:
        import psycopg

        assert self._location.url is not None
        with translate_errors(self._location):
            try:
                connection = psycopg.connect(
                    self._location.url,
                    autocommit=True,
                    **with_patience(self._location.url),  # type: ignore[arg-type]  # the driver's types name each
                )
            except psycopg.ProgrammingError as error:
                # libpq's own message holds the password
                raise InputError(
                    "invalid-catalog-url",
                    f"{self._location} is not the URL of a PostgreSQL database",
                    hint="write postgresql://USER@HOST/DATABASE, with special characters as %XX",
                ) from error
            connection.execute("SET default_transaction_read_only = on")
            return connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        import psycopg

        # Statements are our own constants: none has a literal ? or %.
        statement = statement.replace("?", "%s")
        if not self._connection.closed:
            with translate_errors(self._location):
                try:
                    return self._connection.execute(statement, parameters).fetchall()
                except psycopg.OperationalError:
                    if not self._connection.closed:
                        raise
        # the server went away, or was restarted, since this connection was used: it may be back
        self._connection = self._open()
        self._reopened()
        with translate_errors(self._location):
            return self._connection.execute(statement, parameters).fetchall()

    def close(self) -> None:
        self._connection.close()


def with_patience(url: str) -> dict[str, str]:
    """Return parameters for connections to PostgreSQL: a host that is gone is given up, whatever the system would wait.

    What the operator wrote into *url* holds. Durations as libpq takes them: seconds, and milliseconds for
    ``tcp_user_timeout``.
    """
    defaults = {
        "client_encoding": "utf8",
        "connect_timeout": "10",
        "keepalives_idle": "30",
        "tcp_user_timeout": "30000",
    }
    return {name: value for name, value in defaults.items() if f"{name}=" not in url}


def connect(location: Location, reopened: Callable[[], object] = lambda: None) -> Connection:
    """Return a connection for reading.

    :param reopened: called where the connection was lost and is there again: the database may be another one.
    :raises DataError: where the file is missing or damaged.
    :raises Unavailable: where the database cannot be reached.
    """
    if location.file is None:
        return _Postgres(location, reopened)
    if not location.file.exists():
        raise missing(location)
    return _Sqlite(location)


def missing(location: Location) -> DataError:
    """Return the error for a catalog that is not there."""
    return DataError(
        "catalog-missing",
        f"there is no catalog at {location}",
        hint="fill one with `mach crawl NAME…` or `mach db import FILE`, or name another one with --db",
    )


def read_schema_version(connection: Connection, location: Location) -> int | None:
    """Return the schema version of a catalog, None where the database holds no tables at all.

    :raises DataError: ``catalog-foreign`` where it holds something else than a catalog.
    """
    if location.file is not None:
        tables = {row[0] for row in connection.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    else:
        tables = {
            row[0] for row in connection.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        }
    if not tables:
        return None
    if "meta" in tables:
        found = connection.rows("SELECT value FROM meta WHERE key = 'schema_version'")
        if found and str(found[0][0]).isdecimal():
            return int(found[0][0])
    raise DataError(
        "catalog-foreign",
        f"{location} is a database, but not a catalog of mach",
        hint="name another file or database with --db",
    )


@contextlib.contextmanager
def translate_errors(location: Location) -> Iterator[None]:
    """Turn the errors of both drivers, and of SQLAlchemy around them, into ours."""
    try:
        yield
    except MachError:
        raise
    except Exception as error:
        known = describe_error(location, error)
        if known is None:
            raise
        raise known from error


def describe_error(location: Location, error: BaseException) -> MachError | None:
    """Return *error* of a driver as one of ours, None where it is neither the user's nor the machine's fault."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        return _describe_sqlite(location, cause)
    if type(cause).__module__.partition(".")[0] == "psycopg":
        return _describe_postgres(location, cause)
    if isinstance(cause, OSError) and location.file is not None:
        return DataError(
            "catalog-unwritable",
            f"the catalog {location} cannot be opened: {cause.strerror or cause}",
            hint="check the path and its permissions, or name another file with --db",
        )
    return None


def _describe_sqlite(location: Location, error: sqlite3.Error) -> MachError | None:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ")):
        return corrupt(location, str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(
            "catalog-locked",
            f"another process has been writing to the catalog {location} for {BUSY_SECONDS} seconds",
            hint="wait until it has finished, or name another catalog with --db",
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return Unavailable(
            "catalog-unwritable",
            f"the catalog {location} cannot be written: {error}",
            context=["nothing was lost: the last published generation is intact"],
            hint="free space on the disk (or raise the quota), then run the command again",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return Unavailable(
            "catalog-unwritable",
            f"the catalog {location} cannot be opened for this: {error}",
            hint="check the path and its permissions, or name another file with --db",
        )
    return None


def _describe_postgres(location: Location, error: BaseException) -> MachError | None:
    import psycopg

    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("53"):
        return Unavailable(
            "catalog-unwritable",
            f"the catalog {location} cannot be written: {text}",
            context=["nothing was lost: the last published generation is intact"],
            hint="give the database server more room, then run the command again",
        )
    if state in ("42501", "25006"):
        return Unavailable(
            "catalog-unwritable",
            f"the catalog {location} does not allow this: {text}",
            hint="ask the database's owner for the rights, or name another catalog with --db",
        )
    if state.startswith("XX"):
        return corrupt(location, text)
    if state in ("55P03", "40P01", "40001"):
        return Unavailable(
            "catalog-locked",
            f"another process is writing to the catalog {location}",
            hint="run the command again",
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable(
            "catalog-unreachable",
            f"the catalog {location} cannot be reached: {text}",
            hint="check that the server runs and that host, user and password in --db or MACH_DB are right",
        )
    return None


def corrupt(location: Location, why: str) -> DataError:
    """Return the error for a catalog that is damaged."""
    return DataError(
        "catalog-corrupt",
        f"the catalog {location} is damaged: {why}",
        hint="move it away and fill a new one (`mach crawl`, `mach db import`), or restore a copy",
    )


def too_new(location: Location, version: int) -> DataError:
    """Return the error for a catalog that a newer mach wrote."""
    return DataError(
        "catalog-too-new",
        f"the catalog {location} has schema version {version}; this mach knows up to {SCHEMA_VERSION}",
        hint="install a newer mach, or name another catalog with --db",
    )
