"""The scripts that build a sdist in Nix, by themselves: which wheels they take, and what they read from a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags
from packaging.version import Version

from nix.lib import build_wheel, check_wheel, explain_failure, unpack_sdist
from tests.support.dists import Dist, make_wheel

# ---- build_wheel


def test_the_backend_that_is_missing_from_pyproject_is_setuptools(tmp_path: Path) -> None:
    with pytest.raises(build_wheel.Refused, match="it has no build backend"):
        build_wheel.read_build_system(tmp_path)
    (tmp_path / "setup.py").touch()
    assert build_wheel.read_build_system(tmp_path) == (build_wheel.LEGACY, None)
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'x'\n")
    assert build_wheel.read_build_system(tmp_path) == (build_wheel.LEGACY, None)
    project.write_text("[build-system]\nrequires = []\nbuild-backend = 'a.b:c'\nbackend-path = ['.']\n")
    assert build_wheel.read_build_system(tmp_path) == ("a.b:c", ["."])


@pytest.mark.parametrize(
    "text",
    [
        "build-system = 1",
        "[build-system]\nbuild-backend = 1",
        "[build-system]\nbackend-path = 'x'",
        "]",
        "a = 1\na = 2",
    ],
)
def test_a_pyproject_that_says_nothing_usable_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(build_wheel.Refused):
        build_wheel.read_build_system(tmp_path)


# ---- unpack_sdist


def test_a_subdirectory_is_the_project_and_the_tree_stays_around_it(tmp_path: Path) -> None:
    inner = tmp_path / "x-1.0/sub/project"
    inner.mkdir(parents=True)
    (inner / "setup.py").write_text("")
    os.utime(inner / "setup.py", (1, 1))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x-1.0", "x-1.0")
    for number, source in enumerate((tmp_path / "x.tar.gz", tmp_path / "x-1.0")):
        folder = tmp_path / str(number) / "source"
        folder.parent.mkdir()
        info = {"sdist": str(source), "filename": "x.tar.gz", "subdirectory": "sub/project"}
        unpack_sdist.unpack(info, folder)
        assert [path.name for path in folder.iterdir()] == ["setup.py"]
        assert [path.name for path in folder.resolve().parent.parent.iterdir()] == ["sub"]
        # no wheel can hold an earlier time
        assert (folder / "setup.py").stat().st_mtime == unpack_sdist.EARLIEST
        with pytest.raises(unpack_sdist.Refused, match=r"it has no folder 'sub/\.\./sub'"):
            unpack_sdist.unpack({**info, "subdirectory": "sub/../sub"}, tmp_path / str(number) / "other")


# ---- check_wheel


def built(folder: Path, *dists: Dist, answer: str | None = None) -> Path:
    (folder / "dist").mkdir()
    for dist in dists:
        (folder / "dist" / dist.filename).write_bytes(dist.content)
    said = dists[0].filename if answer is None else answer
    (folder / "built.json").write_text(json.dumps({"answer": said}))
    return folder


INFO = {"name": "demo-app", "version": "1.0", "pythonVersion": "3.11", "filename": "x"}


@pytest.mark.parametrize(
    ("name", "version"), [("demo-app", "1.0"), ("Demo.App", "1"), ("demo_app", "1.0.0"), ("DEMO_APP", "v1.0")]
)
def test_other_spellings_of_the_release_are_the_release(tmp_path: Path, name: str, version: str) -> None:
    dist = make_wheel("demo-app", "1.0", metadata_name=name, metadata_version_field=version)
    assert check_wheel.check(INFO, built(tmp_path, dist)) == dist.filename


@pytest.mark.parametrize(
    ("dist", "reason"),
    [
        (make_wheel("other", "1.0"), "a wheel of 'other' '1.0', and the lock pins 'demo-app 1.0'"),
        (make_wheel("demo-app", "1.0.1"), "a wheel of 'demo_app' '1.0.1', and the lock pins 'demo-app 1.0'"),
        (make_wheel("demo-app", "1.0+cu118"), r"a wheel of 'demo_app' '1.0\+cu118'"),
        (make_wheel("demo-app", "1.0", metadata_version_field="2"), "a wheel of 'demo-app' '2'"),
        (make_wheel("demo-app", "1.0", metadata_name="x\x1b[2J"), r"a wheel of 'x\\x1b\[2J'"),
        (make_wheel("demo-app", "1.0", omit=["METADATA"]), "a wheel with 0 METADATA files"),
        (make_wheel("demo-app", "1.0", tag="cp312-cp312-linux_x86_64"), "a wheel for another Python or platform"),
        (make_wheel("demo-app", "1.0", tag="py3-none-win_amd64"), "a wheel for another Python or platform"),
        (make_wheel("demo-app", "1.0", filename="demo_app.whl"), "'demo_app.whl', which is no name of a wheel"),
    ],
)
def test_a_wheel_that_is_not_the_one_of_the_lock_is_refused(tmp_path: Path, dist: Dist, reason: str) -> None:
    with pytest.raises(check_wheel.Refused, match=reason):
        check_wheel.check(INFO, built(tmp_path, dist))


def test_exactly_the_wheel_that_the_backend_names_is_taken(tmp_path: Path) -> None:
    one, other = make_wheel("demo-app", "1.0"), make_wheel("demo-app", "1.0", tag="py2.py3-none-any")
    (tmp_path / "a").mkdir()
    with pytest.raises(check_wheel.Refused, match="2 wheels, not one"):
        check_wheel.check(INFO, built(tmp_path / "a", one, other))
    (tmp_path / "b").mkdir()
    with pytest.raises(check_wheel.Refused, match=r"and its backend says that it made '\.\./\.\./evil\.whl'"):
        check_wheel.check(INFO, built(tmp_path / "b", one, answer="../../evil.whl"))
    (tmp_path / "c").mkdir()
    broken = Dist(filename=one.filename, project="demo-app", version="1.0", content=b"no zip", metadata=None)
    with pytest.raises(check_wheel.Refused, match="which is no wheel"):
        check_wheel.check(INFO, built(tmp_path / "c", broken))


VERSIONS = st.from_regex(
    r"\A(v)?([0-2]!)?[0-3](\.[0-3]){0,3}([-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?[0-2]?)?"
    r"(-[0-2]|[-_.]?(post|rev|r)[-_.]?[0-2]?)?([-_.]?dev[-_.]?[0-2]?)?(\+[a-b0-1]{1,2}([-_.][a-b0-1])?)?\Z"
)


@given(one=VERSIONS, other=VERSIONS)
def test_versions_are_equal_where_packaging_says_so(one: str, other: str) -> None:
    same = check_wheel.version_key(one) == check_wheel.version_key(other)
    assert same == (Version(one) == Version(other))


def test_the_tags_that_fit_are_those_of_packaging() -> None:
    platform = "linux_x86_64"
    fitting = {str(tag) for tag in cpython_tags((3, 11), platforms=[platform])}
    fitting |= {str(tag) for tag in compatible_tags((3, 11), "cp311", [platform])}
    every = {
        f"{kind}{major}{minor}-{abi}-{where}"
        for kind in ("py", "cp", "pp")
        for major in (2, 3)
        for minor in ("", *range(2, 14))
        for abi in ("none", "abi3", *(f"cp3{n}{flag}" for n in (10, 11, 12) for flag in ("", "t", "d")))
        for where in ("any", platform, "linux_aarch64", "win_amd64", "macosx_11_0_x86_64")
    }
    taken = {tag for tag in every if check_wheel.runs_on(tag, (3, 11), "linux-x86_64")}
    # wheels of these kinds are never made: an ABI of CPython without its interpreter or its platform
    odd = {tag for tag in taken - fitting if tag.startswith("py") or tag.endswith("-any") or tag.startswith("cp3-")}
    assert fitting & every <= taken
    assert taken - fitting == odd


def test_tags_of_macos_name_the_machine() -> None:
    for tag in ("cp311-cp311-macosx_11_0_arm64", "cp311-abi3-macosx_14_0_universal2", "py3-none-any"):
        assert check_wheel.runs_on(tag, (3, 11), "macosx-14.0-arm64")
    assert not check_wheel.runs_on("cp311-cp311-macosx_11_0_x86_64", (3, 11), "macosx-14.0-arm64")
    assert check_wheel.runs_on("cp311-cp311-macosx_11_0_x86_64", (3, 11), "macosx-11.0-x86_64")


# ---- explain_failure


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "compiler 'x86_64-linux-gnu-gcc'"),
        ("/bin/sh: line 1: swig: command not found", 'a fixes entry for demo brings it: tools = ["swig"]'),
        ("Error: pg_config executable not found.", 'tools = ["libpq.pg_config"]'),
        ("error: can't find Rust compiler", 'tools = ["cargo", "rustc"]'),
        ("ERROR: Unknown compiler(s): [['gfortran'], ['flang']]", 'tools = ["gfortran"]'),
        ("c/_cffi.c:15:10: fatal error: ffi.h: No such file or directory", 'libraries = ["libffi"]'),
        ("x.c:1:10: fatal error: 'openssl/ssl.h' file not found", 'libraries = ["openssl"]'),
        ("x.c:1:10: fatal error: odd/one.h: No such file or directory", "[the nixpkgs attribute that has it]"),
        ("x.c:1:10: fatal error: Python.h: No such file or directory", "the interpreter has no headers"),
        ("/usr/bin/ld: cannot find -lportaudio: No such file or directory", 'libraries = ["portaudio"]'),
        ("No package 'libpq' found", 'libraries = ["libpq"]'),
        ('../meson.build:5:9: ERROR: Dependency "cairo" not found, tried pkgconfig', 'libraries = ["cairo"]'),
        ("ModuleNotFoundError: No module named 'numpy.core'", "module 'numpy.core' is not in its build closure"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file", "loads the library 'libGL.so.1'"),
        ("<urlopen error [Errno -3] Temporary failure in name resolution>", "it wants the network"),
    ],
)  # fmt: skip
def test_a_log_tells_what_is_missing(log: str, reason: str) -> None:
    said = explain_failure.explain("demo", f"building\n{log}\nend\n")
    assert said is not None
    assert reason in said


@pytest.mark.parametrize(
    ("soname", "attribute"),
    [
        *(("libGL.so.1", "libGL"), ("libz.so", "zlib"), ("libXcomposite.so.1", "xorg.libXcomposite")),
        *(("libtbb.so.12", "tbb"), ("libgssapi_krb5.so.2", "krb5"), ("libnowhere.so.1", None), ("", None)),
    ],
)  # fmt: skip
def test_who_has_a_library_is_told_by_its_name(soname: str, attribute: str | None) -> None:
    assert explain_failure.find_attribute(soname) == attribute


def test_the_last_reason_of_a_log_counts_and_an_unknown_one_is_none() -> None:
    log = "fatal error: ffi.h: No such file or directory\nfatal error: zlib.h: No such file or directory\n"
    assert "'zlib.h'" in str(explain_failure.explain("demo", log))
    assert explain_failure.explain("demo", "it just does not work\n") is None


def test_the_sentence_is_one_line_that_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text(json.dumps({"name": "demo", "filename": "d\x1b[2J.tar.gz"}))
    (tmp_path / "log").write_bytes(b"\xff\x1b[31mfatal error: \x1b[0mffi.h: No such file or directory\n" * 3)
    done = subprocess.run(
        [sys.executable, "-I", explain_failure.__file__, tmp_path / "info.json", tmp_path / "log"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr
