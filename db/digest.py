"""Digests of facts: of a listing, of metadata, of all that is known of a project, of a snapshot.

Every digest is SHA-256 of canonical JSON (RFC 8785 for the values used here: no
spaces, keys never needed, UTF-8, integers only), so none depends on row ids,
generations, fetch times, or the order in which facts came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .state import BuildKey, FileState, Metadata, ProjectState

__all__ = [
    "bucket_digest",
    "bucket_of",
    "canonical_json",
    "depset_body",
    "depset_digest",
    "facts_digest",
    "file_record",
    "listing_digest",
    "snapshot_digest",
    "sorted_built",
]


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text, UTF-8, of a *value* made of lists, texts, integers, booleans and None."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def depset_body(metadata: Metadata) -> str:
    """Return the canonical JSON under which *metadata* is interned.

    It is ``[requires_dist, provides_extra, requires_python, failure]``, lists in the
    order of the file, and where a build system is known (sdists) a fifth item
    ``[requires, backend, backend_path, extractor]``, which has a fifth item as well where crates are
    known: ``[name, version, sha256]`` of each; and a sixth one, the version, where only a backend
    told it (the fifth is null then).  Where metadata came from is no part of it.
    """
    body: list[Any] = [
        list(metadata.requires_dist),
        list(metadata.provides_extra),
        metadata.requires_python,
        metadata.failure,
    ]
    if metadata.build is not None:
        build = metadata.build
        item: list[Any] = [list(build.requires), build.backend, list(build.backend_path), build.extractor]
        if build.crates is not None:
            item.append([[crate.name, crate.version, crate.sha256] for crate in build.crates])
        if build.version is not None:
            item += [*([None] if build.crates is None else []), build.version]
        body.append(item)
    return canonical_json(body).decode()


def depset_digest(body: str) -> bytes:
    """Return the 32-byte digest of a :func:`depset_body`."""
    return hashlib.sha256(body.encode()).digest()


def listing_digest(state: ProjectState) -> str:
    """Return the hex digest of what *state*'s page lists now, as a lock's ``facts`` take it.

    It covers ``[index, project, absent, files]`` with per file, sorted by name,
    ``[filename, url, sha256, size, upload_time, requires_python, yanked, yanked_reason]``.
    Whether a sidecar is offered is left out: it says how metadata can be had, and can
    change no answer.  Removed files and known metadata are left out: the digest of one
    listing is the same whatever was known before.
    """
    files = sorted(
        [f.filename, f.url, f.sha256, f.size, f.upload_time, f.requires_python, f.yanked, f.yanked_reason]
        for f in (s.listing for s in state.files.values() if s.live)
    )
    return hashlib.sha256(canonical_json([state.index, state.project, state.absent, files])).hexdigest()


def sorted_built(file: FileState) -> list[tuple[BuildKey, Metadata]]:
    """Return what the build backend of *file* said, sorted by where it said it."""
    return sorted(file.built.items(), key=lambda item: item[0])


def file_record(file: FileState) -> list[Any]:
    """Return all that is known of one file as plain values, in the order that :func:`facts_digest` takes.

    What its build backend said is the last item, ``[python, system, step, closure, digest]``
    sorted; a file whose backend never said anything has no such item.
    """
    f, m = file.listing, file.metadata
    record: list[Any] = [
        f.filename,
        f.sha256,
        file.live,
        f.url,
        f.size,
        f.upload_time,
        f.requires_python,
        f.yanked,
        f.yanked_reason,
        f.has_metadata,
        f.metadata_sha256,
        None if m is None else [depset_digest(depset_body(m)).hex(), m.sha256],
    ]
    if file.built:
        record.append([[*key, depset_digest(depset_body(said)).hex()] for key, said in sorted_built(file)])
    return record


def facts_digest(state: ProjectState) -> bytes:
    """Return the 32-byte digest of every fact of *state*: listing, removals, absence, metadata and builds."""
    records = [file_record(state.files[key]) for key in sorted(state.files, key=lambda k: (k[0], k[1] or ""))]
    return hashlib.sha256(
        canonical_json(["mach-project-1", state.index, state.project, state.absent, records])
    ).digest()


def bucket_of(index: str, project: str) -> int:
    """Return which of the 4,096 buckets of the Merkle tree holds a project."""
    return int.from_bytes(hashlib.sha256(canonical_json([index, project])).digest()[:2], "big") >> 4


def bucket_digest(projects: Mapping[tuple[str, str], bytes]) -> bytes:
    """Return the digest of one bucket: (index, project) -> facts digest, sorted by code point."""
    leaves = [[index, name, projects[index, name].hex()] for index, name in sorted(projects)]
    return hashlib.sha256(canonical_json(["mach-bucket-1", leaves])).digest()


def snapshot_digest(buckets: Iterable[tuple[int, bytes]]) -> str:
    """Return the id of a snapshot: hex digest over its non-empty buckets' numbers and digests."""
    return hashlib.sha256(canonical_json(["mach-snapshot-1", [[n, d.hex()] for n, d in sorted(buckets)]])).hexdigest()
