"""The scripts that builders run, by themselves: what they refuse, keep and change."""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix.lib import compile_bytecode, compose_environment, patch_binaries, unpack_sdist
from tests.support import native

MACHINE = patch_binaries.read_elf(Path(sys.executable).resolve().read_bytes()).machine


@pytest.fixture(scope="module")
def library() -> bytes:
    """A shared library of this machine with code, an entry for libz and no search path."""
    return native.shared_library("plain", text="plain", host_libraries=("libz.so.1",)).content


# ---- patch_binaries


@pytest.mark.nix
@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1023), st.binary(min_size=1, max_size=8)), max_size=6),
    end=st.integers(0, 4096),
)
def test_broken_elf_files_are_no_elf_files(library: bytes, changes: list[tuple[int, bytes]], end: int) -> None:
    data = bytearray(library)
    for at, content in changes:
        data[at : at + len(content)] = content
    for broken in (bytes(data), bytes(data[:end])):
        with contextlib.suppress(patch_binaries.NotElf):
            assert patch_binaries.read_elf(broken).machine[0] in (1, 2)


@pytest.mark.nix
def test_what_elf_files_say_of_themselves_is_read_as_readelf_reads_it(tmp_path: Path) -> None:
    made = native.shared_library("said", text="said", rpath=("$ORIGIN/x", "/y"), host_libraries=("libz.so.1",))
    elf = patch_binaries.read_elf(made.content)
    assert (elf.runpath, elf.rpath, elf.interpreter) == ("$ORIGIN/x:/y", None, False)
    path = tmp_path / "said.so"
    path.write_bytes(made.content)
    shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    assert [f"[{name}]" in shown for name in elf.needed] == [True] * shown.count("(NEEDED)")


@pytest.mark.nix
@pytest.mark.parametrize(
    ("own", "given_tag", "kept"),
    [((), None, "RPATH"), (("$ORIGIN",), None, "RUNPATH"), (("$ORIGIN",), "DT_RPATH", "RPATH")],
)
def test_search_paths_are_appended_and_the_tag_is_kept(
    tmp_path: Path, own: tuple[str, ...], given_tag: str | None, kept: str
) -> None:
    options = {"rpath_tag": given_tag} if given_tag else {}
    made = native.shared_library("appended", text="x", rpath=own, host_libraries=("libz.so.1",), **options)
    path = tmp_path / "appended.so"
    path.write_bytes(made.content)
    assert patch_binaries.patch(path, MACHINE, ["/one", "/two"], "/loader")
    elf = patch_binaries.read_elf(path.read_bytes())
    wanted = ":".join([*own, "/one", "/two"])
    assert (elf.rpath, elf.runpath) == ((wanted, None) if kept == "RPATH" else (None, wanted))
    before = path.read_bytes()
    patch_binaries.patch(path, MACHINE, ["/one", "/two"], "/loader")
    assert patch_binaries.read_elf(path.read_bytes()).needed == patch_binaries.read_elf(before).needed


@pytest.mark.nix
def test_a_library_that_needs_only_libc_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bare.so"
    path.write_bytes(native.shared_library("bare", text="x").content)
    before = path.read_bytes()
    assert not patch_binaries.patch(path, MACHINE, ["/one"], "/loader")
    assert path.read_bytes() == before


@pytest.mark.nix
def test_a_library_for_another_machine_is_left_alone(tmp_path: Path, library: bytes) -> None:
    path = tmp_path / "foreign.so"
    path.write_bytes(library[:18] + b"\xb7\x00" + library[20:])
    assert not patch_binaries.patch(path, (2, 1, 62), ["/one"], "/loader")


@pytest.mark.nix
@pytest.mark.parametrize("library_name", ["libcuda.so.1", "libnvidia-ml.so.1"])
def test_what_needs_the_graphics_driver_looks_where_nixos_keeps_it(
    tmp_path: Path, library: bytes, library_name: str
) -> None:
    path = tmp_path / "gpu.so"
    path.write_bytes(library + b"\0" + library_name.encode() + b"\0")
    assert patch_binaries.patch(path, MACHINE, ["/one"], "/loader")
    assert patch_binaries.read_elf(path.read_bytes()).rpath == "/one:/run/opengl-driver/lib"


