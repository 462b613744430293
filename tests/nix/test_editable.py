"""Projects imported from their working trees: where their modules are looked for, and what is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nix.lib.install_editable import Refused, find_imports, install

PROJECT = '[project]\nname = "demo"\nversion = "1"\n'


def imports(text: str, *, has_src: bool = False) -> list[str]:
    return find_imports(tomllib.loads(text), has_src)


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("", ["."]),
        ('[tool.setuptools.package-dir]\n"" = "lib"', ["lib"]),
        ('[tool.setuptools.packages.find]\nwhere = ["a", "b"]', ["a", "b"]),
        ('[tool.hatch.build.targets.wheel]\npackages = ["src/demo", "src/other"]', ["src"]),
        ('[tool.hatch.build.targets.wheel]\npackages = ["demo"]', ["."]),
        ('[[tool.poetry.packages]]\ninclude = "demo"\nfrom = "py"', ["py"]),
        ('[tool.maturin]\npython-source = "python"', ["python"]),
        ('[tool.uv.build-backend]\nmodule-root = ""', ["."]),
        ('[tool.pdm.build]\npackage-dir = "src"', ["src"]),
    ],
)
def test_modules_are_looked_for_where_the_backend_does(text: str, folders: list[str]) -> None:
    assert imports(text) == folders


def test_src_where_nothing_is_said() -> None:
    assert imports("", has_src=True) == ["src"]


def test_modules_outside_of_the_tree_are_refused() -> None:
    for folder in ("../other", "a/../../b", "a\\nb"):
        with pytest.raises(Refused):
            imports(f'[tool.setuptools.packages.find]\nwhere = ["{folder}"]')


def make(folder: Path, text: str, **more: Any) -> Path:
    (folder / "pyproject.toml").write_text(text)
    info = {
        "name": "demo",
        "version": "1",
        "tree": "/home/me/demo",
        "hasSrc": True,
        "pyproject": str(folder / "pyproject.toml"),
        "sitePackages": "site",
        **more,
    }
    install(info, folder / "out")
    return folder / "out"


def test_what_is_installed(tmp_path: Path) -> None:
    text = (
        PROJECT + '[project.scripts]\ndemo = "demo.cli:app.run"\n[project.entry-points."demo.plugins"]\nx = "demo.x"\n'
    )
    out = make(tmp_path, text)
    assert (out / "site/__editable__.demo-1.pth").read_text() == "/home/me/demo/src\n"
    assert (out / "site/demo-1.dist-info/entry_points.txt").read_text() == (
        "[console_scripts]\ndemo = demo.cli:app.run\n\n[demo.plugins]\nx = demo.x\n"
    )
    direct = json.loads((out / "site/demo-1.dist-info/direct_url.json").read_text())
    assert direct == {"url": "file:///home/me/demo", "dir_info": {"editable": True}}
    script = (out / "bin/demo").read_text()
    assert "from demo.cli import app\n" in script
    assert "sys.exit(app.run())" in script


@pytest.mark.parametrize(
    "more",
    [
        'dynamic = ["scripts"]\n',
        '[project.scripts]\n"../x" = "a:b"\n',
        '[project.scripts]\nx = "a:b; import os"\n',
        '[project.scripts]\nx = "a\\nb:c"\n',
        '[project.scripts]\nx = "os:system\'"\n',
    ],
)
def test_programs_that_are_more_than_a_name_and_an_object_are_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(Refused):
        make(tmp_path, PROJECT + more)


def test_a_path_that_would_be_code_in_a_pth_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        make(tmp_path, PROJECT, tree="/home/me\nimport os")
    with pytest.raises(Refused):
        make(tmp_path, PROJECT, tree="import os; x")
