"""gen.python.a.b and gen.docker.a.b over a lock: environments and images that a chain of attributes names."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.lock import Nixpkgs
from tests.e2e.test_archive import REV, pack_nixpkgs
from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.nix.test_library_images import run_image
from tests.support.dists import make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

TOOL = make_wheel(
    "my-tool",
    "1.0",
    files={"tool.py": "import needed\n\n\ndef main():\n    print('tool', needed.X)\n"},
    requires=["needed"],
    entry_points={"console_scripts": {"tool": "tool:main"}},
)
NEEDED = make_wheel("needed", "2.0", files={"needed/__init__.py": "X = 1\n"})
ALONE = make_wheel("alone", "3.0", files={"alone.py": "A = 3\n"})
# called as attributes and outputs of derivations are
NAMED = [make_wheel(name, "1.0", files={f"{name}_project.py": ""}) for name in ("dev", "env", "type", "version")]
GEN = f"(import {ROOT} {{ inherit pkgs lock; }}).gen"


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    library.write(lock_of(nix_store, TOOL, NEEDED, ALONE, *NAMED))
    return library


def installed(env: Path) -> set[str]:
    return {path.name.split("-")[0] for path in (env / "lib/python3.11/site-packages").glob("*.dist-info")}


def test_a_chain_is_an_environment_of_its_projects_and_what_they_depend_on(library: Library) -> None:
    env = library.build(f"{GEN}.python.my-tool")
    assert library.run(env / "bin/tool") == "tool 1"
    assert installed(env) == {"my_tool", "needed"}
    assert installed(library.build(f"{GEN}.python.my-tool.alone")) == {"my_tool", "needed", "alone"}


def test_a_chain_of_every_root_is_the_environment_of_the_lock(library: Library) -> None:
    library.write(lock_of(library.store, TOOL, NEEDED, ALONE), "three.lock")
    gen = f"(import {ROOT} {{ inherit pkgs; lock = ./three.lock; }}).gen"
    one, other = library.ask(
        f"[ {gen}.python.needed.my-tool.alone.drvPath (mach.mkPython {{ lock = ./three.lock; }}).drvPath ]"
    )
    assert one == other


def test_order_and_repetition_and_underscores_change_nothing(library: Library) -> None:
    chains = ("my-tool.alone", "alone.my-tool", "my_tool.alone", "my-tool.alone.my_tool")
    drvs = library.ask_each({chain: f"{GEN}.python.{chain}.drvPath" for chain in chains})
    assert len(set(drvs.values())) == 1, drvs


def test_a_chain_has_what_an_environment_has(library: Library) -> None:
    told = library.ask(
        f"""let env = mach.mkPython {{ inherit lock; }}; chain = {GEN}.python.my-tool; in {{
          lacking = builtins.filter (name: !(chain ? ${{name}})) (builtins.attrNames env.passthru);
          broken = builtins.filter (name: !(builtins.tryEval (builtins.seq chain.${{name}} true)).success)
            (builtins.attrNames env.passthru);
          shell = chain.env.name;
          packages = builtins.attrNames chain.packages;
          roots = map (project: project.pname) (chain.selectPkgs chain.python.pkgs);
          mainProgram = chain.meta.mainProgram;
        }}"""
    )
    assert told == {
        "lacking": [],
        "broken": [],
        "shell": "mach-shell",
        "packages": ["my-tool", "needed"],
        "roots": ["my-tool"],
        "mainProgram": "python3.11",
    }


def test_projects_called_as_attributes_of_derivations_stand_first(library: Library) -> None:
    told = library.ask_each(
        {
            "first": f"builtins.attrNames {GEN}.python.env.alone.packages",
            "type": f"[ {GEN}.python.type.type {GEN}.python.alone.type ]",
            "absent": f"[ ({GEN}.python.alone ? dev) ({GEN}.python.alone ? version) ({GEN}.python ? dev) ]",
            "input": f"lib.getDev {GEN}.python.alone == {GEN}.python.alone",
            "name": f"lib.getName {GEN}.python.alone",
        }
    )
    assert told == {
        "first": ["alone", "env"],
        "type": ["derivation", "derivation"],
        "absent": [False, False, True],
        "input": True,
        "name": "python3.11-environment",
    }


def test_a_chain_is_changed_by_override(library: Library) -> None:
    env = library.build(f'{GEN}.python.alone.override {{ postBuild = "echo built >$out/built"; }}')
    assert (env / "built").read_text() == "built\n"
    assert installed(env) == {"alone"}


def test_a_chain_names_an_image(library: Library, tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    image.write_bytes(gzip.decompress(library.build(f"{GEN}.docker.my-tool").read_bytes()))
    assert run_image(image, "/bin/tool") == "tool 1\n"
    assert run_image(image, "/bin/python", "-c", "import importlib.util as u; print(u.find_spec('alone'))") == "None\n"
    assert library.ask(f"[ {GEN}.docker.my-tool.imageName {GEN}.docker.my-tool.imageTag ]") == ["mach-python", "latest"]


def test_the_file_is_built_by_the_attribute(library: Library) -> None:
    words = ("--arg", "lock", str(library.folder / "mach.lock"), "-A", "gen.python.alone")
    (env,) = library.store.call("nix-build", "--no-out-link", ROOT / "default.nix", *words).paths
    assert env == library.build(f"{GEN}.python.alone")


def test_without_pkgs_a_chain_is_on_the_nixpkgs_that_its_lock_pins(library: Library, tmp_path: Path) -> None:
    tarball, digest = pack_nixpkgs(tmp_path, "pinned")
    library.write(replace(lock_of(library.store, ALONE), nixpkgs=Nixpkgs(rev=REV, sha256=digest)), "pinned.lock")
    file = tmp_path / "salt.nix"
    file.write_text(
        f"let given = {{ lock = {library.folder}/pinned.lock; mirrors = [ {tarball.parent} ]; }}; in "
        f'builtins.readFile ((import {ROOT} given).gen.python.alone.nixpkgs.path + "/salt")'
    )
    command = ("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", file)
    assert json.loads(library.store.call("env", "NIX_PATH=", *command).stdout) == "pinned"


def test_what_a_chain_cannot_name_is_said(library: Library) -> None:
    neither = (
        "gen has the names of a lock or of a catalog, and the import was given neither: pass lock = ./mach.lock; "
        "(mach lock -r requirements.txt), or catalog = { snapshot = …; sha256 = …; } (a file of mach db export)"
    )
    assert library.refusal("mach.gen.python.alone.drvPath") == neither
    assert library.refusal("mach.gen.docker.alone.drvPath") == neither
    assert "attribute 'alnoe' missing" in library.refusal(f"{GEN}.python.alnoe.drvPath")
    foreign = f'(import {ROOT} {{ inherit lock; pkgs = import <nixpkgs> {{ system = "aarch64-darwin"; }}; }}).gen'
    assert library.refusal(f"{foreign}.python.alone.drvPath").startswith("the lock has no target for aarch64-darwin ")


def test_nothing_is_made_for_the_links_of_a_chain(library: Library) -> None:
    """Ten thousand names, and one derivation: of the whole chain, asked for what only it knows."""
    names = 'builtins.genList (n: "project-${toString n}") 10000'
    chain = f"""import {ROOT}/nix/lib/chain.nix {{ inherit lib; }} {{
      projects = {names}; forwarded = [ "packages" ];
      make = names: builtins.trace "made" {{ packages = names; name = throw "asked for"; }};
    }}"""
    long = f"({chain}).project-9.project_9999.project-123.project-0"
    assert library.ask(f"[ {long}.packages {long}.type (builtins.length (builtins.attrNames {long})) ]") == [
        ["project-0", "project-123", "project-9", "project-9999"],
        "derivation",
        20_000 + 17 + 1,
    ]
    assert library.said(f"{long}.type").count("trace: made") == 0
    assert library.said(f"builtins.length {long}.packages").count("trace: made") == 1
