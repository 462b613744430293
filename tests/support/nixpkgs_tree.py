"""Trees of a nixpkgs whose Python set has modules: the stand-in, wheels, and a file that lists them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.dists import Dist
from tests.support.nix import STAND_IN

__all__ = ["FAULTS", "Module", "write_generated", "write_nixpkgs"]

#: What can be wrong with an attribute: ``tryEval`` catches the first two, the others end an evaluation.
FAULTS = {
    "throw": 'throw "this is planted"',
    "assert": "assert false; 1",
    "missing-attribute": "({ }).missing",
    "type": 'final.buildPythonPackage { pname = 1 + "x"; version = "1"; format = "wheel"; }',
    "abort": 'abort "this is planted"',
    "recursion": "let x = x; in x",
}

_DEFAULT = """\
{ system ? builtins.currentSystem, config ? { }, overlays ? [ ] }:
let named = minor: { name = "python3${toString minor}"; value = null; }; in
import ./stand-in {
  inherit system config;
  overlays = [
    (final: prev: builtins.mapAttrs
      (_: python: python.override { packageOverrides = import ./modules.nix; })
      (builtins.intersectAttrs (builtins.listToAttrs (map named [ 10 11 12 13 14 ])) prev))
  ] ++ overlays;
}
"""
_MODULES = """\
final: prev:
let
  modules = builtins.fromJSON (builtins.readFile ./modules.json);
  make = name: module: final.buildPythonPackage ({
    inherit (module) pname version;
    format = "wheel";
    src = { outPath = ./wheels + "/${module.wheel}"; name = module.wheel; urls = module.urls; };
    dependencies = map (other: final.${other}) module.dependencies;
    optional-dependencies = builtins.mapAttrs (_: map (other: final.${other})) module.extras;
    doCheck = false;
    doInstallCheck = false;
    meta = module.meta;
  });
in
builtins.mapAttrs make modules // import ./planted.nix final prev
"""

_GENERATED = """
let
  name = number: "module-${toString number}";
  make = number: final.buildPythonPackage rec {
    pname = name number;
    version = "1.${toString number}";
    format = "wheel";
    src = final.fetchPypi { inherit pname version; hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; };
    dependencies = map (step: final.${name (number / step)}) (if number == 0 then [ ] else [ 2 3 5 ]);
  };
in
builtins.listToAttrs (builtins.genList (number: { name = name number; value = make number; }) COUNT) // { PLANTED }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One attribute of the Python set."""

    wheel: Dist
    attribute: str | None = None
    """The wheel's name by default."""
    pname: str | None = None
    version: str | None = None
    """As nixpkgs has it; the wheel's by default."""
    dependencies: Sequence[str] = ()
    """Attributes."""
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)
    urls: Sequence[str] = ()
    meta: Mapping[str, object] = field(default_factory=dict)


def write_nixpkgs(folder: Path, modules: Sequence[Module], planted: str = "{ }") -> Path:
    """Write a nixpkgs that needs nothing outside *folder*, and return it.

    :param planted: a Nix expression of more attributes of the set, with *final* and *prev* in scope.
    """
    left_out = shutil.ignore_patterns("__pycache__", ".*", "tests", "examples")
    shutil.copytree(STAND_IN, folder / "stand-in", ignore=left_out)
    (folder / "wheels").mkdir()
    listed = {}
    for module in modules:
        wheel = module.wheel
        (folder / "wheels" / wheel.filename).write_bytes(wheel.content)
        listed[module.attribute or wheel.project] = {
            "pname": module.pname or wheel.project,
            "version": module.version or wheel.version,
            "wheel": wheel.filename,
            "dependencies": list(module.dependencies),
            "extras": {extra: list(names) for extra, names in module.extras.items()},
            "urls": list(module.urls),
            "meta": dict(module.meta),
        }
    (folder / "default.nix").write_text(_DEFAULT)
    (folder / "modules.nix").write_text(_MODULES)
    (folder / "modules.json").write_text(json.dumps(listed, indent=1))
    (folder / "planted.nix").write_text(f"final: prev: {planted}\n")
    return folder


def write_generated(folder: Path, count: int) -> Path:
    """Write a nixpkgs of *count* modules with three dependencies each, and one attribute for each of FAULTS."""
    planted = " ".join(f"bad-{name} = {text};" for name, text in FAULTS.items())
    return write_nixpkgs(folder, (), _GENERATED.replace("COUNT", str(count)).replace("PLANTED", planted))
