"""Finding METADATA in a wheel, and what tells how it is built in an sdist, without unpacking anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Protocol

from resolver.errors import shorten
from resolver.names import NormalizedName, normalize_project

from .rust_source import CARGO_FILES, MOST_CARGO_FILES

__all__ = [
    "BROKEN",
    "BoundedMember",
    "GuardedFile",
    "SdistFiles",
    "Seekable",
    "UnusableArchive",
    "read_sdist",
    "read_sdist_member",
    "read_wheel_metadata",
]

#: Limits of one archive: members, bytes of a zip's directory, bytes that an sdist unpacks to.
MOST_MEMBERS = 1_000_000
LARGEST_DIRECTORY = 16 << 20
LARGEST_UNPACKED = 2 << 30
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistFiles:
    """What lies at the top of an sdist (PEP 517: ``NAME-VERSION/``) and tells what it is."""

    pkg_info: bytes | None
    """PKG-INFO; None where there is none, or where it is a link."""
    pyproject: bytes | None
    """pyproject.toml; likewise."""
    pyproject_is_plain: bool
    """False where pyproject.toml is a link or a folder: it is never followed."""
    has_setup_script: bool
    """Whether there is a setup.py, of whatever kind."""
    cargo_files: frozenset[str] = frozenset()
    """Paths below the top of the plain files named Cargo.toml and Cargo.lock."""


@dataclass(slots=True)
class _Top:
    """The top of an sdist, as its members go by."""

    limit: int
    folders: set[str] = field(default_factory=set)
    files: dict[str, bytes | None] = field(default_factory=dict)
    """None for one that is no plain file."""
    cargo_files: set[str] = field(default_factory=set)

    def find(self, name: str, *, is_folder: bool) -> str | None:
        """Return which of the wanted files the member *name* is, None where it is none of them."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise UnusableArchive(f"it holds a file with the path {shorten(name)!r}")
        if not path.parts:
            return None
        if len(path.parts) == 1 and not is_folder:
            raise _NOT_ONE_FOLDER
        self.folders.add(path.parts[0])
        if len(self.folders) > 1:
            raise _NOT_ONE_FOLDER
        if len(path.parts) != 2 or path.parts[1] not in _WANTED:
            return None
        if path.parts[1] in self.files:
            raise UnusableArchive(f"it holds several {path.parts[1]}")
        return path.parts[1]

    def note(self, name: str) -> None:
        """Keep the place of the plain file *name* where it belongs to a Rust project."""
        if not name.endswith(tuple(CARGO_FILES)) or len(name) > _LONGEST_PATH:
            return
        path = PurePosixPath(name)
        if path.name not in CARGO_FILES:
            return
        if len(self.cargo_files) >= MOST_CARGO_FILES:
            raise UnusableArchive(f"it holds more than {MOST_CARGO_FILES} files of Rust projects")
        self.cargo_files.add("/".join(path.parts[1:]))

    def take(self, name: str, file: IO[bytes] | None) -> None:
        """Read the wanted *file*; None where it is no plain one."""
        if file is None or name == _SCRIPT:
            self.files[name] = None
            return
        data = file.read(self.limit + 1)
        if len(data) > self.limit:
            raise UnusableArchive(f"its {name} is larger than {self.limit} bytes")
        self.files[name] = data

    def finish(self) -> SdistFiles:
        """Return what was found."""
        if not self.folders:
            raise _NOT_ONE_FOLDER
        return SdistFiles(
            pkg_info=self.files.get(_INFO),
            pyproject=self.files.get(_PYPROJECT),
            pyproject_is_plain=self.files.get(_PYPROJECT, b"") is not None,
            has_setup_script=_SCRIPT in self.files,
            cargo_files=frozenset(self.cargo_files),
        )


