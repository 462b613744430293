"""What a file's name says: kind, version and tags, or why no candidate can be made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from resolver.catalog import NIXPKGS, SDIST, WHEEL
from resolver.names import NormalizedName
from resolver.nixpkgs_index import is_nixpkgs_index, parse_attribute_filename

__all__ = ["Candidate", "Unusable", "classify"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_LEGACY = (".tar.bz2", ".tar.xz", ".tar.Z", ".tgz", ".tar", ".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A wheel, an sdist or an attribute that a candidate can be made of."""

    kind: int
    """:data:`resolver.catalog.WHEEL`, :data:`~resolver.catalog.SDIST` or :data:`~resolver.catalog.NIXPKGS`."""
    version: Version
    tags: str | None
    """Compressed tag set as in the file name, ``py2.py3-none-any``; None for the others."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that no candidate can be made of, and a clause that says why."""

    reason: str


@lru_cache(maxsize=1 << 16)
def classify(filename: str, project: NormalizedName, index: str) -> Candidate | Unusable:
    """Return what *filename* on the page of *project* on *index* is (PEP 427, 491, 625, 440).

    The name must spell *project*, the version must be one of PEP 440, and only letters,
    digits and ``._+!-`` may occur, so that no path and no option can hide in it. Attributes
    are of a nixpkgs alone, whatever an index lists.
    """
    if is_nixpkgs_index(index):
        return _classify_attribute(filename)
    if len(filename) > 255:
        return Unusable("its name is longer than a file system allows")
    if not _PLAIN.fullmatch(filename):
        return Unusable("its name has characters that artifacts do not have")
    if filename.endswith(".whl"):
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            return Unusable(_clause(error))
        tags = "-".join(filename[:-4].rsplit("-", 3)[1:])
        candidate = Candidate(WHEEL, version, tags)
    elif filename.endswith((".tar.gz", ".zip")):
        try:
            name, version = parse_sdist_filename(filename)
        except InvalidSdistFilename as error:
            return Unusable(_clause(error))
        candidate = Candidate(SDIST, version, None)
    elif filename.endswith(_LEGACY):
        return Unusable("its format is neither wheel nor .tar.gz nor .zip")
    else:
        return Unusable("it is neither wheel nor sdist")
    if name != project:
        return Unusable(f"its name is that of project {name}")
    return candidate


def _classify_attribute(filename: str) -> Candidate | Unusable:
    name = parse_attribute_filename(filename)
    if name is None:
        return Unusable("it is no attribute")
    try:
        return Candidate(NIXPKGS, Version(name[1]), None)
    except InvalidVersion:
        return Unusable("its version in nixpkgs is not one of PEP 440")


def _clause(error: Exception) -> str:
    """Return packaging's message as a clause: without the file's name, which stands beside it."""
    return str(error).partition(": ")[0].removeprefix("Invalid ").lower().join(("invalid ", ""))
