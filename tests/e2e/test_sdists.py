"""Sdists end to end: backends are asked in the sandbox, closures are locked, and Nix builds in them alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import NixStore
from tests.support.oddities import C_EXTENSION, C_SETUP

PYTHON_3_11 = datetime(2022, 10, 24, tzinfo=UTC)
EARLY, LATE = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
#: A build tool that is itself an sdist, and that a setup.py asks for dynamically.
TOOL = make_sdist("answers", "1.0", files={"answers.py": "answer = 42\n"})
DYNAMIC_SETUP = """\
from setuptools import setup

setup(name="dynamic", version="1.0", py_modules=["dynamic"], setup_requires=["answers"], install_requires=["idna>=3"])
"""


def stock(index: FakeIndex) -> None:
    """Publish sdists of several kinds, and what builds them."""
    for name in ("installer", "pyproject-hooks", "setuptools", "wheel", "packaging"):
        index.add(wheel_from_installed(name), upload_time=EARLY)
    index.add(make_wheel("idna", "3.7"), upload_time=EARLY)
    index.add(make_wheel("answers", "0.9", files={"answers.py": "answer = 41\n"}), upload_time=EARLY)
    index.add(TOOL, upload_time=EARLY)
    for dist in (
        make_sdist(
            "compiled",
            "1.0",
            files={"compiled.c": C_EXTENSION.replace("sdist_compiled", "compiled")},
            setup_py=C_SETUP.replace("sdist_compiled", "compiled"),
        ),
        make_sdist(
            "dynamic",
            "1.0",
            backend="legacy",
            pkg_info_version="2.1",
            setup_py=DYNAMIC_SETUP,
            files={"dynamic.py": "import idna\n"},
        ),
        make_sdist("in-tree", "1.0", backend="in-tree", requires=["idna"], pkg_info_version="2.4"),
        make_sdist("docopt", "0.6.2", backend="legacy", pkg_info_version="2.1", files={"docopt.py": "x = 1\n"}),
        make_sdist("static", "1.0", files={"static.py": "x = 2\n"}, requires=["idna"]),
    ):
        index.add(dist, upload_time=LATE)


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """A stocked index of the test's own."""
    with IndexServer() as server:
        index = server.index()
        stock(index)
        yield index


@pytest.fixture
def machine(index: FakeIndex, tmp_path: Path) -> Machine:
    """A new machine with that index."""
    (tmp_path / "home").mkdir()
    return Machine(home=tmp_path / "home", index_url=index.url)


def closures(machine: Machine, name: str = "mach.lock") -> dict[str, dict[str, str]]:
    """Return the build closure of each sdist in a lock: project -> release of each project in it."""
    lock: dict[str, Any] = json.loads(machine.read(name))
    held = {
        digest: {pin["name"]: pin["version"] for pin in closure["pins"]}
        for digest, closure in lock["build-closures"].items()
    }
    return {pin["name"]: held[pin["build"]] for pin in lock["targets"][0]["pins"] if "build" in pin}


ASKED = ("compiled", "dynamic", "in-tree", "docopt", "static", "--providers", "answers=sdist")


@pytest.mark.nix
def test_five_sdists_are_locked_built_and_imported(index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, index_url=index.url, environ=nix_store.env())
    machine.mach("lock", *ASKED, "--python", HOST_PYTHON, "--build-providers", "answers=sdist")
    found = closures(machine)
    assert found["in-tree"] == {}
    assert found["dynamic"]["answers"] == "1.0", "asked for by setup.py, and built itself"
    assert found["static"].keys() >= {"setuptools"}
    assert "answers" not in found["static"]
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    code = "import compiled, dynamic, in_tree, docopt, static; print(compiled.answer(), static.x)"
    done = subprocess.run([env / "bin/python", "-c", code], env={"HOME": "/"}, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("42 2", 0), done.stderr


def newer_tool(name: str = "setuptools", version: str = "9999.0") -> Dist:
    """Return a build tool that nothing can be built with."""
    return make_wheel(name, version, files={f"{name}/__init__.py": "raise SystemExit('too new')\n"})


def test_the_next_day_gives_the_same_closures(index: FakeIndex, machine: Machine) -> None:
    machine.mach("lock", "docopt", "static", "--python", HOST_PYTHON, "-o", "first.lock")
    index.add(newer_tool(), upload_time=LATE + timedelta(days=1))
    machine.mach("lock", "docopt", "static", "--python", HOST_PYTHON, "-o", "second.lock", "--refresh")
    assert closures(machine, "first.lock") == closures(machine, "second.lock")
    later = machine.process(
        "lock", "docopt", "--python", HOST_PYTHON, "-o", "third.lock", "--build-as-of", "2025-01-01", code=1
    )
    assert "docopt 0.6.2 cannot be used: its build backend" in later.stderr
    assert "too new" in later.stderr


def test_sdists_in_closures_are_taken_only_where_that_is_allowed(index: FakeIndex, machine: Machine) -> None:
    machine.mach("lock", "dynamic", "--python", HOST_PYTHON)
    assert closures(machine)["dynamic"]["answers"] == "0.9", "a wheel, though an older one"
    machine.mach("lock", "dynamic", "--python", HOST_PYTHON, "--build-providers", "wheel,sdist", "-o", "all.lock")
    assert closures(machine, "all.lock")["dynamic"]["answers"] == "1.0"


def test_a_cycle_of_build_requirements_is_named(index: FakeIndex, machine: Machine) -> None:
    for one, other in (("hen", "egg"), ("egg", "hen")):
        index.add(make_sdist(one, "1.0", build_requires=["setuptools", other]), upload_time=LATE)
    asked = machine.process("lock", "hen", "--python", HOST_PYTHON, "--build-providers", "wheel,sdist", code=1)
    assert "hen 1.0 cannot be used: its build takes itself: hen → egg → hen" in asked.stderr


def test_a_backend_that_lies_is_told_and_the_next_release_is_taken(index: FakeIndex, machine: Machine) -> None:
    lying = make_sdist(
        "liar",
        "2.0",
        backend="legacy",
        pkg_info_version="2.1",
        setup_py="from setuptools import setup\nsetup(name='x')\n",
    )
    index.add(lying, upload_time=LATE)
    asked = machine.process("lock", "liar", "--python", HOST_PYTHON, code=1)
    assert "liar 2.0 cannot be used: its build backend answered wrongly: its metadata is that of 'x'" in asked.stderr
    index.add(make_wheel("liar", "1.0"), upload_time=EARLY)
    machine.mach("lock", "liar", "--python", HOST_PYTHON, "--prefer", "newest", "--refresh")
    assert json.loads(machine.read("mach.lock"))["targets"][0]["pins"][0]["version"] == "1.0"
