"""The first milestone: ``requests`` from an index to a Python that imports it, and the same again every other way."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import NixStore
from tests.support.postgres import fresh_schema
from tests.support.twins import list_twins

ASKED = ("-r", "requirements.txt", "--python", HOST_PYTHON)


def publish_requests(index: FakeIndex) -> None:
    """Publish the twins of requests and all that it needs, and the tools of the builders."""
    for listing in list_twins():
        index.add(listing.dist, **listing.options)
    for tool in ("installer", "pyproject-hooks"):
        index.add(wheel_from_installed(tool))


def make_machine(home: Path, index: FakeIndex, **environ: str) -> Machine:
    home.mkdir()
    machine = Machine(home=home, index_url=index.url, environ=environ)
    machine.write("requirements.txt", "# what we need\nrequests\n")
    return machine


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What the first machine wrote."""

    index: FakeIndex
    machine: Machine
    lock: str
    expression: str


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    with IndexServer() as server:
        index = server.index()
        publish_requests(index)
        machine = make_machine(tmp_path_factory.mktemp("first") / "home", index)
        machine.process("gen", *ASKED, "-o", "python.nix")
        machine.process("lock", *ASKED)
        yield First(index=index, machine=machine, lock=machine.read("mach.lock"), expression=machine.read("python.nix"))


def test_the_lock_holds_what_requests_needs(first: First) -> None:
    (target,) = json.loads(first.lock)["targets"]
    pins = {pin["name"]: pin["version"] for pin in target["pins"]}
    assert pins == {
        "certifi": "2025.4.26",
        "charset-normalizer": "3.3.2",
        "idna": "3.10",
        "requests": "2.32.5",
        "urllib3": "2.5.0",
    }


@pytest.mark.nix
def test_requests_is_imported_by_a_python_that_nix_built(first: First, nix_store: NixStore) -> None:
    machine = Machine(home=first.machine.home, index_url=first.index.url, environ=nix_store.env())
    built = machine.process("build", *ASKED, "-o", "result")
    env = Path(built.stdout.strip())
    assert env.is_relative_to(nix_store.store)
    assert (machine.home / "result").resolve() == env
    code = "import requests, urllib3, sys; print(requests.__version__, urllib3.__version__, sys.prefix)"
    told = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True, check=True)
    assert told.stdout == f"2.32.5 2.5.0 {env}\n"
    # the file alone, with Nix's own command, is the same environment
    assert nix_store.call("nix-build", "--no-out-link", machine.home / "python.nix", "-A", "env").paths == (env,)


def test_offline_the_bytes_are_the_same_and_nobody_is_asked(first: First) -> None:
    first.machine.write("again/requirements.txt", "requests\n")  # without a lock beside it
    asked = ("-r", "again/requirements.txt", "--python", HOST_PYTHON, "--offline")
    first.index.forget()
    assert first.machine.process("lock", *asked, "-o", "-").stdout == first.lock
    assert first.machine.process("gen", *asked).stdout == first.expression
    assert first.index.count() == 0


def test_the_index_may_be_gone(fake_index: FakeIndex, tmp_path: Path) -> None:
    publish_requests(fake_index)
    machine = make_machine(tmp_path / "home", fake_index)
    lock = machine.process("lock", *ASKED, "-o", "-").stdout
    expression = machine.process("gen", *ASKED).stdout
    fake_index.server.stop()
    assert machine.process("lock", *ASKED, "--offline", "-o", "-").stdout == lock
    assert machine.process("gen", *ASKED, "--offline").stdout == expression


@pytest.mark.postgres
def test_postgresql_gives_the_same_bytes(first: First, tmp_path: Path, postgres_server: str) -> None:
    with fresh_schema(postgres_server) as url:
        machine = make_machine(tmp_path / "home", first.index, MACH_DB=url)
        machine.process("lock", *ASKED)
        assert machine.read("mach.lock") == first.lock
        first.index.forget()
        (machine.home / "mach.lock").unlink()
        assert machine.process("gen", *ASKED, "--offline").stdout == first.expression
        assert machine.process("lock", *ASKED, "--offline", "-o", "-").stdout == first.lock
        assert first.index.count() == 0


def post(url: str, body: object, accept: str) -> str:
    request = urllib.request.Request(
        f"{url}/resolve",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": accept},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers.get_content_type() == accept
        return answer.read().decode()


def test_the_service_gives_the_bytes_of_the_command_line(first: First, tmp_path: Path) -> None:
    machine = make_machine(tmp_path / "home", first.index)
    asked = {"requirements": "requests\n", "python": HOST_PYTHON}
    with machine.serve() as url:
        assert post(url, asked, "application/json") == first.lock
        assert post(url, asked, "text/x-nix") == first.expression
