"""What an sdist tells without being built: its build system, and its metadata where that is static (PEP 643, 621)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import IO

from packaging.version import Version

from db.facts import BuildSystem
from resolver.catalog import TAKES_A_BUILD
from resolver.names import NormalizedName

from . import build_system as tables
from .archives import SdistFiles, UnusableArchive, read_sdist, read_sdist_member
from .cargo_lock import LARGEST_CARGO_LOCK, UnusableCargoLock
from .core_metadata import UnusableMetadata, parse_core_metadata
from .hook_failures import FailureClass, Refused
from .rust_source import find_crates
from .source_tree import SourceMetadata, parse_pyproject, to_build_system

__all__ = ["NOTHING", "StaticSdist", "read_static_sdist"]

#: The build system of an sdist that cannot be built: what it requires is known not to be there.
NOTHING = BuildSystem(requires=())


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSdist:
    """What an sdist tells; where *failure* is set, nothing but *build*."""

    build: BuildSystem
    """:data:`NOTHING` where it cannot be built."""
    source: str
    """``pkg-info``, ``pyproject`` or ``cargo-lock``: what told it, or what failed."""
    requires_dist: tuple[str, ...] = ()
    """Raw, in the file's order."""
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    failure: str | None = None
    """A sentence that begins with "it"; :data:`resolver.catalog.TAKES_A_BUILD` where its backend has to be asked."""


def read_static_sdist(
    file: IO[bytes], *, filename: str, project: NormalizedName, version: Version, limit: int
) -> StaticSdist:
    """Return what the sdist *file* tells, read from end to end and never unpacked.

    Its metadata is that of a static PKG-INFO (PEP 643: metadata version 2.2 or newer, and no dynamic
    dependencies), else that of a static [project] of pyproject.toml (PEP 621). Its build system is that
    of pyproject.toml, or setuptools where there is none (PEP 518), with the crates of its Cargo.lock where
    it is built with Rust (a second pass); one whose crates cannot be locked has that as its failure.

    :param filename: tells the kind of the archive.
    :param project: whose name its metadata must have.
    :param version: the version that its metadata must have.
    :param limit: bytes of PKG-INFO and of pyproject.toml that are accepted.
    """
    try:
        found = read_sdist(file, filename=filename, limit=limit)
    except UnusableArchive as error:
        return StaticSdist(build=NOTHING, source="pkg-info", failure=str(error))
    try:
        build = _read_build_system(found)
    except Refused as refused:
        return StaticSdist(build=NOTHING, source="pyproject", failure=refused.failure.reason)
    try:
        read = partial(_read_member, file, filename)
        build = replace(build, crates=find_crates(found.pyproject, build.requires, found.cargo_files, read))
    except (UnusableCargoLock, UnusableArchive) as error:
        return StaticSdist(build=build, source="cargo-lock", failure=str(error))
    return _from_pkg_info(found, build, project, version) or _from_pyproject(found, build, project, version)


def _read_build_system(found: SdistFiles) -> BuildSystem:
    if not found.pyproject_is_plain:
        raise Refused(FailureClass.INVALID_BUILD_SYSTEM, "its pyproject.toml is not a plain file")
    if found.pyproject is None:
        if not found.has_setup_script:
            raise Refused(
                FailureClass.NO_BACKEND, "its source has no build backend: there is no pyproject.toml and no setup.py"
            )
        return to_build_system(tables.BuildSystem(requires=tables.LEGACY_REQUIRES, backend=tables.LEGACY_BACKEND))
    return to_build_system(tables.parse_build_system(found.pyproject))


def _read_member(file: IO[bytes], filename: str, path: str) -> bytes:
    return read_sdist_member(file, filename=filename, path=path, limit=LARGEST_CARGO_LOCK)


def _from_pkg_info(
    found: SdistFiles, build: BuildSystem, project: NormalizedName, version: Version
) -> StaticSdist | None:
    """Return what PKG-INFO tells; None where it is not there or not static, whatever it says then."""
    if found.pkg_info is None:
        return None
    try:
        metadata = parse_core_metadata(found.pkg_info, project=project, version=version)
    except UnusableMetadata as error:
        return StaticSdist(build=build, source="pkg-info", failure=str(error))
    if not metadata.is_static:
        return None
    return StaticSdist(
        build=build,
        source="pkg-info",
        requires_dist=metadata.requires_dist,
        provides_extra=metadata.provides_extra,
        requires_python=metadata.requires_python,
    )


def _from_pyproject(found: SdistFiles, build: BuildSystem, project: NormalizedName, version: Version) -> StaticSdist:
    try:
        stated = None if found.pyproject is None else parse_pyproject(found.pyproject, version=version)
    except UnusableMetadata as error:
        return StaticSdist(build=build, source="pyproject", failure=str(error))
    if stated is None:
        return StaticSdist(build=build, source="pkg-info", failure=TAKES_A_BUILD)
    if stated.project != project:
        return StaticSdist(build=build, source="pyproject", failure=f"its pyproject.toml is that of {stated.project!r}")
    assert stated.version is not None, "it is given"
    if Version(stated.version) != version:
        return StaticSdist(
            build=build, source="pyproject", failure=f"its pyproject.toml is that of version {stated.version!r}"
        )
    if stated.takes_a_build or (found.has_setup_script and _may_be_completed(stated, build)):
        return StaticSdist(build=build, source="pkg-info", failure=TAKES_A_BUILD)
    return StaticSdist(
        build=build,
        source="pyproject",
        requires_dist=stated.requires_dist,
        provides_extra=stated.provides_extra,
        requires_python=stated.requires_python,
    )


def _may_be_completed(stated: SourceMetadata, build: BuildSystem) -> bool:
    """Return whether a build may take from setup.py what [project] leaves out.

    setuptools before 69 does, with a warning, though by PEP 621 there is nothing then. It runs
    setup.py in any case: its backend is asked what it requires.
    """
    return not stated.is_whole and (build.backend is None or build.backend.startswith("setuptools."))
