"""The argument `_`: single attributes of single projects, replaced, extended and computed."""

from __future__ import annotations

import platform

import pytest

from tests.nix.library import Library
from tests.nix.locks import lock_of
from tests.support.dists import make_sdist, make_wheel
from tests.support.native import host_python, shared_library
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

NEEDED = make_wheel("needed", "2.0", files={"needed/__init__.py": "X = 1\n"})
BUILT = make_sdist("built", "1.0", files={"built/__init__.py": "Y = 1\n"})
NATIVE = make_wheel(
    "native",
    "1.0",
    files={"native/lib.so": shared_library("native").content},
    tag=f"py3-none-manylinux_2_17_{platform.machine()}",
)


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    assert host_python()
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    library.write(lock_of(nix_store, NEEDED, BUILT, NATIVE))
    return library


def attributes(library: Library, modifications: str, *names: str, project: str = "built") -> dict[str, object]:
    wanted = " ".join(f"{name} = drv.{name} or null;" for name in names)
    value: dict[str, object] = library.ask(
        f"let drv = (mach.mkPython {{ inherit lock; {modifications} }}).packages.{project}; in {{ {wanted} }}"
    )
    return value


def test_a_plain_value_replaces(library: Library) -> None:
    told = attributes(
        library,
        '_.built = { preBuild = "one"; COLOUR = "red"; nativeBuildInputs = [ ]; };',
        "COLOUR",
        "preBuild",
        "nativeBuildInputs",
    )
    assert told == {"COLOUR": "red", "preBuild": "one", "nativeBuildInputs": []}


def test_add_appends_to_lists_texts_and_sets(library: Library) -> None:
    before = attributes(library, "", "nativeBuildInputs", "buildPhase", "passthru")
    told = attributes(
        library,
        '_.built = { nativeBuildInputs.add = [ "tool" ]; buildPhase.add = "echo more"; passthru.add.mine = 1; };',
        *("nativeBuildInputs", "buildPhase", "mine", "version"),
    )
    assert told["nativeBuildInputs"] == [*before["nativeBuildInputs"], "tool"]  # type: ignore[misc]  # a list
    assert told["buildPhase"] == f"{before['buildPhase']}\necho more"
    assert (told["mine"], told["version"]) == (1, "1.0")


def test_add_of_one_element_and_of_a_plain_text(library: Library) -> None:
    told = attributes(
        library,
        '_.native.runtimeLibraries.add = ":/x"; _.built = { patches.add = "one.patch"; };',
        "runtimeLibraries",
        project="native",
    )
    assert str(told["runtimeLibraries"]).endswith(":/x")
    assert attributes(library, '_.built.patches.add = "one.patch";', "patches") == {"patches": ["one.patch"]}


def test_mod_takes_the_old_value(library: Library) -> None:
    told = attributes(library, '_.built.pname.mod = old: old + "-changed"; _.built.name.mod = old: "x-" + old;', "name")
    assert str(told["name"]).startswith("x-python3.11-built-1.0")


def test_mod_takes_all_projects_and_attributes_too(library: Library) -> None:
    modification = (
        "_.built.buildInputs.mod = final: oldAttrs: old: old ++ [ final.needed.version oldAttrs.passthru.version ];"
    )
    assert attributes(library, modification, "buildInputs") == {"buildInputs": ["2.0", "1.0"]}


def test_attributes_that_are_missing_are_empty_ones(library: Library) -> None:
    told = attributes(
        library,
        """_.built = {
          patches.add = [ "one" ];
          cmakeFlags.mod = old: old ++ [ "two" ];
          preConfigure.add = "three";
          postFixup.mod = old: old + "four";
          SPECIAL.mod = old: if old == null then "five" else "six";
          OTHER.add = "seven";
        };""",
        *("patches", "cmakeFlags", "preConfigure", "postFixup", "SPECIAL", "OTHER"),
    )
    assert told["patches"] == ["one"]
    assert told["cmakeFlags"] == ["two"]
    assert str(told["preConfigure"]).strip() == "three"
    assert (told["postFixup"], told["SPECIAL"], told["OTHER"]) == ("four", "five", "seven")


def test_names_are_normalised_and_changes_of_both_spellings_count(library: Library) -> None:
    told = attributes(library, '_.Built.A = "1"; _.built.B = "2";', "A", "B")
    assert told == {"A": "1", "B": "2"}


def test_inputs_that_a_wheel_gets_are_found_by_its_binaries(library: Library) -> None:
    told = attributes(library, "_.native.buildInputs.add = [ pkgs.openssl ];", "runtimeLibraries", project="native")
    assert str(told["runtimeLibraries"]).endswith(f":{library.ask('lib.getLib pkgs.openssl')}/lib")


def test_a_changed_sdist_builds(library: Library) -> None:
    env = library.build(
        """mach.mkPython {
          inherit lock;
          _.built.postPatch.add = "echo 'Y = 7' >built/__init__.py";
          _.needed.postInstall.mod = old: old + "\\nrm $out/lib/python3.11/site-packages/needed/__init__.py";
        }"""
    )
    assert library.run(env / "bin/python", "-c", "import built; print(built.Y)") == "7"
    assert not (env / "lib/python3.11/site-packages/needed/__init__.py").exists()


def test_overrides_post_see_what_modifications_made(library: Library) -> None:
    layers = (
        "overridesPost = [ (final: prev: { built = prev.built.overrideAttrs (old: { A = old.A + ''-after''; }); }) ];"
    )
    assert attributes(library, f'_.built.A = "first"; {layers}', "A") == {"A": "first-after"}


def test_an_sdist_takes_over_what_overrides_pre_make_of_its_namesake(library: Library) -> None:
    env = library.build(
        """mach.mkPython {
          inherit lock;
          overridesPre = [ (final: prev: { built = prev.buildPythonPackage {
            pname = "built"; version = "0"; format = "other"; COLOUR = "red";
          }; }) ];
          _.built.postPatch.add = ''echo "COLOUR = '$COLOUR'" >>built/__init__.py'';
        }"""
    )
    assert library.run(env / "bin/python", "-c", "import built; print(built.COLOUR)") == "red"
