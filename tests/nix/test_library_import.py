"""What the import of the library takes for every call, and where the files of a call come from."""

from __future__ import annotations

import pytest

from resolver.lock import render_lock
from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.nix.test_fixes import entry
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

NEEDED = make_wheel("needed", "2.0", files={"needed.py": "X = 1\n"})
BUILT = make_sdist("built", "1.0")
FILES = "https://files.index.example"
MARKED = "(pkgs.python311.override { packageOverrides = _: _: { marker = 7; }; })"


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    made = lock_of(nix_store, NEEDED, BUILT)
    library.write(made)
    (library.folder / "remote.lock").write_text(render_lock(made).replace(nix_store.files.as_uri(), FILES))
    (library.folder / "mine.toml").write_text(entry(project='"built"', settings='{ COLOUR = "red" }'))
    return library


@pytest.mark.parametrize(
    "given",
    [
        "lock = ./mach.lock;",
        f'lock = ./remote.lock; netrc = {{ "{FILES}" = "machine"; }};',
        'lock = ./mach.lock; mirrors = [ "https://mirror.example" ];',
        "lock = ./mach.lock; fixes = ./mine.toml;",
        f"lock = ./mach.lock; python = {MARKED};",
    ],
    ids=["lock", "netrc", "mirrors", "fixes", "python"],
)
def test_the_import_takes_defaults_for_every_call(library: Library, given: str) -> None:
    lock = given.partition(";")[0] + ";"
    told = library.ask_each(
        {
            name: f"let env = {call}; in [ env.drvPath (map (s: s.drvPath or null) env.sources) "
            "(env.python.pkgs.marker or null) ]"
            for name, call in {
                "import": f"(import {ROOT} {{ inherit pkgs; {given} }}).mkPython {{ }}",
                "call": f"mach.mkPython {{ {given} }}",
                "overlay": f"(import {ROOT} {{ inherit pkgs; {given} }}).mkPython {{ {given} }}",
                "plain": f"mach.mkPython {{ {lock} }}",
            }.items()
        }
    )
    assert told["import"] == told["call"] == told["overlay"]
    assert (told["import"] == told["plain"]) == (given == lock)
    fetched = library.ask_each(
        {
            "import": f'((import {ROOT} {{ inherit pkgs; {given} }}).fetchPypiSdist "built" "1.0").drvPath',
            "plain": f'(mach.fetchPypiSdist {{ {lock} pname = "built"; version = "1.0"; }}).drvPath',
        }
    )
    assert (fetched["import"] != fetched["plain"]) == ("netrc" in given or "mirrors" in given)


def test_a_call_goes_before_the_import(library: Library) -> None:
    library.write(lock_of(library.store, make_wheel("alone", "1.0")), "alone.lock")
    given = f'(import {ROOT} {{ inherit pkgs; lock = ./mach.lock; python = "python3111"; }})'
    told = library.ask(f'({given}.mkPython {{ lock = ./alone.lock; python = "python311"; }}).packages')
    assert list(told) == ["alone"]


def test_the_import_builds_on_the_nixpkgs_that_it_is_given(library: Library) -> None:
    given = f"(import {ROOT} {{ pkgs = pkgs.extend (_: _: {{ marker = 7; zlib = pkgs.expat; }}); }})"
    told = library.ask_each(
        {
            "env": f"({given}.mkPython {{ inherit lock; }}).nixpkgs.marker",
            "nixpkgs": f"({given}.mkNixpkgs {{ inherit lock; }}).marker",
            "other": "(mach.mkNixpkgs { inherit lock; }) ? marker",
        }
    )
    assert told == {"env": 7, "nixpkgs": 7, "other": False}
    # fixes name attributes of that nixpkgs
    (library.folder / "zlib.toml").write_text(entry(project='"built"', libraries='["zlib"]'))
    name = "(lib.getName (lib.head ({}.mkPython {{ inherit lock; fixes = ./zlib.toml; }}).packages.built.buildInputs))"
    assert library.ask(f"[ {name.format(given)} {name.format('mach')} ]") == ["expat", "zlib"]


def test_python_is_a_name_or_an_interpreter_of_nixpkgs(library: Library) -> None:
    given = f"(import {ROOT} {{ pkgs = pkgs.extend (_: _: {{ python3mine = {MARKED}; }}); }})"
    told = library.ask_each(
        {
            "name": f'({given}.mkPython {{ inherit lock; python = "python3mine"; }}).python.pkgs.marker',
            "value": f"(mach.mkPython {{ inherit lock; python = {MARKED}; }}).python.pkgs.marker",
            "of the lock": "(mach.mkPython { inherit lock; }).python.pkgs ? marker",
            "package": f'(mach.buildPythonPackage {{ inherit lock; pname = "needed"; python = {MARKED}; }})'
            ".machPython.pkgs.marker",
        }
    )
    assert told == {"name": 7, "value": 7, "of the lock": False, "package": 7}
    wrong = "mkPython: this nixpkgs has no python3111 (did you mean python311?)"
    assert library.refusal('(mach.mkPython { inherit lock; python = "python3111"; }).drvPath') == wrong


def test_files_come_from_mirrors_where_their_index_is_gone(library: Library) -> None:
    archive = library.store.files / "archive-of-library"
    archive.mkdir(exist_ok=True)
    made = lock_of(library.store, NEEDED)
    # an address at which nothing is
    gone = render_lock(made).replace(library.store.files.as_uri(), (library.store.files / "gone").as_uri())
    (library.folder / "gone.lock").write_text(gone)
    for file in (NEEDED, wheel_from_installed("installer"), wheel_from_installed("pyproject-hooks")):
        (archive / file.sha256).write_bytes(file.content)
    for mirror in (str(archive), f'"{archive.as_uri()}"'):
        env = library.build(f"mach.mkPython {{ lock = ./gone.lock; mirrors = [ {mirror} ]; }}")
        assert library.run(env / "bin/python", "-c", "import needed; print(needed.X)") == "1"


def test_files_of_private_indexes_are_fetched_as_netrc_says(library: Library) -> None:
    netrc = f'netrc = {{ "{FILES}" = "machine"; }};'
    told = library.ask_each(
        {
            "env": f"map (s: s.builder) (mach.mkPython {{ lock = ./remote.lock; {netrc} }}).sources",
            "file": f"(mach.fetchPypiWheel {{ lock = ./remote.lock; pname = ''needed''; version = ''2.0''; {netrc} }}"
            ").builder",
            "open": "lib.any (s: s.builder == ''builtin:fetchurl'') (mach.mkPython { lock = ./remote.lock; }).sources",
        }
    )
    assert set(told["env"]) == {"builtin:fetchurl"}
    assert told["file"] == "builtin:fetchurl"
    assert told["open"] is False
    wrong = netrc.replace("machine", "a password")
    assert library.refusal(f"(mach.mkPython {{ lock = ./remote.lock; {wrong} }}).drvPath") == (
        f'netrc."{FILES}" must be "user" or "machine"; a password does not belong there'
    )
