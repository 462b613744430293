"""Sdists of the common build backends, as the index has these, built by Nix without network; each is imported."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from tests.nix.locks import lock_of, write_expression
from tests.support.dists import Dist, make_sdist
from tests.support.nix import NixStore

pytestmark = [pytest.mark.index, pytest.mark.nix]

PROJECT = '[build-system]\nrequires = []\nbuild-backend = "{backend}"\n\n[project]\nname = "{name}"\nversion = "1.0"\n'
C = """\
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""
MESON = """\
project('NAME', 'c', version: '1.0')
py = import('python').find_installation(pure: false)
py.extension_module('NAME', 'NAME.c', install: true)
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.15...3.30)
project(${SKBUILD_PROJECT_NAME} LANGUAGES C)
find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
python_add_library(NAME MODULE NAME.c WITH_SOABI)
install(TARGETS NAME DESTINATION .)
"""
SCRIPT = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('NAME', ['NAME.c'])])\n"
PURE = {"NAME/__init__.py": '"""It says so."""\n\ndef answer():\n    return 42\n'}

#: Project -> what is installed for its build, its backend, and its files.
BACKENDS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "of_setuptools": ("setuptools", "setuptools.build_meta", {"NAME.c": C, "setup.py": SCRIPT}),
    "of_flit": ("flit-core", "flit_core.buildapi", PURE),
    "of_hatchling": ("hatchling", "hatchling.build", PURE),
    "of_poetry": ("poetry-core>=2", "poetry.core.masonry.api", PURE),
    "of_pdm": ("pdm-backend", "pdm.backend", PURE),
    "of_meson": ("meson-python ninja", "mesonpy", {"NAME.c": C, "meson.build": MESON}),
    "of_scikit": ("scikit-build-core cmake ninja", "scikit_build_core.build", {"NAME.c": C, "CMakeLists.txt": CMAKE}),
}


def download(folder: Path, *wanted: str) -> list[Dist]:
    """Return the wheels that a build takes, with what they require."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        *wanted,
    ]
    subprocess.run(words, check=True)
    found = []
    for path in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            (member,) = [n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA")]
            metadata = archive.read(member)
        found.append(
            Dist(filename=path.name, project=name, version=str(version), content=path.read_bytes(), metadata=metadata)
        )
    return found


def test_sdists_of_seven_backends_build_and_import(nix_store: NixStore, tmp_path: Path) -> None:
    sources, closures = [], {}
    for name, (wanted, backend, files) in BACKENDS.items():
        table = PROJECT.format(backend=backend, name=name.replace("_", "-")) + 'description = "It says so."\n'
        own = {path.replace("NAME", name): text.replace("NAME", name) for path, text in files.items()}
        sdist = make_sdist(name.replace("_", "-"), "1.0", backend=None, pyproject=table, files=own)
        sources.append(sdist)
        closures[sdist.project] = download(tmp_path / name, *wanted.split())
    env = nix_store.build(write_expression(tmp_path, lock_of(nix_store, *sources, builds=closures)), "env")
    code = f"import {', '.join(BACKENDS)}; print([m.answer() for m in ({', '.join(BACKENDS)})])"
    assert nix_store.call(env / "bin/python", "-c", code).stdout == f"{[42] * len(BACKENDS)}\n"
