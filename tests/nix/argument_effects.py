"""What arguments of the library's functions change: for every function and argument, two calls that must differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BUILDS", "FETCHES", "OF_LOCKS", "OF_REQUESTS", "Effect", "observed"]

ENVIRONMENTS = ("mkPython", "mkPythonShell", "mkDockerImage")
SETS = ("mkPythonOverrides", "mkOverlay", "mkNixpkgs")
BUILDS = ("buildPythonPackage", "buildPythonApplication")
FETCHES = ("fetchPypiSdist", "fetchPypiWheel")

#: Function -> what shows in Nix of a value ``it`` that it gave. A set shows its projects, an environment all of itself.
_MODULES = "map (name: set.${name}.drvPath or null) [ @PROJECTS@ ]"
_SHOWN = {
    **dict.fromkeys((*ENVIRONMENTS, *FETCHES), "it.drvPath"),
    **dict.fromkeys(BUILDS, "[ it.drvPath it.env.drvPath or null ]"),
    "mkPythonOverrides": f"let set = (pkgs.python311.override {{ packageOverrides = it; }}).pkgs; in {_MODULES}",
    "mkOverlay": f"let set = (pkgs.extend it).python311.pkgs; in {_MODULES}",
    "mkNixpkgs": f"let set = it.python311.pkgs; in {_MODULES}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Two texts of arguments: those around ``argument``, and with it."""

    function: str
    argument: str
    without: str
    given: str

    @property
    def name(self) -> str:
        """The pair as a test calls it."""
        return f"{self.function} {self.argument}"


def observed(library: str, function: str, arguments: str, projects: Iterable[str]) -> str:
    """Return an expression of what a call shows, or of ``"refused"``.

    :param library: an expression of the library.
    :param projects: names that a set of modules is asked for.
    """
    shown = _SHOWN[function].replace("@PROJECTS@", " ".join(f'"{name}"' for name in projects))
    return (
        f"let it = {library}.{function} {{ {arguments} }}; shown = {shown}; "
        'tried = builtins.tryEval (builtins.deepSeq shown shown); in if tried.success then tried.value else "refused"'
    )


def _effects(functions: Iterable[str], argument: str, given: str, around: str = "inherit lock;") -> list[Effect]:
    own = 'pname = "demo";'
    return [
        Effect(
            function=function,
            argument=argument,
            without=f"{around} {own}" if function in BUILDS and "pname" not in around else around,
            given=f"{around} {own} {given}" if function in BUILDS and "pname" not in around else f"{around} {given}",
        )
        for function in functions
    ]


def _replaced(functions: Iterable[str], argument: str, before: str, after: str, around: str = "") -> list[Effect]:
    return [
        Effect(
            function=function, argument=argument, without=f"{argument} = {before}; {around}",
            given=f"{argument} = {after}; {around}",
        )
        for function in functions
    ]  # fmt: skip


_LOCKED = (*ENVIRONMENTS, *SETS, *BUILDS)
_NETRC = 'netrc = { "https://files.index.example" = "machine"; };'
_MIRRORS = 'mirrors = [ "https://mirror.example" ];'
_NEW = 'inherit lock; pname = "new"; version = "1"; src = ./tree;'
_URL, _OTHER_URL = '"https://files.index.example/a-1.whl"', '"https://files.index.example/b-1.whl"'

