"""A pinned nixpkgs, read from a ``flake.lock``, from npins' ``sources.json``, or from options."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from .errors import InputError
from .lock import Nixpkgs

__all__ = [
    "NIXPKGS_ARCHIVE",
    "is_nix_sha256",
    "is_revision",
    "make_nixpkgs",
    "nixpkgs_from_flake_lock",
    "nixpkgs_from_npins",
    "to_hexadecimal",
]

#: The nixpkgs project's own archive of a revision; ``REV.tar.gz`` follows.
NIXPKGS_ARCHIVE = "https://github.com/NixOS/nixpkgs/archive/"

_REVISION = re.compile(r"[0-9a-f]{40}")
_SRI = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
# Nix' own alphabet has no e, o, t and u; 52 digits hold 260 bits, so the first one is 0 or 1.
_NIX_BASE32 = re.compile(r"[01][0-9abcdfghijklmnpqrsvwxyz]{51}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NIX_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


def is_revision(text: str) -> bool:
    """Return whether *text* is a whole git commit: 40 hexadecimal digits in lower case."""
    return _REVISION.fullmatch(text) is not None


def is_nix_sha256(text: str) -> bool:
    """Return whether *text* is a SHA-256 in SRI form (``sha256-…=``) or in Nix' base 32 (52 digits)."""
    if _SRI.fullmatch(text):
        # base64 of 32 bytes leaves two unused bits, which must be zero to name one hash by one text
        raw = text.removeprefix("sha256-")
        return base64.b64encode(base64.b64decode(raw)).decode() == raw
    return _NIX_BASE32.fullmatch(text) is not None


def to_hexadecimal(sha256: str) -> str:
    """Return the 64 hexadecimal digits of a SHA-256 that :func:`is_nix_sha256` takes.

    :raises ValueError: where it does not.
    """
    if not is_nix_sha256(sha256):
        raise ValueError(f"{sha256!r} is not a SHA-256 as Nix writes it")
    if sha256.startswith("sha256-"):
        return base64.b64decode(sha256.removeprefix("sha256-")).hex()
    number = 0
    for digit in sha256:  # the last one holds the lowest bits of the first byte
        number = number * 32 + _NIX_DIGITS.index(digit)
    return number.to_bytes(32, "little").hex()


def make_nixpkgs(rev: str | None, sha256: str | None) -> Nixpkgs | None:
    """Return the nixpkgs that ``--nixpkgs REV --nixpkgs-sha256 HASH`` name, None where neither is given.

    :param rev: a whole commit; a branch or a short commit would not pin anything.
    :param sha256: hash of the unpacked tarball: SRI, Nix base 32 (as ``nix-prefetch-url
        --unpack`` prints), or 64 hexadecimal digits; hexadecimal is turned into SRI.
    :raises InputError: ``invalid-nixpkgs``.
    """
    if rev is None and sha256 is None:
        return None
    if rev is None or sha256 is None:
        given, lacking = ("--nixpkgs-sha256", "--nixpkgs") if rev is None else ("--nixpkgs", "--nixpkgs-sha256")
        commit = rev if rev is not None and is_revision(rev) else "REV"
        raise InputError(
            "invalid-nixpkgs",
            f"{given} is given without {lacking}",
            hint="give both, --nixpkgs REV --nixpkgs-sha256 HASH, or a flake.lock that has them: REV is a commit, no "
            f"branch, and `nix-prefetch-url --unpack {NIXPKGS_ARCHIVE}{commit}.tar.gz` prints HASH",
        )
    return _make(rev, sha256, "--nixpkgs", "--nixpkgs-sha256")


def nixpkgs_from_flake_lock(text: str, name: str = "flake.lock", node: str | None = None) -> Nixpkgs:
    """Return the nixpkgs that a ``flake.lock`` (versions 5 to 7) pins.

    :param name: the file, for messages.
    :param node: the root's input to take; ``nixpkgs`` by default.
    :raises InputError: ``invalid-nixpkgs`` where the text is no flake lock, has no such
        input, or the input is not the nixpkgs of github.
    """
    value = _load(text, name)
    version, nodes, root = value.get("version"), value.get("nodes"), value.get("root")
    if not isinstance(nodes, dict) or not isinstance(root, str) or version not in (5, 6, 7):
        raise _refuse(name, "it is not a flake.lock of version 5, 6 or 7")
    wanted = node or "nixpkgs"
    inputs = _object(_object(nodes.get(root), f"nodes.{root}", name).get("inputs", {}), f"nodes.{root}.inputs", name)
    if wanted not in inputs:
        known = ", ".join(sorted(map(str, inputs))[:10]) or "none"
        raise _refuse(name, f"the flake has no input named {wanted!r} (its inputs: {known})")
    key = _follow(nodes, root, inputs[wanted], name)
    locked = _object(_object(nodes.get(key), f"nodes.{key}", name).get("locked"), f"nodes.{key}.locked", name)
    where = f"{name}: nodes.{key}.locked"
    _check_github(locked.get("type"), locked.get("owner"), locked.get("repo"), where, key)
    return _make(locked.get("rev"), locked.get("narHash"), f"{where}.rev", f"{where}.narHash")


