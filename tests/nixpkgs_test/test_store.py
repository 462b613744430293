"""The private store: builds are sandboxed, and see the network only where their hash is fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nix import NixFailed, NixStore

pytestmark = pytest.mark.nix


def write(folder: Path, text: str) -> Path:
    file = folder / "default.nix"
    file.write_text(text)
    return file


def test_a_build_runs_and_its_output_lies_in_the_private_store(nix_store: NixStore, tmp_path: Path) -> None:
    out = nix_store.build(write(tmp_path, '{ pkgs }: pkgs.writeText "greeting" "hello"'))
    assert out.read_text() == "hello"
    assert out.parent == nix_store.store


def test_the_stand_in_is_what_angle_brackets_mean(nix_store: NixStore, tmp_path: Path) -> None:
    file = write(tmp_path, "{ pkgs ? import <nixpkgs> { } }: pkgs.stdenv.hostPlatform.system")
    assert nix_store.eval(file, args={"pkgs": None}) == nix_store.eval(file)


def test_strings_are_passed_as_text(nix_store: NixStore, tmp_path: Path) -> None:
    text = "a'b\"c${d}''\\ \n e"
    assert nix_store.eval(write(tmp_path, "{ text }: text"), strings={"text": text}) == text


def test_a_build_that_fails_says_so_with_nix_own_exit_code(nix_store: NixStore, tmp_path: Path) -> None:
    file = write(tmp_path, '{ pkgs }: pkgs.runCommand "broken" { } "echo no luck today; exit 7"')
    outcome = nix_store.try_build(file)
    assert outcome.returncode == 100
    assert "no luck today" in outcome.stderr
    with pytest.raises(NixFailed, match="no luck today"):
        nix_store.build(file)


def test_a_build_sees_neither_the_tests_files_nor_the_home_folder(nix_store: NixStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (nix_store.files / "open").write_text("x")
    look = f"test ! -e {tmp_path}/secret; test ! -e {nix_store.base}/home; cp {nix_store.files}/open $out"
    out = nix_store.build(write(tmp_path, f'{{ pkgs }}: pkgs.runCommand "blind" {{ }} "{look}"'))
    assert out.read_text() == "x"


def test_check_finds_a_build_that_is_not_deterministic(nix_store: NixStore, tmp_path: Path) -> None:
    file = write(tmp_path, '{ pkgs }: pkgs.runCommand "dice" { } "head -c 16 /dev/urandom >$out"')
    nix_store.build(file)
    assert nix_store.try_build(file, check=True).returncode == 104
    with pytest.raises(NixFailed):
        nix_store.check_derivations(nix_store.instantiate(file), names=["dice"])


def test_check_passes_a_build_that_is_deterministic(nix_store: NixStore, tmp_path: Path) -> None:
    file = write(tmp_path, '{ pkgs }: pkgs.runCommand "steady" { } "echo 1 >$out"')
    assert nix_store.check_derivations(nix_store.instantiate(file)) == ("stdenv-mini", "steady")


def test_what_a_build_left_behind_is_found(nix_store: NixStore, tmp_path: Path) -> None:
    out = nix_store.build(write(tmp_path, '{ pkgs }: pkgs.writeTextDir "deep/inside/left-behind" ""'))
    assert out / "deep/inside/left-behind" in nix_store.find("left-behind")
    assert nix_store.find("never-written") == ()
