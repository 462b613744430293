"""Build backends asked by Nix builds: with what fixes give, and where there is no bubblewrap."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import Dist, make_sdist, wheel_from_installed
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


def binding(name: str, version: str = "1.0") -> Dist:
    """Return the sdist of a binding of PortAudio, whose metadata its backend alone tells."""
    files = {"pa.c": CODE.replace("NAME", name), f"{name}.py": f"import _{name}\n"}
    return make_sdist(
        name, version, pkg_info_version="2.1", dynamic=(), files=files, setup_py=ASKING_SETUP.replace("NAME", name)
    )


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
    return Machine(home=tmp_path, index_url=index.url, environ=nix_store.env())


def test_a_backend_that_runs_what_only_a_fix_gives_is_locked_built_and_imported(machine: Machine) -> None:
    machine.mach("lock", "pyaudio", "--python", HOST_PYTHON)
    (pin,) = json.loads(machine.read("mach.lock"))["targets"][0]["pins"]
    assert (pin["name"], pin["provider"]) == ("pyaudio", "sdist")
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    import subprocess

    code = "import pyaudio; print(pyaudio._pyaudio.text())"
    done = subprocess.run([env / "bin/python", "-c", code], env={"HOME": "/"}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("PortAudio of the stand-in\n", 0), done.stderr
