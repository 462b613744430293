"""Reading what a lock says of artifacts: each type with its own keys, checked, and located where it is wrong."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from .crates import Crate, check_crate
from .direct import InvalidReference, parse_reference
from .lock import (
    LOCK_VERSION,
    Locked,
    LockedArtifact,
    LockedAttribute,
    LockedCheckout,
    LockedCrate,
    LockedPath,
)
from .lock_values import (
    Invalid,
    check_filename,
    join,
    read_integer,
    read_list,
    read_mapping,
    read_matching,
    read_text,
    read_url,
    shown,
)
from .nixpkgs_index import ATTRIBUTE

__all__ = ["ArtifactReader"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SRI = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactReader:
    """Makes artifacts of the lock's JSON; *strict* refuses keys that this mach does not know."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict

    def keys(self, value: object, where: str, required: str, optional: str = "") -> Mapping[str, Any]:
        """Return *value*, which must be an object with the *required* keys; both lists are words."""
        given = read_mapping(value, where)
        for key in required.split():
            if key not in given:
                raise Invalid(join(where, key), "it is missing")
        if self.strict:
            known = {*required.split(), *optional.split()}
            for key in given:
                if key not in known:
                    raise Invalid(join(where, key), f"not a key of lock-version {LOCK_VERSION}")
        return given

    def crates(self, value: object, where: str) -> tuple[LockedCrate, ...]:
        """Return the crates of a pin, sorted."""
        crates = tuple(read_list(value, where, self.crate))
        if any((a.name, a.version) >= (b.name, b.version) for a, b in pairwise(crates)):
            raise Invalid(where, "they must be sorted by name and version and stand once each")
        return crates

    def crate(self, value: object, where: str) -> LockedCrate:
        """Return one crate."""
        given = self.keys(value, where, "name version url sha256")
        name, version, sha256 = (read_text(given[key], f"{where}.{key}") for key in ("name", "version", "sha256"))
        try:
            check_crate(Crate(name=name, version=version, sha256=sha256))
        except ValueError as error:
            raise Invalid(where, str(error)) from None
        url = read_url(given["url"], f"{where}.url")
        return LockedCrate(filename=f"{name}-{version}.crate", url=url, sha256=sha256, name=name, version=version)

    def locked(self, value: object, where: str, direct: str | None) -> Locked:
        """Return an artifact of any type; only a direct reference has another type than ``url``."""
        given = read_mapping(value, where)
        if given.get("type") == "nixpkgs":
            return self.attribute(value, where)
        if direct is None or given.get("type") == "url":
            return self.artifact(value, where)
        if given.get("type") == "vcs":
            return self.checkout(value, where)
        if given.get("type") == "path":
            return self.path(value, where)
        raise Invalid(
            f"{where}.type",
            f"{shown(given.get('type'))} is not a type of artifact that this mach reads (url, vcs, path, nixpkgs)",
        )

    def attribute(self, value: object, where: str) -> LockedAttribute:
        """Return an attribute of the Python set of the nixpkgs that is pinned."""
        given = self.keys(value, where, "type attribute version")
        return LockedAttribute(
            attribute=read_matching(ATTRIBUTE, given["attribute"], f"{where}.attribute", "the name of an attribute"),
            version=read_text(given["version"], f"{where}.version"),
        )

    def checkout(self, value: object, where: str) -> LockedCheckout:
        """Return a commit of a repository."""
        given = self.keys(value, where, "type vcs url commit nar-hash", "subdirectory")
        if given["vcs"] != "git":
            raise Invalid(f"{where}.vcs", f"{shown(given['vcs'])} is no version control that mach takes (git)")
        commit = read_matching(_COMMIT, given["commit"], f"{where}.commit", "a commit of 40 hexadecimal digits")
        url = read_text(given["url"], f"{where}.url")
        folder = given.get("subdirectory")
        tail = "" if folder is None else f"#subdirectory={quote(read_text(folder, f'{where}.subdirectory'), safe='/')}"
        try:
            reference = parse_reference(f"git+{url}@{commit}{tail}")
        except InvalidReference as error:
            raise Invalid(where, f"it is not the address of a commit: {error}") from None
        if (reference.location, reference.subdirectory, reference.commit) != (url, folder or "", commit):
            raise Invalid(where, "it is not the address of a commit in normal form")
        sri = read_matching(_SRI, given["nar-hash"], f"{where}.nar-hash", "a SHA-256 as Nix writes it (sha256-…)")
        return LockedCheckout(
            url=url,
            commit=commit,
            nar_sha256=b64decode(sri.removeprefix("sha256-")).hex(),
            subdirectory=reference.subdirectory,
        )

    def path(self, value: object, where: str) -> LockedPath:
        """Return a folder or file on the user's disk."""
        given = self.keys(value, where, "type path states", "filename sha256 editable")
        path = read_text(given["path"], f"{where}.path")
        if not path.isprintable() or (not path.startswith(("/", "./", "../")) and path not in (".", "..")):
            raise Invalid(f"{where}.path", f"{shown(path)} is neither absolute nor relative (./)")
        editable, filename, sha256 = given.get("editable", False), given.get("filename"), given.get("sha256")
        if not isinstance(editable, bool) or (editable and filename is not None):
            raise Invalid(f"{where}.editable", "it is true or false, and only a folder is editable")
        if (filename is None) != (sha256 is None):
            raise Invalid(f"{where}.sha256", "a file name and a sha256 stand together")
        return LockedPath(
            path=path,
            states=read_matching(_DIGEST, given["states"], f"{where}.states", "sha256: and 64 hexadecimal digits"),
            filename="" if filename is None else read_text(filename, f"{where}.filename"),
            sha256=None
            if sha256 is None
            else read_matching(_SHA256, sha256, f"{where}.sha256", "64 hexadecimal digits in lower case"),
            editable=editable,
        )

    def tool(self, name: str, value: object, where: str) -> LockedArtifact:
        """Return a wheel that the builders run."""
        artifact = self.artifact(value, where)
        check_filename(artifact.filename, name, None, "wheel", f"{where}.filename")
        return artifact

    def artifact(self, value: object, where: str) -> LockedArtifact:
        """Return a file of an index."""
        given = self.keys(value, where, "type filename url sha256", "size")
        if given["type"] != "url":
            raise Invalid(
                f"{where}.type", f"{shown(given['type'])} is not a type of artifact that this mach reads (url)"
            )
        size = given.get("size")
        return LockedArtifact(
            filename=read_text(given["filename"], f"{where}.filename"),
            url=read_url(given["url"], f"{where}.url"),
            sha256=read_matching(_SHA256, given["sha256"], f"{where}.sha256", "64 hexadecimal digits in lower case"),
            size=None if size is None else read_integer(size, f"{where}.size", least=0),
        )
