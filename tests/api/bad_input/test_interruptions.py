"""Ctrl-C and kill -9 at any moment: what was published stays, and the next run completes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.catalog import open_catalog
from db.verification import verify
from tests.e2e.machines import ROOT, Machine
from tests.support.index import FakeIndex, IndexServer
from tests.support.processes import INTERRUPTED
from tests.support.world import build_world

WORDS = ("lock", "httpie", "black", "requests[socks]", "--python", "3.12", "-o", "mach.lock")


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    """A world of one's own, whose answers take as long as real ones."""
    with IndexServer() as server:
        build_world(server.index())
        server.index().behave("*", delay=0.02)
        yield server.index()


@pytest.fixture
def slow(tmp_path: Path, index: FakeIndex) -> Machine:
    """A machine with no catalog."""
    return Machine(home=tmp_path, index_url=index.url, environ={"MACH_DB": str(tmp_path / "catalog.sqlite3")})


@pytest.fixture(scope="module")
def expected(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lock of an undisturbed run."""
    machine = Machine(home=tmp_path_factory.mktemp("undisturbed"), index_url=index.url)
    machine.mach(*WORDS)
    return machine.read("mach.lock")


def prepare(machine: Machine) -> None:
    """Publish something that must outlive whatever comes."""
    machine.mach("lock", "idna", "--python", "3.12", "-o", "idna.lock", "-q")
    machine.mach("db", "pin", "before")


def start(machine: Machine, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", *words],
        cwd=machine.home,
        env={**machine.env(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_answers(index: FakeIndex, number: int, worker: subprocess.Popen[str]) -> None:
    """Return once the index has answered *number* requests since it was told to forget."""
    end = time.monotonic() + 60
    while index.count() < number and worker.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def check_kept(machine: Machine, at_least: int, expected: str) -> None:
    """Check that the catalog is whole, has what was published, and that the next run completes."""
    place = machine.home / "catalog.sqlite3"
    with open_catalog(place) as catalog:
        assert catalog.generation() >= at_least
        assert verify(catalog) == ()
    machine.mach("gen", "idna", "--snapshot", "before", "--python", "3.12")
    assert not (machine.home / "mach.lock").exists()
    machine.mach(*WORDS)
    assert machine.read("mach.lock") == expected


@pytest.mark.parametrize("answers", [1, 10, 25, 40])
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL", "SIGTERM"])
def test_a_signal_while_the_catalog_is_filled(slow: Machine, index: FakeIndex, expected: str, name: str, answers: int):
    prepare(slow)
    index.forget()
    worker = start(slow, *WORDS)
    wait_for_answers(index, answers, worker)
    worker.send_signal(signal.Signals[name])
    _, told = worker.communicate(timeout=30)
    if name == "SIGINT":
        assert worker.returncode in INTERRUPTED, told
        assert "interrupted" in told
        assert "Traceback" not in told
        assert "error" not in told
    else:
        assert worker.returncode == -signal.Signals[name]
    check_kept(slow, 1, expected)


PUBLISH = """
import os, signal, sys
import sqlalchemy as sa
from api.cli import main

seen = 0

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def _(connection, cursor, statement, parameters, context, executemany):
    global seen
    if statement.startswith("INSERT"):
        seen += 1
        if seen == int(os.environ["DIE_AT"]):
            os.kill(os.getpid(), int(os.environ["DIE_BY"]))

main()
"""


@pytest.mark.parametrize("number", [1, 3, 8, 13])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_a_signal_in_the_middle_of_publishing(slow: Machine, expected: str, number: int, by: signal.Signals):
    prepare(slow)
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH, *WORDS],
        cwd=slow.home,
        env={**slow.env(), "PYTHONPATH": str(ROOT), "DIE_AT": str(number), "DIE_BY": str(int(by))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (130 if by is signal.SIGINT else -by), done.stderr
    assert "Traceback" not in done.stderr
    check_kept(slow, 1, expected)


def test_an_interrupt_while_mach_starts_shows_no_traceback(slow: Machine):
    for seconds in (0.03, 0.06, 0.1, 0.15):
        worker = start(slow, "gen", "idna", "--offline")
        time.sleep(seconds)
        worker.send_signal(signal.SIGINT)
        _, told = worker.communicate(timeout=30)
        if worker.returncode in (3, -signal.SIGINT) and "Traceback" not in told:  # done already, or Python not begun
            continue
        if "Traceback" in told:  # Python itself was not ready yet, and said so on its own
            # (the interpreter's own site module has a main as well)
            assert not re.search(r'api/cli/\S*", line \d+, in main\n', told)
            continue
        assert worker.returncode in INTERRUPTED
        assert "interrupted" in told


def test_a_crawl_that_is_interrupted_goes_on_from_there(slow: Machine, index: FakeIndex):
    names = [name for name in index.projects if not name.startswith("hostile")]
    index.forget()
    worker = start(slow, "crawl", *names, "--rate", "60")
    wait_for_answers(index, 3, worker)
    worker.send_signal(signal.SIGINT)
    _, told = worker.communicate(timeout=30)
    assert worker.returncode in INTERRUPTED, told
    assert "interrupted: nothing that was stored is lost" in told
    assert "Traceback" not in told
    slow.mach("crawl", "idna", "requests", "-q")
    with open_catalog(slow.home / "catalog.sqlite3") as catalog:
        assert verify(catalog) == ()


def test_a_service_that_is_told_to_end_ends(slow: Machine):
    for name in ("SIGINT", "SIGTERM"):
        worker = start(slow, "serve", "--port", "0")
        assert worker.stderr is not None
        for line in worker.stderr:
            if "startup complete" in line:
                break
        worker.send_signal(signal.Signals[name])
        _, told = worker.communicate(timeout=30)
        assert worker.returncode in (0, 130, -signal.SIGTERM), told
        assert "Traceback" not in told
