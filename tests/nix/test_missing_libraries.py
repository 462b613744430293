"""Libraries that binaries of an environment load and nobody has: what stops it, what is only told, what is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from nix.expression import render_expression
from nix.fixes import read_fixes
from tests.nix.locks import lock_of
from tests.support.dists import Dist, make_wheel
from tests.support.native import NativeFile, executable, extension_module, shared_library
from tests.support.nix import NixOutcome, NixStore

pytestmark = pytest.mark.nix

TAG = "cp311-cp311-manylinux2014_x86_64"
NOWHERE = shared_library("nowhere", version="3")
OTHER = shared_library("other", version="1")
FIX = """
[[fix]]
project = "{project}"
provider = "wheel"
{more}
reason = "a test"
link = "https://docs.index.example/"
"""


def wheel(project: str, *files: NativeFile, folder: str = "", others: dict[str, str | bytes] | None = None) -> Dist:
    """Return a wheel with compiled files in a folder of its import package."""
    package = project.replace("-", "_")
    inside = f"{package}/{folder}" if folder else package
    compiled = {f"{inside}/{file.filename}": file.content for file in files}
    return make_wheel(project, "1.0", tag=TAG, files={f"{package}/__init__.py": "", **compiled, **(others or {})})


def build(store: NixStore, folder: Path, *dists: Dist, fix: str | None = None, attribute: str = "env") -> NixOutcome:
    fixes = read_fixes(fix, "fixes.toml") if fix else ()
    path = folder / "python.nix"
    path.write_text(render_expression(lock_of(store, *dists), fixes=fixes))
    return store.try_build(path, attribute)


def sentence(outcome: NixOutcome) -> str:
    """Return the one line that says what an environment lacks."""
    assert outcome.returncode == 100, outcome.stderr
    (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("mach: ") and " lacks the " in line]
    return line


def warnings(outcome: NixOutcome) -> list[str]:
    assert outcome.returncode == 0, outcome.stderr
    return [line for line in outcome.stderr.splitlines() if line.startswith("mach: warning: ")]


def test_a_module_that_could_not_be_imported_is_told_with_library_file_and_wheel(
    nix_store: NixStore, tmp_path: Path
) -> None:
    library = shared_library("GL", version="1")
    dist = wheel("seeing", extension_module("_seeing", needs=(library,)))
    assert sentence(build(nix_store, tmp_path, dist)) == (
        "mach: seeing 1.0 lacks the library 'libGL.so.1' (loaded by 'seeing/_seeing.cpython-311-x86_64-linux-gnu.so'), "
        "which neither nixpkgs' libraries for wheels nor a project of this environment has: a fixes entry for seeing "
        'brings it, provider = "wheel", libraries = ["libGL"], or says that its modules may do without, '
        'provider = "wheel", optional = ["libGL.so.1"] (mach gen --fixes FILE)'
    )
    # the wheel by itself is built: a sibling may have what it loads
    assert build(nix_store, tmp_path, dist, attribute="packages.seeing").returncode == 0


def test_what_a_library_of_the_wheel_lacks_its_module_lacks(nix_store: NixStore, tmp_path: Path) -> None:
    middle = shared_library("between", needs=(NOWHERE, OTHER))
    dist = wheel("outer", extension_module("_outer", needs=(middle,), rpath=("$ORIGIN",)), middle)
    said = sentence(build(nix_store, tmp_path, dist))
    assert "lacks the libraries 'libnowhere.so.3' (loaded by 'outer/_outer" in said
    assert "through 'outer/libbetween.so'), 'libother.so.1' (" in said


def test_a_library_that_a_sibling_has_is_not_missing(nix_store: NixStore, tmp_path: Path) -> None:
    # not on its search path, too: Python code may load it first
    for number, rpath in enumerate((("$ORIGIN/../having/lib",), ())):
        folder = tmp_path / str(number)
        folder.mkdir()
        wanting = wheel("wanting", extension_module("_wanting", needs=(NOWHERE,), rpath=rpath))
        assert "lacks the library 'libnowhere.so.3'" in sentence(build(nix_store, folder, wanting))
        outcome = build(nix_store, folder, wanting, wheel("having", NOWHERE, folder="lib"))
        assert warnings(outcome) == []
        first = "import having, ctypes; ctypes.CDLL(having.__path__[0] + '/lib/libnowhere.so.3'); " if number else ""
        command = f"{first}from wanting._wanting import text; print(text())"
        assert nix_store.call(outcome.paths[0] / "bin/python", "-c", command).stdout == "_wanting nowhere\n"


def test_a_program_that_could_not_start_is_an_error(nix_store: NixStore, tmp_path: Path) -> None:
    program = executable("run-me", needs=(NOWHERE,))
    dist = make_wheel(
        "running", "1.0", tag=TAG, files={"running.py": ""}, data={"scripts/run-me": program.content},
        executable=["scripts/run-me"],
    )  # fmt: skip
    assert "'libnowhere.so.3' (loaded by 'bin/run-me')" in sentence(build(nix_store, tmp_path, dist))


def test_files_that_python_does_not_import_are_only_told(nix_store: NixStore, tmp_path: Path) -> None:
    plugin = shared_library("plugin", needs=(NOWHERE,))
    variant = extension_module("_mpi", needs=(OTHER,))
    renamed: dict[str, str | bytes] = {
        "optional_parts/_mpi.variant.cpython-311-x86_64-linux-gnu.so": variant.content,
        "optional_parts/_mpi.cpython-310-x86_64-linux-gnu.so": variant.content,
        "optional-parts.libs/_mpi.abi3.so": variant.content,
    }
    (said,) = warnings(build(nix_store, tmp_path, wheel("optional-parts", plugin, folder="plugins", others=renamed)))
    assert said.startswith("mach: warning: optional-parts 1.0 has files, 'optional")
    assert said.endswith("'libnowhere.so.3', 'libother.so.1'; Python does not import them by name")


def test_the_graphics_driver_is_the_machines(nix_store: NixStore, tmp_path: Path) -> None:
    driver = [shared_library(name, version="1") for name in ("cuda", "nvidia-ml")]
    assert warnings(build(nix_store, tmp_path, wheel("computing", extension_module("_c", needs=tuple(driver))))) == []


@pytest.mark.parametrize("pattern", ["libnowhere.so.3", "libno*.so.?", "*"])
def test_a_fix_says_that_a_library_is_not_needed(nix_store: NixStore, tmp_path: Path, pattern: str) -> None:
    dist = wheel("tolerant", extension_module("_tolerant", needs=(NOWHERE,)))
    fix = FIX.format(project="tolerant", more=f'optional = ["{pattern}"]')
    assert warnings(build(nix_store, tmp_path, dist, fix=fix)) == []
    other = FIX.format(project="tolerant", more='optional = ["libelse.so.3"]')
    assert "lacks the library" in sentence(build(nix_store, tmp_path, dist, fix=other))


def test_a_fix_brings_a_library_of_nixpkgs(nix_store: NixStore, tmp_path: Path) -> None:
    dist = wheel("sounding", extension_module("_sounding", needs=(shared_library("portaudio", version="2"),)))
    assert 'libraries = ["portaudio"]' in sentence(build(nix_store, tmp_path, dist))
    outcome = build(nix_store, tmp_path, dist, fix=FIX.format(project="sounding", more='libraries = ["portaudio"]'))
    assert warnings(outcome) == []
    said = nix_store.run(outcome.paths[0] / "bin/python", "-c", "import sounding._sounding").stderr
    assert "undefined symbol: portaudio_text" in said, "the library is loaded, and is not the one of this test"


def test_the_name_of_a_library_is_only_text(nix_store: NixStore, tmp_path: Path) -> None:
    """A publisher chooses it; patchelf refuses none."""
    module = extension_module("_evil", needs=(shared_library("AAAAAAAAAAAAAAA"),))
    named = module.content.replace(b"libAAAAAAAAAAAAAAA.so\0", b"lib\x1b[31m\n${x}\"'`$(id)\0")
    assert named != module.content
    dist = wheel("evil", NativeFile(filename=module.filename, content=named, symbol=module.symbol))
    said = sentence(build(nix_store, tmp_path, dist))
    assert "lacks the library 'lib\\x1b[31m\\n${x}\"'`$(id)' (" in said
    assert "\x1b" not in said
    assert "optional = []" not in said
