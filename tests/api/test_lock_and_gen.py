"""``mach lock`` and ``mach gen``: every way to ask, where the answer goes, and what a lock keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.asking import this_system
from tests.e2e.machines import Machine
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex
from tests.support.world import World

PYTHON = ("--python", "3.11.9")
REV = "0123456789abcdef0123456789abcdef01234567"
SRI = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def pins(machine: Machine, name: str = "mach.lock") -> dict[str, str]:
    """Return project -> version of the only target of a lock."""
    (target,) = json.loads(machine.read(name))["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


# ---- ways to ask


def test_arguments_a_file_and_standard_input_say_the_same(machine: Machine) -> None:
    lines = "requests<2.32\nidna  # as well\n"
    machine.write("requirements.txt", lines)
    expected = machine.mach("gen", "requests<2.32", "idna", *PYTHON).stdout
    assert machine.mach("gen", "-r", "requirements.txt", *PYTHON).stdout == expected
    assert machine.mach("gen", "-r", "-", *PYTHON, stdin=lines).stdout == expected
    assert machine.mach("gen", "idna", "-r", "-", *PYTHON, stdin="requests<2.32").stdout == expected
    machine.write("nested/base.txt", "requests\n-c limits.txt\n")
    machine.write("nested/limits.txt", "requests<2.32\nunrelated<1\n")
    machine.write("nested/requirements.txt", "-r base.txt\nidna\n")
    nested = machine.mach("gen", "-r", "nested/requirements.txt", *PYTHON).stdout
    assert "requests-2.31.0-py3" in nested


def test_the_answer_goes_to_stdout_or_to_the_file_and_nothing_else_does(machine: Machine) -> None:
    shown = machine.mach("gen", "idna", *PYTHON)
    written = machine.mach("gen", "idna", *PYTHON, "-o", "python.nix")
    assert shown.stdout.startswith("# Made by mach")
    assert machine.read("python.nix") == shown.stdout
    assert written.stdout == ""
    assert machine.mach("gen", "idna", *PYTHON, "-o", "-").stdout == shown.stdout
    assert f"resolving for Python 3.11.9 on {this_system()}" in shown.stderr


def test_gen_from_a_lock_takes_no_catalog_and_no_index(machine: Machine) -> None:
    machine.mach("lock", "requests", *PYTHON)
    expected = machine.mach("gen", "requests", *PYTHON).stdout
    elsewhere = Machine(home=machine.home, index_url="http://127.0.0.1:9/simple/")
    assert elsewhere.mach("gen", "--lock", "mach.lock", "--db", "/nonexistent/catalog").stdout == expected


def test_a_lock_beside_the_file_is_used_and_its_pins_are_preferences(machine: Machine) -> None:
    machine.write("requirements.txt", "requests==2.31.0\nidna<3.10\n")
    machine.mach("lock", "-r", "requirements.txt", *PYTHON)
    machine.write("requirements.txt", "requests\nidna\n")
    told = machine.mach("gen", "-r", "requirements.txt", *PYTHON)
    assert "using mach.lock, which satisfies the request" in told.stderr
    assert "requests-2.31.0-py3" in told.stdout
    # one project more: what can stay stays
    machine.write("requirements.txt", "requests\nidna\nrich\n")
    text = machine.mach("gen", "-r", "requirements.txt", *PYTHON).stdout
    assert "requests-2.31.0-py3" in text
    assert "idna-3.7-py3" in text
    assert "rich-13.9.4-py3" in text


def test_the_lock_lies_beside_the_first_file(machine: Machine) -> None:
    machine.write("app/requirements.txt", "idna\n")
    machine.write("more.txt", "certifi\n")
    machine.mach("lock", "-r", "app/requirements.txt", "-r", "more.txt", *PYTHON)
    assert pins(machine, "app/mach.lock") == {"certifi": "2025.4.26", "idna": "3.10"}
    machine.mach("lock", "idna", *PYTHON, "-o", "other.lock")
    assert pins(machine, "other.lock") == {"idna": "3.10"}
    assert not (machine.home / "mach.lock").exists()


# ---- what is kept


def test_check_tells_a_good_lock_from_a_stale_one(machine: Machine) -> None:
    machine.write("requirements.txt", "requests<2.32\n")
    machine.mach("lock", "-r", "requirements.txt", *PYTHON)
    before = machine.read("mach.lock")
    good = machine.mach("lock", "-r", "requirements.txt", *PYTHON, "--check", "--json")
    assert good.json == {"lock": "mach.lock", "satisfied": True}
    machine.write("requirements.txt", "requests>=2.32\nrich\n")
    stale = machine.mach("lock", "-r", "requirements.txt", *PYTHON, "--check", "--json", code=1)
    assert stale.json["error"]["code"] == "lock-outdated"
    assert "error[lock-outdated]: mach.lock does not satisfy the request" in stale.stderr
    assert "requests 2.31.0 is locked and does not satisfy requests>=2.32" in stale.stderr
    assert "hint:" in stale.stderr
    assert machine.read("mach.lock") == before
    machine.mach("lock", "-r", "requirements.txt", *PYTHON, "--check", "-o", "nowhere.lock", code=2)


@pytest.fixture
def aged(machine: Machine) -> Machine:
    """A machine with a lock of old versions, and a request that admits newer ones."""
    machine.write("requirements.txt", "requests==2.31.0\nidna==3.4\nurllib3<2.1\n")
    machine.mach("lock", "-r", "requirements.txt", *PYTHON)
    machine.write("requirements.txt", "requests\nidna\nurllib3\n")
    return machine


def test_a_lock_that_satisfies_stays_as_it_is(aged: Machine) -> None:
    before = aged.read("mach.lock")
    told = aged.mach("lock", "-r", "requirements.txt", *PYTHON, "--json")
    assert told.json["reused"] is True
    assert aged.read("mach.lock") == before


def test_upgrade_takes_the_newest(aged: Machine) -> None:
    aged.mach("lock", "-r", "requirements.txt", *PYTHON, "--upgrade")
    found = pins(aged)
    assert (found["requests"], found["idna"], found["urllib3"]) == ("2.32.5", "3.10", "2.5.0")


def test_upgrade_package_moves_one_project_and_keeps_the_rest(aged: Machine) -> None:
    before = pins(aged)
    aged.mach("lock", "-r", "requirements.txt", *PYTHON, "--upgrade-package", "IDNA")
    assert pins(aged) == {**before, "idna": "3.10"}
    aged.mach("lock", "-r", "requirements.txt", *PYTHON, "--upgrade-package", "urllib3", "--upgrade-package", "rich")
    assert pins(aged) == {**before, "idna": "3.10", "urllib3": "2.5.0"}


# ---- choices


def test_one_lock_holds_several_platforms(machine: Machine, world: World) -> None:
    world.require("numpy")
    systems = ("x86_64-linux", "aarch64-linux", "aarch64-darwin")
    words = [word for system in systems for word in ("--platform", system)]
    machine.mach("lock", "numpy<2", "requests", *words, *PYTHON)
    targets = {target["system"]: target for target in json.loads(machine.read("mach.lock"))["targets"]}
    assert list(targets) == sorted(systems)

    def numpy_of(system: str) -> Any:
        return next(pin["artifact"]["filename"] for pin in targets[system]["pins"] if pin["name"] == "numpy")

    assert numpy_of("x86_64-linux") == "numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    assert numpy_of("aarch64-linux") == "numpy-1.26.4-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"
    assert numpy_of("aarch64-darwin") == "numpy-1.26.4-cp311-cp311-macosx_11_0_arm64.whl"
    text = machine.mach("gen", "--lock", "mach.lock").stdout
    assert all(numpy_of(system) in text for system in systems)
    # the order in which they are named is no part of the question
    again = machine.mach("lock", "numpy<2", "requests", *reversed_pairs(words), *PYTHON, "-o", "-").stdout
    assert again == machine.read("mach.lock")
    only = machine.mach("export", "--platform", "aarch64-darwin", "--hashes").stdout
    assert only != machine.mach("export", "--platform", "x86_64-linux", "--hashes").stdout


def reversed_pairs(words: list[str]) -> list[str]:
    pairs = [words[at : at + 2] for at in range(0, len(words), 2)]
    return [word for pair in reversed(pairs) for word in pair]


def test_providers_and_preference_choose(machine: Machine) -> None:
    machine.mach("lock", "sdist-static", *PYTHON, "-o", "sdist.lock")
    told = machine.mach("lock", "sdist-static", *PYTHON, "--providers", "wheel", "-o", "wheel.lock", code=1)
    assert "sdist-static" in told.stderr
    machine.mach("lock", "pytokens", "idna", *PYTHON, "--providers", "pytokens=sdist", "-o", "mixed.lock")
    (target,) = json.loads(machine.read("mixed.lock"))["targets"]
    assert {pin["name"]: pin["provider"] for pin in target["pins"]} == {"idna": "wheel", "pytokens": "sdist"}
    machine.mach("lock", "idna", *PYTHON, "--providers", "idna=rpm", code=2)
    machine.mach("lock", "idna", *PYTHON, "--prefer", "newest", "-o", "newest.lock")
    assert pins(machine, "newest.lock") == {"idna": "3.10"}


def test_pre_releases_are_taken_where_they_are_asked_for(machine: Machine) -> None:
    machine.mach("lock", "urllib3<2.0.1", *PYTHON, "-o", "stable.lock")
    machine.mach("lock", "urllib3<2.0.1", *PYTHON, "--pre", "-o", "pre.lock")
    assert pins(machine, "stable.lock") == {"urllib3": "1.26.20"}
    assert pins(machine, "pre.lock") == {"urllib3": "2.0.0a1"}


def test_extra_indexes_go_before_the_index(machine: Machine, fake_index: FakeIndex) -> None:
    fake_index.add(make_wheel("idna", "2.99"))
    machine.mach("lock", "idna", "certifi", *PYTHON, "--extra-index-url", fake_index.url)
    assert pins(machine) == {"idna": "2.99", "certifi": "2025.4.26"}


# ---- nixpkgs

FLAKE_LOCK = {
    "nodes": {
        "nixpkgs": {"locked": {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": REV, "narHash": SRI}},
        "root": {"inputs": {"nixpkgs": "nixpkgs"}},
    },
    "root": "root",
    "version": 7,
}
NPINS = {
    "pins": {
        "nixpkgs": {
            "type": "Git",
            "repository": {"type": "GitHub", "owner": "NixOS", "repo": "nixpkgs"},
            "revision": REV,
            "hash": SRI,
        }
    },
    "version": 3,
}


@pytest.mark.parametrize("source", ["flake.lock", "npins/sources.json", REV])
def test_nixpkgs_is_pinned_from_wherever_it_is_pinned(machine: Machine, source: str) -> None:
    machine.write("flake.lock", json.dumps(FLAKE_LOCK))
    machine.write("npins/sources.json", json.dumps(NPINS))
    pinned = ("--nixpkgs", source, *(("--nixpkgs-sha256", SRI) if source == REV else ()))
    told = machine.mach("lock", "idna", *PYTHON, *pinned)
    assert json.loads(machine.read("mach.lock"))["nixpkgs"] == {"rev": REV, "sha256": SRI}
    assert "not pinned" not in told.stderr
    text = machine.mach("gen", "--lock", "mach.lock").stdout
    assert f"pkgs ? null, # null: nixpkgs {REV}" in text
    assert SRI in text
    # an old lock is a place to read it from as well
    machine.mach("lock", "idna", "certifi", *PYTHON)
    assert json.loads(machine.read("mach.lock"))["nixpkgs"] == {"rev": REV, "sha256": SRI}


def test_an_unpinned_nixpkgs_is_said_on_stderr_and_in_the_file(machine: Machine) -> None:
    told = machine.mach("gen", "idna", *PYTHON)
    assert "nixpkgs is not pinned" in told.stderr
    assert "pkgs ? import <nixpkgs> { }, # not pinned" in told.stdout
    half = machine.mach("gen", "idna", "--nixpkgs", REV, code=2).stderr
    assert "--nixpkgs is given without --nixpkgs-sha256" in half
