"""The count of tests left out, with and without pytest-xdist, seen from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """
import pytest

def test_plain(): pass
def test_other(): pass

@pytest.mark.index
def test_registry(): raise AssertionError("it must not run")

@pytest.mark.nightly
@pytest.mark.parametrize("number", [1, 2])
def test_long(number): raise AssertionError("it must not run")

def test_skipped(): pytest.skip("the moon is down")

@pytest.mark.skipif(True, reason="the moon is down")
def test_skipped_as_well(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_reason_is_counted(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    arguments = ["-n", workers, "-m", "not index and not nightly", "--confcutdir", str(tmp_path), str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-5:-1] == [
        "left out: 5",
        "      2  long (./test --nightly)",
        "      2  the moon is down",
        "      1  needs the package registries (./test --index)",
    ]
    assert done.stdout.splitlines()[-1].startswith("2 passed, 2 skipped")


def test_a_run_that_leaves_nothing_out_says_so(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text("def test_plain(): pass\n")
    arguments = ["--confcutdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-2] == "left out: none"
