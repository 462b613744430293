"""Projects with files at the same path: equal ones are one, different ones need a decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nix.locks import lock_of, write_expression
from tests.support.dists import Dist, make_wheel
from tests.support.nix import NixOutcome, NixStore
from tests.support.world import World

pytestmark = pytest.mark.nix

SHARED = "lib/python3.11/site-packages/shared_config.py"


def build(store: NixStore, folder: Path, *dists: Dist, collisions: str = "{ }") -> NixOutcome:
    return store.try_build(write_expression(folder, lock_of(store, *dists)), "env", {"collisions": collisions})


def pair(world: World, kind: str) -> tuple[Dist, Dist]:
    return world.release(f"{kind}-left", "1.0")[0], world.release(f"{kind}-right", "1.0")[0]


def test_different_files_are_refused_with_both_names_and_the_setting(
    nix_store: NixStore, world: World, tmp_path: Path
) -> None:
    outcome = build(nix_store, tmp_path, *pair(world, "differ"))
    assert outcome.returncode == 100
    assert f"{SHARED}: differ-left 1.0 and differ-right 1.0" in outcome.stderr
    assert f'"{SHARED}" = "differ-left";' in outcome.stderr


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_setting_decides_source_and_byte_code(nix_store: NixStore, world: World, tmp_path: Path, side: str) -> None:
    setting = f'{{ "{SHARED}" = "differ-{side}"; }}'
    outcome = build(nix_store, tmp_path, *pair(world, "differ"), collisions=setting)
    (env,) = outcome.paths
    command = "import shared_config; print(shared_config.SIDE)"
    assert nix_store.call(env / "bin/python", "-c", command).stdout == f"{side}\n"


def test_a_setting_for_another_project_decides_nothing(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    outcome = build(nix_store, tmp_path, *pair(world, "differ"), collisions=f'{{ "{SHARED}" = "someone"; }}')
    assert outcome.returncode == 100
    assert "differ-left 1.0 and differ-right 1.0" in outcome.stderr


def test_equal_files_are_no_collision(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    (env,) = build(nix_store, tmp_path, *pair(world, "equal")).paths
    assert nix_store.call(env / "bin/python", "-c", "import shared_equal").returncode == 0


def test_programs_with_one_name_are_compared_too(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    outcome = build(nix_store, tmp_path, *pair(world, "script"))
    assert "bin/twice: script-left 1.0 and script-right 1.0" in outcome.stderr
    (env,) = build(nix_store, tmp_path, *pair(world, "script"), collisions='{ "bin/twice" = "script-right"; }').paths
    assert nix_store.call(env / "bin/twice", "--version").stdout == "script-right 1.0\n"


def test_a_file_where_another_project_has_a_folder_is_refused(nix_store: NixStore, tmp_path: Path) -> None:
    file = make_wheel("as-file", "1.0", files={"as_file.py": ""}, data={"data/share/thing": "x"})
    folder = make_wheel("as-folder", "1.0", files={"as_folder.py": ""}, data={"data/share/thing/x": "x"})
    outcome = build(nix_store, tmp_path, file, folder)
    assert "share/thing: as-file 1.0 and as-folder 1.0" in outcome.stderr
    (env,) = build(nix_store, tmp_path, file, folder, collisions='{ "share/thing" = "as-folder"; }').paths
    assert (env / "share/thing/x").read_text() == "x"


def test_a_wheel_cannot_replace_the_interpreter(nix_store: NixStore, tmp_path: Path) -> None:
    for path in ("data/bin/python3", "data/pyvenv.cfg"):
        bad = make_wheel("bad", "1.0", data={path: "x"})
        outcome = build(nix_store, tmp_path, bad, collisions='{ "bin/python3" = "bad"; }')
        assert outcome.returncode == 100
        assert "bad 1.0 replaces" in outcome.stderr
