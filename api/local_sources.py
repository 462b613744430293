"""What the local paths among a user's requirements hold: source trees, wheels and sdists, read without running them."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from resolver.catalog import TAKES_A_BUILD
from resolver.direct import InvalidReference, LocalSource, Reference, archive_project, parse_reference
from resolver.errors import InputError
from resolver.names import NormalizedName
from resolver.requirement import Request

__all__ = ["LocalSources", "with_local_sources"]

_LARGEST_METADATA = 8 << 20
_BUILD_FILES = ("pyproject.toml", "setup.cfg", "setup.py")


class LocalSources:
    """Finds what local paths hold: a :data:`resolver.direct.Locate`.

    Paths that are relative are so to the current folder, as with pip, and become relative to
    the folder of the lock; absolute ones stay.

    :ivar found: by reference in normal form, for :attr:`resolver.requirement.Request.local_sources`.
    """

    def __init__(self, folder: Path, *, start: Path | None = None) -> None:
        """Take the folder of the lock, and where relative paths start (by default the current folder)."""
        self.found: dict[str, LocalSource] = {}
        #: Where they lie, by reference.
        self.paths: dict[str, Path] = {}
        self._folder = os.path.abspath(folder)  # noqa: PTH100  (no link is followed)
        self._start = os.path.abspath(start or Path())  # noqa: PTH100

    def __call__(self, reference: Reference, origin: str) -> tuple[Reference, NormalizedName | None]:
        """Read what *reference* points at; return it as the lock spells it, and the project that is there.

        The project is None where only the build backend of a folder can tell.

        :raises InputError: ``unreadable-file``, ``unusable-reference``, ``hash-mismatch``.
        """
        from crawler.core_metadata import UnusableMetadata
        from crawler.direct import refuse_source

        path = Path(posixpath.normpath(posixpath.join(self._start, reference.location)))
        location = reference.location
        if not location.startswith("/"):
            location = posixpath.relpath(str(path), self._folder)
            location = location if location.startswith("..") or location == "." else f"./{location}"
        spelled = replace(reference, location=location)
        try:
            source = _read_folder(path, spelled) if path.is_dir() else _read_file(path, spelled)
        except OSError as error:
            raise InputError(
                "unreadable-file",
                f"{path} cannot be read: {error.strerror or error}",
                context=[f"named at {origin}"],
                hint="check the path; relative ones start at the current folder",
            ) from error
        except (UnusableMetadata, InvalidReference) as error:
            reason = str(error)
            if isinstance(error, InvalidReference):
                reason = "it is neither a folder nor a wheel (NAME-VERSION-…-….whl) or sdist (NAME-VERSION.tar.gz)"
            found = refuse_source(path.name or str(path), spelled, reason)
            raise InputError(found.code, found.message, context=[f"named at {origin}"], hint=found.hint) from error
        self.found[str(spelled)] = source
        self.paths[str(spelled)] = path
        return spelled, source.project


def _read_folder(path: Path, reference: Reference) -> LocalSource:
    from crawler.core_metadata import UnusableMetadata
    from crawler.direct import what_takes_a_build
    from crawler.source_tree import read_tree

    if reference.sha256 is not None:
        raise UnusableMetadata("a folder has no sha256")
    found, build = read_tree(path)
    failure = what_takes_a_build(found)
    return LocalSource(
        project=found.project,
        version=found.version,
        filename="",
        requires_dist=found.requires_dist,
        provides_extra=found.provides_extra,
        requires_python=found.requires_python,
        failure=failure,
        build_requires=build.requires,
        crates=build.crates,
        told_by=None if failure is None else _hash_build_files(path),
    )


def _hash_build_files(folder: Path) -> str:
    """Return the SHA-256 over the files that a build backend reads first: an edit of one may change what it tells."""
    digest = hashlib.sha256()
    for name in _BUILD_FILES:
        path = folder / name
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _read_file(path: Path, reference: Reference) -> LocalSource:
    from crawler.archives import UnusableArchive, read_wheel_metadata
    from crawler.core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
    from crawler.static_sdist import StaticSdist, read_static_sdist

    with path.open("rb") as file:
        project, version = archive_project(path.name)
        if reference.editable:
            raise UnusableMetadata("only a folder is editable")
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if reference.sha256 not in (None, sha256):
            raise InputError(
                "hash-mismatch",
                f"{path} does not have the hash that was given",
                context=[f"given: sha256:{reference.sha256}", f"the file has: sha256:{sha256}"],
                hint="find out which of the two is right before you change the hash",
            )
        file.seek(0)
        told: CoreMetadata | StaticSdist
        if path.name.endswith(".whl"):
            try:
                data = read_wheel_metadata(file, project=project, limit=_LARGEST_METADATA)
            except UnusableArchive as error:
                raise UnusableMetadata(str(error)) from error
            told = parse_core_metadata(data, project=project, version=None)
        else:
            told = read_static_sdist(
                file, filename=path.name, project=project, version=Version(version), limit=_LARGEST_METADATA
            )
            if told.failure not in (None, TAKES_A_BUILD):
                raise UnusableMetadata(told.failure)
    return LocalSource(
        project=project,
        version=version,
        filename=path.name,
        sha256=sha256,
        requires_dist=told.requires_dist,
        provides_extra=told.provides_extra,
        requires_python=told.requires_python,
        failure=told.failure if isinstance(told, StaticSdist) else None,
        build_requires=told.build.requires if isinstance(told, StaticSdist) else (),
        crates=told.build.crates if isinstance(told, StaticSdist) else None,
    )


def with_local_sources(request: Request, folder: Path) -> tuple[Request, Mapping[str, Path]]:
    """Return *request*, read from a lock in *folder*, with what its local paths hold now, and where these lie.

    :raises MachError: as :class:`LocalSources`.
    """
    sources = LocalSources(folder, start=folder)
    for stated in (*request.requirements, *request.constraints):
        if stated.url is not None and (reference := parse_reference(stated.url)).kind == "path":
            sources(reference, stated.origin)
    return replace(request, local_sources=sources.found), sources.paths
