"""The hash of what a tarball unpacks to, as Nix's fetchTarball has it: told without unpacking anything to disk."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from resolver.errors import Unavailable

from .archives import BROKEN, BoundedMember, UnusableArchive
from .nar import frame

__all__ = ["UnusableTarball", "hash_unpacked"]

#: A nixpkgs has 50,000 files of 0.3 GB in all.
_MOST_MEMBERS = 500_000
_LARGEST = 8 << 30
_DEEPEST = 200
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"


class UnusableTarball(Exception):
    """It is no tarball of one folder; the text is a sentence without a subject's name."""


@dataclass(frozen=True, slots=True)
class _File:
    start: int
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class _Link:
    target: bytes


@dataclass(slots=True)
class _Folder:
    entries: dict[bytes, _Node] = field(default_factory=dict)


_Node = _File | _Link | _Folder


def hash_unpacked(path: Path) -> str:
    """Return the hexadecimal SHA-256 of the NAR of the one folder in the tarball at *path* (plain or gzip).

    Names in the tarball are keys here and never paths, so none leads anywhere.

    :raises UnusableTarball: where it is none, holds something other than one folder of folders, plain files and
        links, or unpacks to more than 8 GiB or 500,000 members.
    :raises OSError: where *path* cannot be read.
    :raises Unavailable: ``no-temporary-space`` where ``TMPDIR`` has no room for the decompressed tarball.
    """
    with path.open("rb") as packed:
        if packed.read(2) != _GZIP:
            return _hash_tar(packed)
        packed.seek(0)
        with _temporary() as plain:
            _decompress(packed, plain)
            return _hash_tar(plain)


def _temporary() -> BinaryIO:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(
        "no-temporary-space",
        f"the tarball of nixpkgs cannot be decompressed, to be checked: {error.strerror or error}",
        hint="make room in the folder for temporary files, or name another with TMPDIR",
    )


def _decompress(packed: BinaryIO, plain: BinaryIO) -> None:
    size = 0
    with gzip.GzipFile(fileobj=packed) as stream:
        while True:
            try:
                piece = stream.read(_CHUNK)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise UnusableTarball(f"its compressed data is damaged ({error})") from error
            if not piece:
                return
            size += len(piece)
            if size > _LARGEST:
                raise UnusableTarball(f"it unpacks to more than {_LARGEST >> 30} GiB")
            try:
                plain.write(piece)
            except OSError as error:
                raise _no_room(error) from error


def _hash_tar(plain: BinaryIO) -> str:
    plain.seek(0)
    root = _Folder()
    try:
        with tarfile.open(
            fileobj=plain, mode="r:", encoding="utf-8", errors="surrogateescape", tarinfo=BoundedMember
        ) as opened:
            for number, member in enumerate(opened):
                if number >= _MOST_MEMBERS:
                    raise UnusableTarball(f"it holds more than {_MOST_MEMBERS} members")
                _place(root, member)
    except UnusableArchive as error:
        raise UnusableTarball(str(error)) from error
    except BROKEN as error:
        raise UnusableTarball(f"it is not a tar archive that can be read ({type(error).__name__}: {error})") from error
    tops = list(root.entries.values())
    if len(tops) != 1 or not isinstance(tops[0], _Folder):
        raise UnusableTarball("it does not hold just one folder")
    digest = hashlib.sha256()
    for piece in (frame(b"nix-archive-1"), _dump(tops[0], plain)):
        for data in piece:
            digest.update(data)
    return digest.hexdigest()


def _place(root: _Folder, member: tarfile.TarInfo) -> None:
    """Put *member* where its name says; a later one takes the place of an earlier one, as with tar."""
    parts = [part for part in member.name.encode("utf-8", "surrogateescape").split(b"/") if part not in (b"", b".")]
    if member.name.startswith("/") or b".." in parts:
        raise UnusableTarball(f"it holds a member with the path {member.name!r}")
    if len(parts) > _DEEPEST:
        raise UnusableTarball(f"it nests folders more than {_DEEPEST} deep")
    if not parts:
        return
    folder = root
    for part in parts[:-1]:
        below = folder.entries.setdefault(part, _Folder())
        if not isinstance(below, _Folder):
            raise UnusableTarball(f"it holds {member.name!r} below something that is no folder")
        folder = below
    if member.isdir():
        if not isinstance(folder.entries.setdefault(parts[-1], _Folder()), _Folder):
            folder.entries[parts[-1]] = _Folder()
    elif member.issym():
        folder.entries[parts[-1]] = _Link(member.linkname.encode("utf-8", "surrogateescape"))
    elif member.isreg() and member.sparse is None:
        folder.entries[parts[-1]] = _File(member.offset_data, member.size, bool(member.mode & 0o100))
    else:
        raise UnusableTarball(f"it holds {member.name!r}, which is neither folder, plain file nor link")


def _dump(node: _Node, plain: BinaryIO) -> Iterator[bytes]:
    if isinstance(node, _Link):
        yield from frame(b"(", b"type", b"symlink", b"target", node.target, b")")
    elif isinstance(node, _File):
        yield from frame(b"(", b"type", b"regular", *((b"executable", b"") if node.executable else ()), b"contents")
        yield node.size.to_bytes(8, "little")
        plain.seek(node.start)
        left = node.size
        while left:
            data = plain.read(min(_CHUNK, left))
            if not data:
                raise UnusableTarball("it breaks off in the middle of a file")
            left -= len(data)
            yield data
        yield bytes(-node.size % 8)
        yield from frame(b")")
    else:
        yield from frame(b"(", b"type", b"directory")
        for name, below in sorted(node.entries.items()):
            yield from frame(b"entry", b"(", b"name", name, b"node")
            yield from _dump(below, plain)
            yield from frame(b")")
        yield from frame(b")")
