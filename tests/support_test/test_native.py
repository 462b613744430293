"""Compiled files have the name, the NEEDED entries and the RPATH tag that was asked for, and they run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.native import (
    NativeFile,
    executable,
    extension_module,
    extension_suffix,
    host_python,
    read_dynamic,
    shared_library,
)

pytestmark = pytest.mark.nix  # the same tools: a compiler and headers


def put(folder: Path, *files: NativeFile) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.filename).write_bytes(file.content)
        (folder / file.filename).chmod(0o755)


def imported(folder: Path, module: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module} as m; print(m.text())"
    return subprocess.run([host_python(), "-I", "-c", code], capture_output=True, text=True)


def test_an_extension_module_is_imported_by_the_interpreter_it_was_made_for(tmp_path: Path) -> None:
    core = extension_module("_core", text='it\'s "ok" \\ ü')
    assert core.filename == "_core" + extension_suffix()
    put(tmp_path, core)
    assert imported(tmp_path, "_core").stdout == 'it\'s "ok" \\ ü\n'


@pytest.mark.parametrize("tag", ["DT_RPATH", "DT_RUNPATH"])
def test_a_library_in_a_sibling_folder_is_found_by_the_tag_that_was_asked_for(tmp_path: Path, tag: str) -> None:
    greet = shared_library("greet", version="1")
    core = extension_module("_core", needs=(greet,), rpath=("$ORIGIN/../other/lib",), rpath_tag=tag)
    dynamic = read_dynamic(core.content)
    assert dynamic.needed[0] == "libgreet.so.1"
    assert (dynamic.rpath, dynamic.runpath)[tag == "DT_RUNPATH"] == "$ORIGIN/../other/lib"
    assert (dynamic.rpath, dynamic.runpath)[tag == "DT_RPATH"] is None

    put(tmp_path / "one", core)
    assert "libgreet.so.1" in imported(tmp_path / "one", "_core").stderr
    put(tmp_path / "other/lib", greet)
    assert imported(tmp_path / "one", "_core").stdout == "_core greet\n"


def test_only_dt_rpath_is_inherited_by_what_the_library_needs(tmp_path: Path) -> None:
    inner = shared_library("inner")
    outer = shared_library("outer", needs=(inner,))
    put(tmp_path / "libs", inner, outer)
    for tag, expected in (("DT_RPATH", "_core outer inner\n"), ("DT_RUNPATH", "")):
        folder = tmp_path / tag
        put(folder, extension_module("_core", needs=(outer,), rpath=("$ORIGIN/../libs",), rpath_tag=tag))
        assert imported(folder, "_core").stdout == expected


def test_a_program_runs_and_names_the_interpreter_of_the_host(tmp_path: Path) -> None:
    program = executable("hello", needs=(shared_library("greet"),), rpath=("$ORIGIN",))
    put(tmp_path, program, shared_library("greet"))
    assert subprocess.run([tmp_path / "hello"], capture_output=True, text=True).stdout == "hello greet\n"
    assert Path(str(read_dynamic(program.content).interpreter)).name.startswith("ld-linux")


def test_host_libraries_are_needed_by_their_soname() -> None:
    assert {"libz.so.1", "libstdc++.so.6"} <= {
        *read_dynamic(shared_library("z", host_libraries=("libz.so.1", "libstdc++.so.6")).content).needed
    }
    with pytest.raises(FileNotFoundError, match=r"libnowhere\.so\.9"):
        shared_library("n", host_libraries=("libnowhere.so.9",))


def test_the_same_file_has_the_same_bytes_every_time() -> None:
    first = shared_library("greet", text="x")
    shared_library.cache_clear()
    again = shared_library("greet", text="x")
    assert again is not first
    assert again == first
