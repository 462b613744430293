"""Kills, full disks, damaged files and other processes: one clear error, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.catalog import CatalogHandle, open_catalog
from db.connection import SCHEMA_VERSION
from db.engine import make_engine, upgrade
from db.location import Location
from db.snapshot import snapshot_id
from db.verification import verify
from db.writer import publish
from resolver.catalog import KIND, METADATA, SDIST, WHEEL
from resolver.errors import DataError, InputError, MachError, Unavailable
from tests.db.conftest import NewPlace
from tests.db.examples import INDEX, built, file, metadata, page

ROOT = Path(__file__).parents[2]


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python with *code*, which may use all of the tests' own examples."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Python 3.11 keeps a half-written .pyc where a file's size is limited
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )


PUBLISH_FOR_EVER = """
    import itertools, sys
    from db.catalog import open_catalog
    from db.writer import publish
    from tests.db.examples import metadata, page

    catalog = open_catalog(sys.argv[1])
    print("ready", flush=True)
    for turn in itertools.count(int(sys.argv[2]) * 1000):
        names = [f"p{n}-{turn}.{v}-py3-none-any.whl" for n in range(3) for v in range(60)]
        facts = [page(f"p{n}", *(x for x in names if x.startswith(f"p{n}-"))) for n in range(3)]
        print(publish(catalog, [*facts, metadata("p0", f"p0-{turn}.0-py3-none-any.whl", "a")]), flush=True)
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_published(new_place: NewPlace):
    place = new_place()
    open_catalog(place).close()
    chance = random.Random(7)
    for turn in range(6):
        worker = start(PUBLISH_FOR_EVER, place, str(turn))
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.05, 0.5))
        worker.send_signal(signal.SIGKILL)
        told, _ = worker.communicate()
        published = [int(line) for line in told.splitlines()]
        with open_catalog(place) as catalog:
            newest = catalog.generation()
            # One more may have been committed and not yet told.
            assert not published or published[-1] <= newest <= published[-1] + 1
            assert len(catalog.reader().pages(INDEX, ["p0", "p1", "p2"])) == (3 if newest else 0)
    with open_catalog(place) as catalog:
        assert catalog.generation() > 0
        assert verify(catalog) == ()


def test_writers_wait_for_each_other_and_number_generations_in_order(new_place: NewPlace):
    place = new_place()
    code = """
        import sys
        from db.catalog import open_catalog
        from db.writer import publish
        from tests.db.examples import page

        catalog = open_catalog(sys.argv[1])
        for turn in range(10):
            mine = page(f"own-{sys.argv[2]}", f"own_{sys.argv[2]}-{turn}.tar.gz")
            print(publish(catalog, [mine, page("shared", f"shared-{turn}.{sys.argv[2]}.tar.gz")]))
    """
    workers = [start(code, place, str(number)) for number in range(3)]
    answers = [worker.communicate(timeout=120) for worker in workers]
    assert [error for _, error in answers if "Traceback" in error] == []
    numbers = [int(line) for told, _ in answers for line in told.splitlines()]
    assert sorted(numbers) == list(range(1, 31))
    with open_catalog(place) as catalog:
        assert verify(catalog) == ()
        assert len(catalog.reader().pages(INDEX, ["own-0", "own-1", "own-2", "shared"])) == 4


def filled(place: Path) -> bytes:
    with open_catalog(place) as catalog:
        names = [f"alpha-{n}.0-py3-none-any.whl" for n in range(300)]
        publish(catalog, [page("alpha", *names), *(metadata("alpha", name, f"b>{name}") for name in names)])
    return place.read_bytes()


@pytest.mark.parametrize("cut", [0.999, 0.9, 0.5, 0.1, 4096])
def test_a_truncated_file_is_damaged_and_not_half_read(tmp_path: Path, cut: float):
    place = tmp_path / "catalog.sqlite3"
    whole = filled(place)
    place.write_bytes(whole[: -int(cut if cut >= 1 else len(whole) * cut)])
    with pytest.raises(DataError) as error, open_catalog(place) as catalog:
        catalog.reader().pages(INDEX, ["alpha"])
    assert error.value.code == "catalog-corrupt"
    assert str(place) in error.value.message
    assert error.value.hint


