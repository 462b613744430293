"""The folder of an archive: files under the names of their hashes, written whole or not at all, and checked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from resolver.errors import Unavailable
from resolver.lock import Nixpkgs
from resolver.nixpkgs_pin import to_hexadecimal
from resolver.sources import Source

from .nar import to_sri
from .tarball import UnusableTarball, hash_unpacked

__all__ = ["INDEX_NAME", "ArchiveFolder", "State"]

#: Beside the files: what each one is, for people.
INDEX_NAME = "index.json"

State = Literal["intact", "missing", "damaged"]

_NAME = re.compile(r"[0-9a-f]{64}|nixpkgs-[0-9a-f]{40}\.tar\.gz")
_PARTIAL = ".mach-*.part"
#: Seconds after which a file that another run left half written is nobody's any more.
_ABANDONED = 86_400.0
_CHUNK = 1 << 20


class ArchiveFolder:
    """Reads and fills one folder; safe to use from many threads and by several processes at once.

    :ivar path: the folder; :meth:`create` makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial: set[Path] = set()

    def create(self) -> None:
        """Make the folder where it is not there, and remove what a crash left half written more than a day ago.

        :raises Unavailable: ``output-unwritable``.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(_PARTIAL):
                with contextlib.suppress(FileNotFoundError):  # another run was faster
                    if time.time() - left.lstat().st_mtime > _ABANDONED:
                        left.unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    def _place(self, name: str) -> Path:
        """Return where the file *name* lies; nothing but a hash becomes a path."""
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a file of an archive")
        return self.path / name

    # ---- reading

    def state_of(self, source: Source) -> State:
        """Return whether the file of *source* is there with its content, all of which is read.

        :raises Unavailable: ``archive-unreadable``.
        """
        place = self._place(source.name)
        try:
            if not place.exists():
                return "missing"
            if not place.is_file():
                return "damaged"
            with place.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return "intact" if self._mismatch(source, place, digest) is None else "damaged"
        except OSError as error:
            raise Unavailable(
                "archive-unreadable",
                f"{place} cannot be read: {error.strerror or error}",
                hint="check the disk and the permissions of the archive",
            ) from error

    def size_of(self, name: str) -> int | None:
        """Return the bytes of the file *name*; None where it is not there, or no archive has a file of that name."""
        try:
            place = self._place(name)
            return place.stat().st_size if place.is_file() else None
        except (OSError, ValueError):
            return None

    @staticmethod
    def _mismatch(source: Source, place: Path, digest: str) -> tuple[str, str] | None:
        """Return the hash in the lock and that of *place*, None where it is the same."""
        first = source.origins[0]
        if not isinstance(first, Nixpkgs):
            return None if digest == source.name else (f"sha256:{source.name}", f"sha256:{digest}")
        wanted = to_hexadecimal(first.sha256)
        try:
            found = hash_unpacked(place)
        except UnusableTarball as error:
            return to_sri(wanted), f"a file that cannot be used: {error}"
        return None if found == wanted else (to_sri(wanted), to_sri(found))

    # ---- writing

    def save(self, source: Source, pieces: Iterable[bytes], *, origin: str) -> int:
        """Write *pieces* as the file of *source*, whole or not at all, and return their length in bytes.

        It gets its name once it is on the disk and its hash was checked.

        :param origin: where the pieces come from, for messages.
        :raises Unavailable: ``hash-mismatch`` naming both values, ``output-unwritable``; what *pieces* raises.
        """
        place = self._place(source.name)
        length = 0
        digest = hashlib.sha256()
        with self._writing() as (file, temporary):
            for piece in pieces:
                length += len(piece)
                digest.update(piece)
                try:
                    file.write(piece)
                except OSError as error:
                    raise self._unwritable(error) from error
            try:
                file.flush()
                mismatch = self._mismatch(source, temporary, digest.hexdigest())
                if mismatch is not None:
                    raise Unavailable(
                        "hash-mismatch",
                        f"{source.label} is not what the lock names",
                        context=[f"in the lock: {mismatch[0]}", f"from {origin}: {mismatch[1]}"],
                        hint="find out which of the two is right; another copy of it can be named with --from",
                    )
                self._finish(file, temporary, place)
            except OSError as error:
                raise self._unwritable(error) from error
        return length

    def write_index(self, text: str) -> None:
        """Write *text* as the index, whole or not at all.

        :raises Unavailable: ``output-unwritable``.
        """
        with self._writing() as (file, temporary):
            try:
                file.write(text.encode())
                self._finish(file, temporary, self.path / INDEX_NAME)
            except OSError as error:
                raise self._unwritable(error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        temporary = self.path / f".mach-{secrets.token_hex(8)}.part"
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unwritable(error) from error
        self._partial.add(temporary)
        file = os.fdopen(handle, "wb", buffering=_CHUNK)
        try:
            yield file, temporary
        finally:
            with contextlib.suppress(OSError):  # what was to be kept was flushed before
                file.close()
            self._remove(temporary)

    def _finish(self, file: BinaryIO, temporary: Path, place: Path) -> None:
        """Give a file that was written its name, once it is on the disk."""
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(place)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remove(self, temporary: Path) -> None:
        with contextlib.suppress(OSError):
            temporary.unlink()
        self._partial.discard(temporary)

    def discard_partial(self) -> None:
        """Remove what is half written, after an interrupt."""
        for temporary in list(self._partial):
            self._remove(temporary)

    def _unwritable(self, error: OSError) -> Unavailable:
        return Unavailable(
            "output-unwritable",
            f"{self.path} cannot be written: {error.strerror or error}",
            hint="make room, or check the path and its permissions, then run the command again: what is saved is kept",
        )
