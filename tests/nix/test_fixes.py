"""The fixes table: every entry reaches the build it is for, a user's file adds to it, and data never becomes code."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from nix.check import check_syntax
from nix.expression import render_directory, render_expression
from nix.fixes import Fix, choose_fixes, read_fixes, shipped_fixes
from resolver.errors import InputError
from resolver.lock import BuildClosure, Lock, LockedArtifact, LockTarget, Pin, digest_closure, render_lock
from tests.nix.locks import SYSTEM, lock_of, write_expression
from tests.support.dists import make_sdist, wheel_from_installed
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.nix import NixStore

TOOL = LockedArtifact(filename="tool-1-py3-none-any.whl", url="https://files.index.example/tool", sha256="ab" * 32)
CLOSURE = BuildClosure(pins=(Pin(name="tool", version="1", provider="wheel", artifact=TOOL),))
DIGEST = digest_closure(CLOSURE)


def pin(name: str, version: str, provider: str = "sdist") -> Pin:
    filename = f"{name}-{version}.tar.gz" if provider == "sdist" else f"{name}-{version}-cp311-cp311-linux_x86_64.whl"
    artifact = LockedArtifact(filename=filename, url=f"https://files.index.example/{filename}", sha256="cd" * 32)
    return Pin(
        name=name, version=version, provider=provider, artifact=artifact, build=DIGEST if provider == "sdist" else None
    )


def lock(*pins: Pin, systems: tuple[str, ...] = (SYSTEM,), closures: dict[str, BuildClosure] | None = None) -> Lock:
    """Return a lock that is only evaluated: its files are nowhere."""
    targets = [
        LockTarget(
            system=system,
            python="3.11.0",
            python_interval=("3.11.0", "3.12"),
            glibc=None,
            roots={},
            pins=tuple(sorted(pins, key=lambda pin: pin.name)),
        )
        for system in sorted(systems)
    ]
    return Lock(
        request={},
        policy={},
        facts="sha256:" + "0" * 64,
        targets=tuple(targets),
        tools={"installer": TOOL, "pyproject-hooks": TOOL},
        build_closures={DIGEST: CLOSURE, **(closures or {})},
    )


def entry(text: str = "", **changes: Any) -> str:
    """Return a table of one entry, for demo, with *changes* as TOML."""
    values = {"project": '"demo"', "libraries": '["zlib"]', "reason": '"because"', "link": '"https://x.example"'}
    lines = [f"{key} = {value}" for key, value in {**values, **changes}.items() if value is not None]
    return "\n".join(["[[fix]]", *lines, text, ""])


PROBE = """
let made = import {file} {{ pkgs = import <nixpkgs> {{ }}; }}; in
builtins.mapAttrs
  (_: drv: {{
    libraries = map (input: input.name) drv.buildInputs;
    tools = map (input: input.name) drv.nativeBuildInputs;
    environ = builtins.mapAttrs (_: toString) (builtins.intersectAttrs {variables} drv.drvAttrs);
    runtime = drv.drvAttrs.runtimeLibraries or "";
    inherit (drv.fixes) optional;
  }})
  made.packages
"""


def look(store: NixStore, folder: Path, text: str, *variables: str) -> dict[str, Any]:
    """Return what the derivations of an expression take, by project."""
    folder.mkdir(exist_ok=True)
    (folder / "default.nix").write_text(text)
    named = "{ " + "".join(f"{name} = 0; " for name in variables) + "}"
    (folder / "probe.nix").write_text(PROBE.format(file=folder / "default.nix", variables=named))
    found = store.eval(folder / "probe.nix", args={"pkgs": None})
    assert isinstance(found, dict)
    return found


# ---- the table that comes with mach


def version_of(fix: Fix) -> str:
    """Return a version that an entry is for."""
    candidates = ["1.0", "0.1", "2.5", "3.5", "5.0", "40.0", "0.9"]
    return next(v for v in candidates if SpecifierSet(fix.versions).contains(v))


@functools.cache
def evaluated(store: NixStore, folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the build of every project of the table takes, by project and version, from the stand-in nixpkgs."""
    releases = sorted({(fix.project, version_of(fix)) for fix in shipped_fixes()})
    providers = {fix.project: fix.provider for fix in shipped_fixes()}
    found = {}
    number = 0
    while releases:
        # a target has one release of a project
        now = dict(reversed(releases))
        releases = [release for release in releases if release not in now.items()]
        variables = sorted({name for fix in shipped_fixes() for name in (*fix.settings, *fix.paths)})
        text = render_expression(lock(*(pin(name, version, providers[name]) for name, version in now.items())))
        number += 1
        for name, seen in look(store, folder / str(number), text, *variables).items():
            found[name, now[name]] = seen
    return found


