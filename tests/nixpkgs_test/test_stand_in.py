"""The stand-in tells the host's true versions, runs without the host, and wraps programs as nixpkgs does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.native import host_python, read_dynamic, shared_library
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

FILE = Path(__file__).parent / "stand_in.nix"
# what a wrapped bash tells of itself: argv[0], its arguments, variables A to G, the working directory
TELL = 'printf "%s|" "$0" "$@" "${A-}" "${B-}" "${C-}" "${D-unset}" "${E-}" "${F-}" "${G-}" "$PWD"'


@pytest.fixture(scope="module")
def facts(nix_store: NixStore) -> Any:
    return nix_store.eval(FILE, "facts")


def told(wrapper: Path, *arguments: str, argv0: str | None = None, **env: str) -> list[str]:
    """The answers of a wrapped bash that is asked to run TELL."""
    done = subprocess.run(
        [argv0 or str(wrapper), *arguments], executable=wrapper, env=env, capture_output=True, check=True, cwd="/"
    )
    return done.stdout.decode("utf-8", "surrogateescape").split("|")[:-1]


def test_the_interpreter_has_the_hosts_exact_version(facts: Any) -> None:
    code = "import platform, sys; print(platform.python_version(), *sys.version_info[:3])"
    version, *numbers = subprocess.run([host_python(), "-c", code], capture_output=True, text=True).stdout.split()
    python = facts["python"]
    assert python["version"] == version
    assert python["name"] == f"python3-{version}"
    assert python["pname"] == "python3"
    assert [python["sourceVersion"][part] for part in ("major", "minor", "patch")] == numbers
    assert python["pythonVersion"] == ".".join(numbers[:2])
    assert python["sitePackages"] == f"lib/{python['executable']}/site-packages"


def test_glibc_has_the_hosts_version_and_a_patch_level_as_in_nixpkgs(facts: Any) -> None:
    name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    assert facts["glibc"]["version"].split("-")[0] == version
    assert facts["glibc"]["name"] == f"{name}-{facts['glibc']['version']}"
    assert facts["glibc"]["same"] == facts["glibc"]["version"]


def test_an_environment_can_be_told_from_an_interpreter(facts: Any) -> None:
    assert facts["environments"] == [False, True, False]


def test_other_systems_can_be_evaluated(facts: Any) -> None:
    platforms = facts["platforms"]
    assert [p["cpu"] for p in platforms.values()] == ["aarch64", "aarch64", "x86_64"]
    assert {name: (p["isDarwin"], p["isAarch64"], p["libc"]) for name, p in platforms.items()} == {
        "aarch64-darwin": (True, True, "libSystem"),
        "aarch64-linux": (False, True, "glibc"),
        "x86_64-linux": (False, False, "glibc"),
    }


def test_overlays_and_names_work_as_in_nixpkgs(facts: Any) -> None:
    assert facts["overlaid"] is True
    assert facts["overlays"] == 2
    assert facts["safe"] == ["a-b-c", "unknown", "plain-1.0+x_y"]


def test_the_interpreter_runs_where_there_is_no_host(nix_store: NixStore) -> None:
    python = nix_store.build(FILE, "interpreter")
    code = "import bz2, ctypes, hashlib, lzma, sqlite3, ssl, sys, zlib; print(sys.prefix, sys.path[1:])"
    mounts = [word for path in sorted(nix_store.closure(python)) for word in ("--ro-bind", str(path), str(path))]
    done = subprocess.run(
        ["bwrap", *mounts, "--proc", "/proc", "--dev", "/dev", "--unshare-all", python / "bin/python3", "-c", code],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{python} ")
    assert "'/usr" not in done.stdout


def test_the_manylinux_libraries_are_there(nix_store: NixStore) -> None:
    folders = [Path(folder) for folder in nix_store.build(FILE, "libraries").read_text().split(":")]
    for soname in ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libexpat.so.1"):
        assert any((folder / soname).exists() for folder in folders), soname


def test_patchelf_can_be_run_by_its_path(nix_store: NixStore, tmp_path: Path) -> None:
    library = tmp_path / "libx.so"
    library.write_bytes(shared_library("x").content)
    patchelf = nix_store.build(FILE, "patchelf")
    subprocess.run([patchelf / "bin/patchelf", "--set-rpath", "/here", library], check=True)
    assert read_dynamic(library).runpath == "/here"


@pytest.mark.nightly
def test_every_derivation_of_the_stand_in_is_deterministic(nix_store: NixStore) -> None:
    checked = nix_store.check_derivations(nix_store.instantiate(FILE, "everything"))
    assert {"stdenv-mini", "make-binary-wrapper-hook", "wrapped", "hello"} <= {*checked}


# ---- makeBinaryWrapper


def test_a_wrapper_is_a_compiled_program_that_does_not_use_the_host(nix_store: NixStore) -> None:
    wrapper = nix_store.build(FILE, "wrapped.plain") / "wrapper"
    assert Path(str(read_dynamic(wrapper).interpreter)).is_relative_to(nix_store.store)
    assert b"makeCWrapper" in wrapper.read_bytes()


def test_argv0_is_the_program_the_given_name_or_the_callers(nix_store: NixStore) -> None:
    plain = nix_store.build(FILE, "wrapped.plain") / "wrapper"
    assert told(plain, "-c", TELL)[0].endswith("/bin/show")
    assert told(nix_store.build(FILE, "wrapped.argv0") / "wrapper", "-c", TELL)[0] == 'some "name'
    inherited = nix_store.build(FILE, "wrapped.inherited") / "wrapper"
    assert told(inherited, "-c", TELL, argv0="caller")[0] == "caller"
    resolved = nix_store.build(FILE, "wrapped.resolved") / "wrapper"
    assert told(resolved, "-c", TELL, argv0="wrapper", PATH=f"/nowhere:{resolved.parent}")[0] == str(resolved)
    assert told(resolved, "-c", TELL, argv0="a/b", PATH=str(resolved.parent))[0] == "a/b"


def test_variables_are_set_defaulted_unset_and_joined(nix_store: NixStore) -> None:
    wrapper = nix_store.build(FILE, "wrapped.variables") / "wrapper"
    answers = told(wrapper, "-c", TELL, "name", A="a", C="own", D="d", E="old", F="old")
    assert answers[1:-1] == ["q\"\\'$x\n%s\udc80", "bee", "own", "unset", "pre:old", "old,suf", "alone"]


def test_flags_stand_before_and_after_the_callers(nix_store: NixStore) -> None:
    wrapper = nix_store.build(FILE, "wrapped.flags") / "wrapper"
    assert told(wrapper, "mine", "") == ["two", "words", "mine", "", "last", "but", "not least"]


def test_the_working_directory_is_changed(nix_store: NixStore) -> None:
    assert told(nix_store.build(FILE, "wrapped.folder") / "wrapper", "-c", TELL)[-1] == "/usr"


def test_a_wrapped_program_can_be_wrapped_again(nix_store: NixStore) -> None:
    wrapper = nix_store.build(FILE, "wrapped.twice") / "show"
    assert told(wrapper, "-c", TELL, argv0="caller")[:3] == ["caller", "1", "2"]


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("unknown", "unknown argument --bogus"),
        ("missing", "--set takes 2 arguments"),
        ("nameless", "not a name for an environment variable: 'A=B'"),
        ("nothing", "Cannot wrap '/nowhere' because it is not an executable file"),
    ],
)
def test_a_wrapper_that_cannot_be_made_fails_the_build(nix_store: NixStore, attribute: str, message: str) -> None:
    outcome = nix_store.try_build(FILE, f"wrapped.{attribute}")
    assert outcome.returncode == 100
    assert message in outcome.stderr
