"""Fixes that the library chooses from tables in Nix: the same as mach chooses in Python, by the same versions."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from nix.fixes import choose_fixes, read_fixes, shipped_fixes
from resolver.lock import Lock, render_lock
from tests.nix.library import ROOT, Library
from tests.nix.test_fixes import SYSTEM, entry, lock, pin
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

VERSIONS = """
    1 1.0 1.0.0 1.0.1 1.1 1.10 1.9 2.0 2 0 0.0.1 10.2.3.4 1.0a1 1.0.a.1 1.0alpha1 1.0b2 1.0rc1 1.0c1 1.0-pre2
    1.0.dev3
    1.0.dev 1.0a1.dev2 1.0.post1 1.0-1 1.0.post 1.0rev2 1.0.post1.dev2 1.0rc1.post2 1!0.5 1!1.0 0!1.0 v1.0 1.0+local
    1.0+local.2 1.0.post1+abc 2024.01.07 1.07 1.0-RC.1 not-a-version 2.0.dev0 2.0a0 2.0.post0 1.1.dev1 1.1a1 1.1.post3
"""
SPECIFIERS = """
    >=1 >=1.0 >1.0 >1.0.post0 >1.0a1 <1.0 <2 <2.0 <2.0a1 <2.0.post1 <=1.0 <=1.0.post1 ==1.0 ==1.0.0 ==1.* ==1.0.*
    ==1.0+local !=1.0 !=1.* ~=1.0 ~=1.0.1 ~=1.0a1 ===1.0 ===v1.0 >=1!0 <1!1 >=1,<2 >=1.0.dev1,!=1.0.1,<1.9 >0 <=0
    ==1!1.0 >=1.0-1 ~=2024.1 >1.0.dev3 <1.1 <1.1.dev2 >1.1.dev0 ==0.* !=1.0.post1 >=2.0.dev0
