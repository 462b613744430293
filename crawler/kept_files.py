"""Files of indexes that are kept in a folder under their SHA-256, for builds to be asked again without the network."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from db.facts import FileFact
from resolver.errors import Unavailable

from .client import Client
from .whole_file import download_file

__all__ = ["has_hash", "hash_file", "keep_content", "keep_file"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def has_hash(file: FileFact) -> bool:
    """Return whether *file* can be kept: only a SHA-256 says what it has to be."""
    return file.sha256 is not None and _SHA256.fullmatch(file.sha256) is not None


def keep_file(client: Client, file: FileFact, folder: Path) -> Path:
    """Return the path of *file* in *folder*, downloaded where it is not there; its name is its SHA-256.

    What is there is hashed again, and replaced where it is something else. Files appear whole
    or not at all, so that processes may share the folder.

    :param file: one that :func:`has_hash`.
    :raises Unavailable: ``no-temporary-space``, ``hash-mismatch``, and what
        :func:`crawler.whole_file.download_file` raises.
    """
    if not has_hash(file):
        raise ValueError(f"{file.filename!r} has no sha256")
    path = folder / str(file.sha256)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if hash_file(path) == file.sha256:
            return path
        descriptor, name = tempfile.mkstemp(prefix="download-", dir=folder)
    except OSError as error:
        raise Unavailable(
            "no-temporary-space",
            f"{file.filename} cannot be kept in {folder}: {error.strerror}",
            hint="make the folder writable, and free space there",
        ) from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as content:
            download_file(client, file, content, what=file.filename, room=f"free space in {folder}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def keep_content(content: IO[bytes], sha256: str, folder: Path) -> None:
    """Keep a file that was read for something else, for :func:`keep_file` to find it; *content* may be anywhere then.

    It is only a saving: where *folder* cannot be written (a home without room, or read-only as in a
    container), nothing is kept and nothing is said.

    :param sha256: of the content, 64 hexadecimal digits.
    """
    path = folder / sha256
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return
        descriptor, name = tempfile.mkstemp(prefix="download-", dir=folder)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                content.seek(0)
                shutil.copyfileobj(content, file, 1 << 20)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def hash_file(path: Path) -> str | None:
    """Return the SHA-256 of a plain file; None where there is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123  (a descriptor)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
