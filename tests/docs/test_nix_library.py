"""docs/reference/nix-library.md against the library: every function by argument has its row, with its test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.error_codes import ROOT
from tests.support.nix import NixStore

PAGE = (ROOT / "docs/reference/nix-library.md").read_text()
TESTS = {
    node.name
    for path in [*(ROOT / "tests/nix").glob("test_library*.py"), ROOT / "tests/nix/test_own.py"]
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef)
}
GROUPS = {
    "mk*": ("mkPython", "mkPythonShell", "mkDockerImage", "mkPythonOverrides", "mkOverlay", "mkNixpkgs"),
    "environments": ("mkPython", "mkPythonShell", "mkDockerImage"),
    "build*": ("buildPythonPackage", "buildPythonApplication"),
    "fetch*": ("fetchPypiSdist", "fetchPypiWheel"),
}


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def rows(name: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.fixture(scope="module")
def asked(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Function -> its arguments, and under "" the names of all that the library has."""
    path: Path = tmp_path_factory.mktemp("library") / "ask.nix"
    path.write_text(
        f"{{ pkgs }}: let mach = import {ROOT} {{ inherit pkgs; }}; in "
        'mach.argumentsOf // { "" = builtins.attrNames mach; }'
    )
    value = nix_store.eval(path)
    assert isinstance(value, dict)
    return value


def test_every_function_by_every_argument_has_its_row(asked: dict[str, list[str]]) -> None:
    documented = [
        (function, argument)
        for functions, arguments, *_ in rows("Arguments")
        for group in quoted(functions)
        for function in GROUPS.get(group, (group,))
        for argument in quoted(arguments)
    ]
    assert sorted(documented) == sorted((f, argument) for f, arguments in asked.items() if f for argument in arguments)


def test_every_function_is_told(asked: dict[str, list[str]]) -> None:
    documented = {name for functions, *_ in rows("Functions") for name in quoted(functions)}
    assert documented == set(asked[""]) - {"argumentsOf"}


def test_arguments_of_the_import_are_told() -> None:
    text = (ROOT / "default.nix").read_text()
    defaults = re.search(r"defaults = \{(.+)\};", text)
    assert defaults
    taken = set(re.findall(r"(\w+) = ", defaults[1]))
    assert {name for names, *_ in rows("Of the import") for name in quoted(names)} == taken


def test_every_row_has_a_test_that_there_is() -> None:
    for name in ("Functions", "Of the import", "Arguments", "Changes of single projects", "Projects named one by one"):
        assert rows(name)
        for row in rows(name):
            tests = quoted(row[-1])
            assert tests, row
            assert set(tests) <= TESTS, row
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= TESTS


def test_what_the_result_carries_is_what_the_test_asks_for() -> None:
    paragraph = PAGE.split("What `mkPython` gives has ", 1)[1].split("\n\n", 1)[0]
    told = {word for word in quoted(paragraph) if word.isidentifier()}
    source = (ROOT / "nix/lib/made.nix").read_text().split("passthru = {", 1)[1].split("\n  };", 1)[0]
    names = set(re.findall(r"^    (\w+) = ", source, re.MULTILINE))
    for inherited in re.findall(r"^    inherit (?:\(\w+\) )?([^;]+);", source, re.MULTILINE):
        names |= set(inherited.split())
    assert told == names
