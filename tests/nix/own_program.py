"""Expressions that build mach itself as default.nix does, from other locks than its own."""

from __future__ import annotations

import json
from pathlib import Path

from resolver.lock import render_lock
from tests.nix.library import ROOT
from tests.nix.locks import lock_of
from tests.support.dists import make_sdist, wheel_from_installed
from tests.support.nix import NixStore

__all__ = ["installed_lock", "write_program"]

#: What `mach gen --lock` and `mach lock --offline` import.
NEEDED = ("click", "packaging", "resolvelib")
#: What the catalog takes besides.
OF_CATALOG = ("sqlalchemy", "alembic", "mako", "markupsafe", "typing-extensions")


def installed_lock(store: NixStore, *, catalog: bool = False) -> str:
    """Return a lock of this folder and of installed wheels: what a part of mach needs, so that no index is asked."""
    names = [*NEEDED, *(OF_CATALOG if catalog else ())]
    wheels = [wheel_from_installed(name, without_binaries=True) for name in names]
    made = lock_of(store, make_sdist("mach-resolver", "0.1.0"), *wheels)
    value = json.loads(render_lock(made))
    for pin in value["targets"][0]["pins"]:
        if pin["name"] == "mach-resolver":
            pin["artifact"] = {"type": "path", "path": ".", "states": "sha256:0"}
            pin["dependencies"] = {name: [name] for name in names}
    return json.dumps(value).replace(store.files.as_uri(), "https://files.index.example/packages")


def write_program(folder: Path, lock: str, files: str, body: str = "mach") -> Path:
    """Write an expression in which ``mach`` is made from *lock*, whose files lie below the address *files*."""
    (folder / "own.lock").write_text(lock)
    path = folder / "own.nix"
    path.write_text(
        f"let pkgs = import <nixpkgs> {{ config.pypiFiles = {json.dumps(files)}; }};\n"
        f"  mach = import {ROOT}/nix/own.nix {{ inherit pkgs; source = {ROOT};\n"
        f"    library = import {ROOT} {{ inherit pkgs; }};\n"
        "    lock = builtins.fromJSON (builtins.readFile ./own.lock); };\n"
        f"in {body}\n"
    )
    return path
