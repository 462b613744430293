"""The sources of a lock: everything that a build of it takes from outside, each under its name in an archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from .lock import Lock, LockedArtifact, LockedCheckout, LockedCrate, LockedPath, Nixpkgs

__all__ = ["Origin", "Source", "folders_of", "sources_of"]

#: What comes from outside; an attribute of nixpkgs comes with the nixpkgs.
Origin = LockedArtifact | LockedCheckout | LockedPath | LockedCrate | Nixpkgs


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of an archive, and where a lock says that it comes from."""

    name: str
    """In the archive: the SHA-256 of the file in hexadecimal, which for a checkout is that of its NAR;
    ``nixpkgs-REV.tar.gz`` for the tarball of a nixpkgs, whose hash in the lock is that of what it unpacks to."""
    origins: tuple[Origin, ...]
    """At least one; more where a lock has the same bytes from several places."""

    @property
    def label(self) -> str:
        """What people know it by, for messages."""
        return label_of(self.origins[0])

    @property
    def size(self) -> int | None:
        """Bytes, where the lock tells."""
        sizes = [origin.size for origin in self.origins if isinstance(origin, LockedArtifact)]
        return next((size for size in sizes if size is not None), None)


def label_of(origin: Origin) -> str:
    """Return the name that people know *origin* by: a file name, a repository with its commit, a path."""
    if isinstance(origin, LockedArtifact):
        return origin.filename
    if isinstance(origin, LockedCheckout):
        return f"{origin.url.rstrip('/').rpartition('/')[2]}@{origin.commit[:12]}"
    if isinstance(origin, LockedPath):
        return origin.filename or origin.path
    return f"nixpkgs {origin.rev[:12]}"


def sources_of(lock: Lock) -> tuple[Source, ...]:
    """Return the sources of *lock* that a hash names, sorted by name: of all targets, tools and build closures.

    Whatever stands in a lock as one of the types of :data:`Origin` is found, under whichever key.
    Folders of the user's (:func:`folders_of`) are not among them: no hash fixes their content.
    """
    found: dict[str, dict[Origin, None]] = {}
    for origin in _origins(lock):
        name = _name(origin)
        if name is not None:
            found.setdefault(name, {})[origin] = None
    return tuple(Source(name=name, origins=tuple(origins)) for name, origins in sorted(found.items()))


def folders_of(lock: Lock) -> tuple[str, ...]:
    """Return the paths, as they stand in *lock*, of the user's folders that it is built from, sorted."""
    return tuple(sorted({o.path for o in _origins(lock) if isinstance(o, LockedPath) and o.sha256 is None}))


def _name(origin: Origin) -> str | None:
    if isinstance(origin, LockedCheckout):
        return origin.nar_sha256
    if isinstance(origin, Nixpkgs):
        return f"nixpkgs-{origin.rev}.tar.gz"
    return origin.sha256


def _origins(value: object) -> Iterator[Origin]:
    if isinstance(value, Origin):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _origins(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _origins(value[key])
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _origins(item)
