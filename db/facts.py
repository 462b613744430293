"""Facts: what a crawler learned, as values that the catalog's writer takes.

Every text is a stranger's and is kept as it was given; NUL and lone surrogates are
refused by :func:`check_text` before a fact is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.catalog import EXTRACTOR
from resolver.crates import Crate
from resolver.names import NormalizedName

__all__ = [
    "AbsenceFact",
    "BuildSystem",
    "BuiltFact",
    "Fact",
    "FileFact",
    "MetadataFact",
    "PageFact",
    "UnchangedFact",
    "check_text",
]


def check_text(text: str) -> str:
    """Return *text*; raise :class:`ValueError` where it holds NUL or a lone surrogate."""
    if "\0" in text:
        raise ValueError("text with a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text with a lone surrogate") from error
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """One file on a project page of an index (PEP 503, 592, 691, 700, 714)."""

    filename: str
    url: str
    """Absolute, without userinfo and fragment."""
    sha256: str | None
    """64 hexadecimal digits, or None where the page gives none."""
    size: int | None = None
    """Bytes."""
    upload_time: int | None = None
    """UTC seconds since 1970, or None where the page gives none."""
    requires_python: str | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    has_metadata: bool = False
    """Whether the page offers a METADATA sidecar (PEP 658, 714)."""
    metadata_sha256: str | None = None
    """The sidecar's digest, where the page gives one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFact:
    """A whole project page: what it lists now; files that it no longer lists are gone."""

    index: str
    """URL of the index, userinfo removed, with a trailing slash."""
    project: NormalizedName
    files: tuple[FileFact, ...]
    checked_at: int
    """UTC seconds since 1970 (freshness, no part of a snapshot)."""
    etag: str | None = None
    last_modified: str | None = None
    last_serial: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceFact:
    """The index answered that it does not have the project (404, 410)."""

    index: str
    project: NormalizedName
    checked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedFact:
    """The index answered that the page is as it was (304): only freshness changes."""

    index: str
    project: NormalizedName
    checked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """How an sdist is built (PEP 517, 518), or, of what a backend said, which requirements it added."""

    requires: tuple[str, ...]
    """Raw requirement strings in the file's order."""
    backend: str | None = None
    """``build-backend`` as the file has it; None where it names none (setuptools' legacy backend then)."""
    backend_path: tuple[str, ...] = ()
    extractor: int = EXTRACTOR
    """Version of the rules by which this was found out."""
    crates: tuple[Crate, ...] | None = None
    """What its Rust parts are built with, sorted; None where it has none that show, and of what a backend said."""
    version: str | None = None
    """Of what a backend said of a source tree that states none: the version (PEP 440), normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataFact:
    """The core metadata of one file, or why it cannot be had."""

    index: str
    project: NormalizedName
    filename: str
    source: str
    """Of a wheel ``sidecar``, ``range`` or ``wheel`` (whole file); of an sdist ``pkg-info``, ``pyproject`` or
    ``cargo-lock``."""
    requires_dist: tuple[str, ...] = ()
    """Raw requirement strings in the file's order."""
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    failure: str | None = None
    """A sentence where the metadata cannot be had (``its metadata takes a build``); None otherwise."""
    sha256: str | None = None
    """Digest of the whole file, where it was downloaded and the page gave none."""
    build: BuildSystem | None = None
    """Of an sdist, and of each, whether or not its metadata is static; one that cannot be built requires nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFact:
    """What the build backend of an sdist said in one step, in one build closure, on one Python and platform.

    A later one with the same key replaces it.
    """

    index: str
    project: NormalizedName
    filename: str
    python: str
    """``3.11``: the Python that it ran on."""
    system: str
    """The Nix system name of the machine that it ran on."""
    step: str
    """One of :data:`resolver.catalog.STEPS`."""
    closure: str
    """Key of the build closure that it ran in."""
    source: str = "backend"
    """``backend``, or ``backend:CLASS`` of a failure (docs/explanation/sandbox.md)."""
    requires_dist: tuple[str, ...] = ()
    """In the step ``metadata``, as are the next two."""
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    build: BuildSystem
    """The requirements that the backend added, in the step ``requires``; empty in the other."""
    failure: str | None = None
    """A sentence where it said nothing usable: ``its build backend failed: …``."""


Fact = PageFact | AbsenceFact | UnchangedFact | MetadataFact | BuiltFact
