"""buildPythonPackage, buildPythonApplication, packagesExtra and the fetchers over a lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resolver.lock import Lock, LockedCheckout, LockedPath
from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.support.dists import make_sdist, make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

NEEDED = make_wheel("needed", "2.0", files={"needed/__init__.py": "X = 1\n"})
MODULE = "import needed\nNAME = {!r}\ndef main(): print(NAME, needed.X)\n"
TREE = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
version = "1.0"
dependencies = ["needed"]
scripts = { demo = "demo:main" }
[tool.setuptools]
package-dir = { "" = "src" }
"""
DEMO = make_sdist(
    "demo", "1.0", files={"src/demo/__init__.py": MODULE.format("index")}, requires=["needed"], pyproject=TREE
)
COMMIT = "ab" * 20


def make_tree(folder: Path, name: str) -> Path:
    (folder / "src/demo").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(TREE)
    (folder / "src/demo/__init__.py").write_text(MODULE.format(name))
    return folder


def with_artifact(lock: Lock, name: str, artifact: object, **changes: object) -> Lock:
    """Return *lock* with another artifact of a project."""
    (target,) = lock.targets
    pins = tuple(replace(pin, artifact=artifact, **changes) if pin.name == name else pin for pin in target.pins)  # type: ignore[arg-type]  # any of the four
    return replace(lock, targets=(replace(target, pins=pins),))


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    made = lock_of(nix_store, NEEDED, DEMO)
    library.write(made)
    make_tree(library.folder / "tree", "tree")
    make_tree(library.folder / "other", "other")
    library.write(with_artifact(made, "demo", LockedPath(path="./tree", states="sha256:0")), "path.lock")
    checkout = LockedCheckout(url="https://git.example/demo", commit=COMMIT, nar_sha256="00" * 32)
    library.write(with_artifact(made, "demo", checkout, extras=("fast",)), "vcs.lock")
    return library


# ---- buildPythonPackage and buildPythonApplication


def test_an_application_runs_with_what_it_depends_on(library: Library) -> None:
    app = library.build('mach.buildPythonApplication { inherit lock; pname = "Demo"; }')
    assert library.run(app / "bin/demo") == "index 1"
    assert [path.name for path in (app / "bin").iterdir()] == ["demo"]


def test_the_source_is_a_path_an_argument_or_the_whole_argument(library: Library) -> None:
    calls = {
        "argument": "mach.buildPythonApplication { lock = ./path.lock; src = ./tree; }",
        "name": 'mach.buildPythonApplication { lock = ./path.lock; pname = "demo"; }',
        "text": "mach.buildPythonApplication { lock = ./path.lock; src = toString ./tree; }",
        "whole": "(import (lib.head [ MACH ]) { inherit pkgs; lock = ./path.lock; }).buildPythonApplication ./tree",
    }
    drvs = library.ask_each({name: f"({call.replace('MACH', str(ROOT))}).drvPath" for name, call in calls.items()})
    assert len(set(drvs.values())) == 1, drvs
    assert library.run(library.build(calls["argument"]) / "bin/demo") == "tree 1"


def test_paths_of_a_lock_start_from_its_folder_or_from_root(library: Library) -> None:
    (library.folder / "moved").mkdir(exist_ok=True)
    text = (library.folder / "path.lock").read_text()
    (library.folder / "moved/mach.lock").write_text(text)
    calls = {
        "folder": "mach.mkPython { lock = ./path.lock; }",
        "root": "mach.mkPython { lock = ./moved/mach.lock; root = ./.; }",
        "value": "mach.mkPython { lock = lib.importJSON ./path.lock; root = ./.; }",
    }
    drvs = library.ask_each({name: f"({call}).drvPath" for name, call in calls.items()})
    assert len(set(drvs.values())) == 1, drvs
    assert library.refusal("(mach.mkPython { lock = lib.importJSON ./path.lock; }).drvPath") == (
        "the lock was given as a value, and it has relative paths: pass the folder that they start from as root"
    )
    assert "pass the folder that the lock's paths start from as root" in library.refusal(
        "(mach.mkPython { lock = ./moved/mach.lock; }).drvPath"
    )


def test_another_source_takes_the_place_of_the_locks(library: Library) -> None:
    ways = {
        "path": "./other",
        "derivation": 'pkgs.runCommand "source" { } "cp -r ${./other} $out; chmod -R u+w $out"',
    }
    for src in ways.values():
        app = library.build(f'mach.buildPythonApplication {{ inherit lock; pname = "demo"; src = {src}; }}')
        assert library.run(app / "bin/demo") == "other 1"


