"""Unpacking an sdist of a stranger: nothing outside the folder, no owners, no special files, limits."""

from __future__ import annotations

import bz2
import errno
import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from resolver.errors import Unavailable, shorten

from .archives import BROKEN, BoundedMember, GuardedFile, Seekable, UnusableArchive
from .hook_failures import FailureClass, Refused
from .sandbox_limits import Limits
from .sandbox_user import give_to_sandbox

__all__ = ["UnpackedSdist", "unpack_sdist"]

_DEEPEST = 100
#: What the names in an archive can lead to; any other error of the system is this machine's.
_ITS_OWN = (None, errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR)
_PIECE = 1 << 18
_ENDINGS: dict[str, Callable[..., gzip.GzipFile | bz2.BZ2File]] = {
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz": bz2.open,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedSdist:
    """A source tree on disk; nothing in it was run, and links in it may lead anywhere."""

    folder: Path
    """The one folder at the archive's top (PEP 517: NAME-VERSION)."""
    filename: str

    def project_folder(self, subdirectory: str) -> Path:
        """Return the folder of the project in *subdirectory*, relative; ``""`` is the whole tree.

        :raises Refused: ``no-backend`` where there is none.
        """
        place = self.folder
        for part in PurePosixPath(subdirectory).parts:
            place = place / part
            if part in ("..", "/") or place.is_symlink() or not place.is_dir():
                raise Refused(FailureClass.NO_BACKEND, f"its source has no folder {shorten(subdirectory)!r}")
        return place


@dataclass(slots=True)
class _Tree:
    """A tree that is being written; links are made last, so that nothing is ever written through one."""

    top: Path
    limits: Limits
    members: int = 0
    room: int = 0
    links: dict[PurePosixPath, str] = field(default_factory=dict)
    hard_links: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = self.limits.unpacked_bytes

    def count(self) -> None:
        """Count one member."""
        self.members += 1
        if self.members > self.limits.unpacked_members:
            raise Refused(
                FailureClass.TOO_MANY_FILES, f"its archive has more than {self.limits.unpacked_members} members"
            )

    def take(self, size: int) -> None:
        """Count *size* bytes that are to be written."""
        self.room -= size
        if self.room < 0:
            raise Refused(
                FailureClass.TOO_LARGE, f"its archive unpacks to more than {self.limits.unpacked_bytes} bytes"
            )

    def write(self, path: PurePosixPath, content: IO[bytes], *, executable: bool, time: float | None) -> None:
        """Write a plain file in place of what has its name."""
        place = self.top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        with place.open("xb") as file:
            while piece := content.read(_PIECE):
                self.take(len(piece))
                file.write(piece)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        if time is not None:
            os.utime(place, (time, time))
        self.links.pop(path, None)
        self.hard_links.pop(path, None)

    def finish(self) -> None:
        """Make the links, hard ones first."""
        for path, target in self.hard_links.items():
            source = self.top / target
            if not source.is_file():
                raise _unsafe(f"a hard link to what is no file of it, {str(path)!r} to {str(target)!r}")
            # a copy inside the sandbox needs the room of each
            self.take(source.stat().st_size)
            place = self.top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if place != source:
                place.unlink(missing_ok=True)
                place.hardlink_to(source)
        for path, text in self.links.items():
            place = self.top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                raise _unsafe(f"both a link and a folder with the path {str(path)!r}")
            place.unlink(missing_ok=True)
            place.symlink_to(text)


def _unsafe(what: str) -> Refused:
    return Refused(FailureClass.UNSAFE_ARCHIVE, f"its archive holds {what}")


def _check_path(name: str) -> PurePosixPath:
    """Return a member's path; refuse one that leaves the folder it is unpacked to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _unsafe(f"a file with the path {shorten(name)!r}")
    if len(path.parts) > _DEEPEST:
        raise _unsafe(f"folders more than {_DEEPEST} deep")
    return path


def _check_link(path: PurePosixPath, target: str) -> None:
    """Refuse a symbolic link that leads out of the sdist's own folder, the first part of *path*."""
    impossible = not target or "\0" in target or PurePosixPath(target).is_absolute()
    depth = -1 if impossible else len(path.parts) - 1
    for part in PurePosixPath(target).parts:
        if depth < 1:
            break
        depth += -1 if part == ".." else 1
    if depth < 1:
        raise _unsafe(f"a link that leaves it, {shorten(str(path))!r} to {shorten(target)!r}")


class _Measured:
    """Unpacked bytes on their way to the tar reader, headers and skipped members included, up to a limit."""

    def __init__(self, file: gzip.GzipFile | bz2.BZ2File, tree: _Tree) -> None:
        self._file = file
        self._limits = tree.limits
        # each member has a header and is filled up to 512 bytes; pax headers come on top
        self._left = tree.limits.unpacked_bytes + 4096 * tree.limits.unpacked_members + (1 << 20)

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Refused(
                FailureClass.TOO_LARGE, f"its archive unpacks to more than {self._limits.unpacked_bytes} bytes"
            )
        return data


def _unpack_tar(unpacked: gzip.GzipFile | bz2.BZ2File, tree: _Tree) -> None:
    stream = _Measured(unpacked, tree)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=BoundedMember, errorlevel=2) as archive:  # type: ignore[call-overload]  # it reads, which is all that is called
        while (member := archive.next()) is not None:
            tree.count()
            # tarfile keeps every member it has seen
            archive.members.clear()
            _take_member(archive, member, tree)


