"""Choosing the target of a lock: what does not fit is refused in one sentence, at evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nix.expression import render_directory
from resolver.lock import Lock, render_lock
from tests.nix.locks import SYSTEM, lock_of, write_expression
from tests.support.dists import make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix


def refusal(store: NixStore, folder: Path, lock: Lock, **arguments: str) -> str:
    """Return the sentence with which evaluating *lock* ends; nothing may have been built."""
    outcome = store.try_build(write_expression(folder, lock), "env", arguments)
    assert outcome.returncode == 1, outcome.stderr
    (sentence,) = [line for line in outcome.stderr.splitlines() if line.startswith("error: mach: ")]
    return sentence.removeprefix("error: mach: ")


@pytest.fixture
def plain(nix_store: NixStore) -> Lock:
    return lock_of(nix_store, make_wheel("plain", "1.0"))


def retarget(lock: Lock, **changes: object) -> Lock:
    return replace(lock, targets=(replace(lock.targets[0], **changes),))  # type: ignore[arg-type]


def test_a_patch_version_outside_of_the_interval(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    version = nix_store.eval(write_expression(tmp_path, plain), "python.version")
    above = retarget(plain, python="3.11.90", python_interval=("3.11.80", "3.12"))
    assert refusal(nix_store, tmp_path, above) == (
        f"python is {version}, and the lock, resolved for 3.11.90, holds from 3.11.80 up to but not including 3.12: "
        f"lock again with --python {version}, or pass another python"
    )
    below = retarget(plain, python="3.11.0", python_interval=("3.11.0", str(version)))
    assert f"up to but not including {version}" in refusal(nix_store, tmp_path, below)
    inside = retarget(plain, python_interval=(str(version), "3.12"))
    assert nix_store.instantiate(write_expression(tmp_path, inside), "env")


def test_another_system_or_python_than_the_locks(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    elsewhere = retarget(plain, system="aarch64-darwin")
    assert refusal(nix_store, tmp_path, elsewhere).startswith(
        f"the lock has no target for {SYSTEM} with Python 3.11, it has aarch64-darwin with Python 3.11: lock again"
    )
    other = retarget(plain, python="3.13.1", python_interval=("3.13.0", "3.14"))
    assert refusal(nix_store, tmp_path, other, python="(import <nixpkgs> { }).python311").startswith(
        f"the lock has no target for {SYSTEM} with Python 3.11, it has {SYSTEM} with Python 3.13"
    )


def test_a_nixpkgs_without_the_python_of_the_lock(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    lock = retarget(plain, python="3.14.0", python_interval=("3.14.0", "3.15"))
    assert refusal(nix_store, tmp_path, lock).startswith("this nixpkgs has no python314: ")


def test_the_right_one_of_several_targets(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    here = plain.targets[0]
    others = [
        replace(here, system="aarch64-darwin", pins=()),
        replace(here, python="3.13.0", python_interval=("3.13.0", "3.14"), pins=()),
    ]
    lock = replace(plain, targets=(others[0], here, others[1]))
    assert nix_store.instantiate(write_expression(tmp_path, lock), "packages.plain")


def test_a_glibc_that_is_too_old(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    lock = retarget(plain, glibc="2.99")
    sentence = refusal(nix_store, tmp_path, lock)
    assert sentence.startswith("the locked wheels need glibc 2.99 or newer, and this nixpkgs has 2.")
    assert nix_store.instantiate(write_expression(tmp_path, retarget(plain, glibc="2.17")), "env")


def test_a_system_without_glibc(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    musl = """
    let pkgs = import <nixpkgs> { }; in
    pkgs // { stdenv = pkgs.stdenv // { hostPlatform = pkgs.stdenv.hostPlatform // { libc = "musl"; }; }; }
    """
    sentence = refusal(nix_store, tmp_path, retarget(plain, glibc="2.17"), pkgs=musl)
    assert sentence == f"the locked wheels need glibc, and {SYSTEM} of this nixpkgs is built on musl"


@pytest.mark.parametrize(
    ("python", "start"),
    [
        ("pkgs.python311.withPackages (_: [ ])", "python is an environment ("),
        ("(import ./python.nix { inherit pkgs; }).env", "python is an environment (python3.11-environment)"),
        ('"/usr/bin/python3"', "python is not an interpreter of nixpkgs"),
        ("pkgs.glibc", "python is not an interpreter of nixpkgs"),
        ('pkgs.python311 // { implementation = "pypy"; }', "python is python3-3.11"),
        ('pkgs.python311 // { executable = "python3.11t"; }', "python is python3-3.11"),
    ],
)
def test_what_is_no_bare_interpreter(nix_store: NixStore, plain: Lock, tmp_path: Path, python: str, start: str) -> None:
    write_expression(tmp_path, plain)
    text = f"let pkgs = import <nixpkgs> {{ }}; in {python.replace('./', f'{tmp_path}/')}"
    sentence = refusal(nix_store, tmp_path, plain, python=text)
    assert sentence.startswith(start)
    assert sentence.endswith("pkgs.python311")


def test_a_lock_of_a_newer_form_is_refused_by_the_folder(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    for name, text in render_directory(plain).items():
        (tmp_path / name).write_text(text)
    newer = json.loads(render_lock(plain)) | {"lock-version": "2.0", "targets": "something else"}
    (tmp_path / "mach.lock").write_text(json.dumps(newer))
    outcome = nix_store.try_build(tmp_path / "default.nix", "env")
    assert 'the lock has the form "2.0", and this file reads 1: make it anew with mach env' in outcome.stderr


def test_a_provider_that_this_library_does_not_have_is_named(nix_store: NixStore, plain: Lock, tmp_path: Path) -> None:
    (target,) = plain.targets
    pins = tuple(replace(pin, provider="conda") for pin in target.pins)
    sentence = refusal(nix_store, tmp_path, retarget(plain, pins=pins))
    assert sentence == 'no provider "conda", for plain'
