"""The arguments of the library's functions: what is misspelt, of another type, old or gone is said in one sentence."""

from __future__ import annotations

import pytest

from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.support.dists import make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    library.write(lock_of(nix_store, make_wheel("demo-project", "1.0"), make_wheel("other", "2.0")))
    return library


LOCKED = f"(import {ROOT} {{ inherit pkgs; lock = ./mach.lock; }})"
WITHOUT_CATALOG = (
    "resolves requirements on a pinned catalog, and the import was given a lock alone: pass catalog = "
    "{ snapshot = …; sha256 = …; } (a file of mach db export), or take what the lock has: gen.python.NAME.NAME for "
    "some of its projects, mkPython { } for all; what it lacks is put in with mach lock"
)

REFUSED = {
    # misspelt
    "mach.mkPython { inherit lock; ignoreColisions = true; }": (
        "mkPython has no argument ignoreColisions (did you mean ignoreCollisions?)"
    ),
    "mach.mkPython { inherit lock; packageExtra = [ ]; }": (
        "mkPython has no argument packageExtra (did you mean packagesExtra?)"
    ),
    "mach.mkOverlay { inherit lock; overridespost = [ ]; }": (
        "mkOverlay has no argument overridespost (did you mean overridesPost?)"
    ),
    "mach.mkDockerImage { inherit lock; tags = [ ]; }": "mkDockerImage has no argument tags (did you mean tag?)",
    "mach.mkPython { inherit lock; somethingElse = 1; }": "mkPython has no argument somethingElse",
    'mach.buildPythonPackage { inherit lock; requirement = ""; }': (
        "buildPythonPackage has no argument requirement (did you mean requirements?)"
    ),
    'mach.fetchPypiSdist { inherit lock; pname = "other"; verison = "2.0"; }': (
        "fetchPypiSdist has no argument verison (did you mean version?)"
    ),
    f"import {ROOT} {{ inherit pkgs; mirror = [ ]; }}": "import has no argument mirror (did you mean mirrors?)",
    # of another type
    "mach.mkPython { inherit lock; packagesExtra = { }; }": (
        "mkPython: packagesExtra must be a list, and it is a value of type set"
    ),
    'mach.mkPython { inherit lock; tests = "yes"; }': (
        "mkPython: tests must be true or false, and it is a value of type string"
    ),
    "mach.mkPython true": "mkPython takes an attribute set, and was given a value of type bool",
    "mach.mkPython { lock = 1; }": (
        "mkPython: lock must be the path of a mach.lock, or what it holds, and it is a value of type int"
    ),
    'mach.mkPython { lock = "./mach.lock"; }': (
        'mkPython: lock must be the path of a mach.lock, or what it holds, and it is the text "./mach.lock": '
        "a path has no quotes, lock = ./mach.lock;"
    ),
    "mach.mkPython { lock = /no/such/mach.lock; }": (
        "mkPython: lock must be the path of a mach.lock, or what it holds, and there is no /no/such/mach.lock "
        "(mach lock -r requirements.txt makes one)"
    ),
    f"mach.mkOverlay {{ lock = {ROOT}/README.md; }}": (
        f"mkOverlay: lock must be the path of a mach.lock, or what it holds, and {ROOT}/README.md is none "
        "(mach lock -r requirements.txt makes one)"
    ),
    f"(import {ROOT} {{ }}).mkPython {{ lock = {ROOT}/README.md; }}": (  # on the nixpkgs that the lock pins
        f"mkPython: lock must be the path of a mach.lock, or what it holds, and {ROOT}/README.md is none "
        "(mach lock -r requirements.txt makes one)"
    ),
    "mach.mkPython { lock = { pins = [ ]; }; }": (
        "mkPython: lock must be the path of a mach.lock, or what it holds, and it is a value of type set"
    ),
    "mach.mkPython { inherit lock; fixes = [ 1 ]; }": (
        "fixes takes paths of TOML tables, and was given a value of type int"
    ),
    'mach.fetchPypiWheel "other" 2': "fetchPypiWheel: version must be a text, and it is a value of type int",
    # where it has no effect
    "mach.mkOverlay { inherit lock; tests = true; }": (
        "mkOverlay does not take tests: it is about an environment, and this is none; mkPython takes it"
    ),
    "mach.mkNixpkgs { inherit lock; packagesExtra = [ pkgs.jq ]; }": (
        "mkNixpkgs: packagesExtra holds jq-from-host, and Python's set has no place for programs: mkPython takes it"
    ),
    # of mach-nix, gone
    "mach.mkPython { inherit lock; ignoreDataOutdated = true; }": (
        "mkPython: ignoreDataOutdated is gone: a lock does not age: leave it out"
    ),
    "mach.mkPython { inherit lock; _fixes = { }; }": (
        "mkPython: _fixes is gone: fixes are tables now: fixes = [ ./fixes.toml ]"
    ),
    f'import {ROOT} {{ inherit pkgs; pypiDataRev = "abc"; }}': (
        "import: pypiDataRev is gone: the catalog is one pin: catalog = { snapshot = …; sha256 = …; }"
    ),
    "mach.mkPython { inherit lock; extra_pkgs = [ ]; packagesExtra = [ ]; }": (
        "mkPython has both extra_pkgs and packagesExtra, which is its name now: leave extra_pkgs out"
    ),
    # without a lock, or with two wishes
    "mach.mkPython { }": "mkPython needs a lock: run mach lock -r requirements.txt, and pass lock = ./mach.lock;",
    'mach.mkPython { inherit lock; requirements = ""; providers = { }; }': (
        "mkPython has lock and requirements, providers: what to lock is said when the lock is made (mach lock --help); "
        "leave out one or the other"
    ),
    'mach.mkPython { inherit lock; _providerDefaults = { _default = "wheel"; }; }': (
        "mkPython has lock and _providerDefaults: what to lock is said when the lock is made (mach lock --help); "
        "leave out one or the other"
    ),
    f'{LOCKED}.pythonWith [ "other" ]': f"pythonWith {WITHOUT_CATALOG}",
    f'{LOCKED}.mkPython {{ requirements = "other"; }}': f"mkPython {WITHOUT_CATALOG}",
    f'{LOCKED}.mkPython {{ providers = "wheel"; }}': (
        "mkPython: providers without requirements has no effect with a lock, and the import has one: what to lock is "
        "said when the lock is made (mach lock --help); leave it out"
    ),
    f'{LOCKED}.mkOverlay {{ providers = {{ }}; _providerDefaults = "wheel"; }}': (
        "mkOverlay: providers and _providerDefaults without requirements have no effect with a lock, and the import "
        "has one: what to lock is said when the lock is made (mach lock --help); leave them out"
    ),
    f'{LOCKED}.buildPythonPackage {{ pname = "other"; requirementsExtra = "demo"; }}': (
        "buildPythonPackage: requirementsExtra without requirements has no effect with a lock, and the import has one: "
        "what to lock is said when the lock is made (mach lock --help); leave it out"
    ),
    # which Python
    'mach.mkPython { inherit lock; python = "python3111"; }': (
        "mkPython: this nixpkgs has no python3111 (did you mean python311?)"
    ),
    # `_`
    "mach.mkPython { inherit lock; _.demoproject.patches = [ ]; }": (
        "mkPython: _.demoproject is about a project that the lock does not have (did you mean demo-project?)"
    ),
    "mach.mkPython { inherit lock; _.other = [ ]; }": (
        "mkPython: _.other must be an attribute set, such as { patches.add = [ … ]; }"
    ),
    "mach.mkPython { inherit lock; _.other.patches = { add = [ ]; mod = old: old; }; }": (
        "mkPython: _.other.patches has both add and mod: write what add adds in mod"
    ),
    "mach.mkPython { inherit lock; _.other.patches = { add = [ ]; ad = 1; }; }": (
        "mkPython: _.other.patches has ad beside add or mod"
    ),
    "mach.mkPython { inherit lock; _.other.patches.ad = [ ]; }": (
        "mkPython: _.other.patches is a set, and the attribute a list: a set may hold add or mod, and this one holds ad"
    ),
    "mach.mkPython { inherit lock; _.other.buildInputs = pkgs.jq; }": (
        "mkPython: _.other.buildInputs must be a list, and it is a value of type set"
    ),
    "mach.mkPython { inherit lock; _.other.patches.mod = [ ]; }": (
        "mkPython: _.other.patches.mod must be a function of the old value"
    ),
    "mach.mkPython { inherit lock; _.other.name.add = [ ]; }": (
        "mkPython: _.other.name.add is of type list, and the attribute of type string: "
        "it takes a list, a text or a set like the attribute"
    ),
    # packagesExtra
    'mach.mkPython { inherit lock; packagesExtra = [ "https://x.example/a.tar.gz" ]; }': (
        "mkPython: packagesExtra names https://x.example/a.tar.gz, which is not in the lock: add it to the request, "
        "mach lock 'NAME @ https://x.example/a.tar.gz', and lock again"
    ),
    "mach.mkPython [ /some/folder ]": (
        "mkPython needs a lock: run mach lock -r requirements.txt, and pass lock = ./mach.lock;"
    ),
    f"(import {ROOT} {{ inherit pkgs lock; }}).mkPython [ /some/folder ]": (
        "mkPython: packagesExtra names /some/folder, which is not in the lock: add it to the request, "
        "mach lock /some/folder, and lock again"
    ),
    "mach.mkPython { inherit lock; packagesExtra = [ 1 ]; }": (
        "mkPython: packagesExtra holds a value of type int: it takes URLs of archives, paths and derivations"
    ),
    "mach.mkPython { inherit lock; packagesExtra = [ (pkgs.python311.pkgs.buildPythonPackage "
    '{ pname = "six"; version = "1"; format = "other"; }) ]; }': (
        "mkPython: packagesExtra holds six of nixpkgs' Python set, which knows nothing of the lock: "
        "put it into the request instead, mach lock --provider six=nixpkgs"
    ),
    'mach.mkPython { inherit lock; packagesExtra = [ (pkgs.runCommand "r-ggplot2" { } "") ]; }': (
        "mkPython: packagesExtra holds r-ggplot2, a library of R, which mach does not set up for rpy2: "
        "pass an rWrapper with it in its place, and R in _.rpy2.buildInputs.add"
    ),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.items())
