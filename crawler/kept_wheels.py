"""Wheels that were built on this machine, kept beside the files of indexes, for later builds to begin with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from resolver.errors import Unavailable

from .kept_files import hash_file

__all__ = ["KeptWheel", "find_wheel", "keep_wheel", "open_draft"]

#: Below the folder of kept files: one record for each wheel, under the key that says how it was built.
_RECORDS = "built"
_KEY = re.compile(r"[0-9a-f]{64}")
_LONGEST_RECORD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWheel:
    """A wheel in the folder of kept files."""

    filename: str
    """Its own name."""
    path: Path
    """Where its content is, under its SHA-256."""


def find_wheel(folder: Path, key: str) -> KeptWheel | None:
    """Return the wheel that was kept under *key*, None where there is none, or where it is not what it was.

    :param key: 64 hexadecimal digits.
    """
    try:
        with _record(folder, key).open("rb") as file:
            record = json.loads(file.read(_LONGEST_RECORD))
        filename, sha256 = record["filename"], record["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(filename, str) or not isinstance(sha256, str) or not _KEY.fullmatch(sha256):
        return None
    path = folder / sha256
    return KeptWheel(filename=filename, path=path) if hash_file(path) == sha256 else None


@contextmanager
def open_draft(folder: Path) -> Iterator[IO[bytes]]:
    """Yield an empty file in *folder* to write a wheel into, which is gone at the end unless it was kept.

    :raises Unavailable: ``no-temporary-space``.
    """
    try:
        (folder / _RECORDS).mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="wheel-", dir=folder)
        os.close(descriptor)
    except OSError as error:
        raise _no_room(folder, error) from error
    try:
        # opened by its name, which keep_wheel moves it by
        with Path(name).open("w+b") as content:
            yield content
    finally:
        Path(name).unlink(missing_ok=True)


def keep_wheel(folder: Path, key: str, filename: str, content: IO[bytes]) -> KeptWheel:
    """Keep the wheel in *content*, a whole draft, under *key*.

    Content and record appear whole or not at all, the content first and under its SHA-256: of
    two processes that keep a wheel under one key each has its own, and a record that is read
    names what it was written for.

    :param filename: a plain name, at most 255 bytes.
    :raises Unavailable: ``no-temporary-space``.
    """
    try:
        content.flush()
        content.seek(0)
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]  # a file is one
        Path(content.name).replace(folder / sha256)
        descriptor, name = tempfile.mkstemp(prefix="record-", dir=folder / _RECORDS)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump({"filename": filename, "sha256": sha256}, file)
            Path(name).replace(_record(folder, key))
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _no_room(folder, error) from error
    return KeptWheel(filename=filename, path=folder / sha256)


def _record(folder: Path, key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no SHA-256")
    return folder / _RECORDS / key


def _no_room(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "no-temporary-space",
        f"a wheel that was built cannot be kept in {folder}: {error.strerror}",
        hint="make the folder writable, and free space there",
    )
