"""C libraries for free: an sdist takes over what nixpkgs builds its own derivation of the project with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.test_nix_hooks import disobedient
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.e2e.test_hook_builds import EARLY, LATE, MINE, binding
from tests.support import native
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import NixStore
from tests.support.nixpkgs_tree import write_nixpkgs

pytestmark = pytest.mark.nix

SETUP = """\
import os
from setuptools import Extension, setup
flavour = '"%s"' % os.environ.get("NEEDY_FLAVOUR", "none")
extension = Extension("_needy", ["needy.c"], libraries=["portaudio"], define_macros=[("FLAVOUR", flavour)])
version = os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION") or os.environ.get("NEEDY_RELEASE") or "1.0"
setup(name="needy", version=version, py_modules=["needy"], ext_modules=[extension])
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
    NEEDY_RELEASE = "0.9";
    env.SETUPTOOLS_SCM_PRETEND_VERSION = "0.9+nixpkgs";
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


#: A set whose derivation of sounds knows PortAudio, which no fix names.
SOUNDS = """{
  sounds = final.buildPythonPackage {
    pname = "sounds";
    version = "0.1";
    format = "wheel";
    src = throw "no source of nixpkgs is looked at";
    buildInputs = [ final.pkgs.portaudio ];
    SOUNDS_FLAVOUR = "of nixpkgs";
  };
}"""
ONLY_THERE = """
import os
if os.environ.get("SOUNDS_FLAVOUR") != "of nixpkgs":
    raise SystemExit("it has no flavour")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A machine, and a nixpkgs that knows what a backend wants as soon as it is asked."""

    machine: Machine
    tree: Path

    def lock(self, *words: str, code: int = 0, tree: bool = True) -> str:
        """Lock and return what was said.

        :param tree: with that nixpkgs as <nixpkgs>; else with the stand-in, which does not have the project.
        """
        place = {"NIX_PATH": f"nixpkgs={self.tree}"} if tree else {}
        return self.machine.process("lock", *words, "--python", HOST_PYTHON, code=code, **place).stderr


@pytest.fixture
def asking(nix_store: NixStore, tmp_path: Path) -> Iterator[Asking]:
    with IndexServer() as server:
        index = server.index()
        for name in ("installer", "pyproject-hooks", "setuptools", "wheel", "packaging"):
            index.add(wheel_from_installed(name), upload_time=EARLY)
        index.add(binding("sounds", "1.0", extra=ONLY_THERE), upload_time=LATE)
        index.add(binding("sounds", "2.0", extra="raise SystemExit('hopeless')\n"), upload_time=LATE)
        home = tmp_path / "home"
        home.mkdir()
        machine = Machine(home=home, index_url=index.url, environ={**nix_store.env(), "TMPDIR": "/tmp"})
        yield Asking(machine=machine, tree=write_nixpkgs(tmp_path / "nixpkgs", (), SOUNDS))


def test_a_backend_that_runs_what_only_nixpkgs_derivation_takes_is_locked_built_and_imported(asking: Asking) -> None:
    refused = asking.lock("sounds<2", code=1, tree=False)
    assert "sounds 1.0 cannot be used: its build backend" in refused
    # what was said without it counts no more where it can be had
    asking.lock("sounds<2")
    machine = asking.machine
    machine.mach("lock", "sounds<2", "--python", HOST_PYTHON, "--offline", "-o", "again.lock")
    assert machine.read("again.lock") == machine.read("mach.lock")
    built = machine.process("build", "--lock", "mach.lock", NIX_PATH=f"nixpkgs={asking.tree}")
    env = Path(built.stdout.strip())
    code = "import sounds; print(sounds._sounds.text())"
    done = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("PortAudio of the stand-in\n", 0), done.stderr


def test_what_fails_with_all_that_nixpkgs_has_is_recorded_and_not_asked_again(asking: Asking) -> None:
    given = "(nixpkgs gave it SOUNDS_FLAVOUR=of nixpkgs, portaudio)"
    first = asking.lock("sounds>=2", code=1)
    assert "hopeless" in first
    assert given in first
    again = asking.lock("sounds>=2", code=1, tree=False)
    assert given in again


