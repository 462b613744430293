"""Build backends asked by Nix builds: with what fixes give, and where there is no bubblewrap."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.settings import read_index_settings
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import NixStore

EARLY, LATE = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
#: As those of PyAudio and its kin: without the library, not even the metadata is to be had.
ASKING_SETUP = """\
import subprocess
from setuptools import Extension, setup

def ask(word):
    return subprocess.check_output(["pkg-config", word, "portaudio-2.0"], text=True).split()

setup(ext_modules=[Extension("_NAME", ["pa.c"], extra_compile_args=ask("--cflags"), extra_link_args=ask("--libs"))])
"""
CODE = """\
#include <Python.h>
#include <portaudio.h>
static PyObject *text(PyObject *s, PyObject *n) { return PyUnicode_FromString(Pa_GetVersionText()); }
static PyMethodDef methods[] = {{"text", text, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_NAME", NULL, -1, methods};
PyMODINIT_FUNC PyInit__NAME(void) { return PyModule_Create(&module); }
"""
MINE = """\
[[fix]]
project = "sounds"
libraries = ["portaudio"]
reason = "a binding of PortAudio"
link = "https://sounds.example/"
"""


def binding(name: str, version: str = "1.0", extra: str = "") -> Dist:
    """Return the sdist of a binding of PortAudio, which not even metadata is to be had of without it.

    :param extra: the end of its setup.py.
    """
    files = {"pa.c": CODE.replace("NAME", name), f"{name}.py": f"import _{name}\n"}
    setup = ASKING_SETUP.replace("NAME", name) + extra
    return make_sdist(name, version, pkg_info_version="2.1", files=files, setup_py=setup)


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with IndexServer() as server:
        index = server.index()
        for name in ("installer", "pyproject-hooks", "setuptools", "wheel", "packaging"):
            index.add(wheel_from_installed(name), upload_time=EARLY)
        index.add(binding("pyaudio", "0.2.14"), upload_time=LATE)
        index.add(binding("sounds"), upload_time=LATE)
        yield index


@pytest.fixture
def machine(index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> Machine:
    # a folder for temporary files that bubblewrap's other user reaches
    return Machine(home=tmp_path, index_url=index.url, environ={**nix_store.env(), "TMPDIR": "/tmp"})


def test_a_backend_that_runs_what_only_a_fix_gives_is_locked_built_and_imported(machine: Machine) -> None:
    machine.mach("lock", "pyaudio", "--python", HOST_PYTHON)
    (pin,) = json.loads(machine.read("mach.lock"))["targets"][0]["pins"]
    assert (pin["name"], pin["provider"]) == ("pyaudio", "sdist")
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    code = "import pyaudio; print(pyaudio._pyaudio.text())"
    done = subprocess.run([env / "bin/python", "-c", code], env={"HOME": "/"}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("PortAudio of the stand-in\n", 0), done.stderr


def pins(machine: Machine, name: str = "mach.lock") -> dict[str, Any]:
    """Return the pins of a lock's first target by project."""
    lock = json.loads(machine.read(name))
    return {pin["name"]: pin for pin in lock["targets"][0]["pins"]}


def test_a_users_fix_is_taken_by_what_failed_before_it(machine: Machine) -> None:
    failed = machine.process("lock", "sounds", "--python", HOST_PYTHON, code=1)
    assert "sounds 1.0 cannot be used: its build backend" in failed.stderr
    machine.write("mine.toml", MINE)
    machine.mach("lock", "sounds", "--python", HOST_PYTHON, "--fixes", "mine.toml")
    assert pins(machine)["sounds"]["provider"] == "sdist"
    # what was said is a fact from then on
    machine.mach("lock", "sounds", "--python", HOST_PYTHON, "--offline", "-o", "again.lock")
    assert machine.read("again.lock") == machine.read("mach.lock")


def test_what_fails_with_all_that_fixes_give_is_recorded_and_not_asked_again(
    index: FakeIndex, machine: Machine
) -> None:
    index.add(binding("pyaudio", "0.3", extra="raise SystemExit('hopeless')\n"), upload_time=LATE)
    first = machine.mach("lock", "pyaudio>=0.3", "--python", HOST_PYTHON, code=1)
    assert "hopeless" in first.stderr
    assert "(nixpkgs gave it portaudio)" in first.stderr
    # no Nix is needed to know that
    again = machine.process("lock", "pyaudio>=0.3", "--python", HOST_PYTHON, code=1, NIX_PATH="nothing=/")
    assert "(nixpkgs gave it portaudio)" in again.stderr


def test_without_what_fixes_give_that_is_told_and_nothing_is_recorded(machine: Machine) -> None:
    asked = machine.process("lock", "pyaudio", "--python", HOST_PYTHON, code=3, NIX_PATH="nothing=/")
    assert "the build backend of pyaudio-0.2.14.tar.gz fails without what nixpkgs gives it (portaudio)" in asked.stderr
    assert "file 'nixpkgs' was not found" in asked.stderr
    assert "--no-build pyaudio" in asked.stderr
    machine.mach("lock", "pyaudio", "--python", HOST_PYTHON)


#: Every kind of sdist that a backend has to be asked of; answers is built for another one's closure.
PROJECTS = ("pyaudio", "dynamic", "in-tree")
KINDS = (*PROJECTS, "--providers", "answers=sdist", "--build-providers", "answers=sdist")
DYNAMIC_SETUP = """\
from setuptools import setup

setup(name="dynamic", version="1.0", py_modules=["dynamic"], setup_requires=["answers"], install_requires=["idna>=3"])
"""


def stock_kinds(index: FakeIndex) -> None:
    index.add(make_wheel("idna", "3.7"), upload_time=EARLY)
    index.add(make_sdist("answers", "1.0", files={"answers.py": "answer = 42\n"}), upload_time=EARLY)
    for dist in (
        make_sdist("dynamic", "1.0", backend="legacy", pkg_info_version="2.1", setup_py=DYNAMIC_SETUP),
        make_sdist("in-tree", "1.0", backend="in-tree", requires=["idna"], pkg_info_version="2.1"),
    ):
        index.add(dist, upload_time=LATE)


def without_bubblewrap(folder: Path, *, nix: bool = True) -> str:
    """Return a PATH with Nix's programs and nothing else."""
    folder.mkdir()
    for name in ("nix", "nix-build", "nix-instantiate", "nix-store") if nix else ():
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


@pytest.mark.nightly
def test_without_bubblewrap_the_lock_is_the_very_same(index: FakeIndex, machine: Machine, tmp_path: Path) -> None:
    stock_kinds(index)
    machine.mach("lock", *KINDS, "--python", HOST_PYTHON)
    other = Machine(home=tmp_path / "other", index_url=index.url, environ=machine.environ)
    other.home.mkdir()
    path = without_bubblewrap(tmp_path / "bin")
    other.process("lock", *KINDS, "--python", HOST_PYTHON, PATH=path)
    assert other.read("mach.lock") == machine.read("mach.lock")
    assert set(pins(other)) == {*PROJECTS, "idna"}
    index.add(make_sdist("broken", "1.0", backend="legacy", setup_py="1 / 0\n", pkg_info_version="2.1"))
    told = [
        one.process("lock", "broken", "--python", HOST_PYTHON, "--refresh", code=1, PATH=path).stderr
        for one, path in ((machine, os.environ["PATH"]), (other, path))
    ]
    assert "ZeroDivisionError: division by zero" in told[0]
    assert told[1] == told[0]


def test_with_neither_nothing_is_run_and_both_ways_out_are_told(
    index: FakeIndex, machine: Machine, tmp_path: Path
) -> None:
    path = without_bubblewrap(tmp_path / "bin", nix=False)
    refused = machine.process("lock", "pyaudio", "--python", HOST_PYTHON, code=3, PATH=path, NIX_PATH="nothing=/")
    assert "error[no-sandbox]: an sdist's build backend cannot be run: bubblewrap is not installed" in refused.stderr
    assert "and by Nix it cannot, either: " in refused.stderr
    assert "install bubblewrap 0.8.0 or newer" in refused.stderr
    assert "or Nix, with `sandbox = true` in nix.conf and a nixpkgs in NIX_PATH" in refused.stderr


@pytest.mark.index
@pytest.mark.skipif(not shutil.which("pg_config"), reason="no pg_config on this host (Debian: libpq-dev)")
def test_the_real_psycopg2_is_locked_built_and_imported(nix_store: NixStore, tmp_path: Path) -> None:
    url = read_index_settings().indexes[-1]
    machine = Machine(home=tmp_path, index_url=url, environ={**nix_store.env(), "TMPDIR": "/tmp"})
    machine.process("lock", "psycopg2==2.9.10", "--python", HOST_PYTHON)
    assert pins(machine)["psycopg2"]["provider"] == "sdist"
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    code = "import psycopg2; print(psycopg2.__version__.split()[0], psycopg2.__libpq_version__ > 0)"
    done = subprocess.run([env / "bin/python", "-c", code], env={"HOME": "/"}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("2.9.10 True\n", 0), done.stderr


def test_an_sdist_in_a_closure_takes_what_fixes_give_and_what_it_loads_is_there(
    index: FakeIndex, machine: Machine
) -> None:
    # the backend loads the library that the wheel in its closure was built with
    script = (
        "import sounds\nfrom setuptools import setup\n"
        "assert sounds._sounds.text() == 'PortAudio of the stand-in'\n"
        "setup(name='outer', version='1.0', py_modules=['outer'])\n"
    )
    outer = make_sdist(
        "outer", "1.0", pkg_info_version="2.1", setup_py=script, files={"outer.py": "x = 1\n"},
        build_requires=("setuptools", "sounds"),
    )  # fmt: skip
    index.add(outer, upload_time=LATE)
    machine.write("mach.toml", 'fixes = "mine.toml"\n')
    machine.write("mine.toml", MINE)
    machine.mach("lock", "outer", "--python", HOST_PYTHON, "--build-providers", "sounds=sdist")
    assert pins(machine)["outer"]["provider"] == "sdist"
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    assert (env / f"lib/python{HOST_PYTHON}/site-packages/outer.py").read_text() == "x = 1\n"