def test_overwritten_pages_are_found(tmp_path: Path):
    place = tmp_path / "catalog.sqlite3"
    whole = filled(place)
    for offset in range(4096, len(whole), max(4096, len(whole) // 40 // 4096 * 4096)):
        place.write_bytes(whole[:offset] + b"\xa5" * 4096 + whole[offset + 4096 :])
        try:
            with open_catalog(place) as catalog:
                assert verify(catalog) != ()
        except DataError as error:
            assert error.code in ("catalog-corrupt", "catalog-foreign"), error  # noqa: PT017


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"not a database at all, only text\n" * 50, "catalog-corrupt"), (b"x", "catalog-corrupt")],
)
def test_another_file_is_no_catalog(tmp_path: Path, content: bytes, code: str):
    place = tmp_path / "notes.txt"
    place.write_bytes(content)
    with pytest.raises(DataError) as error:
        open_catalog(place)
    assert error.value.code == code
    assert place.read_bytes() == content


def test_another_database_is_no_catalog(new_place: NewPlace):
    place = new_place()
    engine = make_engine(Location(url=place) if "://" in place else Location(file=Path(place)))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE people (name TEXT)")
    with pytest.raises(DataError) as error:
        open_catalog(place)
    assert error.value.code == "catalog-foreign"


def test_a_missing_catalog_is_made_or_told(tmp_path: Path):
    for options in ({"create": False}, {"readonly": True}):
        with pytest.raises(DataError) as error:
            open_catalog(tmp_path / "none.sqlite3", **options)
        assert error.value.code == "catalog-missing"
    assert list(tmp_path.iterdir()) == []
    with open_catalog(f"sqlite:///{tmp_path}/deep/er/new%20one.sqlite3") as catalog:
        assert catalog.generation() == 0
    assert (tmp_path / "deep/er/new one.sqlite3").is_file()


def test_a_newer_schema_is_refused_untouched(new_place: NewPlace):
    place = new_place()
    with open_catalog(place) as catalog:
        publish(catalog, [page("alpha", "alpha-1.0.tar.gz")])
        with catalog.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE meta SET value = '{SCHEMA_VERSION + 1}'")
    for readonly in (False, True):
        with pytest.raises(DataError) as error:
            open_catalog(place, readonly=readonly)
        assert error.value.code == "catalog-too-new"
        assert f"schema version {SCHEMA_VERSION + 1}" in error.value.message


def test_an_older_schema_is_migrated_after_a_backup(new_place: NewPlace):
    place = new_place()
    location = Location(url=place) if "://" in place else Location(file=Path(place))
    engine = make_engine(location)
    with engine.begin() as connection:
        upgrade(connection, 1)
    with CatalogHandle(location, readonly=False) as old:
        publish(old, [page("alpha", "alpha-1.0.tar.gz"), metadata("alpha", "alpha-1.0.tar.gz", "b")])
        before = snapshot_id(old)
    with pytest.raises(DataError) as error:
        open_catalog(place, readonly=True)
    assert error.value.code == "catalog-too-old"
    with open_catalog(place) as catalog:
        assert snapshot_id(catalog) == before
        assert verify(catalog) == ()
        assert catalog.connection.rows("SELECT value FROM meta WHERE key = 'schema_version'")[0][0] == str(
            SCHEMA_VERSION
        )
        assert catalog.last_serial(INDEX) is None
    if location.file is not None:
        backup = location.file.with_name(location.file.name + ".schema-1.backup")
        rows = sqlite3.connect(backup).execute("SELECT value FROM meta UNION ALL SELECT name FROM project").fetchall()
        assert rows == [("1",), ("alpha",)]