def _take_member(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: _Tree) -> None:
    path = _check_path(member.name)
    if hasattr(tarfile, "data_filter"):
        # PEP 706; every reason it has is one of ours, but it knows oddities of tar that we may not
        try:
            tarfile.data_filter(member, str(tree.top))
        except tarfile.FilterError as error:
            raise _unsafe(f"what tarfile refuses ({type(error).__name__})") from error
    if member.isdir():
        (tree.top / path).mkdir(parents=True, exist_ok=True)
    elif member.isreg():
        if member.size > tree.room:
            tree.take(member.size)
        content = archive.extractfile(member)
        if content is not None:
            time = float(member.mtime) if 0 <= member.mtime < 1 << 33 else None
            tree.write(path, content, executable=bool(member.mode & 0o100), time=time)
    elif member.islnk():
        tree.hard_links[path] = _check_path(member.linkname)
    elif member.issym():
        _check_link(path, member.linkname)
        tree.links[path] = member.linkname
    else:
        raise _unsafe(f"a special file, {shorten(member.name)!r}")


def _unpack_zip(file: Seekable, tree: _Tree) -> None:
    with zipfile.ZipFile(GuardedFile(file)) as archive:
        for member in archive.infolist():
            tree.count()
            path = _check_path(member.filename)
            if member.is_dir():
                (tree.top / path).mkdir(parents=True, exist_ok=True)
                continue
            if member.file_size > tree.room:
                tree.take(member.file_size)
            with archive.open(member) as content:
                tree.write(path, content, executable=bool((member.external_attr >> 16) & 0o100), time=None)


def _only_folder(top: Path) -> Path:
    found = sorted(top.iterdir())
    if len(found) != 1 or found[0].is_symlink() or not found[0].is_dir():
        raise Refused(FailureClass.BROKEN_ARCHIVE, "its archive does not have exactly one folder at its top (PEP 517)")
    return found[0]


def _unpack(file: IO[bytes], filename: str, tree: _Tree) -> None:
    lower = filename.lower()
    try:
        if lower.endswith(".zip"):
            _unpack_zip(file, tree)
        else:
            opener = next((opener for ending, opener in _ENDINGS.items() if lower.endswith(ending)), None)
            if opener is None:
                raise Refused(FailureClass.BROKEN_ARCHIVE, "its archive is of a kind that mach does not read")
            with opener(file, "rb") as unpacked:
                _unpack_tar(unpacked, tree)
        tree.finish()
    except UnusableArchive as error:
        # of those that reading raises: headers, or a directory, that are too large to be read
        raise Refused(FailureClass.TOO_LARGE, f"its archive cannot be unpacked: {error}") from error
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno not in _ITS_OWN:
            raise Unavailable(
                "no-temporary-space",
                f"{filename} cannot be unpacked to a temporary folder: {error.strerror}",
                hint=f"free space in {tempfile.gettempdir()}, or name another folder with TMPDIR",
            ) from error
        kind = type(error).__name__
        raise Refused(FailureClass.BROKEN_ARCHIVE, f"its archive cannot be unpacked ({kind})") from error


@contextmanager
def unpack_sdist(sdist: IO[bytes] | Path, *, filename: str, limits: Limits | None = None) -> Iterator[UnpackedSdist]:
    """Unpack an sdist into a temporary folder, which is gone at the end.

    Owners, modes beyond "executable", and links or names that lead out are not taken from the archive.

    :param filename: tells the form: ``.tar.gz``, ``.tgz``, ``.tar.bz2``, ``.tbz`` or ``.zip``.
    :raises Refused: ``unsafe-archive``, ``broken-archive``, ``too-large`` or ``too-many-files``.
    :raises Unavailable: ``no-temporary-space``.
    """
    limits = limits or Limits()
    scratch = Path(tempfile.mkdtemp(prefix="mach-sdist-"))
    try:
        top = scratch / "unpacked"
        top.mkdir()
        tree = _Tree(top=top, limits=limits)
        if isinstance(sdist, Path):
            with sdist.open("rb") as file:
                _unpack(file, filename, tree)
        else:
            sdist.seek(0)
            _unpack(sdist, filename, tree)
        give_to_sandbox(scratch)
        yield UnpackedSdist(folder=_only_folder(top), filename=filename)
    finally:
        shutil.rmtree(scratch)
