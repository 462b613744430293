"""Asks mach for one release from its sdist and from its wheel, and reads what its catalog learned of both."""

from __future__ import annotations

import tarfile
import time
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
from packaging.utils import parse_sdist_filename
from packaging.version import Version

from api.asking import Choices, ask
from api.notices import Notices
from api.service import CatalogChoices, lock_request
from crawler.settings import read_index_settings
from db.catalog import CatalogHandle, open_catalog
from db.load import load_state
from db.state import FileState, Metadata
from resolver.catalog import TAKES_A_BUILD
from resolver.errors import MachError
from resolver.lock import Lock, LockedArtifact, Pin, render_lock
from resolver.names import normalize_project

from .comparing import compare_metadata, normalize_requirement
from .releases import Release

__all__ = ["SYSTEM", "ask_for_release"]

SYSTEM = "x86_64-linux"


def ask_for_release(release: Release, db: Path) -> dict[str, Any]:
    """Return what mach says of *release*, as the results keep it.

    It is locked from its sdist, with its dependencies from wherever they come, then from its
    wheel, then from its sdist again without network.

    :param db: the catalog, which is filled on the way.
    """
    start = time.perf_counter()
    answer: dict[str, Any] = {"python": release.python, "kind": release.kind}
    try:
        lock = _lock(release, db, no_binary=(release.project,))
    except MachError as error:
        lock, message = None, "; ".join((error.message, *error.context))
    answer["seconds"] = round(time.perf_counter() - start, 1)
    wheel = _lock(release, db, no_build=(release.project,))
    with open_catalog(str(db), readonly=True) as handle:
        files = _files(handle, release)
        answer["sdist"] = _sdist_name(release, lock, files)
        answer["wheel"] = _artifact(_pin(wheel, release)).filename
        found = _read(files[answer["sdist"]], answer)
    if lock is None:
        answer["failure"] = _failure(files[answer["sdist"]]) or {"class": "no-closure", "reason": message}
        return answer
    pin = _pin(lock, release)
    closure = lock.build_closures[str(pin.build)]
    answer["closure"] = [f"{p.name} {p.version}" for p in closure.pins]
    if pin.built_on is not None:
        answer["built-on"] = pin.built_on
    stated = _stated(_artifact(pin))
    if stated is not None and stated != answer["build-requires"]["stated"]:
        raise AssertionError(f"{release.name}: its pyproject.toml states {stated}")
    assert found is not None, "a release that is locked has metadata"
    of_wheel = files[answer["wheel"]].metadata
    assert of_wheel is not None, "so has its wheel"
    answer["requirements"] = len(of_wheel.requires_dist)
    answer["differences"] = compare_metadata(found, of_wheel)
    again = _lock(release, db, offline=True, no_binary=(release.project,))
    answer["same-offline"] = render_lock(again) == render_lock(lock)
    return answer


def _lock(
    release: Release,
    db: Path,
    *,
    offline: bool = False,
    no_binary: tuple[str, ...] = (),
    no_build: tuple[str, ...] = (),
) -> Lock:
    choices = Choices(pythons=(release.python,), systems=(SYSTEM,), no_binary=no_binary, no_build=no_build)
    asked = ask(
        arguments=[f"{release.project}=={release.version}"],
        choices=choices,
        read=None,
        settings=read_index_settings(),
    )
    return lock_request(asked, CatalogChoices(db=str(db), offline=offline), Notices()).lock


def _pin(lock: Lock, release: Release) -> Pin:
    (target,) = lock.targets
    return next(pin for pin in target.pins if pin.name == release.project)


def _artifact(pin: Pin) -> LockedArtifact:
    assert isinstance(pin.artifact, LockedArtifact), "it comes from an index"
    return pin.artifact


# ---- what the catalog says


def _files(handle: CatalogHandle, release: Release) -> dict[str, FileState]:
    index, project = read_index_settings().indexes[-1], normalize_project(release.project)
    ((number,),) = handle.connection.rows(
        "SELECT p.id FROM project p JOIN index_url i ON i.id = p.index_id WHERE i.text = ? AND p.name = ?",
        (index, project),
    )
    state = load_state(handle.connection, number, index, project, handle.generation()).state
    return {file.listing.filename: file for file in state.files.values() if file.live}


def _sdist_name(release: Release, lock: Lock | None, files: dict[str, FileState]) -> str:
    if lock is not None:
        return _artifact(_pin(lock, release)).filename
    # the newest release's, too, is looked at ahead of time
    version = Version(release.version)
    sdists = (n for n, f in files.items() if n.endswith((".tar.gz", ".zip")) and f.metadata is not None)
    return next(name for name in sdists if parse_sdist_filename(name)[1] == version)


def _read(sdist: FileState, answer: dict[str, Any]) -> Metadata | None:
    """Write what is known of the sdist into *answer*, and return its metadata, None where it has none."""
    static = sdist.metadata
    assert static is not None, "mach has read it"
    assert static.build is not None, "and how it is built"
    said = {place[2]: metadata for place, metadata in sdist.built.items() if metadata.failure is None}
    added = said["requires"].build.requires if "requires" in said and said["requires"].build else ()
    answer["backend"] = static.build.backend
    if static.build.backend_path:
        answer["backend-path"] = list(static.build.backend_path)
    answer["build-requires"] = {
        "stated": sorted(map(normalize_requirement, static.build.requires)),
        "added": sorted(map(normalize_requirement, added)),
    }
    found = static if static.failure is None else said.get("metadata") if static.failure == TAKES_A_BUILD else None
    answer["metadata-from"] = None if found is None else found.source
    return found


def _failure(sdist: FileState) -> dict[str, str] | None:
    """Return the class of the failure that the catalog has of an sdist, and its sentence; None where it has none."""
    assert sdist.metadata is not None, "mach has read it"
    for metadata in (*sdist.built.values(), sdist.metadata):
        if metadata.failure is not None and metadata.failure != TAKES_A_BUILD:
            return {"class": metadata.source.removeprefix("backend:"), "reason": metadata.failure}
    return None


# ---- what the sdist itself says, read by others than mach


def _stated(artifact: LockedArtifact) -> list[str] | None:
    """Return build-system.requires of an sdist that mach has kept; None where pyproject.toml says nothing of it."""
    path = platformdirs.user_cache_path("mach", appauthor=False) / "files" / artifact.sha256
    with tarfile.open(path) as archive:
        names = [m.name for m in archive if m.name.count("/") == 1 and m.name.endswith("/pyproject.toml")]
        if not names:
            return None
        member = archive.extractfile(names[0])
        assert member is not None, "it is a plain file"
        table = tomllib.loads(member.read().decode()).get("build-system")
    return None if table is None else sorted(map(normalize_requirement, table["requires"]))