def test_what_version_3_knew_of_sdists_stays_and_counts_as_unknown(new_place: NewPlace):
    place = new_place()
    location = Location(url=place) if "://" in place else Location(file=Path(place))
    engine = make_engine(location)
    sdist, wheel = "alpha-1.0.tar.gz", "alpha-1.0-py3-none-any.whl"
    old_facts = [metadata("alpha", sdist, "b", build=None), metadata("alpha", wheel, "c")]
    with engine.begin() as connection:
        upgrade(connection, 3)
    with CatalogHandle(location, readonly=False) as old:
        publish(old, [page("alpha", sdist, wheel), *old_facts])
        before = snapshot_id(old)
    with engine.begin() as connection:
        # a page without builds, as version 3 wrote it: this version cannot read it
        parts = zlib.decompress(connection.exec_driver_sql("SELECT body FROM page").scalar_one()).partition(b"\n")
        head = json.dumps(json.loads(parts[0])[:-1]).encode()
        body = zlib.compress(head + b"\n" + parts[2])
        connection.execute(sa.text("UPDATE page SET body = :body"), {"body": body})
    with open_catalog(place) as catalog:
        found = catalog.reader().pages(INDEX, ["alpha"])["alpha"]
        assert {row[KIND]: row[METADATA] for row in found.files} == {WHEEL: 0, SDIST: -1}
        assert [list(d[1]) for d in found.depsets] == [["c"]]
        assert snapshot_id(catalog) == before
        assert verify(catalog) == ()
        publish(catalog, [metadata("alpha", sdist, "b"), built("alpha", sdist, "requires", "wheel")])
        found = catalog.reader().pages(INDEX, ["alpha"])["alpha"]
        assert min(row[METADATA] for row in found.files) >= 0
        assert len(found.builds) == 1
        assert snapshot_id(catalog, 1) == before
        assert verify(catalog) == ()


def test_the_migrations_make_the_schema_that_new_catalogs_have(new_place: NewPlace):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from db.schema import metadata_tables

    migrated, new = new_place(), new_place()
    location = Location(url=migrated) if "://" in migrated else Location(file=Path(migrated))
    with make_engine(location).begin() as connection:
        upgrade(connection, SCHEMA_VERSION)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata_tables) == []
    described = []
    for place in (migrated, new):
        with open_catalog(place) as catalog, catalog.engine.connect() as connection:
            described.append(_describe_schema(connection))
    assert described[0] == described[1]
    assert described[1]["rows"] == [f"{SCHEMA_VERSION:04d}", str(SCHEMA_VERSION)]


def _sort_lines(cell: object) -> str:
    # the order of the constraints in a statement says nothing
    return "\n".join(sorted(line.rstrip(", ") for line in str(cell).split("\n")))


def _describe_schema(connection: sa.Connection) -> dict[str, list[object]]:
    """Return all that the database itself tells of its tables, and the rows that a new catalog has."""
    if connection.dialect.name == "sqlite":
        statements = {
            "tables": "SELECT type, name, sql FROM sqlite_master",
            "columns": "SELECT m.name, c.cid, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c",
        }
    else:
        statements = {
            "columns": "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default,"
            " collation_name, character_maximum_length FROM information_schema.columns"
            " WHERE table_schema = current_schema()",
            "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace",
            "indexes": "SELECT tablename, indexname, regexp_replace(indexdef, ' ON [^ ]+', '') FROM pg_indexes"
            " WHERE schemaname = current_schema()",
        }
    told = {
        name: sorted(tuple(map(_sort_lines, row)) for row in connection.exec_driver_sql(text))
        for name, text in statements.items()
    }
    rows = "SELECT version_num FROM alembic_version UNION ALL SELECT value FROM meta"
    return {**told, "rows": list(connection.exec_driver_sql(rows).scalars())}


def test_the_same_migrations_run_once_when_processes_start_together(new_place: NewPlace):
    place = new_place()
    code = """
        import sys
        from db.catalog import open_catalog
        print(open_catalog(sys.argv[1]).generation())
    """
    workers = [start(code, place) for _ in range(4)]
    assert [worker.communicate(timeout=120)[0] for worker in workers] == ["0\n"] * 4


def test_a_process_that_comes_while_another_makes_the_file_waits_for_it(tmp_path: Path):
    file = tmp_path / "catalog.sqlite3"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")  # as a process does that has just made the file and writes its first page
        release = threading.Timer(0.3, other.rollback)
        release.start()
        try:
            with open_catalog(file) as catalog:
                assert catalog.generation() == 0
        finally:
            release.join()


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path):
    place = tmp_path / "catalog.sqlite3"
    with open_catalog(place) as catalog:
        publish(catalog, [page("alpha", "alpha-1.0.tar.gz")])
    code = """
        import resource, sys
        from db.catalog import open_catalog
        from db.writer import publish
        from resolver.errors import MachError
        from tests.db.examples import page

        catalog = open_catalog(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            publish(catalog, [page("beta", *(f"beta-{n}.tar.gz" for n in range(3000)))])
        except MachError as error:
            print(error)
    """
    told, errors = start(code, str(place)).communicate(timeout=60)
    assert errors == ""
    assert told.startswith(f"error[catalog-unwritable]: the catalog {place} cannot be written")
    assert "nothing was lost" in told
    with open_catalog(place) as catalog:
        assert catalog.generation() == 1
        assert verify(catalog) == ()
        assert publish(catalog, [page("beta", "beta-1.0.tar.gz")]) == 2


