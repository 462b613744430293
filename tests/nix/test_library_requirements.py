"""requirements = ''…'': mach runs in a derivation, offline, on a catalog that is pinned by its hash."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix.expression import render_expression
from resolver.lock import parse_lock
from tests.nix.argument_effects import OF_REQUESTS, observed
from tests.nix.library import ROOT, Library
from tests.nix.locks import SYSTEM
from tests.nix.own_program import installed_lock, write_program
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import STAND_IN, NixStore

pytestmark = pytest.mark.nix

DISTS: tuple[Dist, ...] = (
    make_wheel("app", "1.0", files={"app.py": "import part\n"}, requires=["part>=1"]),
    make_wheel("part", "1.0", files={"part.py": "X = 1\n"}),
    make_wheel("part", "2.0", files={"part.py": "X = 2\n"}),
    make_sdist("part", "3.0", files={"part/__init__.py": "X = 3\n"}),
    make_wheel("extra-one", "1.0", files={"extra_one.py": "Y = 1\n"}),
    *(wheel_from_installed(name) for name in ("installer", "pyproject-hooks", "setuptools")),
)


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    with IndexServer() as server:
        index = server.index()
        for dist in DISTS:
            index.add(dist)
        yield index


@pytest.fixture(scope="module")
def python(nix_store: NixStore) -> str:
    return str(nix_store.eval(STAND_IN, "python3.version"))


@pytest.fixture(scope="module")
def library(nix_store: NixStore, index: FakeIndex, python: str, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library whose import pins what one resolution asked of the index."""
    folder = tmp_path_factory.mktemp("library")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MACH_DB": str(folder / "catalog.db"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PYTHONPATH": str(ROOT),
    }

    def mach(*words: str) -> None:
        subprocess.run([sys.executable, "-P", "-m", "api.cli", *words], cwd=folder, env=environment, check=True)

    mach("lock", "app", "extra-one", "--python", python, "--index-url", index.url, "-o", "first.lock", "-q")
    sdists = ["--providers", "sdist,wheel"]
    mach("lock", "app", *sdists, "--python", python, "--index-url", index.url, "-o", "second.lock", "-q")
    mach("lock", "app", "part<2", "--python", python, "--index-url", index.url, "-o", "third.lock", "-q")
    mach("db", "export", "facts.mach", "-q")
    program = write_program(folder, installed_lock(nix_store, catalog=True), nix_store.files.as_uri())
    digest = hashlib.sha256((folder / "facts.mach").read_bytes()).hexdigest()
    (folder / "library.nix").write_text(
        f"""{{ pkgs }}: import {ROOT} {{
          inherit pkgs;
          catalog = {{ snapshot = ./facts.mach; sha256 = "{digest}"; indexes = [ "{index.url}" ]; }};
          program = import {program};
        }}"""
    )
    return Library(store=nix_store, folder=folder, builds=True)


HERE = "(import ./library.nix { inherit pkgs; })"


def test_an_environment_of_requirements_is_that_of_the_lock(library: Library) -> None:
    env = library.build(f'{HERE}.mkPython {{ requirements = "app\\nextra-one  # a comment"; }}')
    assert library.run(env / "bin/python", "-c", "import app, extra_one; print(app.part.X)") == "2"
    single = library.folder / "single.nix"
    single.write_text(render_expression(parse_lock((library.folder / "first.lock").read_text())))
    assert library.store.build(single, "env") == env


def test_providers_are_texts_lists_and_defaults(library: Library) -> None:
    calls = {
        "text": 'requirements = "app"; providers = "sdist,wheel";',
        "list": 'requirements = "app"; providers = { _default = [ "wheel" ]; part = [ "sdist" "wheel" ]; };',
        "defaults": 'requirements = "app"; _providerDefaults = { _default = "wheel"; part = "sdist"; };',
        "both": 'requirements = "app"; _providerDefaults = { part = "sdist"; }; providers.part = "wheel";',
    }
    told = library.ask_each(
        {name: f"({HERE}.mkPython {{ {call} }}).packages.part.version" for name, call in calls.items()}
    )
    assert told == {"text": "3.0", "list": "3.0", "defaults": "3.0", "both": "2.0"}
    env = library.build(f"{HERE}.mkPython {{ {calls['list']} }}")
    assert library.run(env / "bin/python", "-c", "import app; print(app.part.X)") == "3"


def test_a_chain_is_resolved_on_the_catalog(library: Library) -> None:
    env = library.build(f"{HERE}.gen.python.extra_one.app")
    assert library.run(env / "bin/python", "-c", "import app, extra_one; print(app.part.X)") == "2"
    same = library.ask(f'(({HERE}.mkPython {{ requirements = "app\nextra-one"; }}).outPath)')
    assert str(env) == same
    assert library.ask(f"{HERE}.gen.docker.app.drvPath") == library.ask(
        f'({HERE}.mkDockerImage {{ requirements = "app"; }}).drvPath'
    )


