"""Sdists whose build tools are sdists, from the command line: built, kept, and told where they cannot be built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.build_backends import sandboxed
from tests.support.dists import Dist, make_sdist, make_wheel
from tests.support.index import FakeIndex, IndexServer

pytestmark = sandboxed
ASKED = ("lock", "demo", "--python", HOST_PYTHON, "--build-providers", "wheel,sdist")
BACKEND = """
import os, tool

def prepare_metadata_for_build_wheel(folder, settings=None):
    os.mkdir(folder + "/demo.dist-info")
    with open(folder + "/demo.dist-info/METADATA", "w") as file:
        file.write(f"Metadata-Version: 2.1\\nName: demo\\nVersion: {VERSION}\\nRequires-Dist: {tool.name()}\\n")
    return "demo.dist-info"
"""


def demo(version: str) -> Dist:
    """Return an sdist whose metadata takes the module of its build requirement, tool."""
    table = '[build-system]\nrequires = ["tool"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"pyproject.toml": table, "backend.py": f"VERSION = {version!r}\n{BACKEND}"}
    return make_sdist("demo", version, backend=None, pkg_info_version=None, files=files)


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """An index with what a lock takes beside its pins."""
    with IndexServer() as server:
        index = server.index()
        for name in ("idna", "installer", "pyproject-hooks"):
            index.add(make_wheel(name, "3.7"))
        yield index


@pytest.fixture
def machine(index: FakeIndex, tmp_path: Path) -> Machine:
    """A new machine with that index."""
    (tmp_path / "home").mkdir()
    return Machine(home=tmp_path / "home", index_url=index.url)


def records(machine: Machine) -> list[Path]:
    """Return the records of wheels that were built on the machine."""
    return sorted(machine.home.rglob("files/built/*"))


def test_a_build_tool_that_is_an_sdist_is_built_once(index: FakeIndex, machine: Machine) -> None:
    index.add(make_sdist("tool", "1.0", backend="in-tree", files={"tool.py": "def name():\n    return 'idna'\n"}))
    index.add(demo("1.0"))
    machine.mach(*ASKED)
    lock = json.loads(machine.read("mach.lock"))
    assert {pin["name"] for pin in lock["targets"][0]["pins"]} == {"demo", "idna"}
    (record,) = records(machine)
    written = record.stat().st_mtime_ns
    index.add(demo("2.0"))
    machine.mach(*ASKED, "--refresh", "--upgrade-package", "demo")
    assert '"2.0"' in machine.read("mach.lock")
    assert [path.stat().st_mtime_ns for path in records(machine)] == [written]


def test_a_build_tool_that_cannot_be_built_is_told(index: FakeIndex, machine: Machine) -> None:
    tool = make_sdist("tool", "1.0", backend="in-tree", files={"tool.py": ""})
    index.add(tool)
    index.add(demo("1.0"))
    asked = machine.process(*ASKED, code=1)
    assert (
        "demo 1.0 cannot be used: its build backend 'backend' failed: AttributeError: module 'tool' has" in asked.stderr
    )
    index.delete(tool)
    code = "def build_wheel(folder, settings=None, metadata=None):\n    raise ValueError('boom')\n"
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    index.add(make_sdist("tool", "1.1", backend=None, files={"pyproject.toml": table, "backend.py": code}))
    asked = machine.process(*ASKED, "--refresh", code=1)
    assert (
        "demo 1.0 cannot be used: its build cannot begin: tool-1.1, which its build requires, cannot be built: "
        "its build backend 'backend' failed: ValueError: boom"
    ) in asked.stderr