def test_a_package_is_a_module_of_nixpkgs_and_of_environments(library: Library) -> None:
    package = 'mach.buildPythonPackage { lock = ./path.lock; pname = "demo"; version = "1.0"; extras = [ ]; }'
    env = library.build(f"pkgs.python311.withPackages (_: [ ({package}) ])")
    assert library.run(env / "bin/demo") == "tree 1"
    library.write(lock_of(library.store, make_wheel("alone", "1.0")), "alone.lock")
    mixed = library.build(f"mach.mkPython {{ lock = ./alone.lock; packagesExtra = [ ({package}) ]; }}")
    assert library.run(mixed / "bin/python", "-c", "import alone, demo; demo.main()") == "tree 1"
    overlay = f"(mach.mkNixpkgs {{ lock = ./alone.lock; packagesExtra = [ ({package}) ]; }}).python311.pkgs"
    assert library.ask(f"[ {overlay}.demo.version {overlay}.alone.version ]") == ["1.0", "1.0"]


def test_attributes_of_stdenv_reach_the_build(library: Library) -> None:
    told = library.ask(
        """let app = mach.buildPythonApplication {
          inherit lock; pname = "demo"; buildInputs = [ pkgs.zlib ]; COLOUR = "red"; patches = [ "p" ];
          meta.mainProgram = "demo"; name = "mine"; passthru.said = 1;
        }; in { inherit (app.project) COLOUR patches name said; inputs = map lib.getName app.project.buildInputs;
          main = app.meta.mainProgram; }"""
    )
    assert told == {
        "COLOUR": "red",
        "patches": ["p"],
        "name": "mine",
        "said": 1,
        "inputs": ["zlib"],
        "main": "demo",
    }
    app = library.build(
        'mach.buildPythonApplication { inherit lock; pname = "demo"; '
        "postPatch = \"sed -i 's/index/patched/' src/demo/__init__.py\"; }"
    )
    assert library.run(app / "bin/demo") == "patched 1"


@pytest.mark.parametrize(
    "check", ["doCheck = true;", "tests = true;", 'pythonImportsCheck = [ "demo" ];', "_.demo.doCheck = true;"]
)
def test_a_package_is_imported_where_that_is_asked_for(library: Library, check: str) -> None:
    broken = "_.demo.postPatch = \"echo 'import absent' >src/demo/__init__.py\";"
    for function in ("buildPythonPackage", "buildPythonApplication"):
        outcome = library.try_build(f'mach.{function} {{ inherit lock; pname = "demo"; {check} {broken} }}')
        assert outcome.returncode == 100
        assert "demo cannot be imported: ModuleNotFoundError: No module named 'absent'" in outcome.stderr
    assert library.build(f'mach.buildPythonPackage {{ inherit lock; pname = "demo"; {check} }}').is_dir()


def test_what_the_lock_lacks_is_built_by_nixpkgs_with_what_the_lock_has(library: Library) -> None:
    (library.folder / "user").mkdir(exist_ok=True)
    library.write(lock_of(library.store, NEEDED), "needed.lock")
    call = """mach.{} {{ lock = ./needed.lock; pname = "user"; version = "1"; src = ./user; format = "other";
      installPhase = "mkdir -p $out/bin; python3 -c 'import needed; print(needed.X)' >$out/said"; }}"""
    for function in ("buildPythonPackage", "buildPythonApplication"):
        for format in ('format = "other";', "pyproject = false;"):
            stated = call.format(function).replace('format = "other";', format)
            assert (library.build(stated) / "said").read_text() == "1\n"
        unstated = call.format(function).replace('format = "other";', "")
        assert f"{function}: the lock has no project user: " in library.refusal(f"({unstated}).drvPath")
    checked = library.ask(f"({call.format('buildPythonPackage')}).doPythonTests")
    assert checked is False
    assert library.ask(f"({call.format('buildPythonPackage').replace('format', 'tests = true; format')}).doPythonTests")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("{ inherit lock; }", "takes src or pname, the source or the name of what it builds"),
        (
            '{ inherit lock; pname = "dem"; }',
            ": the lock has no project dem (did you mean demo?): add its source to the request (mach lock ./FOLDER), "
            "or say format, to have it built by nixpkgs with what the lock has",
        ),
        (
            '{ inherit lock; pname = "demo"; version = "2.0"; }',
            "builds demo 2.0, and the lock has 1.0: lock again, or leave version out",
        ),
        (
            '{ inherit lock; pname = "demo"; extras = "a,b"; }',
            "builds demo with the extra a, which the lock does not have: mach lock 'demo[a]'",
        ),
        (
            '{ inherit lock; pname = "needed"; src = /elsewhere; }',
            "builds needed from /elsewhere, and the lock has it as a wheel, without what it is built in: "
            "lock its source in its place (mach lock with the folder, or --no-binary needed)",
        ),
        (
            '{ inherit lock; pname = "demo"; src = "https://x.example/demo.tar.gz"; }',
            "builds demo from https://x.example/demo.tar.gz, and the lock has it from elsewhere: "
            "mach lock 'demo @ https://x.example/demo.tar.gz'",
        ),
        (
            '{ inherit lock; pname = "demo"; propagatedBuildInputs = [ ]; }',
            "does not take propagatedBuildInputs for demo, which the lock has: the lock has its dependencies; "
            "libraries that it is compiled against are buildInputs",
        ),
        (
            '{ inherit lock; pname = "new"; format = "setuptools"; }',
            "builds what is not in the lock with pname, version and src, and version is missing",
        ),
        (
            '{ inherit lock; pname = "new"; version = "1"; src = "https://x.example/new.tar.gz"; pyproject = true; }',
            "takes src as a path or a derivation for what is not in the lock: fetch https://x.example/new.tar.gz with "
            "pkgs.fetchurl and its hash",
        ),
        (
            '{ inherit lock; pname = "demo"; requirementsExtra = "six"; }',
            "has lock and requirementsExtra: what to lock is said when the lock is made (mach lock --help); "
            "leave out one or the other",
        ),
    ],
)
def test_what_cannot_be_built_is_one_sentence(library: Library, call: str, sentence: str) -> None:
    for function in ("buildPythonPackage", "buildPythonApplication"):
        said = library.refusal(f"(mach.{function} {call}).drvPath")
        assert said == f"{function}{'' if sentence.startswith(':') else ' '}{sentence}"


