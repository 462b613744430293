"""docs/how-to/from-mach-nix.md: all that mach-nix had is told, and what stands in its place is there."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from api.cli.commands import cli
from resolver.lock import render_lock
from tests.docs.error_codes import ROOT
from tests.e2e.machines import Machine
from tests.nix.locks import lock_of
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.nix import NixStore

PAGE = (ROOT / "docs/how-to/from-mach-nix.md").read_text()
#: What mach-nix had (its README and source at the last commit).
HAD = {
    "Commands": "gen -r FILE|-o OUT|-p VER|--nixpkgs REF|env DIR -r FILE|--version|-V",
    "Import": "pkgs|python|pypiData|pypiDataRev|pypiDataSha256|condaDataRev|condaDataSha256|condaChannelsExtra|"
    "dataOutdated",
    "Functions": "mkPython|mkPythonShell|mkDockerImage|mkOverlay|mkNixpkgs|mkPythonOverrides|buildPythonPackage|"
    "buildPythonApplication|fetchPypiSdist|fetchPypiWheel|pythonWith|with|shellWith|dockerImageWith|nixpkgs|rPackages|"
    "mergeOverrides|mach-nix",
    "Arguments": "requirements|providers|_providerDefaults|packagesExtra|_|overridesPre|overridesPost|tests|"
    "ignoreCollisions|postBuild|python|_fixes|ignoreDataOutdated|cudaVersion|src|requirementsExtra|extras|pname|version|"
    "format|add_requirements|disable_checks|extra_pkgs|overrides_pre|overrides_post|_provider_defaults",
    "Flake": "lib.SYSTEM|packages.SYSTEM.mach-nix|apps.SYSTEM|#gen.python.a.b|#gen.docker.a.b",
}
#: What mkPython's result had.
PASSTHRU = "selectPkgs expr pythonOverrides python overlay nixpkgs dockerImage"


COMMANDS = re.findall(r"`(mach [^`]+)`", re.sub(r"^```.+?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE))
assert len(COMMANDS) > 10


def rows(section: str) -> list[tuple[str, str]]:
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)
    return [(old, new) for old, new in found if old != "mach-nix"]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("section", HAD)
def test_all_that_mach_nix_had_is_told(section: str) -> None:
    told = [name.removeprefix("mach-nix ") for old, _ in rows(section) for name in quoted(old)]
    assert sorted(told) == sorted(HAD[section].split("|"))


@pytest.mark.parametrize("section", HAD)
def test_what_is_gone_says_why(section: str) -> None:
    for old, new in rows(section):
        assert quoted(new) or re.match(r"gone: \w+", new) or "no built-in table" in new, old


@pytest.mark.parametrize("words", [shlex.split(text) for text in COMMANDS], ids=" ".join)
def test_every_command_on_the_page_exists(words: list[str]) -> None:
    command: click.Command = cli
    context, rest = click.Context(cli, info_name="mach", **cli.context_settings), words[1:]
    if rest == ["--version"]:
        return
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, words
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    command.make_parser(context).parse_args(list(rest))


def test_the_command_lines_on_the_page_run(fake_index: FakeIndex, tmp_path: Path) -> None:
    for dist in (make_wheel("demo", "1.0"), *(wheel_from_installed(name) for name in ("installer", "pyproject-hooks"))):
        fake_index.add(dist)
    machine = Machine(home=tmp_path, index_url=fake_index.url)
    machine.write("requirements.txt", "demo\n")
    locked = {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "0" * 40, "narHash": f"sha256-{'A' * 43}="}
    nodes = {"nixpkgs": {"locked": locked}, "root": {"inputs": {"nixpkgs": "nixpkgs"}}}
    machine.write("flake.lock", json.dumps({"nodes": nodes, "root": "root", "version": 7}))
    blocks = re.findall(r"^```(\w*)\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line, comments=True) for kind, text in blocks if not kind for line in text.splitlines()]
    for words in lines:
        if words[0] == "mach":
            machine.mach(*words[1:])
    assert {words[0] for words in lines} == {"mach", "sha256sum"}
    assert (tmp_path / "facts.mach").exists()


@pytest.fixture
def mach(nix_store: NixStore, tmp_path: Path) -> dict[str, list[str]]:
    path = tmp_path / "ask.nix"
    path.write_text(
        f"{{ pkgs }}: let mach = import {ROOT} {{ inherit pkgs; }}; env = mach.mkPython {{ lock = ./mach.lock; }}; in "
        'mach.argumentsOf // { "" = builtins.attrNames mach; result = builtins.attrNames env; }'
    )
    (tmp_path / "mach.lock").write_text(render_lock(lock_of(nix_store, make_wheel("demo", "1.0"))))
    value = nix_store.eval(path)
    assert isinstance(value, dict)
    return value


def test_functions_and_arguments_in_their_place_exist(mach: dict[str, list[str]]) -> None:
    arguments = {name for function, names in mach.items() if function not in ("", "result") for name in names}
    for old, new in rows("Functions"):
        if not new.startswith("gone"):
            first = quoted(new)[0].split()[0]
            assert first in mach[""], old
    for old, new in rows("Arguments"):
        named = [
            name for name in quoted(new) if re.fullmatch(r"_|_?[a-zA-Z]+", name) and name not in ("conda", "rWrapper")
        ]
        known = arguments | set(mach[""]) | {"overrideAttrs", "overridePythonAttrs"}
        assert set(named) <= known, old
        kept = quoted(old)[0]
        assert kept in arguments or new.startswith("gone") or named, old
    assert set(PASSTHRU.split()) <= set(mach["result"])
    assert all(f"`{name}`" in PAGE for name in PASSTHRU.split())


def test_the_expressions_on_the_page_evaluate(nix_store: NixStore, tmp_path: Path) -> None:
    (tmp_path / "mach.lock").write_text(render_lock(lock_of(nix_store, make_wheel("demo", "1.0"))))
    (tmp_path / "facts.mach").write_text("pinned")
    (tmp_path / "mach").symlink_to(ROOT)
    digest = hashlib.sha256(b"pinned").hexdigest()
    with_lock, with_requirements = re.findall(r"^```nix\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "locked.nix").write_text(with_lock)
    assert nix_store.instantiate(tmp_path / "locked.nix").suffix == ".drv"
    # the program that resolves has its own test; here, all up to it
    (tmp_path / "asked.nix").write_text(
        with_requirements.replace("SHA256", digest).replace("inherit pkgs;", 'inherit pkgs; program = throw "reached";')
    )
    outcome = nix_store.run("nix-instantiate", tmp_path / "asked.nix", "--arg", "pkgs", "import <nixpkgs> { }")
    assert "reached" in outcome.stderr
