"""The interpreters of a machine are found by running few of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api.interpreters import find_interpreters

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without interpreters, and a PATH of one empty folder, ``bin``."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    return tmp_path


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def pretend(path: Path, version: str, *, threads: bool = False) -> Path:
    """Make a program at *path* that describes itself as this interpreter does, but for the version."""
    said = f'{{"name": "cpython", "version": [{version.replace(".", ", ")}], "executable": "{sys.executable}", '
    said += f'"prefixes": ["/usr"], "threads": {str(threads).lower()}}}'
    return script(path, f"echo '{said}'")


def test_the_interpreter_that_mach_runs_in_is_always_there(home: Path) -> None:
    assert find_interpreters(pytest.fail) == {OWN: Path(sys.executable)}


def test_those_in_path_go_before_those_that_pyenv_and_uv_have_installed(home: Path) -> None:
    uv = pretend(home / ".local/share/uv/python/cpython-3.12.4-linux/bin/python3.12", "3.12.4")
    assert find_interpreters(pytest.fail)["3.12"] == uv
    pyenv = pretend(home / ".pyenv/versions/3.12.1/bin/python3.12", "3.12.1")
    assert find_interpreters(pytest.fail)["3.12"] == pyenv
    own = pretend(home / "bin/python3.12", "3.12.0")
    found = find_interpreters(pytest.fail)
    assert found == {OWN: Path(sys.executable), "3.12": own}


def test_pyenv_may_be_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(home / "py[env]"))
    monkeypatch.setenv("PATH", f"{home / 'py[env]/shims'}:{home / 'bin'}")
    script(home / "py[env]/shims/python3.12", f"touch {home}/ran; exit 1")
    python = pretend(home / "py[env]/versions/3.12.1/bin/python3.12", "3.12.1")
    assert find_interpreters(pytest.fail)["3.12"] == python
    assert not (home / "ran").exists(), "a shim starts what is found anyway"


def test_only_one_of_each_series_is_run(home: Path) -> None:
    script(home / f"bin/python{OWN}", f"touch {home}/ran; exit 1")
    assert find_interpreters(pytest.fail) == {OWN: Path(sys.executable)}
    assert not (home / "ran").exists()


def test_the_next_one_counts_where_the_first_cannot_be_used(home: Path) -> None:
    script(home / "bin/python3.12", "echo no license >&2; exit 3")
    pretend(home / ".pyenv/versions/3.12.9t/bin/python3.12", "3.12.9", threads=True)
    pretend(home / ".pyenv/versions/3.12.3/bin/python3.12", "3.13.3")
    usable = pretend(home / ".pyenv/versions/3.12.1/bin/python3.12", "3.12.1")
    told: list[str] = []
    assert find_interpreters(told.append) == {OWN: Path(sys.executable), "3.12": usable}
    assert len(told) == 3
    assert "no license" in told[0]
    assert told[1].endswith("it is a free-threaded Python 3.12")
    assert told[2].endswith("it is a Python 3.13")
