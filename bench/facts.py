"""Whole indexes of made-up wheels as facts, for benchmarks that need a graph and no network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from db.catalog import open_catalog
from db.facts import AbsenceFact, Fact, FileFact, MetadataFact, PageFact
from db.writer import publish
from resolver.names import NormalizedName, normalize_project

__all__ = ["INDEX", "TOOLS", "Release", "write_catalog"]

#: Where the facts say they come from; nothing is ever fetched there.
INDEX = "https://index.example/simple/"
_FILES = "https://files.example/"
_CHECKED = 1_750_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One wheel for every platform."""

    requires: Sequence[str] = ()
    """Requires-Dist lines."""
    extras: Sequence[str] = ()
    python: str | None = None


#: What mach's builders run, and every lock therefore holds.
TOOLS: Mapping[str, Mapping[str, Release]] = {
    "installer": {"0.7.0": Release()},
    "pyproject-hooks": {"1.2.0": Release()},
    "setuptools": {"80.0.0": Release()},
}


def write_catalog(path: Path, projects: Mapping[str, Mapping[str, Release]]) -> None:
    """Write a new catalog that knows all of *projects* (name -> version -> release) and that nothing else exists.

    Whatever a release asks for and *projects* does not have is known to be absent.
    """
    known = {normalize_project(name): releases for name, releases in {**TOOLS, **projects}.items()}
    with open_catalog(path) as catalog:
        publish(catalog, _facts(known))


def _facts(projects: Mapping[NormalizedName, Mapping[str, Release]]) -> Iterator[Fact]:
    absent: set[NormalizedName] = set()
    for name, releases in projects.items():
        files = {version: _file(name, version, release) for version, release in releases.items()}
        yield PageFact(index=INDEX, project=name, files=tuple(files.values()), checked_at=_CHECKED)
        for version, release in releases.items():
            absent |= set(_names(release.requires)) - projects.keys()
            yield MetadataFact(
                index=INDEX,
                project=name,
                filename=files[version].filename,
                source="sidecar",
                requires_dist=tuple(release.requires),
                provides_extra=tuple(release.extras),
                requires_python=release.python,
            )
    for name in sorted(absent):
        yield AbsenceFact(index=INDEX, project=name, checked_at=_CHECKED)


def _file(name: str, version: str, release: Release) -> FileFact:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return FileFact(
        filename=filename,
        url=f"{_FILES}{filename}",
        sha256=hashlib.sha256(filename.encode()).hexdigest(),
        size=1000,
        upload_time=_CHECKED,
        requires_python=release.python,
        has_metadata=True,
    )


def _names(lines: Iterable[str]) -> Iterator[NormalizedName]:
    for line in lines:
        try:
            yield normalize_project(Requirement(line).name)
        except InvalidRequirement:  # never asked for: a release with such a line is unusable
            continue