def test_a_place_that_cannot_hold_a_catalog_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "catalog.sqlite3", tmp_path):
        with pytest.raises(MachError) as error:
            open_catalog(place)
        assert error.value.code == "catalog-unwritable"


def test_a_catalog_on_read_only_media_can_be_read(tmp_path: Path):
    place = tmp_path / "catalog.sqlite3"
    filled(place)
    place.chmod(0o444)
    tmp_path.chmod(0o555)
    code = """
        import os, sys
        from db.catalog import open_catalog
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        print(len(open_catalog(sys.argv[1], readonly=True).reader().pages(sys.argv[2], ["alpha"])))
    """
    # pytest's folders are closed to others.
    closed = [(folder, folder.stat().st_mode) for folder in tmp_path.parents if not folder.stat().st_mode & 0o001]
    for folder, mode in closed:
        folder.chmod(mode | 0o001)
    try:
        told, errors = start(code, str(place), INDEX).communicate(timeout=60)
        assert (told, errors) == ("1\n", "")
    finally:
        tmp_path.chmod(0o755)
        for folder, mode in closed:
            folder.chmod(mode)


def test_a_writer_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import db.engine

    monkeypatch.setattr(db.engine, "BUSY_SECONDS", 0.2)
    place = tmp_path / "catalog.sqlite3"
    with open_catalog(place) as catalog:
        publish(catalog, [page("alpha", "alpha-1.0.tar.gz")])
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as error:
            publish(catalog, [page("beta")])
        assert error.value.code == "catalog-locked"
        assert len(catalog.reader().pages(INDEX, ["alpha"])) == 1, "readers go on"
        other.execute("ROLLBACK")
        assert publish(catalog, [page("beta")]) == 2


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(Unavailable) as error:
        open_catalog("postgresql://someone:s3cret@127.0.0.1:1/catalog?connect_timeout=2")
    assert error.value.code == "catalog-unreachable"
    assert "s3cret" not in str(error.value)
    assert "someone@127.0.0.1:1" in str(error.value)


def test_other_schemes_are_refused():
    for text in ("mysql://x/y", "sqlite://relative", "http://x"):
        with pytest.raises(InputError) as error:
            open_catalog(text)
        assert error.value.code == "invalid-catalog-url"


def test_the_hot_path_imports_little(tmp_path: Path):
    place = tmp_path / "catalog.sqlite3"
    filled(place)
    code = """
        import sys
        from db.catalog import open_catalog
        from db.snapshot import resolve_snapshot, snapshot_id
        catalog = open_catalog(sys.argv[1])
        reader = catalog.reader(resolve_snapshot(catalog, snapshot_id(catalog)))
        page = reader.pages(sys.argv[2], ["alpha"])["alpha"]
        assert len(reader.artifacts(row[0] for row in page.files)) == 300
        catalog.freshness(sys.argv[2], ["alpha"])
        heavy = ("sqlalchemy", "alembic", "psycopg", "requests", "pydantic", "platformdirs", "rich")
        print([name for name in heavy if name in sys.modules])
    """
    assert start(code, str(place), INDEX).communicate(timeout=60) == ("[]\n", "")


def test_threads_have_connections_of_their_own(catalog: CatalogHandle):
    from concurrent.futures import ThreadPoolExecutor

    publish(catalog, [page("alpha", file("alpha-1.0.tar.gz"))])

    def work(number: int) -> int:
        if number % 4 == 0:
            publish(catalog, [page(f"p{number}", f"p{number}-1.tar.gz")])
        return len(catalog.reader().pages(INDEX, ["alpha"]))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(24))) == [1] * 24
    assert catalog.generation() == 7