def test_extras_that_the_lock_has_are_taken(library: Library) -> None:
    call = '(mach.buildPythonPackage {{ lock = ./vcs.lock; pname = "demo"; extras = {}; }}).version'
    for extras in ('"Fast"', '[ "fast" ]'):
        assert library.ask(call.format(extras)) == "1.0"
    for extras in ('"Fast, slow"', '[ "slow" ]'):
        assert library.refusal(call.format(extras)) == (
            "buildPythonPackage builds demo with the extra slow, which the lock does not have: mach lock 'demo[slow]'"
        )


# ---- packagesExtra


def test_sources_that_are_in_the_lock_may_be_named(library: Library) -> None:
    url = next(pin.artifact.url for pin in lock_of(library.store, DEMO).targets[0].pins)  # type: ignore[union-attr]
    fetched = f'(pkgs.runCommand "x" {{ outputHash = lib.fakeHash; outputHashAlgo = "sha256"; rev = "{COMMIT}"; }} "")'
    ways = {
        f'lock = ./mach.lock; packagesExtra = [ "{url}" ]': "lock = ./mach.lock",
        "lock = ./path.lock; packagesExtra = [ ./tree ]": "lock = ./path.lock",
        f"lock = ./vcs.lock; packagesExtra = [ {fetched} ]": "lock = ./vcs.lock",
    }
    for named, plain in ways.items():
        one, other = library.ask(f"[ (mach.mkPython {{ {named}; }}).drvPath (mach.mkPython {{ {plain}; }}).drvPath ]")
        assert one == other
        library.write(lock_of(library.store, NEEDED), "without.lock")
        elsewhere = named.replace(plain, "lock = ./without.lock")
        assert "which is not in the lock: add it to the request, mach lock " in library.refusal(
            f"(mach.mkPython {{ {elsewhere}; }}).drvPath"
        )


def test_projects_of_two_locks_must_agree(library: Library) -> None:
    library.write(lock_of(library.store, make_wheel("needed", "3.0")), "newer.lock")
    package = 'mach.buildPythonPackage { inherit lock; pname = "demo"; }'
    assert library.refusal(f"(mach.mkPython {{ lock = ./newer.lock; packagesExtra = [ ({package}) ]; }}).drvPath") == (
        "mkPython: packagesExtra brings needed 2.0, and 3.0 is there already: lock them together"
    )


def test_a_package_for_another_python_is_refused(library: Library) -> None:
    package = '(mach.buildPythonPackage { inherit lock; pname = "demo"; }) // { machPython.pythonVersion = "3.10"; }'
    assert library.refusal(f"(mach.mkPython {{ inherit lock; packagesExtra = [ ({package}) ]; }}).drvPath") == (
        "mkPython: packagesExtra has demo for Python 3.10, and the environment is of Python 3.11"
    )


# ---- collisions


def test_collisions_are_decided_or_ignored(library: Library) -> None:
    sides = [make_wheel(f"{side}-side", "1.0", files={"shared.py": f"SIDE = '{side}'\n"}) for side in ("left", "right")]
    library.write(lock_of(library.store, *sides), "sides.lock")
    path = "lib/python3.11/site-packages/shared.py"
    ways = {
        "ignoreCollisions = true;": "left",
        f'collisions = {{ "{path}" = "right-side"; }};': "right",
        f'ignoreCollisions = true; collisions = {{ "{path}" = "right-side"; }};': "right",
    }
    for given, side in ways.items():
        env = library.build(f"mach.mkPython {{ lock = ./sides.lock; {given} }}")
        assert library.run(env / "bin/python", "-c", "import shared; print(shared.SIDE)") == side
    assert library.try_build("mach.mkPython { lock = ./sides.lock; }").returncode == 100


