"""The hash that Nix gives a file or folder: SHA-256 of its archive form, NAR (Nix manual, "Nix Archive format")."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["dump_nar", "frame", "hash_nar", "to_sri"]

_CHUNK = 1 << 20


def hash_nar(path: Path) -> str:
    """Return the hexadecimal SHA-256 of the NAR of *path*, as ``nix-hash --type sha256`` does.

    Names, contents, links and the executable bit of files take part, nothing else.

    :raises ValueError: for devices, sockets and pipes, which a NAR cannot hold.
    :raises OSError: where something cannot be read.
    """
    digest = hashlib.sha256()
    for data in dump_nar(path):
        digest.update(data)
    return digest.hexdigest()


def dump_nar(path: Path) -> Iterator[bytes]:
    """Yield the NAR of *path* in pieces, as ``nix-store --dump`` writes it; its SHA-256 is :func:`hash_nar`.

    :raises ValueError: as :func:`hash_nar`.
    :raises OSError: where something cannot be read.
    """
    yield from frame(b"nix-archive-1")
    yield from _dump(os.fsencode(path))


def to_sri(digest: str) -> str:
    """Return a hexadecimal SHA-256 as ``sha256-…``, base 64, as flakes and Nix's fetchers write it."""
    return "sha256-" + base64.b64encode(bytes.fromhex(digest)).decode()


def frame(*texts: bytes) -> Iterator[bytes]:
    """Yield *texts* as a NAR holds them: each with its length before it, padded to 8 bytes."""
    for text in texts:
        yield len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def _dump(path: bytes) -> Iterator[bytes]:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        yield from frame(b"(", b"type", b"symlink", b"target", os.readlink(path), b")")  # noqa: PTH115  (the text as it is)
    elif stat.S_ISREG(mode):
        yield from frame(b"(", b"type", b"regular", *((b"executable", b"") if mode & 0o100 else ()), b"contents")
        with open(path, "rb") as file:  # noqa: PTH123  (a name of bytes)
            size = os.fstat(file.fileno()).st_size
            yield size.to_bytes(8, "little")
            left = size
            while left and (data := file.read(min(_CHUNK, left))):
                left -= len(data)
                yield data
            if left:
                raise OSError("it became shorter while it was read")
            yield bytes(-size % 8)
        yield from frame(b")")
    elif stat.S_ISDIR(mode):
        yield from frame(b"(", b"type", b"directory")
        for name in sorted(os.listdir(path)):  # noqa: PTH208
            yield from frame(b"entry", b"(", b"name", name, b"node")
            yield from _dump(path + b"/" + name)
            yield from frame(b")")
        yield from frame(b")")
    else:
        raise ValueError("it holds a file that is neither plain, folder nor link")
