"""A nixpkgs as an index: what its Python attributes are called among facts, and how they join an index's page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from packaging.version import InvalidVersion, Version

from .catalog import METADATA, PYTHON, RANK, TAGS, Page
from .names import NormalizedName
from .nixpkgs_pin import to_hexadecimal

__all__ = [
    "ATTRIBUTE",
    "NIXPKGS_INDEX",
    "TREE",
    "AttributeName",
    "JoinedPage",
    "attribute_filename",
    "index_of_nixpkgs",
    "is_nixpkgs_index",
    "join_pages",
    "parse_attribute_filename",
    "parse_nixpkgs_index",
]

#: What the identity of a nixpkgs begins with where facts are keyed by index. The number is that of the rules by
#: which facts are taken out of it: other rules make another index, and what older ones said stays what it was.
NIXPKGS_INDEX = "nixpkgs:1:"
#: The project, of a name that none has, whose page tells of the whole set: its interpreter, its glibc, the oldest
#: macOS. Where it is known, a project without a page is one that the set does not have.
TREE = NormalizedName(".")

_INDEX = re.compile(r"nixpkgs:1:(?P<hash>[0-9a-f]{64}):(?P<system>[a-z0-9_]+-[a-z0-9]+):(?P<python>python3[0-9]{1,3})")
#: The name of an attribute of a Python set.
ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]{0,120}")
_FILENAME = re.compile(rf"(?P<attribute>{ATTRIBUTE.pattern})@(?P<version>[^\s/@]{{1,100}})\.nixpkgs")

#: Attribute of ``python3XX.pkgs``, and the version that nixpkgs has of it.
AttributeName = tuple[str, str]


def index_of_nixpkgs(sha256: str, system: str, python: str) -> str:
    """Return the identity of the Python attributes of a nixpkgs, for one system and one Python.

    :param sha256: of the unpacked tree, as a lock pins it (SRI or Nix base 32).
    :param system: Nix system name.
    :param python: ``3.11`` or ``3.11.9``.
    :raises ValueError: where one of them has another form.
    """
    major, minor = python.split(".")[:2]
    index = f"{NIXPKGS_INDEX}{to_hexadecimal(sha256)}:{system}:python{major}{minor}"
    if not _INDEX.fullmatch(index):
        raise ValueError(f"{index!r} does not name the Python attributes of a nixpkgs")
    return index


def is_nixpkgs_index(index: str) -> bool:
    """Return whether *index* is the identity of a nixpkgs."""
    return index.startswith("nixpkgs:")


def parse_nixpkgs_index(index: str) -> tuple[str, str, str] | None:
    """Return the hash in hexadecimal, system and interpreter (``python311``) of a nixpkgs; None for other texts."""
    found = _INDEX.fullmatch(index)
    return None if found is None else (found["hash"], found["system"], found["python"])


def attribute_filename(attribute: str, version: str) -> str:
    """Return what stands for a file's name where the artifact is an attribute, ``requests@2.32.3.nixpkgs``.

    :raises ValueError: where *attribute* is no name of one, or *version* is empty or has characters that none has.
    """
    name = f"{attribute}@{version}.nixpkgs"
    if not _FILENAME.fullmatch(name) or not name.isprintable():
        raise ValueError(f"{name[:200]!r} does not name an attribute")
    return name


def parse_attribute_filename(filename: str) -> AttributeName | None:
    """Return what :func:`attribute_filename` made *filename* of; None where it is no such name."""
    found = _FILENAME.fullmatch(filename)
    return None if found is None or not filename.isprintable() else (found["attribute"], found["version"])


class JoinedPage(Page):
    """A page of an index with the releases that a nixpkgs has of the same project.

    :ivar parts: for each row the page and the row in it that facts are asked of.
    """

    __slots__ = ("parts",)

    def __init__(self, base: Page, more: Page, parts: Sequence[tuple[Page, int]], **values: Any) -> None:
        super().__init__(index=base.index, project=base.project, digest=base.digest, **values)
        self.absent = base.absent and more.absent
        self.parts = parts

    def source(self, row: int) -> tuple[Page, int]:
        """Return the page that *row* came from, and its row there."""
        return self.parts[row]


@lru_cache(maxsize=2048)
def join_pages(base: Page, more: Page) -> Page:
    """Return *base* with the releases of *more*; the same object for the same pages.

    Equal versions (``1.0``, ``1.0.0``) share a rank and the spelling of *base*.
    """
    if more.absent or not more.files:
        return base
    spelled: dict[Version, str] = {}
    for page in (base, more):
        for text in page.versions:
            spelled.setdefault(_version(text), text)
    versions = sorted(spelled)
    rank_of = {version: rank for rank, version in enumerate(versions)}
    rows: list[tuple[tuple[int, ...], tuple[Page, int]]] = []
    tags, pythons, depsets = len(base.tags), len(base.pythons), len(base.depsets)
    for page, shift in ((base, (0, 0, 0)), (more, (tags, pythons, depsets))):
        ranks = [rank_of[_version(text)] for text in page.versions]
        for row, file in enumerate(page.files):
            moved = list(file)
            moved[RANK] = ranks[file[RANK]]
            for column, offset in zip((TAGS, PYTHON, METADATA), shift, strict=True):
                if moved[column] >= 0:
                    moved[column] += offset
            rows.append((tuple(moved), (page, row)))
    rows.sort(key=lambda r: r[0][RANK])
    return JoinedPage(
        base,
        more,
        [part for _, part in rows],
        versions=[spelled[version] for version in versions],
        tags=[*base.tags, *more.tags],
        pythons=[*base.pythons, *more.pythons],
        depsets=[*base.depsets, *more.depsets],
        files=[file for file, _ in rows],
        unusable=[*base.unusable, *more.unusable],
    )


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:  # a page's versions were made by that very class
        raise ValueError(f"not a project page: {text!r} is not a version") from error