# ---- fetchPypiSdist and fetchPypiWheel


def test_files_of_the_lock_are_fetched_by_project_and_version(library: Library) -> None:
    told = library.ask_each(
        {
            "sdist": 'mach.fetchPypiSdist { inherit lock; pname = "Demo"; version = "1.0"; }',
            "wheel": 'mach.fetchPypiWheel { inherit lock; pname = "needed"; version = "2.0"; '
            f'filename = "{NEEDED.filename}"; }}',
            "tool": 'lib.isDerivation (mach.fetchPypiWheel { inherit lock; pname = "setuptools"; '
            'version = (lib.findFirst (pin: pin.name == "setuptools") null (lib.concatMap (closure: closure.pins) '
            "(lib.attrValues (lib.importJSON lock).build-closures))).version; })",
        }
    )
    assert told["sdist"].endswith("demo-1.0.tar.gz")
    assert told["tool"] is True
    file = library.build('mach.fetchPypiWheel { inherit lock; pname = "needed"; version = "2.0"; mirrors = [ ]; }')
    assert file.read_bytes() == NEEDED.content
    sdist = library.build('mach.fetchPypiSdist { inherit lock; pname = "demo"; version = "1.0"; }')
    assert sdist.read_bytes() == DEMO.content


def test_of_several_files_of_a_version_one_is_named(library: Library) -> None:
    wheels = [make_wheel("binary", "1.0", tag=f"py3-none-{platform}") for platform in ("any", "win32")]
    one, other = (lock_of(library.store, wheel) for wheel in wheels)
    library.write(replace(one, targets=(one.targets[0], replace(other.targets[0], system="aarch64-linux"))), "two.lock")
    call = 'mach.fetchPypiWheel {{ lock = ./two.lock; pname = "binary"; version = "1.0"; filename = "{}"; }}'
    for wheel in wheels:
        assert library.build(call.format(wheel.filename)).read_bytes() == wheel.content


def test_files_are_fetched_as_mach_nix_fetched_them(library: Library) -> None:
    with_lock = f"(import {ROOT} {{ inherit pkgs lock; }})"
    assert library.ask(
        f'{with_lock}.fetchPypiSdist "demo" "1.0" == '
        'mach.fetchPypiSdist { inherit lock; pname = "demo"; version = "1.0"; }'
    )
    assert library.ask(f'({with_lock}.fetchPypiWheel "needed" "2.0" "{NEEDED.filename}").name') == NEEDED.filename


def test_a_url_with_its_hash_needs_no_lock(library: Library) -> None:
    path = library.store.files / "stated.whl"
    path.write_bytes(NEEDED.content)
    file = library.build(
        f'mach.fetchPypiWheel {{ url = "{path.as_uri()}"; sha256 = "{NEEDED.sha256}"; netrc = {{ }}; }}'
    )
    assert file.read_bytes() == NEEDED.content


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            'fetchPypiSdist { inherit lock; pname = "needed"; version = "2.0"; }',
            f"the lock has no sdist of needed 2.0, it has needed 2.0 ({NEEDED.filename})",
        ),
        (
            'fetchPypiWheel { inherit lock; pname = "nedeed"; version = "2.0"; }',
            "the lock has no wheel of nedeed 2.0 (did you mean needed?)",
        ),
        (
            'fetchPypiWheel { inherit lock; pname = "needed"; version = "2.0"; filename = "x.whl"; }',
            f"the lock has no wheel of needed 2.0 with the name x.whl, it has needed 2.0 ({NEEDED.filename})",
        ),
    ],
)
def test_what_the_lock_does_not_have_is_said(library: Library, call: str, sentence: str) -> None:
    assert library.refusal(f"(mach.{call}).drvPath") == f"{call.split()[0]}: {sentence}"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            'fetchPypiSdist "demo" "1.0"',
            "fetchPypiSdist finds demo 1.0 in a lock: pass lock = ./mach.lock;, or url and sha256",
        ),
        (
            'fetchPypiSdist { url = "https://x.example/a.tar.gz"; }',
            "fetchPypiSdist takes url and sha256 together: "
            "without the hash, the file could be another one in ten years",
        ),
        (
            "fetchPypiWheel { inherit lock; }",
            "fetchPypiWheel takes pname and version of what the lock has, or url and sha256",
        ),
    ],
)
def test_a_file_needs_a_lock_or_a_hash(library: Library, call: str, sentence: str) -> None:
    assert library.refusal(f"(mach.{call}).drvPath") == sentence
