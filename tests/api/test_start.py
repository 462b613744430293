"""Commands import what they use: starting mach, and resolving from a local catalog, load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from db.catalog import open_catalog
from db.transfer import import_file
from tests.oracle.recording import FACTS, read_recording

#: Runs the command line in an interpreter of its own and tells on the last line what it has loaded in the end.
RUN = """
import json, sys
from api.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = {"alembic", "fastapi", "psycopg", "pydantic", "pypi_simple", "requests", "rich", "sqlalchemy", "uvicorn"}


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level modules that are loaded once ``mach ARGUMENTS`` has run."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["lock", "--help"], ["db", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_by(*arguments)
    assert "click" in loaded
    assert loaded & (HEAVY | {"sqlite3", "packaging", "resolvelib"}) == set()


def test_locking_offline_from_sqlite_loads_nothing_heavy(tmp_path: Path) -> None:
    db, setting = tmp_path / "catalog.sqlite3", read_recording().setting
    with open_catalog(str(db)) as catalog:
        import_file(catalog, FACTS)
    options = ["--offline", "--db", str(db), "--index-url", setting.index, "--platform", setting.system]
    loaded = loaded_by("lock", *options, "--python", setting.python, "-o", str(tmp_path / "mach.lock"), "requests")
    assert (tmp_path / "mach.lock").exists()
    assert {"sqlite3", "packaging", "resolvelib"} <= loaded
    assert loaded & HEAVY == set()