@pytest.fixture(scope="module")
def table(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    return evaluated(nix_store, tmp_path_factory.mktemp("table"))


def first_names(attributes: tuple[Any, ...], known: set[str]) -> set[str]:
    """Return the store names of attributes: of several names for one thing, the first that is *known*."""
    chosen = (next((n for n in one if n in known), "") if isinstance(one, tuple) else one for one in attributes)
    return {name.rpartition(".")[2] for name in chosen}


#: Attributes of the stand-in that the table names in a list; unixodbc is its newer name.
KNOWN = {"libpq", "libpq.pg_config", "unixODBC", "xcb-util-cursor"}
KNOWN |= {"libxcb", *(f"libxcb-{part}" for part in ("image", "keysyms", "render-util", "wm"))}


@pytest.mark.nix
@pytest.mark.parametrize("fix", shipped_fixes(), ids=lambda fix: f"{fix.project}{fix.versions}")
def test_an_entry_reaches_the_build_that_it_is_for(fix: Fix, table: dict[tuple[str, str], dict[str, Any]]) -> None:
    seen = table[fix.project, version_of(fix)]
    assert set(fix.optional) <= set(seen["optional"])
    if fix.provider == "wheel":
        # the stand-in's programs have more in their names: zstd-from-host
        assert all(re.search(rf"-{name}(-[a-z-]+)?/lib", seen["runtime"]) for name in first_names(fix.libraries, KNOWN))
        return
    libraries = {name.partition("-host")[0].partition("-19")[0] for name in seen["libraries"]}
    assert first_names(fix.libraries, KNOWN) <= libraries
    assert first_names(fix.tools, KNOWN) <= set(seen["tools"])
    assert fix.settings.items() <= seen["environ"].items()
    for name, path in fix.paths.items():
        assert seen["environ"][name].startswith("/")
        assert seen["environ"][name].endswith(path.partition("/")[2])
    assert set(seen["environ"]) >= {*fix.settings, *fix.paths}


def test_the_table_is_in_order_and_tells_why() -> None:
    fixes = shipped_fixes()
    assert [fix.project for fix in fixes] == sorted(fix.project for fix in fixes)
    assert len(fixes) >= 40
    for fix in fixes:
        assert not fix.replaces
    providers = {(fix.project, fix.provider) for fix in fixes}
    assert len(providers) == len({project for project, _ in providers}), "`evaluated` knows one provider of each"


@pytest.mark.nix
def test_a_project_that_needs_a_library_builds_only_because_of_the_table(nix_store: NixStore, tmp_path: Path) -> None:
    code = (
        "#include <Python.h>\n#include <portaudio.h>\n"
        "static PyObject *text(PyObject *s, PyObject *n) { return PyUnicode_FromString(Pa_GetVersionText()); }\n"
        'static PyMethodDef methods[] = {{"text", text, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};\n'
        'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_portaudio", NULL, -1, methods};\n'
        "PyMODINIT_FUNC PyInit__portaudio(void) { return PyModule_Create(&module); }\n"
    )
    setup = (
        "import subprocess\nfrom setuptools import Extension, setup\n\n"
        "def ask(word):\n"
        "    return subprocess.check_output(['pkg-config', word, 'portaudio-2.0'], text=True).split()\n\n"
        "setup(ext_modules=[Extension('_portaudio', ['pa.c'],\n"
        "    extra_compile_args=ask('--cflags'), extra_link_args=ask('--libs'))])\n"
    )
    sdist = make_sdist("pyaudio", "0.2.14", files={"pa.c": code, "pyaudio.py": "import _portaudio\n"}, setup_py=setup)
    locked = lock_of(nix_store, sdist)
    env = nix_store.build(write_expression(tmp_path, locked), "env")
    program = "import pyaudio; print(pyaudio._portaudio.text())"
    assert nix_store.call(env / "bin/python", "-c", program).stdout == "PortAudio of the stand-in\n"
    assert any("portaudio" in path.name for path in nix_store.closure(env))
    # the same without the entry
    bare = read_fixes(entry(project='"pyaudio"', libraries=None, replaces="true"), "mine.toml")
    (tmp_path / "bare.nix").write_text(render_expression(locked, fixes=bare))
    outcome = nix_store.try_build(tmp_path / "bare.nix", "env")
    assert outcome.returncode == 100
    assert (
        "mach: building 'pyaudio-0.2.14.tar.gz' failed: the system library 'portaudio-2.0' is missing" in outcome.stderr
    )


# ---- which entries count


def test_only_what_a_pin_takes_is_inlined() -> None:
    assert "\n  fixes = { };\n" in render_expression(lock(pin("demo", "1.0"), pin("lxml", "5.0", "wheel")))
    text = render_expression(lock(pin("bcrypt", "3.2"), pin("demo", "1.0")))
    assert '"bcrypt 3.2" = [' in text
    assert "libffi" in text.partition("\n  known =")[0]
    assert "rustc" not in text.partition("scripts = ")[0]


def test_versions_platforms_and_providers_decide() -> None:
    fixes = read_fixes(
        entry(versions='">=2,<3"', libraries='["a"]')
        + entry(platforms='["*-darwin", "aarch64-*"]', libraries='["b"]')
        + entry(provider='"wheel"', libraries='["c"]'),
        "t.toml",
    )

    def chosen(version: str, system: str, provider: str = "sdist") -> list[object]:
        found = choose_fixes(lock(pin("demo", version, provider), systems=(system,)), fixes)
        entries = found.get(system, {}).get(provider, {}).get(f"demo {version}", [])
        return [library for one in entries for library in one["libraries"]]

    assert chosen("2.5", "x86_64-linux") == ["a"]
    assert chosen("2.0rc1", "x86_64-linux") == []
    assert chosen("2.1rc1", "aarch64-linux") == ["a", "b"]
    assert chosen("not a version", "aarch64-darwin") == ["b"]
    assert chosen("1", "x86_64-linux") == []
    assert chosen("2.5", "x86_64-linux", "wheel") == ["c"]


def test_sdists_of_build_closures_take_fixes_too() -> None:
    inner = BuildClosure(pins=(pin("cffi", "1.16"),))
    digest = digest_closure(inner)
    outer = replace(pin("demo", "1.0"), build=digest)
    found = choose_fixes(lock(outer, closures={digest: inner}), shipped_fixes())
    assert list(found[SYSTEM]["sdist"]) == ["cffi 1.16"]


@pytest.mark.nix
def test_entries_add_up_and_one_that_replaces_goes_alone(nix_store: NixStore, tmp_path: Path) -> None:
    mine = read_fixes(
        entry(project='"pycurl"', libraries='["zlib"]', settings='{ PYCURL_SSL_LIBRARY = "gnutls", MORE = "${x}" }')
        + entry(project='"lxml"', libraries='["zlib"]', replaces="true"),
        "mine.toml",
    )
    text = render_expression(lock(pin("pycurl", "7.45"), pin("lxml", "5.0")), fixes=mine)
    seen = look(nix_store, tmp_path / "x", text, "PYCURL_SSL_LIBRARY", "MORE")
    assert seen["pycurl"]["libraries"] == ["curl", "openssl-host", "zlib-host"]
    assert seen["pycurl"]["environ"] == {"PYCURL_SSL_LIBRARY": "gnutls", "MORE": "${x}"}
    assert seen["lxml"]["libraries"] == ["zlib-host"]
    assert "libxml2" not in seen["lxml"]["tools"]


@pytest.mark.nix
def test_the_binaries_of_a_wheel_may_load_what_its_fixes_name(nix_store: NixStore, tmp_path: Path) -> None:
    mine = read_fixes(entry(provider='"wheel"', libraries='["portaudio"]'), "mine.toml")
    text = render_expression(lock(pin("demo", "1.0", "wheel")), fixes=mine)
    assert "portaudio-19.7/lib" in look(nix_store, tmp_path / "x", text)["demo"]["runtime"]


@pytest.mark.nix
def test_the_single_file_and_the_folder_give_the_same_builds(nix_store: NixStore, tmp_path: Path) -> None:
    locked = lock_of(
        nix_store, make_sdist("pyyaml", "6.0", files={"y.py": ""}), build_with=[wheel_from_installed("setuptools")]
    )
    for name, text in {**render_directory(locked), "one.nix": render_expression(locked)}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mach.lock").write_text(render_lock(locked))
    drv = nix_store.instantiate(tmp_path / "one.nix", "env")
    assert drv == nix_store.instantiate(tmp_path / "default.nix", "env")
    assert "libyaml" in "".join(str(path) for path in nix_store.closure(drv))
    # the lock is updated in place: what was chosen for another release is not taken for this one
    (target,) = locked.targets
    newer = replace(locked, targets=(replace(target, pins=(replace(target.pins[0], version="6.1"),)),))
    (tmp_path / "mach.lock").write_text(render_lock(newer))
    outcome = nix_store.try_build(tmp_path / "default.nix", "env")
    assert outcome.returncode == 1
    assert "mach: pyyaml 6.1 is in mach.lock since this file was made" in outcome.stderr


@pytest.mark.nix
def test_an_attribute_that_nixpkgs_lacks_is_one_sentence(nix_store: NixStore, tmp_path: Path) -> None:
    mine = read_fixes(entry(libraries='[["no-such", "nor.this"]]'), "mine.toml")
    (tmp_path / "x.nix").write_text(render_expression(lock(pin("demo", "1.0")), fixes=mine))
    outcome = nix_store.try_build(tmp_path / "x.nix", "env")
    assert outcome.returncode == 1
    assert "mach: this nixpkgs has no no-such or nor.this, which demo 1.0 takes (because)" in outcome.stderr


# ---- a user's file


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1", r"mine.toml: it holds \[\[fix\]\] tables and nothing else"),
        ("fix = [1]", "mine.toml: fix 1: it is not a table"),
        (entry(project=None), "project is missing"),
        (entry(project='"Demo"'), "project: 'Demo' is not a normalised name"),
        (entry(libraries='["a b"]'), r"fix 1 \(demo\): libraries: 'a b' is not an attribute of nixpkgs"),
        (entry(libraries='["a.${b}"]'), "is not an attribute"),
        (entry(libraries='["zlib; abort"]'), "is not an attribute"),
        (entry(libraries='["../x"]'), "is not an attribute"),
        (entry(libraries="[[]]"), "is not an attribute"),
        (entry(libraries='"zlib"'), "libraries: 'zlib' is not a list"),
        (entry(tools='[["a", 1]]'), "is not an attribute"),
        (entry(provider='"conda"'), "is not sdist or wheel"),
        (entry(versions='">>1"'), "is not a specifier"),
        (entry(platforms='["*-linux; x"]'), "is not a pattern of systems"),
        (entry(settings='{ PATH = "/x" }'), "settings: 'PATH' is not the name of an environment variable"),
        (entry(settings='{ buildPhase = "evil" }'), "is not the name of an environment variable"),
        (entry(settings="{ X = 1 }"), "settings.X: '1' is not a text"),
        (entry(paths='{ X = "/etc/passwd" }'), "paths: '/etc/passwd' is not an attribute of nixpkgs"),
        (entry(paths='{ X = "zlib/../../etc" }'), "is not an attribute of nixpkgs and folders in it"),
        (entry(provider='"wheel"', settings='{ X = "1" }'), "a wheel is not built"),
        (entry(libraries=None), "it fixes nothing"),
        (entry(replaces='"yes"'), "replaces: 'yes' is not true or false"),
        (entry(**{"nixpkgs-inputs": "1"}), "nixpkgs-inputs: '1' is not true or false"),
        (entry(reason=None), "reason is missing"),
        (entry(link='"javascript:x"'), "is not an http"),
        (entry(requires="[]"), "unknown key 'requires'"),
    ],
)
def test_what_is_no_fix_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_fixes(text, "mine.toml")
    assert caught.value.code == "fixes-invalid"


def test_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        read_fixes("[[fix", "mine.toml")
    assert caught.value.code == "invalid-toml"


@pytest.mark.nix
@pytest.mark.parametrize("name", [name for name, text in HOSTILE_TEXTS.items() if "\0" not in text])
def test_hostile_texts_of_a_table_stay_texts(nix_store: NixStore, tmp_path: Path, name: str) -> None:
    hostile = HOSTILE_TEXTS[name]
    fix = Fix(project="demo", settings={"HOSTILE": hostile}, reason=hostile, link=hostile)
    text = render_expression(lock(pin("demo", "1.0")), fixes=[fix])
    assert check_syntax(text)
    assert look(nix_store, tmp_path / "x", text, "HOSTILE")["demo"]["environ"] == {"HOSTILE": hostile}
