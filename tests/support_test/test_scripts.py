"""./mach before there is anything to run: what it refuses, and what it never deletes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with a space in its name that holds what ./mach needs to start."""
    folder = tmp_path / "my checkout"
    (folder / ".ci").mkdir(parents=True)
    for name in ("mach", ".ci/venv.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run(script: Path, *arguments: str, path: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = ["/bin/sh", str(script), *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_an_environment_of_somebody_else_is_never_deleted(checkout: Path) -> None:
    precious = checkout / ".venv" / "precious"
    precious.parent.mkdir()
    precious.write_text("theirs")
    done = run(checkout / "mach", "--version")
    assert done.returncode == 3
    assert "was not made by mach" in done.stderr
    assert "move it elsewhere" in done.stderr
    assert precious.read_text() == "theirs"


def test_a_link_in_the_place_of_the_environment_is_never_replaced(checkout: Path) -> None:
    (checkout / ".venv").symlink_to("/nonexistent")
    done = run(checkout / "mach", "--version")
    assert done.returncode == 3
    assert (checkout / ".venv").is_symlink()


def test_without_a_python_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cmp", "dirname", "readlink", "mktemp", "rm"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = run(checkout / "mach", "--version", path=str(programs))
    assert done.returncode == 3
    assert "no Python 3.11 or newer was found" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("through", ["path", "link", "relative link"])
def test_a_ready_environment_is_used_from_anywhere_without_a_word(checkout: Path, tmp_path: Path, through: str) -> None:
    venv.create(checkout / ".venv", with_pip=False, symlinks=True)
    (checkout / ".venv/bin/mach").write_text("import sys; print(sys.argv[1:], sys.prefix)\n")
    shutil.copy(checkout / "pyproject.toml", checkout / ".venv/mach-installed-mach")
    script = checkout / "mach"
    if through != "path":
        script = tmp_path / "link"
        script.symlink_to(checkout / "mach" if through == "link" else Path("my checkout/mach"))
    done = run(script, "why", "a b", cwd=Path("/"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"['why', 'a b'] {checkout / '.venv'}\n"


def test_the_python_that_runs_the_tests_would_be_found() -> None:
    assert sys.version_info >= (3, 11)
    script = f". '{ROOT}/.ci/venv.sh' && find_python"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).name.startswith("python")
