"""check_imports.py by itself: which modules and programs it asks for, and how it tells what cannot be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nix.lib import check_imports


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that the interpreter of this test imports from."""
    for name in ("plain", "_private", "broken"):
        (tmp_path / f"{name}.py").write_text(
            "raise OSError('\x1b[31m')\n" if name == "broken" else "class A:\n    b = 1\n"
        )
    for name in ("regular", "namespace", "plain-1.0.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "regular/__init__.py").touch()
    (tmp_path / "native.cpython-311-x86_64-linux-gnu.so").touch()
    (tmp_path / "stable.abi3.so").touch()
    (tmp_path / "not-a-module.py").touch()
    (tmp_path / "data.txt").touch()
    (tmp_path / "plain-1.0.dist-info/entry_points.txt").write_text(
        "[console_scripts]\nOne = plain:A.b\ntwo=regular:main [extra]\n\n[other]\nx = y\n"
    )
    # the script runs the interpreter with -I, which leaves PYTHONPATH out
    wrapper = tmp_path / "bin/python"
    wrapper.parent.mkdir()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); c = sys.argv.pop(1); exec(c)"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$4" "$5" "$6"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    return tmp_path


def test_modules_are_files_folders_and_extensions(site: Path) -> None:
    assert check_imports.find_modules(site) == ["broken", "native", "plain", "regular", "stable"]


def test_programs_are_those_of_the_entry_points(site: Path) -> None:
    assert check_imports.find_programs(site) == [("plain", "A.b"), ("regular", "main")]


def test_what_is_there_does_not_fail(site: Path) -> None:
    assert check_imports.fails("plain") == ""
    assert check_imports.fails("plain", "A.b") == ""
    assert check_imports.fails("regular", "main").startswith("AttributeError: ")
    assert check_imports.fails("absent") == "ModuleNotFoundError: No module named 'absent'"


def test_each_failure_is_a_line_that_steers_no_terminal(site: Path, tmp_path: Path) -> None:
    info = {
        "sitePackages": ".",
        "modules": ["absent"],
        "projects": [{"name": "demo", "version": "1.0", "path": str(site)}],
    }
    (site / "native.cpython-311-x86_64-linux-gnu.so").unlink()
    (site / "stable.abi3.so").unlink()
    lines = [check_imports.printable(line) for line in check_imports.check(info)]
    assert lines == [
        "demo 1.0: broken cannot be imported: OSError: \\x1b[31m",
        "demo 1.0: regular:main cannot be imported: AttributeError: module 'regular' has no attribute 'main'",
        "absent cannot be imported: ModuleNotFoundError: No module named 'absent'",
    ]


def test_an_import_that_does_not_end_is_stopped(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "endless.py").write_text("import time; time.sleep(60)\n")
    monkeypatch.setattr(check_imports, "LONGEST", 1)
    assert check_imports.fails("endless") == "it takes longer than 1 seconds"