def test_a_fix_goes_before_what_nixpkgs_derivation_takes(asking: Asking) -> None:
    asking.machine.write("mine.toml", MINE)
    said = asking.lock("sounds<2", "--fixes", "mine.toml", code=1)
    assert "it has no flavour" in said
    assert "(nixpkgs gave it portaudio)" in said
    # beside it where the fix asks for both
    asking.machine.write("both.toml", MINE + "nixpkgs-inputs = true\n")
    asking.lock("sounds<2", "--fixes", "both.toml")


def test_where_nix_cannot_give_it_nothing_is_recorded(asking: Asking, tmp_path: Path) -> None:
    place = {"NIX_PATH": f"nixpkgs={asking.tree}", "PATH": disobedient(tmp_path / "bin")}
    said = asking.machine.process("lock", "sounds<2", "--python", HOST_PYTHON, code=3, **place).stderr
    assert "error[build-needs-nix]" in said
    assert "fails without what nixpkgs gives it (SOUNDS_FLAVOUR=of nixpkgs, portaudio), and Nix cannot give it" in said


#: A set whose derivation of barker, whatever version it is of, is built with a library that nothing else names.
BARKER = """{
  barker = final.buildPythonPackage {
    pname = "barker";
    version = "0.1";
    format = "wheel";
    src = throw "no source of nixpkgs is looked at";
    buildInputs = [
      (final.pkgs.runCommand "bark" { } "mkdir -p $out/lib; cp ${./libbark.so.1} $out/lib/libbark.so.1")
    ];
  };
}"""
BARKING = """\
[[fix]]
project = "barker"
provider = "wheel"
nixpkgs-inputs = true
reason = "its wheel leaves libbark to the system"
link = "https://barker.example/"
"""


def test_a_wheel_that_asks_for_it_finds_the_libraries_of_nixpkgs_derivation(
    fake_index: FakeIndex, nix_store: NixStore, tmp_path: Path
) -> None:
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    bark = native.shared_library("bark", version="1")
    module = native.extension_module("barker", needs=(bark,))
    abi = "cp" + HOST_PYTHON.replace(".", "")
    fake_index.add(
        make_wheel("barker", "1.0", files={module.filename: module.content}, tag=f"{abi}-{abi}-manylinux_2_17_x86_64")
    )
    machine = Machine(home=tmp_path, index_url=fake_index.url, environ=nix_store.env())
    tree = write_nixpkgs(tmp_path / "nixpkgs", (), BARKER)
    (tree / "libbark.so.1").write_bytes(bark.content)
    machine.write("barking.toml", BARKING)

    def build(attribute: str, pkgs: str, *fixes: str) -> subprocess.CompletedProcess[str]:
        machine.mach("gen", "barker", "--python", HOST_PYTHON, *fixes, "-o", "python.nix")
        words = ["nix-build", "--no-out-link", "python.nix", "-A", attribute, "--arg", "pkgs", pkgs]
        return subprocess.run(words, cwd=tmp_path, env=machine.env(), capture_output=True, text=True)

    known, mine = f"import {tree} {{ }}", ("--fixes", "barking.toml")
    done = build("env", known, *mine)
    assert done.returncode == 0, done.stderr
    words = [Path(done.stdout.strip(), "bin/python"), "-c", "import barker; print(barker.text())"]
    assert subprocess.run(words, env={}, capture_output=True, text=True).stdout == "barker bark\n"

    alone = Path(build("packages.barker", known).stdout.strip(), f"lib/python{HOST_PYTHON}/site-packages")
    words = [native.host_python(), "-I", "-c", f"import sys; sys.path.insert(0, {str(alone)!r}); import barker"]
    said = subprocess.run(words, env={}, capture_output=True, text=True).stderr
    assert "libbark.so.1: cannot open shared object file" in said

    refused = build("env", "import <nixpkgs> { }", *mine)
    assert refused.returncode != 0
    assert "this nixpkgs has no derivation of barker, whose inputs barker 1.0 takes" in refused.stderr