#: Over mach.lock, path.lock (demo from ./tree), other.lock (demo of another version), remote.lock (files at
#: https://files.index.example) and alone.lock.
OF_LOCKS: tuple[Effect, ...] = (
    *_replaced((*ENVIRONMENTS, *SETS), "lock", "./mach.lock", "./other.lock"),
    *_replaced(BUILDS, "lock", "./mach.lock", "./other.lock", 'pname = "demo";'),
    *_effects(
        _LOCKED,
        "packagesExtra",
        'packagesExtra = [ (mach.buildPythonPackage { lock = ./alone.lock; pname = "alone"; }) ];',
    ),
    *_effects(_LOCKED, "_", '_.demo.COLOUR = "red";'),
    # what nixpkgs builds its own demo with, the sdist takes over
    *_effects(
        _LOCKED,
        "overridesPre",
        """overridesPre = [ (final: prev: { demo = prev.buildPythonPackage {
          pname = "demo"; version = "0"; format = "other"; buildInputs = [ pkgs.zlib ]; }; }) ];""",
    ),
    *_effects(
        _LOCKED,
        "overridesPost",
        'overridesPost = [ (final: prev: { demo = prev.demo.overrideAttrs (_: { COLOUR = "red"; }); }) ];',
    ),
    *_effects(_LOCKED, "python", 'python = "python3111";'),
    *_effects(_LOCKED, "mirrors", _MIRRORS),
    *_effects(_LOCKED, "netrc", _NETRC, "lock = ./remote.lock;"),
    *_effects(_LOCKED, "fixes", "fixes = ./mine.toml;"),
    *_effects(_LOCKED, "root", "root = ./moved;", "lock = ./path.lock;"),
    *_effects((*ENVIRONMENTS, *BUILDS), "tests", "tests = true;"),
    *_effects(ENVIRONMENTS, "collisions", 'collisions = { "bin/x" = "demo"; };'),
    *_effects(ENVIRONMENTS, "ignoreCollisions", "ignoreCollisions = true;"),
    *_effects(ENVIRONMENTS, "postBuild", 'postBuild = "true";'),
    *_effects(("mkDockerImage",), "name", 'name = "mine";'),
    *_effects(("mkDockerImage",), "tag", 'tag = "1.0";'),
    *_effects(("mkDockerImage",), "command", 'command = [ "/bin/sh" ];'),
    *_effects(("mkDockerImage",), "stream", "stream = true;"),
    *_effects(BUILDS, "src", "src = ./other;"),
    *_replaced(BUILDS, "pname", '"demo"', '"needed"', "inherit lock;"),
    *_effects(BUILDS, "version", 'version = "9";'),
    *_effects(BUILDS, "extras", 'extras = [ "absent" ];'),
    *_effects(BUILDS, "format", 'format = "other";', _NEW),
    *_effects(BUILDS, "pyproject", "pyproject = false;", _NEW),
    *_effects(BUILDS, "doCheck", "doCheck = true;"),
    *_effects(BUILDS, "pythonImportsCheck", 'pythonImportsCheck = [ "demo" ];'),
    *_replaced(("fetchPypiSdist",), "lock", "./mach.lock", "./other.lock", 'pname = "demo"; version = "1.0";'),
    *_replaced(("fetchPypiWheel",), "lock", "./mach.lock", "./alone.lock", 'pname = "needed"; version = "2.0";'),
    *_replaced(("fetchPypiSdist",), "pname", '"demo"', '"second"', 'inherit lock; version = "1.0";'),
    *_replaced(("fetchPypiWheel",), "pname", '"needed"', '"third"', 'inherit lock; version = "2.0";'),
    *_replaced(("fetchPypiSdist",), "version", '"1.0"', '"9"', 'inherit lock; pname = "demo";'),
    *_replaced(("fetchPypiWheel",), "version", '"2.0"', '"9"', 'inherit lock; pname = "needed";'),
    *_effects(("fetchPypiSdist",), "filename", 'filename = "x";', 'inherit lock; pname = "demo"; version = "1.0";'),
    *_effects(("fetchPypiWheel",), "filename", 'filename = "x";', 'inherit lock; pname = "needed"; version = "2.0";'),
    *_effects(("fetchPypiSdist",), "mirrors", _MIRRORS, 'inherit lock; pname = "demo"; version = "1.0";'),
    *_effects(("fetchPypiWheel",), "mirrors", _MIRRORS, 'inherit lock; pname = "needed"; version = "2.0";'),
    *_effects(("fetchPypiSdist",), "netrc", _NETRC, 'lock = ./remote.lock; pname = "demo"; version = "1.0";'),
    *_effects(("fetchPypiWheel",), "netrc", _NETRC, 'lock = ./remote.lock; pname = "needed"; version = "2.0";'),
    *_replaced(FETCHES, "url", _URL, _OTHER_URL, f'sha256 = "{"0" * 64}";'),
    *_replaced(FETCHES, "sha256", f'"{"0" * 64}"', f'"{"1" * 64}"', f"url = {_URL};"),
)

_APP = 'requirements = "app";'
_APP_OF = f'{_APP} pname = "app";'
_MAKES = (*ENVIRONMENTS, *SETS)
_SDIST, _DEFAULT = 'providers = { part = "sdist"; };', '_providerDefaults = { part = "sdist"; };'

#: On a catalog that has app, which requires part: wheels up to 2.0, an sdist of 3.0.
OF_REQUESTS: tuple[Effect, ...] = (
    *_replaced(_MAKES, "requirements", '"app"', '"app\\npart<2"'),
    *_replaced(BUILDS, "requirements", '"app"', '"app\\npart<2"', 'pname = "app";'),
    *_effects(_MAKES, "providers", _SDIST, _APP),
    *_effects(BUILDS, "providers", _SDIST, _APP_OF),
    *_effects(_MAKES, "_providerDefaults", _DEFAULT, _APP),
    *_effects(BUILDS, "_providerDefaults", _DEFAULT, _APP_OF),
    *_effects(BUILDS, "requirementsExtra", 'requirementsExtra = "part<2";', _APP_OF),
)
