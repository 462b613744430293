"""nixpkgs as a provider: crawled from a tree, chosen, locked with its closure, and built beside wheels and sdists."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import HOST_PYTHON, ROOT, Machine
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.nix import NixStore
from tests.support.nixpkgs_tree import Module, write_nixpkgs

pytestmark = pytest.mark.nix

REV = "5eed1eead550" + "0" * 28
SERIES = ".".join(HOST_PYTHON.split(".")[:2])


def pyproject(name: str, dependency: str) -> str:
    """Return the pyproject.toml of a project that is one module and has a program."""
    return f"""\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.0"
dependencies = ["{dependency}"]
scripts.{name}-cmd = "{name}:main"
[tool.setuptools]
py-modules = ["{name}"]
"""


def program(name: str) -> dict[str, Any]:
    return {"entry_points": {"console_scripts": {f"{name}-cmd": f"{name}:main"}}}


def module(name: str, more: str = "") -> dict[str, str]:
    return {f"{name}.py": f"import sys\n{more}\ndef main():\n    print({name!r}, sys.prefix)\n"}


MODULES = (
    Module(
        wheel=make_wheel("brick", "2.0", files=module("brick", "import mortar"), **program("brick")),
        dependencies=["mortar"],
        extras={"paint": ["Colour_1"]},
    ),
    Module(wheel=make_wheel("mortar", "1.5", files=module("mortar"))),
    Module(wheel=make_wheel("mortar", "1.0", files=module("mortar")), attribute="mortar_1"),
    Module(
        wheel=make_wheel("colour", "1.0", files=module("colour")),
        attribute="Colour_1",
        urls=["mirror://pypi/c/colour/colour-1.0.tar.gz"],
        pname="something-else",
    ),
    Module(wheel=make_wheel("ruin", "1.0", files=module("ruin")), meta={"broken": True}),
    Module(wheel=make_wheel("nightly", "1.0", files=module("nightly")), version="unstable-2024-01-01"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine whose catalog knows a nixpkgs."""

    machine: Machine
    tree: Path
    crawled: dict[str, Any]

    @property
    def pinned(self) -> tuple[str, ...]:
        """The options that pin that nixpkgs."""
        return ("--nixpkgs", REV, "--nixpkgs-sha256", str(self.crawled["sha256"]), "--python", HOST_PYTHON)

    def lock(self, *words: str) -> dict[str, dict[str, Any]]:
        self.machine.mach("lock", *words, *self.pinned)
        return {pin["name"]: pin for pin in json.loads(self.machine.read("mach.lock"))["targets"][0]["pins"]}

    def keep_pinned(self) -> None:
        """Put the pinned nixpkgs where Nix would unpack its archive: it is not fetched then."""
        source = self.tree.with_name("source")
        shutil.copytree(self.tree, source)
        words = ["nix-store", "--add-fixed", "--recursive", "sha256", str(source)]
        subprocess.run(words, env=self.machine.env(), capture_output=True, check=True)

    def nix_build(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["nix-build", "--no-out-link", *words]
        return subprocess.run(command, cwd=self.machine.home, env=self.machine.env(), capture_output=True, text=True)

    def try_build(self) -> subprocess.CompletedProcess[str]:
        """Build the environment of mach.lock in the tree as it is now."""
        self.machine.mach("gen", "--lock", "mach.lock", "-o", "python.nix")
        return self.nix_build("python.nix", "-A", "env", "--arg", "pkgs", f"import {self.tree} {{ }}")

    def build(self) -> Path:
        done = self.try_build()
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())


