"""The Nix expressions that are made from a lock: one self-contained file, or a folder that reads mach.lock."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from importlib.resources import files

from resolver.errors import DataError
from resolver.lock import Lock, LockedAttribute, LockedCheckout, LockedPath, lock_to_json

from .fixes import Fix, choose_fixes, shipped_fixes
from .literal import to_nix

__all__ = ["render_directory", "render_expression"]

#: Parts of the static library, in the order in which they stand in a file.
PARTS = (
    *("mirrors", "source", "select", "fixes", "inherited", "project", "wheel", "sdist", "attribute", "editable"),
    *("environment", "shell", "image", "assemble"),
)
SCRIPTS = (
    "build_wheel.py",
    "check_libraries.py",
    "check_wheel.py",
    "compile_bytecode.py",
    "compose_environment.py",
    "explain_failure.py",
    "fetch_checkout.py",
    "install_editable.py",
    "install_wheel.py",
    "link_module.py",
    "patch_binaries.py",
    "unpack_sdist.py",
)
#: What of a lock a builder reads; the request and the policy would only make the file longer.
LOCK_FIELDS = ("build-closures", "nixpkgs", "targets", "tools")

_DIGEST = re.compile(r"[A-Za-z0-9:_.+-]{1,200}")
_REVISION = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"sha256-[A-Za-z0-9+/]{43}=|[0-9a-z]{52}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_USAGE = """\
#   nix-build FILE -A env           an environment: result/bin/python, and the programs of every project
#   nix-shell FILE                  a shell with it
#   nix-build FILE -A packages.NAME one project by itself
#   nix-build FILE -A image         a container image of it; --argstr name NAME, --argstr tag TAG,
#                                   --arg command '[ "python" ]', --arg stream true
#
# overrides:  functions final: prev: { NAME = prev.NAME.overrideAttrs (old: { … }); }, applied in order.
#             runtimeLibraries = old.runtimeLibraries + ":" + lib.makeLibraryPath [ … ]; adds libraries
#             for a wheel's binaries; patches, buildInputs and phases' hooks are stdenv's.
# pkgs:       null: the nixpkgs that the lock pins, or <nixpkgs> where it pins none.
# mirrors:    archives made by mach archive, tried before the URLs of the lock: folders (./archive), then servers
#             ("https://…"); a file lies at MIRROR/SHA256 (hexadecimal).
# netrc:      "https://HOST" of a private index -> "user": its files are fetched as Nix evaluates, with the
#             netrc-file of your own nix.conf; "machine": by the build, with the machine's. Mirrors go before it.
# collisions: path in the environment -> the project whose file is taken where several differ.
# root:       the folder that the lock's relative paths start from. An editable project is built for env
#             as it is now; in the shell its working tree is imported.
"""

_BODY = """\
let
{bindings}  parts = {{
{parts}  }};
in
parts.assemble {{
  inherit
    parts
    scripts
    lock
    fixes
    known
    pkgs
    python
    overrides
    mirrors
    netrc
    collisions
    root
    inNixShell
    ;
}}
"""

_SHELL = """\
# The shell of default.nix, where nix-shell looks for it. It calls this with inNixShell.
{ ... }@arguments: (import ./default.nix arguments).shell
"""


def render_expression(lock: Lock, *, root: str = ".", fixes: Sequence[Fix] = ()) -> str:
    """Return the one file that builds *lock*, self-contained apart from nixpkgs.

    It is a function ``{ pkgs, python, overrides, mirrors, netrc, collisions, root }``, each with a default, to
    ``{ env, packages, python, shell, image, sources }``, which is the shell itself for ``nix-shell``; it evaluates
    without import-from-derivation, on Nix 2.8 and newer. The same lock gives the same bytes. Text from the lock
    enters as literals only.

    :param root: the folder of the lock, where its relative paths start: absolute, or relative to the file.
    :param fixes: the user's own, after those that come with mach.
    :raises DataError: ``lock-invalid`` where the lock holds something that cannot be written.
    """
    _check(lock)
    value = {key: item for key, item in lock_to_json(lock).items() if key in LOCK_FIELDS}
    lines = [
        "# Made by mach from a lock; make it anew rather than edit it.",
        f"# facts: {lock.facts}",
        *([f"# snapshot: {lock.snapshot}"] if lock.snapshot is not None else []),
        *(f"# target: {target.system}, Python {target.python}" for target in lock.targets),
        "#",
    ]
    header = "\n".join(lines) + "\n" + _USAGE
    chosen = choose_fixes(lock, (*shipped_fixes(), *fixes))
    try:
        arguments = _arguments(*_nixpkgs(lock), root=_path(root))
        bindings = {"lock": to_nix(value, indent=2), "fixes": to_nix(chosen, indent=2), "known": "null"}
        return header + arguments + _body(bindings)
    except ValueError as error:
        raise _invalid(str(error)) from error


def render_directory(lock: Lock, *, fixes: Sequence[Fix] = ()) -> Mapping[str, str]:
    """Return the files, by name, that build the ``mach.lock`` beside them.

    ``default.nix`` reads the lock and holds the library; of the lock's content it depends on nothing but the
    sdists that there are fixes for, so a lock that is updated in place takes effect; one that takes other
    releases of those is refused with what to do. It builds the same derivations as the single file.

    :param fixes: the user's own, after those that come with mach.
    :raises DataError: ``lock-invalid``, as :func:`render_expression`.
    """
    _check(lock)
    header = "# Made by mach: builds the mach.lock beside it.\n#\n" + _USAGE.replace("FILE ", "")
    arguments = _arguments("null", "", lock="builtins.fromJSON (builtins.readFile ./mach.lock)")
    table = (*shipped_fixes(), *fixes)
    known = sorted({fix.project for fix in table if fix.provider == "sdist"})
    bindings = {
        "fixes": to_nix(choose_fixes(lock, table, keep_unfixed=True), indent=2),
        "known": to_nix(known, indent=2),
    }
    return {"default.nix": header + arguments + _body(bindings), "shell.nix": _SHELL}


def _path(path: str) -> str:
    """Return a path of Nix, written so that no character of it is more than text."""
    if path in ("", "."):
        return "./."
    if path.startswith("/"):
        return f"/. + {to_nix(path)}"
    return f"./. + {to_nix('/' + path)}"


def _arguments(pkgs: str, comment: str, *, lock: str | None = None, root: str = "./.") -> str:
    lines = [
        *([f"  lock ? {lock},"] if lock is not None else []),
        f"  pkgs ? {pkgs},{comment}",
        "  python ? null, # an interpreter of pkgs; null: the one that the lock names",
        "  overrides ? [ ],",
        "  mirrors ? [ ],",
        "  netrc ? { },",
        "  collisions ? { },",
        f"  root ? {root},",
        "  inNixShell ? false, # nix-shell's own",
    ]
    return "{\n" + "\n".join(lines) + "\n}:\n"


def _nixpkgs(lock: Lock) -> tuple[str, str]:
    """Return the default of ``pkgs``, and a comment for its line."""
    if lock.nixpkgs is None:
        return "import <nixpkgs> { }", " # not pinned: whatever NIX_PATH says"
    return "null", f" # null: nixpkgs {lock.nixpkgs.rev}"


def _body(bindings: Mapping[str, str]) -> str:
    library = files("nix.lib")
    parts = "".join(
        f"    {name} =\n{textwrap.indent(library.joinpath(f'{name}.nix').read_text('utf-8').rstrip(), '      ')};\n\n"
        for name in PARTS
    )
    scripts = {name: library.joinpath(name).read_text("utf-8") for name in SCRIPTS}
    bound = {**bindings, "scripts": to_nix(scripts, indent=2)}
    text = "".join(f"  {name} = {value};\n\n" for name, value in bound.items())
    return _BODY.format(bindings=text, parts=parts.rstrip("\n") + "\n")


def _check(lock: Lock) -> None:
    """Refuse what would stand in a comment or a URL, outside of any literal."""
    for name, value in (("facts", lock.facts), ("snapshot", lock.snapshot)):
        if value is not None and not _DIGEST.fullmatch(value):
            raise _invalid(f"{name} is {value!r}, which is no digest")
    if lock.nixpkgs is not None:
        if not _REVISION.fullmatch(lock.nixpkgs.rev):
            raise _invalid(f"nixpkgs.rev is {lock.nixpkgs.rev!r}, not 40 hexadecimal digits")
        if not _HASH.fullmatch(lock.nixpkgs.sha256):
            raise _invalid(f"nixpkgs.sha256 is {lock.nixpkgs.sha256!r}, not a SHA-256 in SRI form or base 32")
    for target in lock.targets:
        if not re.fullmatch(r"[a-z0-9_]+-[a-z]+", target.system) or not re.fullmatch(r"[0-9.]+", target.python):
            raise _invalid(f"it has a target {target.system!r} with Python {target.python!r}")
    for tool in ("installer", "pyproject-hooks"):
        if tool not in lock.tools:
            raise _invalid(f"it lacks the tool {tool}")
    pins = [pin for target in lock.targets for pin in target.pins]
    pins += [pin for closure in lock.build_closures.values() for pin in closure.pins]
    crates = (crate for pin in pins for crate in pin.crates or ())
    for artifact in (*lock.tools.values(), *(pin.artifact for pin in pins), *crates):
        if isinstance(artifact, LockedCheckout):
            name, sha256 = artifact.url, artifact.nar_sha256
        elif isinstance(artifact, LockedAttribute) or (isinstance(artifact, LockedPath) and artifact.sha256 is None):
            continue
        else:
            name, sha256 = artifact.filename, artifact.sha256 or ""
        if not _SHA256.fullmatch(sha256):
            raise _invalid(f"the sha256 of {name!r} is {sha256!r}")


def _invalid(reason: str) -> DataError:
    return DataError("lock-invalid", f"the lock cannot be written as Nix: {reason}", hint="make it anew with mach lock")
