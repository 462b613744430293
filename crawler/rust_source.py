"""What of a Python project is built with Rust, and which Cargo.lock says what that takes."""

from __future__ import annotations

import os
import posixpath
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508

from resolver.crates import NO_CARGO_LOCK, RUST_BACKENDS, Crate
from resolver.names import normalize_project

from .cargo_lock import UnusableCargoLock, parse_cargo_lock

__all__ = ["CARGO_FILES", "MOST_CARGO_FILES", "find_crates", "look_in_tree"]

#: Files that say what a Rust project is, by their names.
CARGO_FILES = frozenset({"Cargo.toml", "Cargo.lock"})
#: Such files whose places are kept; an sdist that brings all its crates along has some hundred.
MOST_CARGO_FILES = 20_000
#: Where the manifest lies unless pyproject.toml says it (setup.py may say anything as well).
_USUAL = ("Cargo.toml", "rust/Cargo.toml", "src/rust/Cargo.toml")
_MOST_MANIFESTS = 100


def find_crates(
    pyproject: bytes | None, requires: Sequence[str], paths: Collection[str], read: Callable[[str], bytes]
) -> tuple[Crate, ...] | None:
    """Return the crates that the Rust parts of a project are built with, sorted; None where it has no Rust that shows.

    A project that requires maturin or setuptools-rust has to have a Cargo.lock, at or above the folder of each
    manifest (Cargo.toml) that pyproject.toml names, else of the usual places, else the only one that there
    is. Of other projects a Cargo.lock counts where a manifest lies at a usual place and mach can lock all of it: a
    Cargo.toml is no proof that the Python project is built with Rust.

    :param pyproject: the content of its pyproject.toml, which parses.
    :param requires: its build requirements, raw.
    :param paths: the plain files in it whose names are in :data:`CARGO_FILES`, relative to its folder, with slashes.
    :param read: gives the content of one of them.
    :raises UnusableCargoLock: where it is built with Rust, and what it takes cannot be locked.
    """
    named = _names_rust(requires)
    if not named:
        locks = {lock for place in _USUAL if place in paths and (lock := _nearest_lock(place, paths)) is not None}
        try:
            return _crates_of(locks, read) if locks else None
        except UnusableCargoLock:
            return None
    locks = set()
    stated = list(_stated_manifests(pyproject))
    for manifest in stated or [place for place in _USUAL if place in paths]:
        lock = _nearest_lock(manifest, paths)
        if lock is None:
            raise UnusableCargoLock(NO_CARGO_LOCK)
        locks.add(lock)
    if not locks:
        locks = {path for path in paths if posixpath.basename(path) == "Cargo.lock"}
        if not locks:
            raise UnusableCargoLock(NO_CARGO_LOCK)
        if len(locks) > 1:
            raise UnusableCargoLock("it is built with Rust, and nothing says which of its Cargo.lock files counts")
    return _crates_of(locks, read)


def look_in_tree(folder: Path, requires: Sequence[str]) -> frozenset[str]:
    """Return the *paths* that :func:`find_crates` takes of the source tree in *folder*; no link is followed.

    All of it is looked through only where its build requirements say that it is built with Rust.

    :raises UnusableCargoLock: where there are too many.
    :raises OSError: where it cannot be read.
    """
    if not _names_rust(requires):
        places = {posixpath.join(posixpath.dirname(place), name) for place in (*_USUAL, "src/") for name in CARGO_FILES}
        return frozenset(place for place in places if _is_plain(folder, place))
    found: set[str] = set()
    for at, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "target"]
        found.update((Path(at) / name).relative_to(folder).as_posix() for name in CARGO_FILES.intersection(names))
        if len(found) > MOST_CARGO_FILES:
            raise UnusableCargoLock(f"it holds more than {MOST_CARGO_FILES} files of Rust projects")
    return frozenset(path for path in found if _is_plain(folder, path))


def _is_plain(folder: Path, path: str) -> bool:
    """Return whether *path* is a file that no link leads to."""
    place = folder / path
    return place.is_file() and not any(
        p.is_symlink() for p in (place, *place.parents) if p.is_relative_to(folder) and p != folder
    )


def _raise(error: OSError) -> None:
    raise error


def _crates_of(locks: Collection[str], read: Callable[[str], bytes]) -> tuple[Crate, ...]:
    found: dict[tuple[str, str], Crate] = {}
    for path in sorted(locks):
        for crate in parse_cargo_lock(read(path)):
            if found.setdefault((crate.name, crate.version), crate) != crate:
                raise UnusableCargoLock(f"its Cargo.lock files have two checksums for {crate.name} {crate.version}")
    return tuple(sorted(found.values()))


def _names_rust(requires: Sequence[str]) -> bool:
    for text in requires:
        try:
            if normalize_project(Pep508(text).name) in RUST_BACKENDS:
                return True
        except (InvalidRequirement, ValueError, RecursionError):
            continue
    return False


def _stated_manifests(pyproject: bytes | None) -> Iterator[str]:
    """Yield the paths of manifests that the tables of maturin and setuptools-rust name."""
    document = {} if pyproject is None else tomllib.loads(pyproject.decode())
    stated = [_table(document, "tool", "maturin").get("manifest-path")]
    for key in ("ext-modules", "bins"):
        parts = _table(document, "tool", "setuptools-rust").get(key)
        for part in parts if isinstance(parts, list) else ():
            # setuptools-rust's own default
            stated.append(part.get("path", "Cargo.toml") if isinstance(part, dict) else "Cargo.toml")
    if len(stated) > _MOST_MANIFESTS:
        raise UnusableCargoLock(f"its pyproject.toml names more than {_MOST_MANIFESTS} manifests of Rust")
    for text in stated:
        if text is None:
            continue
        path = posixpath.normpath(text) if isinstance(text, str) and text else ".."
        if path.startswith(("/", "..")):
            raise UnusableCargoLock("its pyproject.toml names a manifest of Rust that is not in it")
        yield path


def _table(document: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _nearest_lock(manifest: str, paths: Collection[str]) -> str | None:
    """Return the Cargo.lock in the folder of *manifest* or the nearest one above (a workspace's lies at its root)."""
    folder = posixpath.dirname(manifest)
    while True:
        lock = posixpath.join(folder, "Cargo.lock")
        if lock in paths:
            return lock
        if not folder:
            return None
        folder = posixpath.dirname(folder)
