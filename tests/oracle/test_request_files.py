"""pyproject.toml and uv.lock as requests: mach asks for what uv asks for, on the same index."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.e2e.machines import Machine
from tests.support.world import World

PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["requests<2.32", "colorama; sys_platform == 'win32'", "idna<3.10; python_version >= '3.10'"]

[project.optional-dependencies]
pretty = ["rich<13.9"]
every = ["app[pretty]; python_version < '4'", "packaging"]

[dependency-groups]
lint = ["certifi<2025"]
dev = ["urllib3<2.3", { include-group = "lint" }]
"""
SELECTIONS: list[tuple[str, ...]] = [
    (),
    ("--extra", "pretty"),
    ("--extra", "every"),
    ("--all-extras",),
    ("--group", "dev"),
    ("--group", "lint", "--extra", "every"),
]


@pytest.fixture
def machine(world: World, tmp_path: Path) -> Machine:
    """A machine with a project in its folder."""
    machine = Machine(home=tmp_path, index_url=world.url)
    machine.write("pyproject.toml", PROJECT)
    return machine


def uv(machine: Machine, *words: str) -> str:
    """Run uv in the machine's folder and return what it prints."""
    program = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [program, *words, "--no-config", "--python", sys.executable],
        cwd=machine.home,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(machine.home),
            "UV_CACHE_DIR": str(machine.home / ".uv"),
            "UV_DEFAULT_INDEX": machine.index_url,
            "UV_NO_PROGRESS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pins_of_text(text: str) -> dict[str, str]:
    """Return project -> version of ``NAME==VERSION`` lines whose marker holds here."""
    found = {}
    for line in text.splitlines():
        if re.match(r"[a-z0-9]", line):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def lock(machine: Machine, *words: str) -> dict[str, str]:
    """Return what mach locks for this interpreter."""
    machine.mach(
        "lock", *words, "--prefer", "newest", "--python", platform.python_version(), "-o", "made.lock", "--upgrade"
    )
    (target,) = json.loads(machine.read("made.lock"))["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


@pytest.mark.parametrize("selection", SELECTIONS, ids=" ".join)
def test_a_pyproject_resolves_to_what_uv_resolves_it_to(machine: Machine, selection: tuple[str, ...]) -> None:
    expected = pins_of_text(uv(machine, "pip", "compile", "pyproject.toml", "--no-header", "--no-annotate", *selection))
    assert lock(machine, "-r", "pyproject.toml", *selection) == expected
    assert {"requests", "idna"} <= expected.keys()


@pytest.mark.parametrize("selection", SELECTIONS, ids=" ".join)
def test_a_uv_lock_is_taken_over_as_uv_exports_it(machine: Machine, selection: tuple[str, ...]) -> None:
    uv(machine, "lock")
    options = ("--no-hashes", "--no-emit-project", "--no-default-groups", "--no-header", "--no-annotate", "--frozen")
    expected = pins_of_text(uv(machine, "export", *options, *selection))
    assert lock(machine, "-r", "uv.lock", *selection) == expected


def test_pins_below_the_newest_are_kept(machine: Machine) -> None:
    machine.write("pyproject.toml", PROJECT.replace('"idna<3.10;', '"idna==3.4;'))
    uv(machine, "lock")
    machine.write("pyproject.toml", PROJECT)
    assert lock(machine, "-r", "uv.lock")["idna"] == "3.4"
    assert lock(machine, "-r", "pyproject.toml")["idna"] == "3.7"


@pytest.mark.parametrize("selection", SELECTIONS, ids=" ".join)
def test_a_pylock_of_uv_is_taken_over(machine: Machine, selection: tuple[str, ...]) -> None:
    uv(machine, "lock")
    options = ("--no-emit-project", "--no-default-groups", "--frozen")
    expected = pins_of_text(uv(machine, "export", "--no-hashes", "--no-header", "--no-annotate", *options, *selection))
    machine.write("pylock.toml", uv(machine, "export", "--format", "pylock.toml", *options, *selection))
    assert lock(machine, "-r", "pylock.toml") == expected
