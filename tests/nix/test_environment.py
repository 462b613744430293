"""Environments that Nix really builds, on the stand-in nixpkgs, from crafted wheels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resolver.lock import render_lock
from tests.nix.locks import lock_of, write_expression
from tests.support.dists import make_wheel
from tests.support.nix import NixFailed, NixStore
from tests.support.world import World

pytestmark = pytest.mark.nix

TOOL = make_wheel(
    "tool",
    "1.0",
    files={"tool.py": "import needed\n\n\ndef main():\n    print('tool', needed.X)\n"},
    requires=["needed"],
    entry_points={"console_scripts": {"tool": "tool:main"}, "gui_scripts": {"tool-window": "tool:main"}},
    data={
        "scripts/tool-script": "#!python\nimport tool\ntool.main()\n",
        "scripts/tool-env": "#!/usr/bin/env python3\nimport tool\ntool.main()\n",
        "data/share/tool/data.txt": "data\n",
        "headers/tool.h": "#define TOOL 1\n",
    },
)
NEEDED = make_wheel("needed", "2.0", files={"needed/__init__.py": "X = 1\n", "needed/deep/__init__.py": "Y = 2\n"})

SPAWN = """
import json, multiprocessing, sys

def where():
    import needed
    return [sys.prefix, sys.executable, needed.__file__]

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps([where(), pool.apply(where)]))
"""


@pytest.fixture
def expression(nix_store: NixStore, tmp_path: Path) -> Path:
    return write_expression(tmp_path, lock_of(nix_store, TOOL, NEEDED))


@pytest.fixture
def env(nix_store: NixStore, expression: Path) -> Path:
    return nix_store.build(expression, "env")


def ask(nix_store: NixStore, python: Path, code: str) -> str:
    return nix_store.call(python, "-c", code).stdout.strip()


def test_projects_are_imported_and_the_prefix_is_the_environment(nix_store: NixStore, env: Path) -> None:
    code = (
        "import sys, tool, needed.deep; print(needed.deep.Y, sys.prefix, sys.executable, sys.base_prefix != sys.prefix)"
    )
    for name in ("python", "python3", "python3.11"):
        assert ask(nix_store, env / "bin" / name, code) == f"2 {env} {env}/bin/python3.11 True"


def test_scripts_of_every_kind_run_from_the_store(nix_store: NixStore, env: Path) -> None:
    for program in ("tool", "tool-window", "tool-script", "tool-env"):
        assert nix_store.call(env / "bin" / program).stdout == "tool 1\n"
    assert (env / "share/tool/data.txt").read_text() == "data\n"
    assert (env / "include/python3.11/tool/tool.h").is_file()


def test_spawned_workers_are_in_the_environment(nix_store: NixStore, env: Path, tmp_path: Path) -> None:
    script = tmp_path / "spawn.py"
    script.write_text(SPAWN)
    parent, worker = json.loads(nix_store.call(env / "bin/python", script).stdout)
    assert parent == worker
    assert parent[:2] == [str(env), f"{env}/bin/python3.11"]


def test_a_link_from_outside_works(nix_store: NixStore, env: Path, tmp_path: Path) -> None:
    link = tmp_path / "my-python"
    link.symlink_to(env / "bin/python3")
    assert ask(nix_store, link, "import sys, needed; print(sys.prefix)") == str(env)


def test_a_virtual_environment_can_be_made(nix_store: NixStore, env: Path, tmp_path: Path) -> None:
    nix_store.call(env / "bin/python", "-m", "venv", "--without-pip", tmp_path / "venv")
    assert ask(nix_store, tmp_path / "venv/bin/python", "import sys, json; print(sys.prefix)") == str(tmp_path / "venv")


def test_a_foreign_pythonpath_is_unset_in_the_shell(nix_store: NixStore, expression: Path, tmp_path: Path) -> None:
    (tmp_path / "needed.py").write_text("raise SystemExit('leaked')\n")
    command = "python -c 'import needed; print(needed.X)'"
    outcome = nix_store.call("env", f"PYTHONPATH={tmp_path}", "nix-shell", expression, "-A", "shell", "--run", command)
    assert outcome.stdout.strip().endswith("1")


def test_layout_is_real_folders_with_links_to_files(env: Path) -> None:
    site = env / "lib/python3.11/site-packages"
    assert not (site / "needed").is_symlink()
    assert (site / "needed/__init__.py").is_symlink()
    assert "include-system-site-packages = false" in (env / "pyvenv.cfg").read_text()


def test_byte_code_is_there_and_never_checked(nix_store: NixStore, env: Path) -> None:
    code = (
        "import needed, importlib.util, pathlib;"
        "data = pathlib.Path(importlib.util.cache_from_source(needed.__file__)).read_bytes();"
        "print(int.from_bytes(data[4:8], 'little'), b'needed/__init__.py' in data, b'site-packages' in data)"
    )
    assert ask(nix_store, env / "bin/python", code) == "1 True False"


def test_a_second_build_does_nothing(nix_store: NixStore, expression: Path, env: Path) -> None:
    again = nix_store.try_build(expression, "env")
    assert again.paths == (env,)
    assert again.stderr == ""


def test_every_derivation_is_deterministic(nix_store: NixStore, expression: Path) -> None:
    drv = nix_store.instantiate(expression, "env")
    checked = nix_store.check_derivations(drv, names=["python3.11-"])
    assert sorted(checked) == ["python3.11-environment", "python3.11-needed-2.0", "python3.11-tool-1.0"]


def test_projects_that_require_each_other_build(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    dists = [world.release(name, "1.0")[0] for name in ("cycle-one", "cycle-two")]
    env = nix_store.build(write_expression(tmp_path, lock_of(nix_store, *dists)), "env")
    assert ask(nix_store, env / "bin/python", "import cycle_one, cycle_two; print(cycle_one.answer())") == "two"


def test_one_file_and_lock_beside_library_give_the_same_derivations(nix_store: NixStore, tmp_path: Path) -> None:
    from nix.expression import render_directory

    lock = lock_of(nix_store, TOOL, NEEDED)
    single = write_expression(tmp_path, lock)
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in {**render_directory(lock), "mach.lock": render_lock(lock)}.items():
        (folder / name).write_text(text)
    for attribute in ("env", "shell", "packages.tool"):
        assert nix_store.instantiate(single, attribute) == nix_store.instantiate(folder / "default.nix", attribute)
    assert nix_store.instantiate(folder / "shell.nix") == nix_store.instantiate(single, "shell")


def test_without_arguments_nixpkgs_of_the_search_path_is_used(nix_store: NixStore, expression: Path) -> None:
    outcome = nix_store.call("nix-instantiate", expression, "-A", "env")
    assert Path(outcome.stdout.strip()) == nix_store.instantiate(expression, "env")


def test_overrides_change_and_add_projects(nix_store: NixStore, expression: Path) -> None:
    overrides = """[
      (final: prev: { needed = prev.needed.overrideAttrs (old: {
        postInstall = "echo 'X = 7' >$out/lib/python3.11/site-packages/needed/__init__.py";
      }); })
      (final: prev: {
        extra = final.needed.overrideAttrs (old: {
          name = "extra";
          phases = [ "installPhase" ];
          installPhase = "mkdir -p $out/share; echo extra >$out/share/extra.txt";
          passthru = old.passthru // { pname = "extra"; dependencies = [ ]; };
        });
        tool = prev.tool.overrideAttrs (old: {
          passthru = old.passthru // { dependencies = old.passthru.dependencies ++ [ "extra" ]; };
        });
      })
    ]"""
    env = nix_store.build(expression, "env", {"overrides": overrides})
    assert nix_store.call(env / "bin/tool").stdout == "tool 7\n"
    assert (env / "share/extra.txt").read_text() == "extra\n"


def test_mirrors_are_tried_before_the_source(nix_store: NixStore, tmp_path: Path) -> None:
    moved = make_wheel("moved", "1.0")
    lock = lock_of(nix_store, moved)
    expression = write_expression(tmp_path, lock)
    mirror = nix_store.files / "mirror"
    mirror.mkdir(exist_ok=True)
    source = nix_store.files / moved.sha256 / moved.filename
    source.rename(mirror / moved.sha256)
    with pytest.raises(NixFailed, match=r"moved-1\.0-py3-none-any"):
        nix_store.build(expression, "packages.moved")
    mirrors = f'[ "file://{nix_store.files}/nothing-here" "{mirror.as_uri()}/" ]'
    assert nix_store.build(expression, "packages.moved", {"mirrors": mirrors}).is_dir()
    plain = nix_store.instantiate(expression, "packages.moved")
    assert nix_store.call("nix-store", "--realise", plain).paths, "mirrors change no output path"


def test_a_wrong_hash_stops_the_build_with_both_hashes(nix_store: NixStore, tmp_path: Path) -> None:
    good = make_wheel("swapped", "1.0")
    lock = lock_of(nix_store, good)
    (nix_store.files / good.sha256 / good.filename).write_bytes(b"something else")
    outcome = nix_store.try_build(write_expression(tmp_path, lock), "env")
    assert outcome.returncode == 102
    assert "specified:" in outcome.stderr
    assert "got:" in outcome.stderr


def test_sources_are_all_files_that_are_fetched(nix_store: NixStore, expression: Path) -> None:
    names = nix_store.eval(expression, "sources", {"pkgs": "import <nixpkgs> { }"})
    assert isinstance(names, list)
    found = {Path(name).name[33:].split("-")[0] for name in names}
    assert found == {"installer", "pyproject_hooks", "tool", "needed"}


def test_a_folder_of_byte_code_is_one_link_where_one_project_has_all_of_it(nix_store: NixStore, tmp_path: Path) -> None:
    left = make_wheel("left", "1.0", files={"shared/left.py": "X = 1\n", "left/__init__.py": "", "left/one.py": ""})
    right = make_wheel("right", "1.0", files={"shared/right.py": "X = 2\n"})
    env = nix_store.build(write_expression(tmp_path, lock_of(nix_store, left, right)), "env")
    site = env / "lib/python3.11/site-packages"
    assert (site / "left/__pycache__").is_symlink()
    assert not (site / "shared/__pycache__").is_symlink()
    command = "import shared.left, shared.right, left.one"
    said = nix_store.call(env / "bin/python", "-v", "-c", command).stderr
    for name in ("shared/__pycache__/left", "shared/__pycache__/right", "left/__pycache__/one"):
        assert f"code object from '{site}/{name}.cpython-311.pyc'" in said, "byte code is what is run"
