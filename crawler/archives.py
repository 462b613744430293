"""Finding METADATA in a wheel and PKG-INFO in an sdist without unpacking anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from resolver.names import NormalizedName, normalize_project

__all__ = [
    "BROKEN",
    "BoundedMember",
    "GuardedFile",
    "Seekable",
    "UnusableArchive",
    "read_pkg_info",
    "read_wheel_metadata",
]

#: Limits of one archive: members, bytes of a zip's directory, bytes unpacked on the way to PKG-INFO.
MOST_MEMBERS = 1_000_000
LARGEST_DIRECTORY = 16 << 20
LARGEST_UNPACKED = 4 << 30
LARGEST_TAR_HEADER = 1 << 20

_METADATA = re.compile(r"([^/\\]+)\.dist-info/METADATA")
#: What reading a broken archive raises.
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    RecursionError,
    ValueError,
    LookupError,
    OverflowError,
    OSError,
    MemoryError,
)


class UnusableArchive(Exception):
    """An archive that the metadata cannot be had from; the text is a sentence."""


class Seekable(Protocol):
    """The reading side of a binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to *size* bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move, and return the new position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class GuardedFile:
    """A file that refuses reads larger than a zip's directory may be."""

    def __init__(self, file: Seekable) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes.

        :raises UnusableArchive: where that is more than a directory may have.
        """
        if size > LARGEST_DIRECTORY:
            raise UnusableArchive(f"its zip directory is larger than {LARGEST_DIRECTORY} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, and return the new position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return true: the file is."""
        return True


def read_wheel_metadata(file: Seekable, *, project: NormalizedName, limit: int) -> bytes:
    """Return the METADATA of the wheel *file*.

    :param limit: bytes of METADATA that are accepted.
    :raises UnusableArchive: where it is no zip archive, holds no METADATA of *project*, or several.
    :raises MachError: what reading *file* raises.
    """

    def is_its(name: str) -> bool:
        match = _METADATA.fullmatch(name)
        if match is None:
            return False
        try:
            return normalize_project(match[1].partition("-")[0]) == project
        except ValueError:
            return False

    return _read_from_zip(file, is_its, "METADATA", limit)


def _read_from_zip(file: Seekable, is_wanted: Callable[[str], bool], title: str, limit: int) -> bytes:
    try:
        with zipfile.ZipFile(GuardedFile(file)) as archive:
            found = [info for info in archive.infolist() if is_wanted(info.filename)]
            if len(found) != 1:
                raise UnusableArchive(f"it holds {'several' if found else 'no'} {title}")
            with archive.open(found[0]) as member:
                data = member.read(limit + 1)
                if len(data) > limit:
                    raise UnusableArchive(f"its {title} is larger than {limit} bytes")
                return data
    except BROKEN as error:
        raise UnusableArchive(f"it is not a whole zip archive ({type(error).__name__})") from error


class _Measured:
    """Unpacked bytes on their way to the tar reader, up to a limit."""

    def __init__(self, file: gzip.GzipFile | bz2.BZ2File) -> None:
        self._file = file
        self._left = LARGEST_UNPACKED

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnusableArchive(f"it unpacks to more than {LARGEST_UNPACKED} bytes")
        return data


class BoundedMember(tarfile.TarInfo):
    """A tar member whose extended headers are of a bounded size: tarfile reads them into memory whole."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        extended = (*tarfile.GNU_TYPES, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if self.type in extended and self.type != tarfile.GNUTYPE_SPARSE and self.size > LARGEST_TAR_HEADER:
            raise UnusableArchive(f"it has a tar header larger than {LARGEST_TAR_HEADER} bytes")
        member: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return member


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for _ in range(MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        # tarfile keeps every member it has seen
        archive.members.clear()  # type: ignore[attr-defined]
        yield member
    raise UnusableArchive(f"it has more than {MOST_MEMBERS} members")


def read_pkg_info(file: IO[bytes], *, filename: str, limit: int) -> bytes:
    """Return the PKG-INFO at the top of the sdist *file* (PEP 517: ``NAME-VERSION/PKG-INFO``).

    :param filename: tells the form: ``.tar.gz``, ``.tgz``, ``.tar.bz2`` or ``.zip``.
    :param limit: bytes of PKG-INFO that are accepted.
    :raises UnusableArchive: where it has none, or is no such archive.
    """
    lower = filename.lower()
    if lower.endswith(".zip"):
        return _read_from_zip(file, _is_pkg_info, "PKG-INFO", limit)
    try:
        with _unpack(file, lower) as unpacked:
            data = _find_pkg_info(unpacked, limit)
    except BROKEN as error:
        raise UnusableArchive(f"it is not a whole tar archive ({type(error).__name__})") from error
    if data is None:
        raise UnusableArchive("it holds no PKG-INFO")
    return data


def _unpack(file: IO[bytes], filename: str) -> gzip.GzipFile | bz2.BZ2File:
    if filename.endswith((".tar.gz", ".tgz")):
        return gzip.GzipFile(fileobj=file)
    if filename.endswith((".tar.bz2", ".tbz")):
        return bz2.BZ2File(file)
    raise UnusableArchive("it is an archive of a kind that mach does not read")


def _find_pkg_info(unpacked: gzip.GzipFile | bz2.BZ2File, limit: int) -> bytes | None:
    with tarfile.open(fileobj=_Measured(unpacked), mode="r|", tarinfo=BoundedMember) as archive:  # type: ignore[call-overload]
        for member in _members(archive):
            if not member.isreg() or not _is_pkg_info(member.name):
                continue
            if member.size > limit:
                raise UnusableArchive(f"its PKG-INFO is larger than {limit} bytes")
            content = archive.extractfile(member)
            data: bytes = b"" if content is None else content.read(limit + 1)
            if len(data) != member.size:
                raise UnusableArchive("it is not a whole tar archive")
            return data
    return None


def _is_pkg_info(name: str) -> bool:
    top, _, rest = name.removeprefix("./").partition("/")
    return rest == "PKG-INFO" and top not in ("", "..", ".")
