"""The patch versions of Python that locks and pinned nixpkgs tell, for those who asked for X.Y alone."""

from __future__ import annotations

from collections.abc import Container, Mapping

from db.catalog import Reader
from resolver.interpreters import series
from resolver.lock import Lock, Nixpkgs
from resolver.nixpkgs_set import NixpkgsSet
from resolver.reading import Reading
from resolver.requirement import Request

from .notices import Notices

__all__ = ["Sets", "crawled_patches", "known_sets", "locked_patches", "note_targets", "warn_of_interpreters"]

#: What is known of a pinned nixpkgs, by system and X.Y.
Sets = Mapping[tuple[str, str], NixpkgsSet]


def locked_patches(lock: Lock | None, nixpkgs: Nixpkgs | None, request: Request) -> dict[str, str]:
    """Return the patch versions (X.Y -> X.Y.Z) of *lock*, where it pins the very same nixpkgs.

    So a lock is checked, and kept, without a catalog, whatever was crawled or released since it was made.

    :param nixpkgs: the one that the request pins.
    """
    if lock is None or nixpkgs is None or lock.nixpkgs != nixpkgs:
        return {}
    found: dict[str, set[str]] = {}
    for target in lock.targets:
        if target.system in request.systems:
            found.setdefault(series(target.python), set()).add(target.python)
    return {name: next(iter(pythons)) for name, pythons in found.items() if len(pythons) == 1}


def known_sets(request: Request, reader: Reader, nixpkgs: Nixpkgs | None) -> Sets:
    """Return what the catalog knows of the pinned nixpkgs for the targets of *request*."""
    if nixpkgs is None:
        return {}
    reading = Reading(reader, (), nix_hash=nixpkgs.sha256)
    places = [(system, series(python)) for system in request.systems for python in request.pythons]
    return {place: known for place in places if (known := reading.nixpkgs_set(*place)) is not None}


def crawled_patches(sets: Sets, wanted: Container[str], notices: Notices) -> dict[str, str]:
    """Return the patch versions (X.Y -> X.Y.Z) that a pinned nixpkgs has.

    :param wanted: the X.Y of interest.
    """
    found: dict[str, str] = {}
    for (system, name), known in sorted(sets.items(), key=lambda item: item[0]):
        if known.python is None or name not in wanted:
            continue
        if found.setdefault(name, known.python) != known.python:
            notices.warn(
                f"the pinned nixpkgs has Python {known.python} on {system} and {found[name]} elsewhere: "
                f"resolving for {found[name]}; name one with --python"
            )
    return found


def note_targets(request: Request, notices: Notices, *, sets: Sets | None = None, locked: bool = False) -> None:
    """Say for what is resolved, and where that comes from.

    :param sets: what is known of the pinned nixpkgs.
    :param locked: a patch version was taken from the existing lock.
    """
    notices.note(f"resolving for Python {', '.join(request.pythons)} on {', '.join(request.systems)}")
    if locked:
        notices.note("the patch version of Python is that of the existing lock, which pins the same nixpkgs")
    for (system, _), known in sorted((sets or {}).items(), key=lambda item: item[0]):
        told = [f"Python {known.python}"] if known.python is not None else []
        told += [f"glibc {known.glibc[0]}.{known.glibc[1]}"] if known.glibc is not None else []
        told += [f"macOS {known.macos[0]}.{known.macos[1]} or newer"] if known.macos is not None else []
        if told:
            notices.note(f"the pinned nixpkgs has {', '.join(told)} on {system}")


def warn_of_interpreters(lock: Lock, sets: Sets, notices: Notices) -> None:
    """Warn of targets that the interpreter of the pinned nixpkgs is no answer for: the expression will refuse it."""
    from packaging.version import Version

    for target in lock.targets:
        known = sets.get((target.system, series(target.python)))
        if known is None or known.python is None:
            continue
        low, high = map(Version, target.python_interval)
        if not low <= Version(known.python) < high:
            notices.warn(
                f"the lock holds from Python {low} to below {high} on {target.system}, and the pinned nixpkgs has "
                f"{known.python}: lock with --python {known.python}, or build with another interpreter"
            )