def nixpkgs_from_npins(text: str, name: str = "npins/sources.json", pin: str = "nixpkgs") -> Nixpkgs:
    """Return the nixpkgs that npins' ``sources.json`` (versions 3 to 7) pins.

    A pin of a channel is refused: the channel's tarball holds other files than the
    commit's, so its hash says nothing about what can still be fetched years later.

    :param name: the file, for messages.
    :param pin: the pin to take.
    :raises InputError: ``invalid-nixpkgs``.
    """
    value = _load(text, name)
    pins = value.get("pins")
    if not isinstance(pins, dict) or value.get("version") not in (3, 4, 5, 6, 7):
        raise _refuse(name, "it is not npins' sources.json of version 3 to 7")
    if pin not in pins:
        known = ", ".join(sorted(map(str, pins))[:10]) or "none"
        raise _refuse(name, f"it has no pin named {pin!r} (its pins: {known})")
    entry = _object(pins[pin], f"pins.{pin}", name)
    where = f"{name}: pins.{pin}"
    if entry.get("type") == "Channel":
        raise _refuse(
            name,
            f"pins.{pin} is the channel {str(entry.get('name'))!r}; its tarball is gone once the channel moves on",
            hint=f"pin a branch instead: npins add --name {pin} github NixOS nixpkgs -b BRANCH",
        )
    repository = _object(entry.get("repository"), f"pins.{pin}.repository", name)
    _check_github(repository.get("type"), repository.get("owner"), repository.get("repo"), f"{where}.repository", pin)
    if entry.get("submodules"):
        raise _refuse(name, f"pins.{pin} is fetched with submodules, which a tarball does not hold")
    return _make(entry.get("revision"), entry.get("hash"), f"{where}.revision", f"{where}.hash")


def _refuse(name: str, message: str, *, hint: str | None = None) -> InputError:
    return InputError(
        "invalid-nixpkgs",
        f"{name}: {message}",
        hint=hint or "give the pin with --nixpkgs REV --nixpkgs-sha256 HASH",
    )


def _load(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _refuse(name, message) from error
    except RecursionError as error:
        raise _refuse(name, "it is nested too deeply") from error
    except ValueError as error:
        raise _refuse(name, f"it is not JSON that mach reads: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise _refuse(name, "it does not hold a JSON object")
    return value


def _object(value: object, where: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(name, f"{where}: it must be an object")
    return value


def _follow(nodes: dict[str, Any], root: str, target: object, name: str) -> str:
    """Return the node that an input leads to: its name, or a path of inputs from the root (``follows``)."""
    for _ in range(100):
        if isinstance(target, str):
            return target
        if not isinstance(target, list) or not target or not all(isinstance(step, str) for step in target):
            break
        # A path is walked from the root; a step may itself follow another path, whose rest is appended.
        at: str = root
        rest = list(target)
        target = None
        while rest:
            step = rest.pop(0)
            inputs = _object(_object(nodes.get(at), f"nodes.{at}", name).get("inputs", {}), f"nodes.{at}.inputs", name)
            following = inputs.get(step)
            if isinstance(following, list):
                target = [*following, *rest]
                break
            if not isinstance(following, str):
                raise _refuse(name, f"nodes.{at}.inputs: it has no input named {step!r}")
            at = following
        else:
            return at
    raise _refuse(name, "its inputs follow each other without an end")


def _check_github(kind: object, owner: object, repo: object, where: str, key: str) -> None:
    is_github = isinstance(kind, str) and kind.lower() == "github"
    named = f"{str(owner)[:80]}/{str(repo)[:80]}" if owner or repo else ""
    if not is_github or named.lower() != "nixos/nixpkgs":
        found = f"{str(kind)[:80]} {named}".strip()
        raise InputError(
            "invalid-nixpkgs",
            f"{where}: {key!r} is {found}, not the nixpkgs of github (NixOS/nixpkgs)",
            hint="give the pin with --nixpkgs REV --nixpkgs-sha256 HASH",
        )


def _make(rev: object, sha256: object, at_rev: str, at_sha256: str) -> Nixpkgs:
    if not isinstance(rev, str) or not is_revision(rev.lower()):
        raise InputError(
            "invalid-nixpkgs",
            f"{at_rev}: {str(rev)[:80]!r} is not a commit of 40 hexadecimal digits",
            hint="a branch or a short commit pins nothing; git ls-remote prints the whole commit of a branch",
        )
    text = sha256 if isinstance(sha256, str) else ""
    text = text.removeprefix("sha256:")
    if _HEX.fullmatch(text.lower()):
        text = "sha256-" + base64.b64encode(binascii.unhexlify(text)).decode()
    if not is_nix_sha256(text):
        raise InputError(
            "invalid-nixpkgs",
            f"{at_sha256}: {str(sha256)[:120]!r} is not a SHA-256 as Nix writes it",
            hint="write it as sha256-BASE64=, as 52 digits of Nix' base 32, or as 64 hexadecimal digits",
        )
    return Nixpkgs(rev=rev.lower(), sha256=text)