def test_what_cannot_be_meant_is_one_sentence(library: Library, call: str, sentence: str) -> None:
    forced = f"let made = {call}; in builtins.seq made (made.drvPath or null)"
    assert library.refusal(forced) == sentence


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("extra_pkgs = [ pkgs.jq ];", "packagesExtra = [ pkgs.jq ];"),
        ("disable_checks = false;", "tests = true;"),
        ("overrides_pre = [ ];", "overridesPre = [ ];"),
        ("overrides_post = [ ];", "overridesPost = [ ];"),
    ],
)
def test_old_spellings_are_translated_and_said(library: Library, old: str, new: str) -> None:
    call = "(mach.mkPython {{ inherit lock; {} }}).drvPath"
    one, other = library.ask(f"[ {call.format(old)} {call.format(new)} ]")
    assert one == other
    names = old.split()[0], new.split()[0]
    assert f"trace: mach: mkPython: {names[0]} is called {names[1]} now" in library.said(call.format(old))


@pytest.mark.parametrize(
    ("old", "new"),
    [("add_requirements = '''';", "requirementsExtra"), ("_provider_defaults = { };", "_providerDefaults")],
)
def test_old_spellings_of_requests_are_refused_by_their_new_names(library: Library, old: str, new: str) -> None:
    function = "buildPythonPackage" if new == "requirementsExtra" else "mkPython"
    call = (
        f'mach.{function} {{ inherit lock; pname = "other"; {old} }}'
        if function != "mkPython"
        else (f"mach.mkPython {{ inherit lock; {old} }}")
    )
    assert library.refusal(f"({call}).drvPath").startswith(f"{function} has lock and {new}: ")


def test_every_wrong_argument_is_found_before_anything_is_evaluated(library: Library) -> None:
    thrown = 'mach.mkPython { lock = throw "read"; postBuild = throw "read"; wrong = 1; }'
    assert library.refusal(thrown) == "mkPython has no argument wrong"
    assert library.refusal("mach.mkPythonOverrides { }").startswith("mkPythonOverrides needs a lock: ")
