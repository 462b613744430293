"""mach packages itself: its own lock, the program that default.nix builds from it, and the flake."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

from resolver.lock import Lock, LockedArtifact, LockedPath, parse_lock, render_lock
from tests.nix.library import ROOT
from tests.nix.locks import SYSTEM, lock_of
from tests.nix.own_program import installed_lock, write_program
from tests.support.dists import make_wheel
from tests.support.native import host_python
from tests.support.nix import STAND_IN, NixStore

LOCK = ROOT / "mach.lock"
RELOCK = "run: .venv/bin/python .ci/lock_mach.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def own_lock() -> Lock:
    return parse_lock(LOCK.read_text(), str(LOCK))


def test_the_lock_is_for_what_pyproject_states() -> None:
    stated = {Requirement(text).name: Requirement(text) for text in PROJECT["dependencies"]}
    for target in own_lock().targets:
        pins = {pin.name: pin for pin in target.pins}
        locked = [Requirement(text) for texts in pins["mach-resolver"].dependencies.values() for text in texts]
        assert {requirement.name: requirement for requirement in locked} == stated, RELOCK
        for name, requirement in stated.items():
            assert requirement.specifier.contains(pins[name].version), RELOCK


def test_the_lock_has_the_pythons_and_systems_that_mach_is_for() -> None:
    targets = {(target.system, target.python.rpartition(".")[0]) for target in own_lock().targets}
    systems = ("x86_64-linux", "aarch64-linux", "aarch64-darwin")
    assert targets == {(system, python) for system in systems for python in ("3.11", "3.12", "3.13")}


def test_the_lock_names_no_registry() -> None:
    lock = own_lock()
    pins = [pin for target in lock.targets for pin in target.pins]
    pins += [pin for closure in lock.build_closures.values() for pin in closure.pins]
    artifacts = [*(pin.artifact for pin in pins), *lock.tools.values()]
    files = [artifact for artifact in artifacts if isinstance(artifact, LockedArtifact)]
    assert {urlsplit(file.url).hostname for file in files} == {"files.index.example"}
    assert lock.request["indexes"] == ["https://index.example/simple/"]
    assert [pin.name for pin in pins if isinstance(pin.artifact, LockedPath)] == ["mach-resolver"] * len(lock.targets)


def test_the_script_that_makes_the_lock_renames_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / ".ci")
    lock_mach = importlib.import_module("lock_mach")
    monkeypatch.setattr(lock_mach, "FILES", "https://elsewhere.example/")
    moved = lock_mach.anonymize(LOCK.read_text())
    assert "files.index.example" not in moved
    monkeypatch.undo()
    assert lock_mach.anonymize(moved) == LOCK.read_text()


# ---- the program


def widen(lock: str) -> str:
    """Have a lock hold for whatever patch version of Python 3.11 this machine has."""
    return re.sub(r'"3\.11\.\d+",(\s+)"3\.12"', r'"3.11.0",\1"3.12"', lock)


@pytest.mark.nix
def test_every_wheel_of_the_lock_comes_from_the_host_that_nixpkgs_knows(nix_store: NixStore, tmp_path: Path) -> None:
    body = "map (source: { inherit (source) url outputHash; }) (builtins.filter builtins.isAttrs mach.sources)"
    found = nix_store.eval(write_program(tmp_path, widen(LOCK.read_text()), "https://host.example/packages", body))
    short = host_python().rpartition("python")[2]
    target = next(
        target for target in own_lock().targets if (target.system, target.python.rpartition(".")[0]) == (SYSTEM, short)
    )
    wheels = [pin.artifact for pin in target.pins if isinstance(pin.artifact, LockedArtifact)]
    expected = [
        {
            "url": wheel.url.replace(
                "https://files.index.example/packages/", "https://host.example/packages/source/../"
            ),
            "outputHash": wheel.sha256,
        }
        for wheel in wheels
    ]
    assert isinstance(found, list)
    assert len(expected) > 30
    assert all(source in found for source in expected)


@pytest.mark.nix
def test_the_program_runs(nix_store: NixStore, tmp_path: Path) -> None:
    program = nix_store.build(write_program(tmp_path, installed_lock(nix_store), nix_store.files.as_uri()))
    assert nix_store.call(program / "bin/mach", "--version").stdout.startswith("mach, version ")
    assert '"mach-resolver"' in nix_store.call(program / "bin/mach", "gen", "--lock", LOCK).stdout


@pytest.mark.nix
def test_the_program_takes_a_python_that_its_lock_admits(nix_store: NixStore, tmp_path: Path) -> None:
    version = str(nix_store.eval(STAND_IN, "python3.version"))
    lock = json.loads(installed_lock(nix_store))
    lock["targets"][0]["python-interval"][0] = version
    older = f"pkgs.extend (_: _: {{ python3 = pkgs.python3 // {{ version = ''{version.rpartition('.')[0]}.0''; }}; }})"
    body = f"""let older = {older}; in [
      mach.drvPath
      (import {ROOT}/nix/own.nix {{
        pkgs = older;
        source = {ROOT};
        library = import {ROOT} {{ pkgs = older; }};
        lock = builtins.fromJSON (builtins.readFile ./own.lock);
      }}).drvPath
    ]"""
    file = write_program(tmp_path, json.dumps(lock), nix_store.files.as_uri(), body)
    first, second = nix_store.eval(file)
    assert first == second, "pkgs.python3XY stands in for a python3 that is too old"


@pytest.mark.nix
def test_a_nixpkgs_that_is_too_old_for_the_program_is_told_about_machs_own_lock(
    nix_store: NixStore, tmp_path: Path
) -> None:
    (tmp_path / "facts.mach").write_text("")
    digest = hashlib.sha256(b"").hexdigest()

    def refusal(change: str) -> str:
        file = tmp_path / "question.nix"
        file.write_text(
            f"(import {ROOT} {{ pkgs = (import {STAND_IN} {{ }}).extend (_: prev: {{ {change} }});\n"
            f'  catalog = {{ snapshot = ./facts.mach; sha256 = "{digest}"; }}; }}).pythonWith [ "six" ]\n'
        )
        outcome = nix_store.run("nix-instantiate", "--read-write-mode", "--eval", file, "-A", "drvPath")
        (sentence,) = [line for line in outcome.stderr.splitlines() if line.startswith("error: mach: ")]
        return sentence.removeprefix("error: mach: the program mach is built from mach's own lock, which ")

    way_out = ", or pass the import a mach that is built already, program = (import ./mach { pkgs = NEWER; }).mach;"
    old = '{ version = "3.11.2"; }'  # before the oldest that the lock admits
    intervals = [target.python_interval for target in own_lock().targets if target.system == SYSTEM]
    admitted = ", ".join(f"from {low} up to but not including {high}" for low, high in intervals)
    assert refusal(f"python3 = {old}; python311 = {old}; python312 = throw ''removed''; python313 = null;") == (
        f"holds for Python {admitted}, and this nixpkgs has 3.11.2: pass a newer nixpkgs as pkgs{way_out}"
    )
    elsewhere = 'stdenv = prev.stdenv // { hostPlatform = prev.stdenv.hostPlatform // { system = "riscv64-linux"; }; };'
    assert refusal(elsewhere) == f"has no target for riscv64-linux: pass a nixpkgs of another system as pkgs{way_out}"


@pytest.mark.nix
def test_the_flake_has_the_library_and_the_program(nix_store: NixStore, tmp_path: Path) -> None:
    made = lock_of(nix_store, make_wheel("plain", "1.0"))
    (tmp_path / "mach.lock").write_text(render_lock(made))
    file = tmp_path / "outputs.nix"
    file.write_text(
        f"""{{ ... }}:
        let
          systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
          inherit (import <nixpkgs> {{ }}) lib;
          legacyPackages = lib.genAttrs systems (system: import <nixpkgs> {{ inherit system; }});
          nixpkgs = {{ outPath = "/nixpkgs"; inherit legacyPackages; }};
          outputs = (import {ROOT}/flake.nix).outputs {{ self = {ROOT}; inherit nixpkgs; catalog = nixpkgs; }};
        in
        {{
          systems = builtins.mapAttrs (_: builtins.attrNames) outputs;
          library = builtins.attrNames outputs.lib.{SYSTEM};
          env = (outputs.lib.{SYSTEM}.mkPython {{ lock = ./mach.lock; }}).drvPath;
          same = ((import {ROOT} {{ pkgs = legacyPackages.{SYSTEM}; }}).mkPython {{ lock = ./mach.lock; }}).drvPath;
          types = builtins.mapAttrs (_: app: app.default.type) outputs.apps;
          programs = builtins.mapAttrs (_: builtins.attrNames) outputs.packages;
          chains = builtins.mapAttrs (_: set: builtins.attrNames set.gen) outputs.legacyPackages;
        }}"""
    )
    told = nix_store.eval(file)
    assert isinstance(told, dict)
    systems = ["aarch64-darwin", "aarch64-linux", "x86_64-linux"]
    assert told["systems"] == {"apps": systems, "legacyPackages": systems, "lib": systems, "packages": systems}
    assert {"mkPython", "mkDockerImage", "buildPythonApplication"} <= set(told["library"])
    assert told["env"] == told["same"]
    assert told["types"] == dict.fromkeys(systems, "app")
    assert told["programs"] == {system: ["default", "mach"] for system in systems}
    assert told["chains"] == {system: ["docker", "python"] for system in systems}


@pytest.mark.nix
@pytest.mark.index
def test_the_program_builds_from_the_registry(nix_store: NixStore, tmp_path: Path) -> None:
    """mach locks its own source for this machine's Python, and Nix builds all of it: some 40 wheels, about 40 s."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "MACH_DB": str(tmp_path / "catalog.db"),
        "PYTHONPATH": str(ROOT),
    }
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", ROOT, source], check=True)
    version = nix_store.eval(STAND_IN, "python3.version")
    command = [sys.executable, "-P", "-m", "api.cli", "lock", ".", "--python", str(version), "-o", "mach.lock", "-q"]
    subprocess.run(command, cwd=source, env=environment, check=True)
    lock = (source / "mach.lock").read_text()
    (files,) = {urlsplit(tool.url)._replace(path="/packages").geturl() for tool in parse_lock(lock).tools.values()}
    program = nix_store.build(write_program(tmp_path, lock, files))
    assert '"mach-resolver"' in nix_store.call(program / "bin/mach", "gen", "--lock", LOCK).stdout
    # the catalog takes SQLAlchemy, which is compiled
    assert nix_store.call(program / "bin/mach", "db", "status", "--db", tmp_path / "catalog.db").stdout