@dataclass(slots=True)
class _Member:
    """One file below the top of an sdist, as the members go by."""

    limit: int
    path: str
    files: dict[str, bytes | None] = field(default_factory=dict)

    def find(self, name: str, *, is_folder: bool) -> str | None:
        """Return the path where the member *name* is the wanted file."""
        if is_folder or "/".join(PurePosixPath(name).parts[1:]) != self.path:
            return None
        if self.path in self.files:
            raise UnusableArchive(f"it holds several {shorten(self.path, 200)}")
        return self.path

    def note(self, name: str) -> None:
        """Keep nothing of the plain file *name*."""

    def take(self, name: str, file: IO[bytes] | None) -> None:
        """Read the wanted *file*; None where it is no plain one."""
        data = None if file is None else file.read(self.limit + 1)
        if data is not None and len(data) > self.limit:
            raise UnusableArchive(f"its {PurePosixPath(name).name} is larger than {self.limit} bytes")
        self.files[name] = data

    def content(self) -> bytes:
        """Return what was found."""
        data = self.files.get(self.path)
        if data is None:
            raise UnusableArchive(f"its {PurePosixPath(self.path).name} is not a plain file")
        return data


_INFO, _PYPROJECT, _SCRIPT = "PKG-INFO", "pyproject.toml", "setup.py"
_WANTED = frozenset({_INFO, _PYPROJECT, _SCRIPT})
_LONGEST_PATH = 1000
_NOT_ONE_FOLDER = UnusableArchive("it does not have exactly one folder at its top (PEP 517)")


def read_sdist(file: IO[bytes], *, filename: str, limit: int) -> SdistFiles:
    """Return what lies at the top of the sdist *file*, read in one pass.

    :param filename: tells the form: ``.tar.gz``, ``.tgz``, ``.tar.bz2``, ``.tbz`` or ``.zip``.
    :param limit: bytes of each file that are accepted.
    :raises UnusableArchive: where it is no such archive, holds one of the files twice, has not exactly
        one folder at its top, or a path that leads out of it.
    """
    top = _Top(limit=limit)
    _look_into(file, filename, top)
    return top.finish()


def read_sdist_member(file: IO[bytes], *, filename: str, path: str, limit: int) -> bytes:
    """Return the content of one of the :attr:`SdistFiles.cargo_files`; *file* is read once more from its start.

    :param path: which one.
    :param limit: bytes of it that are accepted.
    :raises UnusableArchive: as :func:`read_sdist`, and where the file stands there twice.
    """
    member = _Member(limit=limit, path=path)
    file.seek(0)
    _look_into(file, filename, member)
    return member.content()


def _look_into(file: IO[bytes], filename: str, top: _Top | _Member) -> None:
    lower = filename.lower()
    try:
        if lower.endswith(".zip"):
            _look_into_zip(file, top)
        else:
            with _unpack(file, lower) as unpacked:
                _look_into_tar(unpacked, top)
    except BROKEN as error:
        kind = "zip" if lower.endswith(".zip") else "tar"
        raise UnusableArchive(f"it is not a whole {kind} archive ({type(error).__name__})") from error


def _unpack(file: IO[bytes], filename: str) -> gzip.GzipFile | bz2.BZ2File:
    if filename.endswith((".tar.gz", ".tgz")):
        return gzip.GzipFile(fileobj=file)
    if filename.endswith((".tar.bz2", ".tbz")):
        return bz2.BZ2File(file)
    raise UnusableArchive("it is an archive of a kind that mach does not read")


def _look_into_tar(unpacked: gzip.GzipFile | bz2.BZ2File, top: _Top | _Member) -> None:
    # it has read() alone, which is all that a stream is asked for
    with tarfile.open(fileobj=_Measured(unpacked), mode="r|", tarinfo=BoundedMember) as archive:  # type: ignore[call-overload]
        for member in _members(archive):
            name = top.find(member.name, is_folder=member.isdir())
            if member.isreg():
                top.note(member.name)
            if name is None:
                continue
            if not member.isreg():
                top.take(name, None)
                continue
            content = archive.extractfile(member)
            top.take(name, content)
            if (data := top.files[name]) is not None and len(data) != member.size:
                raise UnusableArchive("it is not a whole tar archive")


def _look_into_zip(file: IO[bytes], top: _Top | _Member) -> None:
    with zipfile.ZipFile(GuardedFile(file)) as archive:
        for member in archive.infolist():
            name = top.find(member.filename, is_folder=member.is_dir())
            plain = not member.is_dir() and not stat.S_ISLNK(member.external_attr >> 16)
            if plain:
                top.note(member.filename)
            if name is None:
                continue
            if not plain:
                top.take(name, None)
                continue
            with archive.open(member) as content:
                top.take(name, content)