@pytest.fixture
def place(fake_index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> Place:
    for tool in ("installer", "pyproject-hooks", "setuptools", "wheel"):
        fake_index.add(wheel_from_installed(tool))
    for dist in (
        make_wheel("wall", "1.0", requires=["brick>=1"], files=module("wall", "import brick"), **program("wall")),
        make_sdist(
            "house",
            "1.0",
            requires=["wall"],
            files=module("house", "import wall"),
            pyproject=pyproject("house", "wall"),
        ),
        make_wheel("brick", "3.0", requires=["mortar"], files=module("brick", "import mortar")),
        make_wheel("mortar", "2.0", files=module("mortar")),
    ):
        fake_index.add(dist)
    home = tmp_path / "home"
    home.mkdir()
    machine = Machine(home=home, index_url=fake_index.url, environ=nix_store.env())
    tree = write_nixpkgs(tmp_path / "nixpkgs", MODULES)
    crawled = machine.mach("crawl", "nixpkgs", tree, "--python", SERIES, "--json").json
    return Place(machine=machine, tree=tree, crawled=crawled)


def test_a_mixed_environment_runs_with_the_programs_of_all_three(place: Place) -> None:
    pins = place.lock("house", "--provider", "brick=nixpkgs", "--provider", "mortar=nixpkgs,wheel")
    assert {name: (pin["version"], pin["provider"]) for name, pin in pins.items()} == {
        "brick": ("2.0", "nixpkgs"),
        "house": ("1.0", "sdist"),
        "mortar": ("1.5", "nixpkgs"),
        "wall": ("1.0", "wheel"),
    }
    assert pins["brick"]["artifact"] == {"type": "nixpkgs", "attribute": "brick", "version": "2.0"}
    assert pins["brick"]["dependencies"] == {"mortar": ["mortar==1.5"]}
    env = place.build()
    for name in ("house", "wall", "brick"):
        said = subprocess.run([env / "bin" / f"{name}-cmd"], env={}, capture_output=True, text=True, check=True).stdout
        assert said == f"{name} {env}\n"
    text = (env / "bin/brick-cmd").read_bytes()
    assert text.startswith(f"#!{env}/bin/python".encode())
    words = ["nix-store", "--query", "--requisites", str(env)]
    done = subprocess.run(words, env=place.machine.env(), capture_output=True, text=True, check=True)
    closure = [Path(line) for line in done.stdout.splitlines()]
    (interpreter,) = {path for path in closure if list(path.glob("bin/python3*"))} - {env}
    code = (
        "import sys, house, wall, brick; print(sys.base_prefix, [path for path in sys.path if 'site-packages' in path])"
    )
    said = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said == f"{interpreter} {[f'{env}/lib/python{SERIES}/site-packages']}\n"


def test_nothing_but_nixpkgs_needs_no_page_of_an_index(place: Place) -> None:
    pins = place.lock("brick[paint]", "--providers", "nixpkgs")
    assert {name: pin["version"] for name, pin in pins.items()} == {"brick": "2.0", "colour": "1.0", "mortar": "1.5"}
    assert pins["brick"]["extras"] == ["paint"]
    assert pins["colour"]["artifact"]["attribute"] == "Colour_1"
    env = place.build()
    code = "import brick, colour, sys; print(brick.__file__.startswith(sys.prefix), colour.__name__)"
    said = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said == "True colour\n"


def test_the_order_of_providers_counts_and_falling_back_is_told(place: Place) -> None:
    pins = place.lock("wall", "--providers", "wheel,nixpkgs")
    assert (pins["brick"]["version"], pins["brick"]["provider"]) == ("3.0", "wheel")
    pins = place.lock("wall", "brick<3", "--providers", "wheel,nixpkgs")
    assert (pins["brick"]["version"], pins["brick"]["provider"]) == ("2.0", "nixpkgs")
    # what nixpkgs has built takes its own mortar, though wheels go before nixpkgs
    assert (pins["mortar"]["version"], pins["mortar"]["provider"]) == ("1.5", "nixpkgs")
    assert pins["mortar"]["fallback"].startswith("from wheel: ")
    assert "passed-over" not in pins["brick"], "the user ruled 3.0 out, and no order of providers did"


def test_an_override_takes_the_place_of_what_nixpkgs_built_with(place: Place) -> None:
    words = ("brick", "--provider", "brick=nixpkgs", "--override", "mortar==2.0")
    pins = place.lock(*words)
    assert (pins["mortar"]["version"], pins["mortar"]["provider"]) == ("2.0", "wheel")


def test_a_closure_that_is_not_allowed_is_explained(place: Place) -> None:
    words = ("brick", "--provider", "brick=nixpkgs", "--provider", "mortar=wheel")
    said = place.machine.mach("lock", *words, *place.pinned, code=1).stderr
    assert "brick 2.0 requires mortar==1.5 from nixpkgs" in said


def test_what_nixpkgs_marks_is_taken_only_where_it_is_named(place: Place) -> None:
    place.machine.mach("lock", "ruin", "--providers", "nixpkgs", *place.pinned, code=1)
    asked = place.machine.mach("lock", "ruin==1.0", "--providers", "nixpkgs", *place.pinned)
    assert "ruin 1.0 was yanked" in asked.stderr
    said = place.machine.mach("lock", "nightly", "--providers", "nixpkgs", *place.pinned, code=1).stderr
    assert "nightly" in said


def test_another_machine_repeats_it_with_the_facts_of_the_lock(
    place: Place, nix_store: NixStore, tmp_path: Path
) -> None:
    place.lock("wall", "--provider", "brick=nixpkgs", "--provider", "mortar=nixpkgs")
    text = place.machine.read("mach.lock")
    place.machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    home = tmp_path / "elsewhere"
    home.mkdir()
    other = Machine(home=home, index_url=place.machine.index_url, environ=nix_store.env())
    other.mach("db", "import", place.machine.home / "facts.mach")
    chosen = ("--provider", "brick=nixpkgs", "--provider", "mortar=nixpkgs")
    other.mach("lock", "wall", *chosen, *place.pinned, "--offline")
    assert other.read("mach.lock") == text
    assert other.mach("db", "verify", "--json").json == {"intact": True}


def test_what_is_missing_is_told_with_the_command_that_gets_it(place: Place) -> None:
    machine = place.machine
    said = machine.mach("lock", "brick", "--providers", "nixpkgs", "--python", HOST_PYTHON, code=2).stderr
    assert "error[nixpkgs-not-pinned]" in said
    other = ("--nixpkgs", REV, "--nixpkgs-sha256", "sha256-" + "A" * 43 + "=")
    said = machine.mach("lock", "brick", "--providers", "nixpkgs", *other, "--python", HOST_PYTHON, code=3).stderr
    assert "error[nixpkgs-not-crawled]" in said
    assert f"mach crawl nixpkgs PATH --python {SERIES} --platform x86_64-linux" in said
    said = machine.mach("crawl", "nixpkgs", "./", "--python", SERIES, code=2).stderr
    assert "error[no-nixpkgs]" in said
    said = machine.mach("lock", "house", "--build-providers", "nixpkgs", code=2).stderr
    assert "--build-providers names nixpkgs" in said


def test_a_git_checkout_is_its_commit(place: Place, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@index.example")
        return subprocess.run(["git", *who, *words], cwd=place.tree, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "a nixpkgs")
    (place.tree / "modules.json").write_text("changed since")
    found = place.machine.mach("crawl", "nixpkgs", place.tree, "--python", SERIES, "--json").json
    assert found["rev"] == git("rev-parse", "HEAD").strip()
    assert found["sha256"] == place.crawled["sha256"]
    pinned = ("--nixpkgs", found["rev"], "--nixpkgs-sha256", found["sha256"], "--python", HOST_PYTHON)
    place.machine.mach("lock", "brick", "--providers", "nixpkgs", "--as-of", "2020-01-01", *pinned, code=1)
    place.machine.mach("lock", "brick", "--providers", "nixpkgs", "--as-of", "2100-01-01", *pinned)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('"version": "2.0"', '"version": "2.1"', "which is version 2.1 in this nixpkgs and was 2.0"),
        ('"brick": {', '"bricks": {', "which this nixpkgs does not have"),
    ],
)
def test_another_nixpkgs_than_the_locked_one_is_refused(place: Place, before: str, after: str, sentence: str) -> None:
    place.lock("brick", "--providers", "nixpkgs")
    modules = place.tree / "modules.json"
    modules.write_text(modules.read_text().replace(before, after))
    done = place.try_build()
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        "mach.mkPython { lock = ./mach.lock; }",
        "(import TREE { overlays = [ (mach.mkOverlay { lock = ./mach.lock; }) ]; })"
        ".ATTRIBUTE.withPackages (set: [ set.wall ])",
    ],
    ids=["mkPython", "mkOverlay"],
)
def test_the_library_for_nix_takes_such_pins_as_well(place: Place, call: str) -> None:
    place.lock("wall", "--provider", "brick=nixpkgs", "--provider", "mortar=nixpkgs")
    attribute = "python" + SERIES.replace(".", "")
    text = call.replace("TREE", str(place.tree)).replace("ATTRIBUTE", attribute)
    place.machine.write(
        "question.nix", f"let mach = import {ROOT} {{ pkgs = import {place.tree} {{ }}; }}; in {text}\n"
    )
    done = place.nix_build("question.nix")
    assert done.returncode == 0, done.stderr
    env = Path(done.stdout.strip())
    code = "import wall, brick; from importlib.metadata import version; print(version('brick'), version('mortar'))"
    said = subprocess.run([env / "bin/python3", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said == "2.0 1.5\n"


def test_a_shell_has_them_beside_a_working_tree(place: Place) -> None:
    machine = place.machine
    machine.write("garden/pyproject.toml", pyproject("garden", "brick[paint]"))
    source = machine.write("garden/garden.py", "import brick, colour\ndef main():\n    print('a garden')\n")
    machine.write("requirements.txt", "-e ./garden\nwall\n")
    chosen = [f"--provider={name}=nixpkgs" for name in ("brick", "mortar", "colour")]
    pins = place.lock("-r", "requirements.txt", *chosen)
    assert {name: pin["provider"] for name, pin in pins.items()} == {
        **dict.fromkeys(("brick", "colour", "mortar"), "nixpkgs"),
        "garden": "sdist",
        "wall": "wheel",
    }
    place.keep_pinned()

    def shell(command: str, *words: str) -> str:
        return machine.process("shell", *(words or ("--lock", "mach.lock")), "--run", command).stdout

    said = shell("garden-cmd; brick-cmd; wall-cmd")
    (garden, brick, wall) = said.splitlines()
    assert garden == "a garden"
    assert brick.split()[1] == wall.split()[1], "one environment has the programs of all"
    source.write_text("import brick\ndef main():\n    print('a larger garden')\n")
    # the request in place of its lock, and nothing of the caller's environment
    assert shell("garden-cmd", "-r", "requirements.txt", *chosen, "--python", HOST_PYTHON) == "a larger garden\n"
    code = "import sys, brick, garden; print(brick.__file__.startswith(sys.prefix), garden.__file__)"
    assert shell(f'python -c "{code}"', "--lock", "mach.lock", "--pure") == f"True {source}\n"
    # modules of nixpkgs come with no second interpreter
    assert shell("ls -d ${PATH//:/ }", "--lock", "mach.lock", "--pure").count("python") == 1
