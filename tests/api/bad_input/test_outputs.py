"""Results that cannot be written: full disks, closed and lost readers, folders without permission; nothing is lost."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from db.catalog import open_catalog
from db.verification import verify
from tests.api.bad_input.refusals import check_refusal, refuse
from tests.e2e.machines import ROOT, Machine, Outcome

FULL = Path("/dev/full")


def run(
    machine: Machine, *words: str, before: Callable[[], object] | None = None, **streams: IO[bytes] | int
) -> Outcome:
    """Run ``mach`` as a process with streams of its own and return what can be seen of it."""
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        cwd=machine.home,
        # Python 3.11 keeps a half-written .pyc where a file's size is limited
        env={**machine.env(), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=before,
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **streams},  # type: ignore[call-overload]
    )
    return Outcome(code=done.returncode, stdout=(done.stdout or b"").decode(), stderr=(done.stderr or b"").decode())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("gen", "idna"), "output-unwritable"),
        (("lock", "idna", "-o", "-", "--json"), "output-unwritable"),
        (("db", "status"), "system-error"),
        (("db", "status", "--json"), "system-error"),
        (("--help",), "system-error"),
    ],
)
def test_stdout_that_is_full_or_closed(machine: Machine, words: tuple[str, ...], error: str):
    with FULL.open("wb") as full:
        asked = run(machine, *words, stdout=full)
    assert asked.code == 3
    check_refusal(asked, error)
    assert "No space left on device" in asked.stderr
    asked = run(machine, *words, before=lambda: os.close(1))
    assert asked.code == 3
    check_refusal(asked, error)
    assert "Bad file descriptor" in asked.stderr


def test_an_error_document_that_cannot_be_written_changes_no_exit_code(machine: Machine):
    with FULL.open("wb") as full:
        asked = run(machine, "lock", "no-such-thing", "--json", stdout=full)
    assert asked.code == 1
    assert "error[unknown-project]" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_messages_that_cannot_be_written_end_nothing(machine: Machine):
    expected = run(machine, "gen", "idna").stdout
    with FULL.open("wb") as full:
        assert run(machine, "gen", "idna", stderr=full) == Outcome(code=0, stdout=expected, stderr="")
        assert run(machine, "gen", "no-such-thing", stderr=full).code == 1
    assert run(machine, "gen", "idna", before=lambda: os.close(2)) == Outcome(code=0, stdout=expected, stderr="")
    assert run(machine, "gen", "idna", before=lambda: os.close(0)).stdout == expected


def test_a_reader_that_goes_away_is_no_error(machine: Machine):
    for words in (("gen", "idna"), ("--help",), ("db", "status", "--json")):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            asked = run(machine, *words, stdout=pipe)
        assert asked.code == 141
        assert "error" not in asked.stderr
        assert "Traceback" not in asked.stderr
    whole = subprocess.run(
        f"{sys.executable} -m api.cli gen requests httpie black --db new.sqlite3 | head -1",
        shell=True,
        cwd=machine.home,
        env={**machine.env(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert whole.stdout.startswith("# Made by mach")
    assert "Traceback" not in whole.stderr


def _small_files(bytes_: int) -> Callable[[], object]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_a_disk_that_fills_while_the_result_is_written_keeps_the_old_result(machine: Machine):
    machine.mach("lock", "idna", "-o", "old.lock")
    machine.mach("gen", "--lock", "old.lock", "-o", "python.nix")
    machine.mach("export", "--lock", "old.lock", "-o", "requirements.txt")
    machine.mach("lock", "requests", "-o", "mach.lock")
    before = machine.read("python.nix"), machine.read("requirements.txt")
    for words in (
        ("gen", "--lock", "mach.lock", "-o", "python.nix"),
        ("export", "--hashes", "-o", "requirements.txt"),
    ):
        asked = run(machine, *words, before=_small_files(100))
        assert asked.code == 3
        check_refusal(asked, "output-unwritable")
        assert "File too large" in asked.stderr
        assert (machine.read("python.nix"), machine.read("requirements.txt")) == before
    assert sorted(path.name for path in machine.home.iterdir() if path.name.startswith(".")) == [], "no half a file"


@pytest.mark.parametrize("limit", [0, 40_000, 100_000])
def test_a_disk_that_fills_while_the_catalog_is_written_loses_nothing(machine: Machine, limit: int):
    """Whatever was published stays; the same command completes once there is room."""
    with open_catalog(machine.home / "catalog.sqlite3") as catalog:
        before = catalog.generation()
    asked = run(machine, "gen", "httpie", "black", before=_small_files(limit))
    assert asked.code == 3
    check_refusal(asked, "catalog-unwritable")
    assert "nothing was lost" in asked.stderr
    with open_catalog(machine.home / "catalog.sqlite3") as catalog:
        assert catalog.generation() >= before
        assert verify(catalog) == ()
    machine.mach("gen", "requests[socks]<2.32", "--python", "3.12", "--offline")
    machine.mach("gen", "httpie", "black")


def test_a_new_catalog_on_a_full_disk(machine: Machine):
    asked = run(machine, "gen", "idna", "--db", "new.sqlite3", before=_small_files(0))
    assert asked.code == 3
    check_refusal(asked, "catalog-unwritable")
    machine.mach("gen", "idna", "--db", "new.sqlite3")


def test_places_that_take_no_result(machine: Machine):
    machine.write("file", "")
    (machine.home / "folder").mkdir()
    for place, said in (
        ("none/x.nix", "No such file or directory"),
        ("folder", "Is a directory"),
        ("file/x.nix", "Not a directory"),
        ("a" * 300, "File name too long"),
    ):
        for command in ("gen", "lock"):
            asked = refuse(machine, command, "idna", "-o", place, error="output-unwritable", code=3)
            assert f"{place} cannot be written: {said}" in asked.stderr
    asked = refuse(machine, "env", "file/x", "idna", error="output-unwritable", code=3)
    assert "file/x cannot be written: Not a directory" in asked.stderr
    refuse(machine, "env", "file", "idna", error="usage", code=2)


def test_a_result_into_a_pipe_leaves_it_one(machine: Machine):
    from concurrent.futures import ThreadPoolExecutor

    pipe = machine.home / "pipe"
    os.mkfifo(pipe)
    for command in ("gen", "lock"):
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(pipe.read_text)
            machine.mach(command, "idna", "-o", "pipe")
            assert read.result(timeout=30) == machine.mach(command, "idna", "-o", "-").stdout
        assert pipe.is_fifo()


@pytest.fixture
def kept(machine: Machine) -> Machine:
    """The machine with a home that nothing can be written to."""
    machine.mach("lock", "requests", "--python", "3.12", "-o", "good.lock")
    (machine.home / "closed").mkdir()
    for path in (*machine.home.iterdir(), machine.home):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return machine


def _obey_permissions() -> None:
    """Take away what lets root write anywhere (capabilities(7): DAC_OVERRIDE and DAC_READ_SEARCH)."""
    if os.getuid() == 0:
        library = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):
            assert library.prctl(24, capability, 0, 0, 0) == 0, "PR_CAPBSET_DROP"


def test_a_folder_without_permission(kept: Machine):
    assert run(kept, "gen", "--lock", "good.lock", before=_obey_permissions).code == 0
    for words in (
        ("gen", "--lock", "good.lock", "-o", "closed/x.nix"),
        ("env", "closed/x", "requests", "--offline", "--python", "3.12"),
    ):
        asked = run(kept, *words, before=_obey_permissions)
        assert asked.code == 3, asked.stderr
        check_refusal(asked, "output-unwritable")
        assert re.search(r"closed/x\S* cannot be written: Permission denied", asked.stderr)


def test_a_catalog_without_permission_answers_what_it_knows(kept: Machine):
    known = ("gen", "requests[socks]<2.32", "--python", "3.12")
    assert run(kept, *known, "--offline", before=_obey_permissions).code == 0
    for words in (("gen", "idna", "--db", "closed/catalog.sqlite3"), ("gen", "httpie"), (*known, "--refresh")):
        asked = run(kept, *words, before=_obey_permissions)
        assert asked.code == 3, asked.stderr
        check_refusal(asked, "catalog-unwritable")
