"""Wheels with binaries and sdists, built by Nix; and files made to break out, which stay inert."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nix.locks import lock_of, write_expression
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.hostile import HOSTILE_TARGETS, HOSTILE_TEXTS
from tests.support.nix import NixOutcome, NixStore
from tests.support.world import World

pytestmark = pytest.mark.nix


def build(store: NixStore, folder: Path, *dists: Dist, attribute: str = "env", **options: object) -> NixOutcome:
    return store.try_build(write_expression(folder, lock_of(store, *dists, **options)), attribute)  # type: ignore[arg-type]


def built(store: NixStore, folder: Path, *dists: Dist, **options: object) -> Path:
    outcome = build(store, folder, *dists, **options)  # type: ignore[arg-type]
    assert outcome.returncode == 0, outcome.stderr
    return outcome.paths[0]


def for_this_machine(world: World, project: str, version: str) -> Dist:
    world.require(project)
    wheels = [dist for dist in world.release(project, version) if dist.is_wheel]
    return next((w for w in wheels if "cp311-manylinux" in w.filename and "x86_64" in w.filename), wheels[0])


# ---- binaries


@pytest.mark.parametrize(("project", "tag"), [("sibling-runpath", "RUNPATH"), ("sibling-rpath", "RPATH")])
def test_a_library_of_a_sibling_wheel_loads_and_the_tag_is_kept(
    nix_store: NixStore, world: World, tmp_path: Path, project: str, tag: str
) -> None:
    dists = [for_this_machine(world, name, "1.0") for name in (project, "sibling-provider")]
    env = built(nix_store, tmp_path, *dists)
    module = project.replace("-", "_")
    said = nix_store.call(env / "bin/python", "-c", f"import {module}; print({module}.text())").stdout
    assert "from-the-sibling" in said
    (native,) = (env / f"lib/python3.11/site-packages/{module}").glob("_native*.so")
    shown = nix_store.call("readelf", "-d", native.resolve()).stdout
    assert f"({tag})" in shown
    own = shown.index("$ORIGIN/../sibling_provider/lib")
    assert own < shown.index(str(nix_store.store)), "the wheel's own entries come first"


def test_libraries_of_the_system_are_those_of_nixpkgs(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    env = built(nix_store, tmp_path, for_this_machine(world, "numpy", "2.1.3"))
    assert "openblas-of-2.1.3" in nix_store.call(env / "bin/f2py").stdout
    command = "import numpy; numpy.show_libraries(); print(open('/proc/self/maps').read())"
    maps = nix_store.call(env / "bin/python", "-c", command).stdout
    (loaded,) = {line.split()[-1] for line in maps.splitlines() if "libstdc++" in line}
    assert loaded.startswith(str(nix_store.store))


def test_a_program_in_a_wheel_gets_the_loader_of_nixpkgs(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    env = built(nix_store, tmp_path, for_this_machine(world, "native-program", "1.0"))
    assert "native-program 1.0" in nix_store.call(env / "bin/native-program").stdout
    headers = nix_store.call("readelf", "-l", (env / "bin/native-program").resolve()).stdout
    assert f"interpreter: {nix_store.store}" in headers


def test_what_only_looks_like_a_binary_is_left_alone(nix_store: NixStore, tmp_path: Path) -> None:
    broken = {f"odd/{n}.so": b"\x7fELF" + bytes([n]) * 200 for n in range(4)}
    dist = make_wheel("odd", "1.0", files={"odd/__init__.py": "", **broken}, tag="cp311-cp311-manylinux2014_x86_64")
    env = built(nix_store, tmp_path, dist)
    for path, content in broken.items():
        assert (env / "lib/python3.11/site-packages" / path).read_bytes() == content


def test_binary_wheels_are_deterministic(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    lock = lock_of(nix_store, for_this_machine(world, "numpy", "2.1.3"))
    drv = nix_store.instantiate(write_expression(tmp_path, lock), "packages.numpy")
    assert nix_store.check_derivations(drv, names=["python3.11-numpy"]) == ("python3.11-numpy-2.1.3",)


# ---- sdists


def test_sdists_are_built_in_their_locked_closure(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    sources = [world.release(name, version)[0] for name, version in SDISTS]
    lock = lock_of(nix_store, *sources, build_with=[wheel_from_installed("setuptools")])
    expression = write_expression(tmp_path, lock)
    env = nix_store.build(expression, "env")
    command = "import sdist_static, sdist_compiled, docopt, sdist_in_tree; print(sdist_compiled.answer())"
    assert nix_store.call(env / "bin/python", "-c", command).stdout == "42\n"
    absent = nix_store.run(env / "bin/python", "-c", "import setuptools")
    assert "No module named 'setuptools'" in absent.stderr
    checked = nix_store.check_derivations(nix_store.instantiate(expression, "env"), names=["python3.11-"])
    assert {f"python3.11-{name}-{version}" for name, version in SDISTS} < set(checked)
    assert not any("setuptools" in path.name for path in nix_store.closure(env)), "build tools are not kept"


SDISTS = [("sdist-static", "1.2"), ("sdist-compiled", "1.0"), ("docopt", "0.6.2"), ("sdist-in-tree", "1.0")]


def test_a_build_closure_without_the_backend_says_so(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    lock = lock_of(nix_store, world.release("sdist-static", "1.2")[0], build_with=[])
    outcome = nix_store.try_build(write_expression(tmp_path, lock), "env")
    assert outcome.returncode == 100
    assert "lacks 'setuptools.build_meta'" in outcome.stderr


def test_a_failing_build_says_which(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    outcome = build(nix_store, tmp_path, world.release("sdist-broken", "1.0")[0])
    assert outcome.returncode == 100
    assert "building 'sdist_broken-1.0.tar.gz' failed" in outcome.stderr
    assert "this project does not build" in outcome.stderr


def test_patches_and_hooks_of_overrides_apply(nix_store: NixStore, tmp_path: Path) -> None:
    source = make_sdist("patched", "1.0", files={"patched.py": "X = 1\n"}, backend="in-tree")
    overrides = (
        """[ (final: prev: { patched = prev.patched.overrideAttrs { postPatch = "echo 'X = 2' >patched.py"; }; }) ]"""
    )
    expression = write_expression(tmp_path, lock_of(nix_store, source))
    env = nix_store.build(expression, "env", {"overrides": overrides})
    assert nix_store.call(env / "bin/python", "-c", "import patched; print(patched.X)").stdout == "2\n"


def test_a_zip_is_an_sdist_as_well(nix_store: NixStore, tmp_path: Path) -> None:
    source = make_sdist("zipped", "1.0", files={"zipped.py": "X = 1\n"}, backend="in-tree", suffix=".zip")
    env = built(nix_store, tmp_path, source)
    assert nix_store.call(env / "bin/python", "-c", "import zipped; print(zipped.X)").stdout == "1\n"


# ---- hostile files


def test_hostile_names_of_files_in_a_wheel_are_only_names(nix_store: NixStore, tmp_path: Path) -> None:
    names = [text.replace("/", "_") for text in HOSTILE_TEXTS.values()]
    files = {f"names/{name}{suffix}": "" for name in names for suffix in (".txt", ".py")}
    env = built(nix_store, tmp_path, make_wheel("names", "1.0", files=files, data={f"data/{n}": "" for n in names}))
    assert {path.name for path in (env / "lib/python3.11/site-packages/names").glob("*.txt")} == {
        f"{name}.txt" for name in names
    }
    assert set(names) < {path.name for path in env.iterdir()}


def test_a_collision_of_hostile_names_prints_a_setting_that_is_nix(nix_store: NixStore, tmp_path: Path) -> None:
    names = [text.replace("/", "_") for key, text in HOSTILE_TEXTS.items() if key not in UNPRINTABLE]
    dists = [make_wheel(who, "1.0", files=dict.fromkeys(names, who)) for who in ("one", "two")]
    said = build(nix_store, tmp_path, *dists).stderr
    assert "\x1b" not in said
    setting = said[said.index("collisions = {") :].partition("};")[0].removeprefix("collisions = ") + "}"
    expression = write_expression(tmp_path, lock_of(nix_store, *dists))
    env = nix_store.build(expression, "env", {"collisions": setting})
    for name in names:
        assert (env / "lib/python3.11/site-packages" / name).read_text() == "one"


#: Nix has no escape for these characters, so the setting can only show them.
UNPRINTABLE = ("escape-sequence", "bidi")


@pytest.mark.parametrize("project", ["hostile-climb", "hostile-root", "hostile-link", "hostile-data", "hostile-entry"])
def test_files_that_would_land_outside_are_refused(
    nix_store: NixStore, world: World, tmp_path: Path, project: str
) -> None:
    outcome = build(nix_store, tmp_path, world.release(project, "1.0")[0])
    assert outcome.returncode == 100
    assert "mach: cannot" in outcome.stderr
    assert "with the path" in outcome.stderr or "with the name" in outcome.stderr


def test_hostile_names_of_programs_are_only_names(nix_store: NixStore, world: World, tmp_path: Path) -> None:
    env = built(nix_store, tmp_path, world.release("hostile-scripts", "1.0")[0])
    programs = [path for path in (env / "bin").iterdir() if path.name.startswith("tool ")]
    assert len(programs) == len(HOSTILE_TEXTS)
    for program in programs:
        assert nix_store.call(program, "--version").stdout == "hostile 1.0\n"


@pytest.mark.parametrize("number", range(len(HOSTILE_TARGETS)))
def test_entry_points_that_are_code_are_refused(nix_store: NixStore, world: World, tmp_path: Path, number: int) -> None:
    outcome = build(nix_store, tmp_path, world.release("hostile-targets", f"1.{number}")[0])
    assert outcome.returncode == 100
    assert "mach: cannot install 'hostile_targets" in outcome.stderr


def test_a_wheel_of_another_project_is_refused(nix_store: NixStore, tmp_path: Path) -> None:
    other = make_wheel("other", "1.0")
    posing = Dist(filename=other.filename, project="wanted", version="1.0", content=other.content, metadata=None)
    outcome = build(nix_store, tmp_path, posing)
    assert "it is a wheel of 'other', not of 'wanted'" in outcome.stderr


@pytest.mark.parametrize("text", list(HOSTILE_TEXTS.values()))
def test_hostile_versions_and_file_names_stay_text(nix_store: NixStore, tmp_path: Path, text: str) -> None:
    plain = make_wheel("plain", "1.0")
    name = f"plain-1.0-py3-none-{text.replace('/', '_').replace('-', '_')}.whl"
    dist = Dist(filename=name, project="plain", version=text, content=plain.content, metadata=None)
    outcome = build(nix_store, tmp_path, dist)
    assert outcome.returncode in (0, 100)
    assert outcome.returncode == 0 or "mach: cannot install" in outcome.stderr
    assert not nix_store.find("mach-was-here"), "a shell ran it"
    assert "nix ran this" not in outcome.stderr.replace(text, "")


@pytest.mark.parametrize(
    "url", ["mirror://a[$(id)]/x.whl", "javascript:x", "file:///x y", "http://h/${x}", "--help", "http://h/\n", ""]
)
def test_urls_that_are_none_are_refused_by_name(nix_store: NixStore, tmp_path: Path, url: str) -> None:
    from dataclasses import replace

    lock = lock_of(nix_store, make_wheel("plain", "1.0"))
    (target,) = lock.targets
    (pin,) = target.pins
    pin = replace(pin, artifact=replace(pin.artifact, url=url))
    lock = replace(lock, targets=(replace(target, pins=(pin,)),))
    outcome = nix_store.try_build(write_expression(tmp_path, lock), "env")
    assert outcome.returncode == 1
    assert "mach: refusing to fetch" in outcome.stderr
