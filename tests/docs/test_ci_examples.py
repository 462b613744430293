"""examples/ci: the steps that stand there are run, with a service and a person's project."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.error_codes import ROOT
from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex

EXAMPLES = ROOT / "examples/ci"
#: Given to who locks and to who checks: two platforms.
CONFIGURATION = 'platforms = ["aarch64-darwin", "x86_64-linux"]\n'


@pytest.fixture
def index(fake_index: FakeIndex) -> FakeIndex:
    """An index with a release that only some answers pass over, and the builders' tools."""
    for version in ("1.0", "2.0"):
        fake_index.add(make_wheel("app", version, requires=[f"part=={version}"]))
        fake_index.add(make_wheel("part", version))
    fake_index.add(make_wheel("other", "1.0"))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    return fake_index


@pytest.fixture
def machine(index: FakeIndex, tmp_path: Path) -> Machine:
    """The machine that the service runs on, and where locks are made; its catalog knows every project."""
    home = tmp_path / "machine"
    home.mkdir()
    machine = Machine(home=home, index_url=index.url)
    machine.write("mach.toml", CONFIGURATION)
    machine.mach("crawl", *index.projects, "-q", "--rate", "100")
    return machine


@pytest.fixture
def runner(index: FakeIndex, tmp_path: Path) -> Machine:
    """A machine that knows nothing, with the command ``mach``."""
    home = tmp_path / "runner"
    (home / "bin").mkdir(parents=True)
    command = home / "bin/mach"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m api.cli "$@"\n')
    command.chmod(0o755)
    runner = Machine(home=home, index_url=index.url)
    runner.write("mach.toml", CONFIGURATION)
    return runner


def run(machine: Machine, step: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = {**machine.env(), **environ}
    env["PATH"] = f"{machine.home}/bin:{env['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step], cwd=machine.home, env=env, capture_output=True, text=True, timeout=120
    )


def lock_from_nothing(machine: Machine, *options: str) -> None:
    """Write a lock for which the newest release was looked at and passed over."""
    machine.write("requirements.txt", "app\npart<2\n")
    machine.mach("lock", "-r", "requirements.txt", *options)


def lock_that_keeps_pins(machine: Machine, *options: str) -> None:
    """Write a lock with an older release, since the lock before it had that."""
    machine.write("requirements.txt", "app<2\n")
    machine.mach("lock", "-r", "requirements.txt", *options)
    machine.write("requirements.txt", "app\nother\n")
    machine.mach("lock", "-r", "requirements.txt", *options)
    assert "app-1.0-py3-none-any.whl" in machine.read("mach.lock")


def carry(machine: Machine, runner: Machine, *names: str) -> None:
    for name in names:
        (runner.home / name).write_bytes((machine.home / name).read_bytes())


def github_steps() -> tuple[dict[str, str], list[str]]:
    workflow: dict[str, Any] = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    first, *steps = [step["run"] for step in workflow["jobs"]["lock"]["steps"] if "run" in step]
    assert first.startswith("pipx install")
    return workflow["env"], steps


def gitlab_steps() -> tuple[dict[str, str], list[str]]:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["lock"]
    assert job["before_script"] == ["pip install mach-resolver"]
    return job["variables"], job["script"]


def test_github_actions_pins_a_snapshot_of_a_service(machine: Machine, runner: Machine) -> None:
    environ, steps = github_steps()
    snapshot = machine.mach("db", "pin", "release").stdout.strip()
    with machine.serve() as url:
        environ = {**environ, "MACH_SERVICE": url, "MACH_SNAPSHOT": snapshot}
        asked = {"requirements": "app\npart<2", "snapshot": snapshot, "platforms": ["aarch64-darwin", "x86_64-linux"]}
        by_service = httpx.post(f"{url}/resolve", json=asked, timeout=60).text
        for make_lock in (lock_that_keeps_pins, lock_from_nothing):
            (machine.home / "mach.lock").unlink(missing_ok=True)
            make_lock(machine, "--snapshot", snapshot)
            carry(machine, runner, "requirements.txt", "mach.lock")
            for step in steps:
                done = run(runner, step, environ)
                assert done.returncode == 0, f"{make_lock.__name__}: {done.stderr}"
        assert by_service == machine.read("mach.lock")
        runner.write("requirements.txt", "app>=2\n")
        assert run(runner, steps[0], environ).returncode == 1
        other_file = re.sub('"sha256": "[0-9a-f]{64}"', f'"sha256": "{64 * "0"}"', runner.read("mach.lock"), count=1)
        runner.write("mach.lock", other_file)
        failed = run(runner, steps[-1], environ)
        assert (failed.returncode, "error[lock-not-repeated]" in failed.stderr) == (1, True), failed.stderr


@pytest.mark.parametrize("make_lock", [lock_from_nothing, lock_that_keeps_pins])
@pytest.mark.parametrize("named", [True, False], ids=["with_a_snapshot", "without_a_snapshot"])
def test_gitlab_takes_the_facts_of_a_lock_from_a_file(
    machine: Machine, runner: Machine, make_lock: Callable[..., None], named: bool
) -> None:
    environ, steps = gitlab_steps()
    snapshot = machine.mach("db", "pin", "release").stdout.strip()
    make_lock(machine, *(["--snapshot", snapshot] if named else ["--offline"]))
    assert (snapshot in machine.read("mach.lock")) == named
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    carry(machine, runner, "requirements.txt", "mach.lock", "facts.mach")
    for step in steps:
        done = run(runner, step, environ)
        assert done.returncode == 0, done.stderr
    runner.write("requirements.txt", "app>=2\n")
    assert run(runner, steps[0], environ).returncode == 1


def test_a_lock_is_not_made_again_from_another_state(machine: Machine, index: FakeIndex) -> None:
    lock_from_nothing(machine)
    snapshot = machine.mach("db", "pin", "before").stdout.strip()
    index.add(make_wheel("app", "3.0"))
    machine.mach("crawl", "app", "-q")
    assert "error[facts-moved]" in machine.mach("db", "verify", "--lock", "mach.lock", code=3).stderr
    verified = machine.mach("db", "verify", "--lock", "mach.lock", "--snapshot", snapshot, "--json")
    assert verified.json == {"lock": "mach.lock", "repeated": True}
    assert "--lock" in machine.mach("db", "verify", "--snapshot", snapshot, code=2).stderr
