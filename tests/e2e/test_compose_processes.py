"""docker-compose.yml without containers: the same processes, by the commands and variables that stand in it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.postgres import fresh_schema
from tests.support.world import World

from .machines import ROOT, Machine

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TEXT = {"Content-Type": "text/plain"}


def filled_in(value: str, given: Mapping[str, str]) -> str:
    """Return *value* with Compose's variables as *given* (Compose specification, "Interpolation")."""
    return re.sub(r"\$\{(\w+)(?::[?-][^}]*)?\}", lambda match: given.get(match[1], ""), value)


@contextmanager
def process(name: str, folder: Path, replaced: Mapping[str, str], given: Mapping[str, str]) -> Iterator[None]:
    """Run a service of the file as a process; what only containers have (names of hosts, ports) is *replaced*."""
    service = COMPOSE["services"][name]
    words = [replaced.get(word, word) for word in service["command"]]
    environ = {key: filled_in(value, given) for key, value in service["environment"].items()}
    environ = {key: replaced.get(value, value) for key, value in environ.items()}
    environ |= {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    argv = [sys.executable, "-m", "api.cli", *words]
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(argv, cwd=folder, env={**environ, "PIP_CONFIG_FILE": os.devnull}, stderr=log) as running,
    ):
        try:
            yield
            assert running.poll() is None, (folder / f"{name}.log").read_text()
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) in (0, -signal.SIGTERM), (folder / f"{name}.log").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.postgres
def test_a_company_crawls_pins_resolves_elsewhere_and_compares(
    postgres_server: str, world: World, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(fresh_schema(postgres_server))
        port = str(free_port())
        written = COMPOSE["services"]["api"]["environment"]["MACH_DB"]
        replaced = {written: database, "0.0.0.0": "127.0.0.1", "8000": port, "10": "1"}
        given = {"POSTGRES_PASSWORD": "not needed here", "PIP_INDEX_URL": world.url}
        for name in ("api", "crawler"):
            stack.enter_context(process(name, tmp_path, replaced, given))
        service = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        wait_until_ready(service)

        first = service.post("/resolve", content=b"rich<14\n", headers=TEXT)
        assert (first.status_code, first.json()["code"]) == (424, "not-covered")
        lock = asked_until_it_is_there(service, "rich<14\n")

        operator = Machine(home=tmp_path / "operator", index_url=world.url, environ={"MACH_DB": database})
        operator.home.mkdir()
        snapshot = operator.mach("db", "pin", "release-1").stdout.strip()
        other = Machine(home=tmp_path / "other", index_url=world.url)
        other.home.mkdir()
        url = str(service.base_url)
        assert other.mach("db", "pull", url, "--snapshot", "release-1", "--db", "ci.sqlite3").stdout.strip() == snapshot
        asked = {"requirements": "rich<14", "snapshot": snapshot}
        by_service = service.post("/resolve", json=asked).text
        by_other = other.mach("lock", "rich<14", "--snapshot", snapshot, "--db", "ci.sqlite3", "-o", "-").stdout
        assert by_other == by_service

        newer = asked_until_it_is_there(service, "rich\n")
        told = service.post("/diff", json={"before": lock, "after": newer}).json()
        assert not told["equal"]


def wait_until_ready(service: httpx.Client) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if service.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the service is not ready"
        time.sleep(0.05)


def asked_until_it_is_there(service: httpx.Client, text: str) -> str:
    """Return the lock of *text*, once the crawler has fetched what it takes."""
    deadline = time.monotonic() + 60
    while (answer := service.post("/resolve", content=text.encode(), headers=TEXT)).status_code == 424:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer.text
