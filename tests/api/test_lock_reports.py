"""What ``mach`` tells of a lock: export, tree and why."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from tests.e2e.machines import Machine
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.world import World

PLATFORMS = ("--platform", "x86_64-linux", "--platform", "aarch64-darwin")


@pytest.fixture(scope="module")
def locked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with a lock for two platforms; tests only read it."""
    world.require("numpy")
    machine = Machine(home=tmp_path_factory.mktemp("locked"), index_url=world.url)
    machine.mach("lock", "requests[socks]<2.32", "numpy<2", *PLATFORMS, "--python", "3.11.9")
    return machine


def test_requirements_are_exact_and_hashed_where_it_is_wanted(locked: Machine) -> None:
    plain = locked.mach("export").stdout.splitlines()
    assert plain == sorted(plain)
    assert "requests==2.31.0" in plain
    assert {str(Requirement(line).specifier)[:2] for line in plain} == {"=="}
    hashed = locked.mach("export", "--format", "requirements", "--hashes", "--lock", "mach.lock").stdout
    assert hashed.count("--hash=sha256:") == len(plain)


def test_a_pylock_is_what_packaging_accepts_and_selects_from(locked: Machine, tmp_path: Path) -> None:
    locked.mach("export", "--format", "pylock", "-o", tmp_path / "pylock.toml")
    text = (tmp_path / "pylock.toml").read_text()
    assert locked.mach("export", "--format", "pylock").stdout == text
    pylock = Pylock.from_dict(tomllib.loads(text))
    pylock.validate()
    assert len(pylock.environments or ()) == 2
    names = {str(entry.name) for entry in pylock.packages}
    assert names == {Requirement(line).name for line in locked.mach("export").stdout.splitlines()}
    one = Pylock.from_dict(tomllib.loads(locked.mach("export", "--format", "pylock", *PLATFORMS[:2]).stdout))
    assert len(one.environments or ()) == 1


def test_the_tree_shows_who_asks_for_what(locked: Machine) -> None:
    tree = locked.mach("tree", *PLATFORMS[:2]).stdout.splitlines()
    assert tree[0] == "x86_64-linux, Python 3.11.9"
    assert "requests 2.31.0  requests[socks]<2.32" in tree
    assert "├── idna 3.10  idna<4,>=2.5" in tree
    inverted = locked.mach("tree", "--invert").stdout.splitlines()
    assert inverted[inverted.index("idna 3.10") + 1] == "└── requests 2.31.0  idna<4,>=2.5"
    value = locked.mach("tree", "--json").json
    assert value["roots"] == {"numpy": ["numpy<2"], "requests": ["requests[socks]<2.32"]}
    assert {pin["name"] for pin in value["pins"]} >= {"numpy", "requests", "pysocks"}


def test_why_shows_the_way_from_the_requirement(locked: Machine) -> None:
    told = locked.mach("why", "PySocks").stdout
    assert "pysocks 1.7.1 (wheel)" in told
    assert "requests 2.31.0 asks for pysocks" in told
    assert "you ask for requests[socks]<2.32" in told
    value = locked.mach("why", "numpy", "--json").json
    assert value["requested"] == ["numpy<2"]
    assert value["askers"] == []


@pytest.mark.parametrize("words", ["export", "tree", "why idna", "gen --lock mach.lock", "lock idna --check"])
def test_without_a_lock_the_way_to_one_is_told(machine: Machine, words: str) -> None:
    told = machine.mach(*words.split(), code=2)
    assert "error[no-lock]: there is no lock at mach.lock" in told.stderr
    assert "mach lock -r requirements.txt" in told.stderr
    assert told.stdout == ""


def test_what_a_lock_does_not_have(locked: Machine) -> None:
    assert "flask" in locked.mach("why", "flask", code=2).stderr
    told = locked.mach("tree", "--platform", "aarch64-linux", code=2).stderr
    assert "error[not-in-lock]" in told
    assert "it has aarch64-darwin with Python 3.11.9, x86_64-linux with Python 3.11.9" in told


@pytest.fixture(scope="module")
def four(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with a lock for two platforms and two Pythons; tests only read it."""
    machine = Machine(home=tmp_path_factory.mktemp("four"), index_url=world.url)
    asked = ('idna<3.4; python_version < "3.12"', 'rich<14; python_version >= "3.12"')
    machine.mach("lock", *asked, *PLATFORMS, "--python", "3.10", "--python", "3.13")
    return machine


@pytest.mark.parametrize("words", ["export", "tree", "tree --json", "export --format pylock"])
def test_platform_and_python_name_a_target(four: Machine, words: str) -> None:
    for python, shown, other in (("3.10", "idna", "rich"), ("3.13.11", "rich", "idna")):
        told = four.mach(*words.split(), "--platform", "x86_64-linux", "--python", python)
        assert (shown in told.stdout, other in told.stdout) == (True, False)
        assert told.stderr == ""


def test_of_several_targets_that_fit_it_is_told_which_was_taken(four: Machine) -> None:
    for words in (("export",), ("tree",), ("why", "idna")):
        told = four.mach(*words)
        assert "this is for aarch64-darwin with Python 3.10.19, the first of 4 targets that fit: " in told.stderr
        assert "--platform and --python choose another" in told.stderr
        assert four.mach(*words, "-q").stderr == ""
        told = four.mach(*words, "--platform", "x86_64-linux")
        assert "x86_64-linux with Python 3.10.19, the first of 2 targets that fit: --python chooses" in told.stderr
    told = four.mach("export", "--format", "pylock", "--python", "3.13")
    assert "rich" in told.stdout, "it holds both platforms"
    assert told.stderr == ""
    assert "rich" in four.mach("why", "rich", "--python", "3.13").stdout
    told = four.mach("why", "Rihc", "--platform", "x86_64-linux", "--python", "3.13", code=2).stderr
    assert "'rihc' is not in the lock for x86_64-linux with Python 3.13.11" in told


@pytest.mark.parametrize("words", ["export", "export --format pylock", "tree", "why idna"])
def test_a_python_that_the_lock_does_not_have(four: Machine, words: str) -> None:
    told = four.mach(*words.split(), "--platform", "x86_64-linux", "--python", "3.12", code=2).stderr
    assert "error[not-in-lock]: the lock has no target for x86_64-linux with Python 3.12" in told
    assert "x86_64-linux with Python 3.13.11" in told


def test_where_the_order_of_providers_decided_is_told(fake_index: FakeIndex, tmp_path: Path) -> None:
    fake_index.add(make_wheel("app", "1.0", requires=["part>=2"]))
    for name in ("part", "lone"):
        fake_index.add(make_wheel(name, "1.0"))
        fake_index.add(make_sdist(name, "2.0"))
    for tool in ("installer", "pyproject-hooks", "setuptools"):
        fake_index.add(wheel_from_installed(tool))
    machine = Machine(home=tmp_path, index_url=fake_index.url)
    told = machine.mach("lock", "app", "lone").stderr
    assert "  lone 1.0 (wheel): the provider order passed over 2.0 (sdist)\n" in told
    assert "  part 2.0 (sdist) falls back from wheel: " in told
    assert "passed over" not in machine.mach("lock", "app", "lone", "-q").stderr
