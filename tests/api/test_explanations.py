"""Explanations as people and programs get them: from commands, as JSON, and over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.e2e.machines import Machine
from tests.support.world import World


@pytest.fixture(scope="module")
def locked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with a lock; tests only read it."""
    machine = Machine(home=tmp_path_factory.mktemp("explained"), index_url=world.url)
    machine.mach("lock", "requests<2.32", "--platform", "x86_64-linux", "--python", "3.11.9")
    return machine


def test_a_conflict_on_the_terminal_and_as_json(machine: Machine) -> None:
    told = machine.mach("lock", "requests", "urllib3<1", "idna<1", "--json", code=1)
    assert "error[" in told.stderr
    error = told.json["error"]
    assert error["code"] == "no-such-version"
    assert {"core", "steps", "filtered", "fixes", "target", "snapshot", "as-of"} <= error["details"].keys()
    assert error["details"]["core"][0]["origin"] == "argument 'urllib3<1'"


def test_a_misspelt_name_gets_the_nearest(locked: Machine) -> None:
    told = locked.mach("gen", "reqeusts", code=1)
    assert "did you mean requests?" in told.stderr


def test_why_not_at_that_version(locked: Machine) -> None:
    told = locked.mach("why", "requests==2.31.0", "--json").json
    assert told["version"] == "2.31.0"
    told = locked.mach("why", "requests>=2.32", "--json").json
    assert (told["locked"], told["possible"]) == ("2.31.0", False)
    assert {d["requirement"] for d in told["reason"]["details"]["core"]} == {"requests<2.32", "requests>=2.32"}
    text = locked.mach("why", "requests>=2.32").stdout
    assert "requests>=2.32 is not in the lock, which has 2.31.0" in text
    assert "contradict each other" in text


def test_why_not_there_at_all(locked: Machine) -> None:
    locked.mach("crawl", "pysocks")
    told = locked.mach("why", "pysocks").stdout
    assert "pysocks is not in the lock" in told
    assert "nothing that you ask for requires it, and nothing forbids it" in told
    assert "pysocks none -> 1.7.1" in told


def test_why_not_without_facts(locked: Machine) -> None:
    told = locked.mach("why", "never-heard-of", code=2).stderr
    assert "error[not-in-lock]" in told
    assert "why not cannot be told" in told
    assert "missing: the page of never-heard-of" in told
    assert "`mach crawl never-heard-of` gets what is missing" in told
    assert "--offline" not in told


def test_diff(locked: Machine) -> None:
    locked.mach("lock", "requests", "--platform", "x86_64-linux", "--python", "3.11.9", "-o", "new.lock")
    told = locked.mach("diff", "mach.lock", "new.lock").stdout
    assert "request: - requirements requests<2.32" in told
    assert "~ requests 2.31.0 -> 2.32" in told
    value = locked.mach("diff", "mach.lock", "new.lock", "--json").json
    assert value["equal"] is False
    assert locked.mach("diff", "mach.lock", "mach.lock").stdout == ""
    assert "error[no-lock]" in locked.mach("diff", "mach.lock", "gone.lock", code=2).stderr


def test_the_same_over_http(machine: Machine) -> None:
    body = {"requirements": "requests<2.32\nrequests>=2.32\n", "platforms": ["x86_64-linux"], "python": "3.11.9"}
    with machine.serve() as url:
        answer = httpx.post(f"{url}/resolve", json=body, timeout=30)
    assert answer.status_code == 422, answer.text
    problem = json.loads(answer.text)
    assert problem["code"] == "conflict"
    assert {d["requirement"] for d in problem["details"]["core"]} == {"requests<2.32", "requests>=2.32"}
    assert problem["details"]["fixes"]
