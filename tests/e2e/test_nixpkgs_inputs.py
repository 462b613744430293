"""C libraries for free: an sdist takes over what nixpkgs builds its own derivation of the project with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import make_sdist, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.nix import NixStore
from tests.support.nixpkgs_tree import write_nixpkgs

pytestmark = pytest.mark.nix

SETUP = """\
import os
from setuptools import Extension, setup
flavour = '"%s"' % os.environ.get("NEEDY_FLAVOUR", "none")
extension = Extension("_needy", ["needy.c"], libraries=["portaudio"], define_macros=[("FLAVOUR", flavour)])
setup(name="needy", version="1.0", py_modules=["needy"], ext_modules=[extension])
"""
SOURCE = """\
#include <Python.h>
#include <portaudio.h>
static PyObject *tell(PyObject *self, PyObject *none) {
  return Py_BuildValue("ss", Pa_GetVersionText(), FLAVOUR);
}
static PyMethodDef methods[] = {{"tell", tell, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_needy", 0, -1, methods};
PyMODINIT_FUNC PyInit__needy(void) { return PyModule_Create(&module); }
"""
FITS = """\
--- a/needy.py
+++ b/needy.py
@@ -1,2 +1,2 @@
 from _needy import tell
-patched = False
+patched = True
"""
PLANTED = """{
  needy = final.buildPythonPackage {
    pname = "needy";
    version = "0.9";
    format = "wheel";
    src = throw "no source of nixpkgs is looked at";
    patches = [ ./fits.patch ./stale.patch ];
    nativeBuildInputs = [ final.pytestCheckHook ];
    buildInputs = [ final.pkgs.portaudio ];
    NEEDY_FLAVOUR = "of nixpkgs";
    PYTHONPATH = "/nowhere";
  };
}"""


def test_an_sdist_takes_over_libraries_variables_and_patches_that_apply(
    fake_index: FakeIndex, nix_store: NixStore, tmp_path: Path
) -> None:
    for tool in ("installer", "pyproject-hooks", "setuptools", "wheel"):
        fake_index.add(wheel_from_installed(tool))
    fake_index.add(
        make_sdist(
            "needy",
            "1.0",
            files={"needy.py": "from _needy import tell\npatched = False\n", "needy.c": SOURCE},
            backend="legacy",
            setup_py=SETUP,
        )
    )
    machine = Machine(home=tmp_path, index_url=fake_index.url, environ=nix_store.env())
    tree = write_nixpkgs(tmp_path / "nixpkgs", (), PLANTED)
    (tree / "fits.patch").write_text(FITS)
    (tree / "stale.patch").write_text(FITS.replace("patched = False", "patched = None"))
    machine.mach("gen", "needy", "--python", HOST_PYTHON, "-o", "python.nix")

    def build(pkgs: str) -> subprocess.CompletedProcess[str]:
        words = ["nix-build", "--no-out-link", "python.nix", "-A", "env", "--arg", "pkgs", pkgs]
        return subprocess.run(words, cwd=tmp_path, env=machine.env(), capture_output=True, text=True)

    done = build(f"import {tree} {{ }}")
    assert done.returncode == 0, done.stderr
    assert "stale.patch does not apply and is left out" in done.stderr
    env = Path(done.stdout.strip())
    code = "import needy; print(*needy.tell(), needy.patched)"
    said = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said == "PortAudio of the stand-in of nixpkgs True\n"

    without = build("import <nixpkgs> { }")
    assert without.returncode != 0
    assert "portaudio" in without.stderr