def test_the_names_of_chains_are_those_of_the_catalogs_indexes(library: Library, index: FakeIndex) -> None:
    names = library.ask(f"builtins.attrNames {HERE}.gen.python")
    assert {"app", "part", "extra-one", "extra_one", "setuptools"} <= set(names)
    elsewhere = (library.folder / "library.nix").read_text().replace(index.url, "https://other.index.example/simple")
    (library.folder / "elsewhere.nix").write_text(elsewhere)
    assert library.ask("builtins.attrNames (import ./elsewhere.nix { inherit pkgs; }).gen.python") == []
    # without a slash at its end it is the same index
    (library.folder / "bare.nix").write_text(
        (library.folder / "library.nix").read_text().replace(index.url, index.url.rstrip("/"))
    )
    assert library.ask("builtins.attrNames (import ./bare.nix { inherit pkgs; }).gen.python") == names


def test_a_lock_of_the_import_goes_before_its_catalog_in_chains(library: Library) -> None:
    given = (library.folder / "library.nix").read_text().replace("inherit pkgs;", "inherit pkgs; lock = ./third.lock;")
    (library.folder / "both.nix").write_text(given)
    both = "(import ./both.nix { inherit pkgs; })"
    told = library.ask(f"[ {both}.gen.python.app.packages.part.version ({both}.gen.python ? extra-one) ]")
    assert told == ["1.0", False]
    assert library.ask(f'({both}.pythonWith [ "app" ]).packages.part.version') == "2.0", "of the catalog"


def test_lists_of_requirements_give_what_mach_nix_gave(library: Library) -> None:
    given = '{ requirements = "app\npart<2"; }'
    ways = {
        "pythonWith": "mkPython",
        '"with"': "mkPython",
        "shellWith": "mkPythonShell",
        "dockerImageWith": "mkDockerImage",
    }
    for short, long in ways.items():
        one, other = library.ask(f'[ ({HERE}.{short} [ "app" "part<2" ]).drvPath ({HERE}.{long} {given}).drvPath ]')
        assert one == other
    assert library.ask(f'({HERE}.pythonWith [ "app" "part<2" ]).packages.part.version') == "1.0"


def test_every_argument_of_a_request_changes_what_every_function_gives(library: Library) -> None:
    told = library.ask_each(
        {
            f"{effect.name} {position}": observed(HERE, effect.function, arguments, ("app", "part", "extra-one"))
            for effect in OF_REQUESTS
            for position, arguments in enumerate((effect.without, effect.given))
        }
    )
    assert [e.name for e in OF_REQUESTS if told[f"{e.name} 0"] == told[f"{e.name} 1"]] == []
    assert "refused" not in told.values()


def test_requirements_extra_are_resolved_with_the_requirements(library: Library) -> None:
    for function in ("buildPythonPackage", "buildPythonApplication"):
        call = f'{HERE}.{function} {{ requirements = "app"; requirementsExtra = "extra-one"; pname = "extra-one"; }}'
        assert library.ask(f"({call}).version") == "1.0"
    package = f'{HERE}.buildPythonPackage {{ requirements = "app"; pname = "app"; }}'
    env = library.build(f"({package}).env")
    assert library.run(env / "bin/python", "-c", "import app; print(app.part.X)") == "2"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            'mach.mkPython { requirements = "app"; }',
            "mkPython resolves requirements on a pinned catalog, and the import was given none: pass catalog = "
            "{ snapshot = …; sha256 = …; } (a file of mach db export), or run mach lock -r requirements.txt and pass "
            "lock = ./mach.lock;",
        ),
        (
            f'(import {ROOT} {{ inherit pkgs; catalog.snapshot = ./x; }}).mkPython {{ requirements = "app"; }}',
            "catalog lacks sha256: { snapshot = FILE or URL of mach db export; sha256 = …; }",
        ),
        (
            f'(import {ROOT} {{ inherit pkgs; catalog.snapshots = ./x; }}).mkPython {{ requirements = "app"; }}',
            "catalog has no argument snapshots (did you mean snapshot?)",
        ),
        (
            f'{HERE}.mkPython {{ requirements = "app"; providers.app = 1; }}',
            'mkPython: providers takes texts and lists, { _default = "wheel,sdist"; numpy = "wheel"; }, and was given '
            "a value of type int",
        ),
        (f"{HERE}.pythonWith [ 1 ]", 'pythonWith takes a list of requirements, [ "requests" "numpy<2" ]'),
        (f'{HERE}.shellWith "app"', 'shellWith takes a list of requirements, [ "requests" "numpy<2" ]'),
        (
            'mach.dockerImageWith [ "app" ]',
            "dockerImageWith resolves requirements on a pinned catalog, and the import was given none: pass catalog = "
            "{ snapshot = …; sha256 = …; } (a file of mach db export), or run mach lock -r requirements.txt and pass "
            "lock = ./mach.lock;",
        ),
    ],
)
def test_what_cannot_be_resolved_is_one_sentence(library: Library, call: str, sentence: str) -> None:
    assert library.refusal(f"({call}).drvPath") == sentence


