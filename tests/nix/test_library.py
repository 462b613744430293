"""mkPython and its family over a lock: what they evaluate to, and what that builds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nix.expression import render_expression
from resolver.lock import Nixpkgs, parse_lock
from tests.e2e.test_archive import REV, pack_nixpkgs
from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.support.dists import make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

TOOL = make_wheel(
    "tool",
    "1.0",
    files={"tool.py": "import needed\n\n\ndef main():\n    print('tool', needed.X)\n"},
    requires=["needed"],
    entry_points={"console_scripts": {"tool": "tool:main"}},
)
NEEDED = make_wheel("needed", "2.0", files={"needed/__init__.py": "X = 1\n"})
# these two require each other
LEFT = make_wheel("left", "1.0", files={"left.py": "def here(): return 'left'\n"}, requires=["right"])
RIGHT = make_wheel(
    "right",
    "1.1",
    files={"right.py": "import left\nprint_all = lambda: print(left.here())\n"},
    requires=["left", "needed"],
)


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    library.write(lock_of(nix_store, TOOL, NEEDED, LEFT, RIGHT))
    return library


def test_mkpython_is_the_environment_of_the_lock(library: Library) -> None:
    env = library.build("mach.mkPython { inherit lock; }")
    assert library.run(env / "bin/tool") == "tool 1"
    single = library.folder / "python.nix"
    single.write_text(render_expression(parse_lock((library.folder / "mach.lock").read_text())))
    assert library.store.build(single, "env") == env


def test_a_lock_is_a_path_a_text_of_one_or_its_value(library: Library) -> None:
    drvs = library.ask_each(
        {
            "path": "(mach.mkPython { inherit lock; }).drvPath",
            "text": "(mach.mkPython { lock = toString lock; }).drvPath",
            "value": "(mach.mkPython { lock = lib.importJSON lock; }).drvPath",
            "of the import": f"((import {ROOT} {{ inherit pkgs lock; }}).mkPython {{ }}).drvPath",
            "without pkgs": f"((import {ROOT} {{ }}).mkPython {{ inherit lock; }}).drvPath",
        }
    )
    assert len(set(drvs.values())) == 1, drvs


def test_the_shell_has_the_environment(library: Library) -> None:
    words = library.ask("(mach.mkPythonShell { inherit lock; }).nativeBuildInputs")
    assert words == [library.ask('"${mach.mkPython { inherit lock; }}"')]
    assert library.ask("(mach.mkPython { inherit lock; }).env.drvPath") == library.ask(
        "(mach.mkPythonShell { inherit lock; }).drvPath"
    )
    assert library.in_shell("mach.mkPythonShell { inherit lock; }", "tool; python -c 'import right'") == "tool 1"


def test_the_result_carries_what_mach_nix_gave(library: Library) -> None:
    told = library.ask_each(
        {
            "selectPkgs": "with mach.mkPython { inherit lock; }; map (p: p.version) (selectPkgs python.pkgs)",
            "python": "(mach.mkPython { inherit lock; }).python.pkgs.tool.version",
            "overrides": "builtins.isFunction (mach.mkPython { inherit lock; }).pythonOverrides",
            "overlay": "((pkgs.extend (mach.mkPython { inherit lock; }).overlay).python311.pkgs.needed).version",
            "nixpkgs": "(mach.mkPython { inherit lock; }).nixpkgs.python311.pkgs.needed.version",
            "image": "(mach.mkPython { inherit lock; }).dockerImage == mach.mkDockerImage { inherit lock; }",
            "expr": "builtins.isString (mach.mkPython { inherit lock; }).expr",
            "packages": "builtins.attrNames (mach.mkPython { inherit lock; }).packages",
            "sources": "builtins.length (mach.mkPython { inherit lock; }).sources",
            "override": 'with (mach.mkPython { inherit lock; }).override { postBuild = "x"; }; [ postBuild outPath ]',
            "twice": '((mach.mkPython { inherit lock; }).override (_: { postBuild = "x"; })).override { }',
        }
    )
    assert told.pop("twice") == told["override"][1]
    assert told == {
        "selectPkgs": ["1.0", "2.0", "1.1", "1.0"],
        "python": "1.0",
        "overrides": True,
        "overlay": "2.0",
        "nixpkgs": "2.0",
        "image": True,
        "expr": True,
        "packages": ["left", "needed", "right", "tool"],
        "sources": 6,
        "override": ["x", told["override"][1]],
    }


def test_expr_is_a_file_that_builds_the_same(library: Library) -> None:
    file = library.folder / "expr.nix"
    file.write_text(library.ask("(mach.mkPython { inherit lock; }).expr"))
    assert str(library.store.instantiate(file, "env")) == library.ask("(mach.mkPython { inherit lock; }).drvPath")


def test_projects_join_nixpkgs_set_through_overrides_an_overlay_and_nixpkgs(library: Library) -> None:
    ways = {
        "overrides": "(pkgs.python311.override { packageOverrides = mach.mkPythonOverrides { inherit lock; }; })",
        "overlay": "(import <nixpkgs> { overlays = [ (mach.mkOverlay { inherit lock; }) ]; }).python311",
        "nixpkgs": "(mach.mkNixpkgs { inherit lock; }).python311",
    }
    drvs = library.ask_each({name: f"{way}.pkgs.tool.drvPath" for name, way in ways.items()})
    assert len(set(drvs.values())) == 1
    env = library.build(f"{ways['overlay']}.withPackages (set: [ set.tool set.right ])")
    assert library.run(env / "bin/tool") == "tool 1"
    # the cycle is one module, which brings what either of them needs
    assert library.run(env / "bin/python3", "-c", "import right; right.print_all()") == "left"
    assert library.ask("with mach.mkNixpkgs { inherit lock; }; python311.pkgs.left == python311.pkgs.right")
    assert library.ask("with mach.mkNixpkgs { inherit lock; }; python311.pkgs.needed != python311.pkgs.right")


def test_a_module_of_nixpkgs_takes_the_locks_projects(library: Library) -> None:
    app = """with (mach.mkNixpkgs { inherit lock; }).python311.pkgs; buildPythonApplication {
      pname = "user"; version = "1"; format = "other"; dontUnpack = true; doCheck = false;
      propagatedBuildInputs = [ tool ];
      installPhase = "mkdir -p $out/bin; python3 -c 'import tool; tool.main()' >$out/said";
    }"""
    assert (library.build(app) / "said").read_text() == "tool 1\n"


def test_overrides_of_one_python_are_refused_by_another(library: Library) -> None:
    other = 'mach.mkPythonOverrides { inherit lock; } { } { python.pythonVersion = "3.10"; }'
    assert library.refusal(other) == (
        "mkPythonOverrides: these overrides are of Python 3.11, and were put on Python 3.10"
    )


def test_several_overrides_are_merged(library: Library) -> None:
    merged = "mach.mergeOverrides [ (_: _: { a = 1; b = 1; }) (_: prev: { b = prev.b + 1; }) ] { } { }"
    assert library.ask(merged) == {"a": 1, "b": 2}


def test_without_pkgs_a_call_is_on_the_nixpkgs_that_its_lock_pins(library: Library, tmp_path: Path) -> None:
    tarball, digest = pack_nixpkgs(tmp_path, "pinned")
    made = replace(lock_of(library.store, NEEDED), nixpkgs=Nixpkgs(rev=REV, sha256=digest))
    library.write(made, "pinned.lock")
    body = f"(import {ROOT} {{ }}).mkPython {{ lock = {library.folder}/pinned.lock; mirrors = [ {tarball.parent} ]; }}"
    file = tmp_path / "path.nix"
    file.write_text(
        f'let env = {body}; in {{ drv = env.drvPath; salt = builtins.readFile (env.nixpkgs.path + "/salt"); }}'
    )
    outcome = library.store.run(
        "env", "NIX_PATH=", "nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", file
    )
    assert outcome.returncode == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert told["salt"] == "pinned"
    single = tmp_path / "single.nix"
    single.write_text(render_expression(made))
    given = {"pkgs": None, "mirrors": f"[ {tarball.parent} ]"}
    assert told["drv"] == str(library.store.instantiate(single, "env", given))


@pytest.fixture
def overridden(library: Library, nix_store: NixStore) -> Path:
    return library.build(
        """mach.mkPython {
      inherit lock;
      python = "python311";
      postBuild = "echo built >$out/built";
      packagesExtra = [ (pkgs.writeShellScriptBin "outside" "echo outside") ];
      tests = true;
      _.needed.postInstall.add = "echo 'X = 5' >$out/lib/python3.11/site-packages/needed/__init__.py";
    }"""
    )


def test_arguments_of_an_environment_show_in_its_build(library: Library, overridden: Path) -> None:
    assert library.run(overridden / "bin/tool") == "tool 5"
    assert (overridden / "built").read_text() == "built\n"
    code = "import subprocess; print(subprocess.run(['outside'], capture_output=True, text=True).stdout)"
    assert library.run(overridden / "bin/python", "-c", code) == "outside"


def test_tests_import_every_module_and_say_what_cannot_be(library: Library) -> None:
    broken = "_.needed.postInstall = \"echo 'raise OSError(1)' >$out/lib/python3.11/site-packages/needed/__init__.py\";"
    outcome = library.try_build(f"mach.mkPython {{ inherit lock; tests = true; {broken} }}")
    assert outcome.returncode == 100
    assert "mach: needed 2.0: needed cannot be imported: OSError: 1\n" in outcome.stderr
    assert "mach: tool 1.0: tool:main cannot be imported: OSError: 1\n" in outcome.stderr
    assert library.build(f"mach.mkPython {{ inherit lock; {broken} }}").is_dir()
    spared = "_.tool.doCheck = false; _.needed.doCheck = false;"
    assert library.build(f"mach.mkPython {{ inherit lock; tests = true; {broken} {spared} }}").is_dir()
    single = library.try_build(f"mach.mkPython {{ inherit lock; {broken} _.tool.doCheck = true; }}")
    assert "tool 1.0: tool cannot be imported" in single.stderr
    assert "needed 2.0" not in single.stderr


def test_overrides_post_change_projects_and_pre_the_set_below(library: Library) -> None:
    post = """[ (final: prev: { needed = prev.needed.overridePythonAttrs (old: {
      postInstall = "echo 'X = 9' >$out/lib/python3.11/site-packages/needed/__init__.py";
    }); })
    (final: prev: { needed = prev.needed.overrideAttrs (old: { postInstall = old.postInstall + "\\n"; }); }) ]"""
    assert (
        library.run(library.build(f"mach.mkPython {{ inherit lock; overridesPost = {post}; }}") / "bin/tool")
        == "tool 9"
    )
    pre = '[ (final: prev: { needed = "below"; other = "here"; }) (final: prev: { other = prev.other + " too"; }) ]'
    told = library.ask(
        f"""let given = {{ inherit lock; overridesPre = {pre}; }};
        env = mach.mkPython given;
        set = (pkgs.python311.override {{ packageOverrides = mach.mkPythonOverrides given; }}).pkgs;
        in [ env.python.pkgs.other env.python.pkgs.needed.version set.other set.needed.version env.drvPath ]"""
    )
    assert told[:4] == ["here too", "2.0", "here too", "2.0"]
    assert told[4] == library.ask("(mach.mkPython { inherit lock; }).drvPath")
