"""Direct references on the command line and over HTTP: repeated offline, carried elsewhere, refused by a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel
from tests.support.repositories import DEMO, Repository, file_server, write_tree
from tests.support.world import World

PYTHON = ("--python", "3.12.4", "--platform", "x86_64-linux")


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the URL that it is served at."""
    folder = tmp_path_factory.mktemp("site")
    with file_server(folder) as url:
        yield folder, url


def pins(machine: Machine, name: str = "mach.lock") -> dict[str, Any]:
    (target,) = json.loads(machine.read(name))["targets"]
    return {pin["name"]: pin for pin in target["pins"]}


def publish(folder: Path, version: str = "2.0", **options: Any) -> str:
    wheel = make_wheel("solo", version, **options)
    (folder / wheel.filename).write_bytes(wheel.content)
    return wheel.filename


def test_what_was_fetched_once_is_repeated_offline_and_elsewhere(
    machine: Machine, site: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, url = site
    filename = publish(folder, requires=["idna"])
    repository = Repository(folder / "repository")
    repository.commit(DEMO, tag="v1")
    request = (f"solo @ {url}/{filename}", f"demo-app @ git+{url}/repository/.git@v1", *PYTHON)
    machine.mach("lock", *request)
    machine.mach("lock", *request, "--offline", "-o", "again.lock")
    assert machine.read("again.lock") == machine.read("mach.lock")
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    elsewhere = Machine(home=tmp_path_factory.mktemp("elsewhere"), index_url=machine.index_url)
    elsewhere.mach("db", "import", machine.home / "facts.mach")
    elsewhere.mach("lock", *request, "--offline")
    assert elsewhere.read("mach.lock") == machine.read("mach.lock")
    elsewhere.mach("db", "pin", "then")
    elsewhere.mach("db", "verify")
    elsewhere.mach("db", "verify", "--lock", "mach.lock")


def test_a_fact_that_is_missing_offline_is_named(machine: Machine) -> None:
    machine.mach("crawl", "idna", "installer", "pyproject-hooks", "-q")
    address = "https://files.example/solo-2.0-py3-none-any.whl"
    asked = machine.mach("lock", f"solo @ {address}", *PYTHON, "--offline", code=3)
    assert f"missing: solo from {address}" in asked.stderr


def test_a_branch_that_moved_is_followed_only_where_that_is_asked_for(machine: Machine, site: tuple[Path, str]) -> None:
    repository = Repository(site[0] / "repository")
    first = repository.commit(DEMO)
    request = ("-r", str(machine.write("requirements.txt", f"demo-app @ {repository.url}@main\n")), *PYTHON)
    machine.mach("lock", *request)
    second = repository.commit({"README": "x"})
    machine.mach("lock", *request)
    assert pins(machine)["demo-app"]["artifact"]["commit"] == first
    machine.mach("lock", *request, "--upgrade", "--refresh")
    assert pins(machine)["demo-app"]["artifact"]["commit"] == second


def test_a_file_that_was_replaced_at_its_url(machine: Machine, site: tuple[Path, str]) -> None:
    folder, url = site
    filename = publish(folder)
    machine.mach("lock", f"solo @ {url}/{filename}", *PYTHON)
    publish(folder, requires=["idna"])
    machine.mach("lock", f"solo @ {url}/{filename}", *PYTHON, "--upgrade")
    assert set(pins(machine)) == {"solo"}, "what is known is 10 minutes good"
    machine.mach("lock", f"solo @ {url}/{filename}", *PYTHON, "--upgrade", "--refresh")
    assert set(pins(machine)) == {"solo", "idna"}


def test_a_server_that_is_gone_is_told_and_what_was_fetched_stays(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    with file_server(folder) as url:
        request = (f"solo @ {url}/{publish(folder)}", *PYTHON)
        machine.mach("lock", *request)
    asked = machine.mach("lock", *request, "--upgrade", "--refresh")
    assert "answering from what was fetched before" in asked.stderr


def test_a_hash_that_does_not_fit(machine: Machine, site: tuple[Path, str]) -> None:
    folder, url = site
    filename = publish(folder)
    asked = machine.mach("lock", f"{url}/{filename}#sha256={'0' * 64}", *PYTHON, code=3)
    assert "hash-mismatch" in asked.stderr
    wrong = machine.write("requirements.txt", f"solo @ {url}/{filename} --hash=sha256:{'0' * 64}\n")
    asked = machine.mach("lock", "-r", wrong, *PYTHON, code=1)
    assert "hash-mismatch" in asked.stderr


def test_an_editable_folder_is_named_as_in_a_file(machine: Machine, site: tuple[Path, str]) -> None:
    write_tree(machine.home / "lib", DEMO)
    machine.write("requirements.txt", "-e ./lib[shout]\n")
    machine.write("mach.toml", 'requirements = ["idna"]\n')
    machine.mach("lock", "-r", "requirements.txt", *PYTHON, "-o", "file.lock")
    machine.mach("lock", "-e", "./lib[shout]", *PYTHON)
    assert pins(machine)["demo-app"]["artifact"]["editable"] is True
    assert machine.read("mach.lock") == machine.read("file.lock")
    folder, url = site
    filename = publish(folder)
    (machine.home / filename).write_bytes((folder / filename).read_bytes())
    Repository(folder / "repository").commit(DEMO)
    refused = {
        f"demo-app @ git+{url}/repository/.git": "is editable, and only a folder can be",
        f"{url}/{filename}": "is editable, and only a folder can be",
        f"./{filename}": "only a folder is editable",
        "nowhere": "nowhere cannot be read: No such file or directory",
    }
    for given, said in refused.items():
        assert said in machine.mach("lock", "--editable", given, *PYTHON, code=2).stderr
    asked = machine.mach("shell", "--lock", "mach.lock", "-e", "./lib", code=2)
    assert "--lock and --editable exclude each other" in asked.stderr


def test_local_paths_are_recorded_as_the_lock_sees_them(machine: Machine) -> None:
    write_tree(machine.home / "lib", DEMO)
    machine.write("requirements/dev.txt", "-e ./lib[shout]\n")
    machine.mach("lock", "-r", "requirements/dev.txt", *PYTHON)
    found = pins(machine, "requirements/mach.lock")["demo-app"]
    assert found["artifact"]["path"] == "../lib"
    assert (found["artifact"]["editable"], found["extras"]) == (True, ["shout"])
    assert str(machine.home) not in machine.read("requirements/mach.lock")
    machine.mach("db", "export", "--lock", "requirements/mach.lock", "facts.mach")
    machine.mach("db", "verify", "--lock", "requirements/mach.lock")
    machine.mach("lock", "-r", "requirements/dev.txt", *PYTHON, "--check")
    pyproject = machine.home / "lib/pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("idna>=3", "idna<99"))
    asked = machine.mach("lock", "-r", "requirements/dev.txt", *PYTHON, "--check", code=1)
    assert "what ../lib states of demo-app has changed since it was locked" in asked.stderr
    machine.mach("lock", "-r", "requirements/dev.txt", *PYTHON, "--offline")
    assert pins(machine, "requirements/mach.lock")["demo-app"]["dependencies"]["idna"] == ["idna<99"]


def test_the_folder_of_env_counts_for_its_lock(machine: Machine) -> None:
    write_tree(machine.home / "lib", DEMO)
    machine.mach("env", "some/env", "./lib", *PYTHON)
    assert pins(machine, "some/env/mach.lock")["demo-app"]["artifact"]["path"] == "../../lib"
    assert machine.read("some/env/requirements.txt") == "demo-app @ ../../lib\n"


def test_paths_that_hold_nothing_usable(machine: Machine) -> None:
    (machine.home / "empty").mkdir()
    (machine.home / "garbage-1.0-py3-none-any.whl").write_text("no zip")
    machine.write("text.whl", "x")
    for path, code, reason in (
        ("./nothing", 2, "No such file or directory"),
        ("./empty", 2, "no Python project"),
        ("./garbage-1.0-py3-none-any.whl", 2, "not a whole zip archive"),
        ("./text.whl", 2, "neither a folder nor a wheel"),
        ("other @ ./empty", 2, "no Python project"),
    ):
        asked = machine.mach("lock", path, *PYTHON, code=code)
        assert reason in asked.stderr
        assert "argument" in asked.stderr


def test_references_in_other_files(machine: Machine, site: tuple[Path, str]) -> None:
    folder, url = site
    filename = publish(folder)
    machine.write(
        "pyproject.toml", f'[project]\nname = "x"\nversion = "1"\ndependencies = ["solo @ {url}/{filename}"]\n'
    )
    machine.mach("lock", "-r", "pyproject.toml", *PYTHON)
    assert pins(machine)["solo"]["direct"] == f"{url}/{filename}"


def test_a_service_refuses_every_reference_and_fetches_none(
    world: World, machine: Machine, site: tuple[Path, str]
) -> None:
    folder, url = site
    filename = publish(folder)
    write_tree(machine.home / "lib", DEMO)
    with machine.serve() as service, httpx.Client(base_url=service, timeout=60) as client:
        for text in (
            f"solo @ {url}/{filename}",
            f"{url}/{filename}",
            f"demo-app @ git+{url}/repository/.git",
            f"git+file://{folder}/repository#egg=demo-app",
            "./lib",
            "-e ./lib",
            "file:///etc/passwd",
            "demo-app @ ./lib",
            f"idna\n-c constraints.txt\nsolo@{url}/{filename}",
        ):
            for body in (
                {"requirements": text.replace("-c constraints.txt\n", "")},
                {"requirements": "idna", "constraints": text},
            ):
                if "-c" in text and "constraints" in body:
                    continue
                answer = client.post("/resolve", json=body)
                assert (answer.status_code, answer.json()["code"]) == (400, "direct-reference-not-allowed"), text
