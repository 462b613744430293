"""examples/ci: the steps that stand there are run, with a service and a person's project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.error_codes import ROOT
from tests.e2e.machines import Machine
from tests.support.world import World

EXAMPLES = ROOT / "examples/ci"


@pytest.fixture
def machine(world: World, tmp_path: Path) -> Machine:
    """The machine that the service runs on."""
    home = tmp_path / "machine"
    home.mkdir()
    return Machine(home=home, index_url=world.url)


@pytest.fixture
def runner(tmp_path: Path, world: World) -> Machine:
    """A machine that knows nothing, with the command ``mach``."""
    home = tmp_path / "runner"
    (home / "bin").mkdir(parents=True)
    command = home / "bin/mach"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m api.cli "$@"\n')
    command.chmod(0o755)
    return Machine(home=home, index_url=world.url)


def run(machine: Machine, step: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = {**machine.env(), **environ}
    env["PATH"] = f"{machine.home}/bin:{env['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step], cwd=machine.home, env=env, capture_output=True, text=True, timeout=120
    )


def test_github_actions_pins_a_snapshot_of_a_service(machine: Machine, runner: Machine) -> None:
    workflow: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    steps = [step["run"] for step in workflow["jobs"]["lock"]["steps"] if "run" in step]
    assert steps[0].startswith("pipx install")
    runner.write("requirements.txt", "rich<14\n")
    with machine.serve() as url:
        httpx.post(f"{url}/resolve", content=b"rich\n", headers={"Content-Type": "text/plain"}, timeout=60)
        snapshot = machine.mach("db", "pin", "release").stdout.strip()
        given = {"MACH_SERVICE": url, "MACH_SNAPSHOT": snapshot}
        environ = {**workflow["env"], **given}
        asked = httpx.post(f"{url}/resolve", json={"requirements": "rich<14", "snapshot": snapshot}, timeout=60)
        runner.write("mach.lock", asked.text)
        for step in steps[1:]:
            done = run(runner, step, environ)
            assert done.returncode == 0, done.stderr
        runner.write("requirements.txt", "rich<13\n")
        assert [run(runner, step, environ).returncode for step in steps[1:]] == [1, 0, 1]


def test_gitlab_takes_the_facts_of_a_lock_from_a_file(machine: Machine, runner: Machine) -> None:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["lock"]
    assert job["before_script"] == ["pip install mach-resolver"]
    machine.write("requirements.txt", "rich<14\n")
    machine.mach("lock", "-r", "requirements.txt")
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    for name in ("requirements.txt", "mach.lock", "facts.mach"):
        (runner.home / name).write_bytes((machine.home / name).read_bytes())
    for step in job["script"]:
        done = run(runner, step, job["variables"])
        assert done.returncode == 0, done.stderr
    runner.write("requirements.txt", "rich<13\n")
    assert run(runner, job["script"][0], job["variables"]).returncode == 1
