"""The index of an archive: a JSON file that tells people what each of its files is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from resolver.errors import DataError
from resolver.lock import LockedArtifact, LockedCheckout, LockedPath
from resolver.nixpkgs_pin import NIXPKGS_ARCHIVE
from resolver.sources import Origin, Source

from .archive_folder import INDEX_NAME, ArchiveFolder

__all__ = ["read_index", "write_index"]

_VERSION = 1
_KEYS = ("name", "kind", "filename", "url", "sha256", "size", "commit")

Entry = Mapping[str, str | int]


def read_index(folder: ArchiveFolder) -> tuple[Entry, ...]:
    """Return the entries of the index in *folder*; none where it has no index.

    :raises DataError: ``archive-index-invalid`` where the file is something else, which mach does not overwrite.
    """
    path = folder.path / INDEX_NAME
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict) or value.get("archive-version") != _VERSION:
            raise ValueError("it is no index of an archive that this mach reads")
        return tuple(_read_entry(entry) for entry in value.get("files", ()))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            "archive-index-invalid",
            f"{path} is not the index of an archive: {error}",
            hint="name another folder, or move that file away: mach writes it anew, and the files stay as they are",
        ) from error


def _read_entry(entry: Any) -> Entry:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("name", "filename", "url")):
        raise ValueError("one of its entries names no file")
    return {key: entry[key] for key in _KEYS if isinstance(entry.get(key), str | int)}


def write_index(folder: ArchiveFolder, sources: Iterable[Source]) -> None:
    """Write the index of *folder*: of *sources*, and of what other locks left there, as far as the files are there.

    Sorted, and the same bytes for the same files and origins, in whatever order they came.

    :raises DataError: as :func:`read_index`.
    :raises Unavailable: ``output-unwritable``.
    """
    entries = {_key(entry): entry for entry in read_index(folder)}
    for source in sources:
        for origin in source.origins:
            entry = _entry(source.name, origin)
            entries[_key(entry)] = entry
    kept = []
    for _, entry in sorted(entries.items()):
        size = folder.size_of(str(entry["name"]))
        if size is not None:
            kept.append({**entry, "size": size})
    value = {"archive-version": _VERSION, "files": kept}
    folder.write_index(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True) + "\n")


def _key(entry: Entry) -> tuple[str, ...]:
    return tuple(str(entry.get(key, "")) for key in ("name", "filename", "url", "commit"))


def _entry(name: str, origin: Origin) -> Entry:
    if isinstance(origin, LockedArtifact):
        return {
            "name": name,
            "kind": "file",
            "filename": origin.filename,
            "url": origin.url,
            "sha256": origin.sha256,
        }
    if isinstance(origin, LockedCheckout):
        return {
            "name": name,
            "kind": "checkout",
            "filename": origin.url.rstrip("/").rpartition("/")[2],
            "url": origin.url,
            "sha256": origin.nar_sha256,
            "commit": origin.commit,
        }
    if isinstance(origin, LockedPath):
        return {
            "name": name,
            "kind": "path",
            "filename": origin.filename,
            "url": origin.path,
            "sha256": origin.sha256 or "",
        }
    return {
        "name": name,
        "kind": "nixpkgs",
        "filename": name,
        "url": f"{NIXPKGS_ARCHIVE}{origin.rev}.tar.gz",
        "sha256": origin.sha256,
        "commit": origin.rev,
    }
