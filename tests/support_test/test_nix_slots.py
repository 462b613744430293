"""A slot belongs to one run at a time, is shared inside it, swept after it, and survives it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.nix_slots import claim_slot, fingerprint, remove_tree

Claim = Callable[[str], AbstractContextManager[Path]]


@pytest.fixture
def swept() -> list[Path]:
    """The slots that were swept, in order."""
    return []


@pytest.fixture
def claim(tmp_path: Path, swept: list[Path]) -> Claim:
    """Claim a slot for the run of that name; a run called ``x@KEY`` has another key than ``key``."""

    def claim(name: str) -> AbstractContextManager[Path]:
        run = tmp_path / name
        run.mkdir(exist_ok=True)
        return claim_slot(tmp_path / "slots", [*name.split("@"), "key"][1], run, sweep=swept.append)

    return claim


def test_two_runs_have_two_slots(claim: Claim) -> None:
    with claim("one") as one, claim("two") as two:
        assert one != two


def test_the_processes_of_a_run_share_one_which_is_swept_once_at_the_end(claim: Claim, swept: list[Path]) -> None:
    with claim("one") as first:
        with claim("one") as second:
            assert first == second
        assert swept == []
    assert swept == [first]


def test_the_next_run_finds_what_was_kept(claim: Claim, swept: list[Path]) -> None:
    with claim("one") as slot:
        (slot / "kept").touch()
    with claim("two") as again:
        assert (again / "kept").exists()
        assert swept == [slot]  # not again: the first run did it


def test_what_a_killed_run_left_is_swept_before_the_next(claim: Claim, swept: list[Path], tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from tests.support.nix_slots import claim_slot\n"
        "root, run = map(pathlib.Path, sys.argv[1:]); run.mkdir()\n"
        "claim = claim_slot(root, 'key', run, sweep=print); claim.__enter__(); os._exit(9)"
    )
    words = [sys.executable, "-c", program, tmp_path / "slots", tmp_path / "killed"]
    assert subprocess.run(words, cwd=Path(__file__).parents[2]).returncode == 9
    with claim("one") as slot:
        assert swept == [slot]


def test_slots_of_another_host_are_dropped_unless_in_use(claim: Claim, tmp_path: Path) -> None:
    with claim("one@old") as old:
        pass
    with claim("two@busy") as busy, claim("three"):
        assert not old.exists()
        assert busy.exists()


def test_a_fingerprint_changes_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    absent = fingerprint([file])
    file.write_text("1")
    assert len({absent, fingerprint([file]), fingerprint([file, "/nowhere"])}) == 3
    assert fingerprint([file]) == fingerprint([file])


def test_a_tree_of_read_only_folders_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").touch(mode=0o444)
    (tmp_path / "a/link").symlink_to("b")
    (tmp_path / "a/b").chmod(0o555)
    (tmp_path / "a").chmod(0o555)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