"""


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))


def is_within(version: str, specifier: str) -> bool:
    if not specifier:
        return True
    try:
        Version(version)
    except InvalidVersion:
        return False
    return SpecifierSet(specifier, prereleases=True).contains(version, prereleases=True)


def test_versions_lie_within_specifiers_as_packaging_says(library: Library) -> None:
    pairs = list(itertools.product(VERSIONS.split(), ["", *SPECIFIERS.split()]))
    letters = random.Random(0)
    for _ in range(1500):
        numbers = ".".join(str(letters.randrange(3)) for _ in range(letters.randint(1, 3)))
        tail = letters.choice(["", "", "a1", "rc2", ".post1", ".dev1", "a1.dev1", "+x"])
        limit = ".".join(str(letters.randrange(3)) for _ in range(letters.randint(2, 3)))
        end = letters.choice(["", "", "b1", ".post0", ".dev2"])
        pairs.append((numbers + tail, letters.choice([">=", ">", "<", "<=", "==", "!=", "~="]) + limit + end))
    (library.folder / "pairs.json").write_text(json.dumps(pairs))
    answers = library.ask(
        f"""let versions = import {ROOT}/nix/lib/versions.nix {{ inherit lib; }}; in
        map (pair: versions.isWithin (builtins.elemAt pair 1) (builtins.elemAt pair 0)) (lib.importJSON ./pairs.json)"""
    )
    wrong = [
        (*pair, answer) for pair, answer in zip(pairs, answers, strict=True) if answer != is_within(pair[0], pair[1])
    ]
    assert wrong == []
    assert 0.2 < sum(answers) / len(answers) < 0.8


@pytest.mark.parametrize("specifier", ["2.0", "=>2", ">=x", ">=1.*", "~=1"])
def test_what_is_no_specifier_is_said(library: Library, specifier: str) -> None:
    asked = f'(import {ROOT}/nix/lib/versions.nix {{ inherit lib; }}).isWithin "{specifier}" "1.0"'
    assert library.refusal(asked) == f'"{specifier}" is not a specifier (PEP 440), such as >=2.0'


def chosen(library: Library, made: Lock, *tables: Path) -> object:
    (library.folder / "mach.lock").write_text(render_lock(made))
    texts = "".join(f' {{ name = "{path.name}"; text = builtins.readFile {path}; }}' for path in tables)
    return library.ask(
        f"""let versions = import {ROOT}/nix/lib/versions.nix {{ inherit lib; }};
        arguments = import {ROOT}/nix/lib/arguments.nix {{ inherit lib; }}; in
        import {ROOT}/nix/lib/table.nix {{ inherit lib versions arguments; tables = [{texts} ]; }}
          {{ lock = lib.importJSON lock; system = "{SYSTEM}"; }}"""
    )


def as_chosen(value: dict[str, dict[str, object]]) -> object:
    """Leave out what neither has: systems and providers without fixes."""
    return {provider: fixes for provider, fixes in value.get(SYSTEM, {}).items() if fixes}


def test_every_entry_that_comes_with_mach_is_chosen_as_in_python(library: Library) -> None:
    projects = sorted({(fix.project, fix.provider) for fix in shipped_fixes()})
    for version in ("0.1", "1.26.0", "3.4", "4.0.1", "50.0"):
        made = lock(*(pin(name, version, provider) for name, provider in projects))
        value = chosen(library, made, ROOT / "nix/fixes.toml")
        assert as_chosen(value) == as_chosen(choose_fixes(made, shipped_fixes()))  # type: ignore[arg-type]  # JSON
        assert as_chosen(value)  # type: ignore[arg-type]  # JSON


def test_platforms_replacement_and_order_count_as_in_python(library: Library) -> None:
    table = library.folder / "table.toml"
    table.write_text(
        entry(libraries='["zlib"]')
        + entry(libraries='["expat", ["sqlite", "gmp"]]', platforms='["*-linux"]')
        + entry(libraries='["gmp"]', platforms='["*-darwin"]')
        + entry(versions='"<2"', settings='{ A_B = "x" }')
        + entry(project='"other"', libraries='["zlib"]')
        + entry(project='"other"', libraries='["openssl"]', replaces="true")
        + entry(project='"wheely"', provider='"wheel"', **{"nixpkgs-inputs": "true"})
    )
    made = lock(pin("demo", "1.0"), pin("other", "1.0"), pin("wheely", "1.0", "wheel"), pin("demo2", "1.0"))
    fixes = read_fixes(table.read_text(), "table.toml")
    assert as_chosen(chosen(library, made, table)) == as_chosen(choose_fixes(made, fixes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (entry(librarys='["a"]'), "t.toml: fix 1 has no argument librarys (did you mean libraries?)"),
        (entry(reason=None), "t.toml: fix 1: reason is missing"),
        (entry(settings='{ HOME = "x" }'), 't.toml: fix 1: "HOME" is not the name of an environment variable that '),
        (entry(settings='{ "a b" = "x" }'), 't.toml: fix 1: "a b" is not the name of an environment variable that '),
        ("x = 1", "t.toml holds x: it may hold [[fix]] tables and nothing else"),
    ],
)
def test_a_table_that_is_wrong_says_where(library: Library, table: str, sentence: str) -> None:
    (library.folder / "t.toml").write_text(table)
    (library.folder / "mach.lock").write_text(render_lock(lock(pin("demo", "1.0"))))
    call = "(mach.mkPython { inherit lock; fixes = ./t.toml; }).packages.demo.drvPath"
    assert library.refusal(call).startswith(sentence)


def test_fixes_of_the_user_come_after_those_of_mach(library: Library) -> None:
    (library.folder / "mine.toml").write_text(
        entry(project='"lxml"', libraries='["gmp"]') + entry(project='"demo"', settings='{ DEMO = "1" }')
    )
    (library.folder / "more.toml").write_text(entry(project='"lxml"', libraries='["expat"]'))
    (library.folder / "mach.lock").write_text(render_lock(lock(pin("lxml", "5.0"), pin("demo", "1.0"))))
    told = library.ask(
        """let packages = (mach.mkPython { inherit lock; fixes = [ ./mine.toml ./more.toml ]; }).packages; in
        { inputs = map lib.getName packages.lxml.buildInputs; inherit (packages.demo) DEMO; }"""
    )
    assert told == {"inputs": ["libxml2", "libxslt", "zlib", "gmp", "expat"], "DEMO": "1"}