def test_what_has_no_solution_says_so_as_mach_does(library: Library) -> None:
    outcome = library.try_build(f'{HERE}.mkPython {{ requirements = "app\\npart>9"; }}')
    assert outcome.returncode != 0
    assert "part>9 (requirements.txt:2)" in outcome.stderr


def test_a_fact_that_is_not_in_the_catalog_is_named(library: Library) -> None:
    outcome = library.try_build(f'{HERE}.mkPython {{ requirements = "unheard-of"; }}')
    assert outcome.returncode != 0
    assert "error[not-covered]" in outcome.stderr
    assert "the page of unheard-of on" in outcome.stderr
    assert "put it into yours (mach lock -r requirements.txt --python 3.1" in outcome.stderr


def test_text_of_requirements_is_never_a_word_of_a_shell(library: Library) -> None:
    hostile = json.dumps("app # $(touch /build/x) `id` \"'\\").replace("$", "\\$")
    assert library.ask(f"({HERE}.mkPython {{ requirements = {hostile}; }}).packages.app.version") == "1.0"


def test_the_catalog_is_a_path_or_a_url_with_its_hash(library: Library, index: FakeIndex) -> None:
    path = Path(library.folder, "facts.mach")
    digest = hashlib.sha256(path.read_bytes())
    served = library.store.files / "facts.mach"
    served.write_bytes(path.read_bytes())
    sri = f"sha256-{base64.b64encode(digest.digest()).decode()}"
    call = """((import {root} {{ inherit pkgs; program = import ./own.nix;
      catalog = {{ snapshot = {snapshot}; sha256 = "{sha256}"; indexes = [ "{index}" ]; }}; }})
      .mkPython {{ requirements = "app"; }}).packages.part.version"""
    for snapshot, sha256 in (("./facts.mach", sri), (f'"{served.as_uri()}"', digest.hexdigest())):
        assert library.ask(call.format(root=ROOT, snapshot=snapshot, sha256=sha256, index=index.url)) == "2.0"
    wrong = call.format(root=ROOT, snapshot="./facts.mach", sha256="0" * 64, index=index.url)
    assert library.refusal(wrong) == (
        f"catalog: {path} has the SHA-256 {digest.hexdigest()}, and sha256 says {'0' * 64}"
    )


def test_the_flake_resolves_chains_on_a_catalog_that_is_an_input(library: Library, tmp_path: Path) -> None:
    flake = tmp_path / "mach"
    flake.mkdir()
    for name in ("default.nix", "flake.nix", "LICENSE", "NOTICE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, flake)
    for name in ("api", "crawler", "db", "nix", "resolver"):
        shutil.copytree(ROOT / name, flake / name, ignore=shutil.ignore_patterns("__pycache__"))
    # the stand-in in place of nixpkgs, and a lock of mach without an index
    (flake / "mach.lock").write_text((library.folder / "own.lock").read_text())
    (tmp_path / "nixpkgs").mkdir()
    config = f'config.pypiFiles = "{library.store.files.as_uri()}";'
    (tmp_path / "nixpkgs/flake.nix").write_text(
        f"{{ outputs = _: {{ legacyPackages.{SYSTEM} = import {STAND_IN} {{ {config} }}; }}; }}"
    )
    (tmp_path / "catalog").mkdir()
    shutil.copy(library.folder / "facts.mach", tmp_path / "catalog")
    catalog = re.search(r"catalog = (\{.+?\});", (library.folder / "library.nix").read_text())
    assert catalog
    (tmp_path / "catalog/default.nix").write_text(catalog[1])

    nix = ("nix", "--extra-experimental-features", "nix-command flakes")
    of = ("--impure", "--no-write-lock-file", "--override-input", "nixpkgs", f"path:{tmp_path}/nixpkgs")
    pinned = ("--override-input", "catalog", f"path:{tmp_path}/catalog")
    chain = f"path:{flake}#gen.python.app.extra-one"
    built = library.store.call(*nix, "build", "--no-link", "--json", chain, *of, *pinned)
    env = Path(json.loads(built.stdout)[0]["outputs"]["out"])
    assert library.run(env / "bin/python", "-c", "import app, extra_one; print(app.part.X)") == "2"
    assert env == library.build(f"{HERE}.gen.python.app.extra-one")
    without = library.store.run(*nix, "build", "--no-link", chain, *of)
    assert without.returncode == 1
    assert "mach: gen has the names of a lock or of a catalog, and the import was given neither: " in without.stderr
