"""Environments that Nix builds from what ``mach`` wrote: twins of real projects here, their real wheels with --index.

That ``sys.prefix`` and ``sys.executable`` are the environment's in spawned workers as well, and every other
promise of an environment's shape, is in tests/nix/test_environment.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.settings import read_index_settings
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.nix import NixStore
from tests.support.world import World

pytestmark = pytest.mark.nix

#: Asked for -> the command in the environment's bin, and how what it prints begins.
PROGRAMS = {
    "requests": (["python", "-c", "import requests; print(requests.__version__)"], "2."),
    "httpie": (["http", "--version"], "3."),
    "numpy": (["python", "-c", "import numpy; print(list(numpy.arange(3)) == [0, 1, 2], numpy.__version__)"], "True "),
    "black": (["black", "--version"], "black, "),
}

Make = Callable[[str], tuple[Machine, Path]]


def run(command: Path, *words: str) -> str:
    """Run a program of an environment with nothing in its own environment but a home."""
    done = subprocess.run([command, *words], env={"HOME": "/homeless"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def make(world: World, nix_store: NixStore, tmp_path: Path) -> Make:
    """Return what locks and builds one request on a new machine: the machine and the environment."""
    world.require("numpy", "black")

    def make_environment(request: str) -> tuple[Machine, Path]:
        machine = Machine(home=tmp_path, index_url=world.url, environ=nix_store.env())
        machine.mach("lock", request, "--python", HOST_PYTHON)
        return machine, Path(machine.process("build", "--lock", "mach.lock").stdout.strip())

    return make_environment


@pytest.mark.parametrize("request_", PROGRAMS)
def test_a_twin_runs_from_the_store(make: Make, nix_store: NixStore, request_: str) -> None:
    (program, *words), start = PROGRAMS[request_]
    _, env = make(request_)
    assert env.is_relative_to(nix_store.store)
    assert run(env / "bin" / program, *words).startswith(start)
    assert run(env / "bin/python", "-c", "import sys; print(sys.prefix, sys.executable)") == (
        f"{env} {env}/bin/python{HOST_PYTHON}\n"
    )


def test_extension_modules_of_twins_load_their_libraries(make: Make) -> None:
    _, env = make("numpy")
    (line,) = run(env / "bin/numpy-config").splitlines()
    assert "numpy-2.3.0" in line
    assert "openblas-of-2.3.0" in line
    _, env = make("black")
    assert "(compiled: yes)" in run(env / "bin/black", "--version")


def test_a_second_build_does_nothing(make: Make) -> None:
    machine, env = make("httpie")
    again = machine.process("build", "--lock", "mach.lock")
    assert again.stdout == f"{env}\n"
    assert again.stderr == "", "Nix has nothing to say where nothing is built"


def test_every_derivation_of_an_environment_is_deterministic(make: Make, nix_store: NixStore) -> None:
    machine, _ = make("black")
    checked = check_environment(machine, nix_store)
    (target,) = json.loads(machine.read("mach.lock"))["targets"]
    assert len(target["pins"]) == 7
    projects = {f"python{HOST_PYTHON}-{pin['name']}-{pin['version']}" for pin in target["pins"]}
    assert checked == projects | {f"python{HOST_PYTHON}-environment"}


def check_environment(machine: Machine, nix_store: NixStore) -> set[str]:
    """Build all that the lock of *machine* is made of a second time, the interpreter excepted; return the names."""
    machine.mach("gen", "--lock", "mach.lock", "-o", "python.nix")
    drv = Path(nix_store.call("nix-instantiate", machine.home / "python.nix", "-A", "env").stdout.strip())
    return set(nix_store.check_derivations(drv, names=[f"python{HOST_PYTHON}-"]))


@pytest.mark.index
@pytest.mark.parametrize("request_", PROGRAMS)
def test_the_real_wheels_run_from_the_store(nix_store: NixStore, tmp_path: Path, request_: str) -> None:
    passed_on = {name: value for name, value in os.environ.items() if name in ("PIP_CERT", "PIP_PROXY", "PIP_TIMEOUT")}
    machine = Machine(
        home=tmp_path, index_url=read_index_settings().indexes[-1], environ={**nix_store.env(), **passed_on}
    )
    asked = ("lock", request_, "--python", host_version())
    machine.mach(*asked)
    assert machine.mach(*asked, "--offline", "-o", "-").stdout == machine.read("mach.lock")
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    (program, *words), start = PROGRAMS[request_]
    assert run(env / "bin" / program, *words).startswith(start)
    assert check_environment(machine, nix_store)


def host_version() -> str:
    """Return X.Y.Z of the stand-in's interpreter: a patch version that no nixpkgs need have."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run([f"/usr/bin/python{HOST_PYTHON}", "-c", code], capture_output=True, text=True).stdout.strip()