@pytest.mark.nix
def test_code_that_was_moved_or_overwritten_is_noticed(tmp_path: Path, library: bytes) -> None:
    before, after = tmp_path / "before.so", tmp_path / "after.so"
    before.write_bytes(library)
    after.write_bytes(library)
    patch_binaries.check_code(before, after)
    with before.open("rb") as file:
        code = patch_binaries.find_code(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    assert len(code) >= 3  # .init, .text, .fini
    for _, offset, length in code:
        after.write_bytes(library[:offset] + b"\0" * length + library[offset + length :])
        with pytest.raises(patch_binaries.Damaged):
            patch_binaries.check_code(before, after)


# ---- unpack_sdist


def tar_of(folder: Path, *members: tarfile.TarInfo) -> dict[str, str]:
    path = folder / "x-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return {"sdist": str(path), "filename": path.name}


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize(
    "member",
    [
        entry("../out"),
        entry("/etc/out"),
        entry("x-1.0/../../out"),
        entry("x-1.0/link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("x-1.0/link", tarfile.SYMTYPE, "../../out"),
        entry("x-1.0/link", tarfile.SYMTYPE, "a/../../../out"),
        entry("x-1.0/hard", tarfile.LNKTYPE, "../out"),
        entry("x-1.0/pipe", tarfile.FIFOTYPE),
        entry("x-1.0/device", tarfile.CHRTYPE),
        entry("second/file"),
    ],
)
def test_archives_that_lead_out_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    info = tar_of(tmp_path, entry("x-1.0/PKG-INFO"), member)
    with pytest.raises((unpack_sdist.Refused, tarfile.TarError)):
        unpack_sdist.unpack(info, tmp_path / "source")
    assert not (tmp_path.parent / "out").exists()


def test_links_inside_of_an_sdist_are_kept(tmp_path: Path) -> None:
    info = tar_of(
        tmp_path,
        entry("x-1.0/a/file"),
        entry("x-1.0/link", tarfile.SYMTYPE, "a/file"),
        entry("x-1.0/a/up", tarfile.SYMTYPE, "../link"),
    )
    unpack_sdist.unpack(info, tmp_path / "source")
    assert (tmp_path / "source/a/up").read_text() == "x"


# ---- compose_environment


def test_a_long_path_to_the_interpreter_still_starts_scripts(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 90) / ("e" * 90)
    folder.mkdir(parents=True)
    python = folder / "python3"
    python.symlink_to(Path(sys.executable).resolve())
    script = folder / "script"
    script.write_bytes(
        compose_environment.shebang(str(python), b"-B")
        + b"import sys; print(sys.argv[1:], sys.flags.dont_write_bytecode)\n"
    )
    script.chmod(0o755)
    assert script.read_bytes().startswith(b"#!/bin/sh\n")
    done = subprocess.run([script, "a b", "$x"], capture_output=True, text=True, check=True)
    assert done.stdout == "['a b', '$x'] 1\n"


@pytest.mark.parametrize(
    ("line", "is_python"),
    [
        (b"#!/mach/environment/bin/python\n", True),
        (b"#!/usr/bin/env python3\n", True),
        (b"#!/usr/bin/python3.11 -E\n", True),
        (b"#!/usr/bin/env -S python3 -u\n", True),
        (b"#!/usr/bin/python2\n", False),
        (b"#!/usr/bin/env pythonista\n", False),
        (b"#!/bin/sh\n", False),
    ],
)
def test_which_scripts_are_pythons(line: bytes, is_python: bool) -> None:
    assert bool(compose_environment.PYTHON_SHEBANG.fullmatch(line)) is is_python


# ---- compile_bytecode


def test_byte_code_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    source = "X = {'a', 'b', 'c'}\n\n\ndef f(x):\n    return x in {1, 'two', None}\n"
    made = []
    for place in ("one", "two/deeper"):
        root = tmp_path / place
        (root / "p").mkdir(parents=True)
        for name in ("a", "b"):
            (root / "p" / f"{name}.py").write_text(source)
        (root / "p" / "template.py").write_text("def {{ name }}:\n")
        subprocess.run(
            [sys.executable, "-s", "-B", compile_bytecode.__file__, root], check=True, env={"PYTHONHASHSEED": "0"}
        )
        made.append({path.name: path.read_bytes() for path in sorted((root / "p/__pycache__").iterdir())})
    assert made[0] == made[1]
    assert [name.split(".")[0] for name in made[0]] == ["a", "b"]


def test_a_script_reports_in_one_line(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    info.write_text(json.dumps({"sdist": str(tmp_path / "x.tar.gz"), "filename": "x\x1b[2J.tar.gz"}))
    done = subprocess.run(
        [sys.executable, "-I", unpack_sdist.__file__, info, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mach: cannot unpack 'x\\x1b[2J.tar.gz': ")
    assert len(done.stderr.splitlines()) == 1
    shutil.rmtree(tmp_path / "out.tree.unpacked")


def test_what_lies_beside_byte_code_is_in_the_environment_as_well(tmp_path: Path) -> None:
    """No wheel can bring it, but an override can."""
    texts = {
        "one": ["m/a.py", "m/__pycache__/a.cpython-311.pyc"],
        "odd": [
            *("o/a.py", "o/__pycache__/a.cpython-311.pyc", "o/__pycache__/deep/x.txt"),
            *("p/a.py", "p/__pycache__/a.cpython-311.pyc", "p/__pycache__/b/__pycache__/c/d.py"),
            *("q/a.py", "q/__pycache__/a.cpython-311.pyc", "q/__pycache__/gone.cpython-311.pyc"),
        ],
    }
    for project, paths in texts.items():
        for path in paths:
            (tmp_path / project / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / project / path).write_text(path)
    info = {
        "projects": [{"name": name, "version": "1", "path": str(tmp_path / name)} for name in texts],
        "collisions": {},
        **{"sitePackages": "lib", "executable": "python3.11", "interpreter": "/bin/python3.11"},
        **{"pythonVersion": "3.11.2", "copy": False},
    }
    out = tmp_path / "out"
    compose_environment.compose(info, str(out))
    assert (out / "m/__pycache__").is_symlink()
    for path in (path for paths in texts.values() for path in paths if "gone" not in path):
        assert (out / path).read_text() == path
    for folder in "opq":
        assert not (out / folder / "__pycache__").is_symlink()
    assert not (out / "q/__pycache__/gone.cpython-311.pyc").exists(), "byte code without a source"
