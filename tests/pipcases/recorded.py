"""Answers of an index in one SQLite file: pages, sidecars, sdists, and parts of wheels."""

from __future__ import annotations

import io
import sqlite3
import threading
import zlib
from pathlib import Path

__all__ = ["Recorded", "SparseFile"]

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS answer (path TEXT PRIMARY KEY, status INTEGER, type TEXT, body BLOB);
    CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, origin TEXT UNIQUE);
    CREATE TABLE IF NOT EXISTS size (path TEXT PRIMARY KEY, bytes INTEGER);
    CREATE TABLE IF NOT EXISTS part (path TEXT, start INTEGER, body BLOB, PRIMARY KEY (path, start, body));
"""


class Recorded:
    """The file; safe to use from many threads.

    :param path: made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        rows = self._database.execute("SELECT path FROM answer WHERE path LIKE '%.metadata'")
        #: Paths of the sidecars that are there.
        self.sidecars = {str(path) for (path,) in rows}

    def get(self, path: str) -> tuple[int, str, bytes] | None:
        """Return (status, content type, body), or None."""
        with self._lock:
            row = self._database.execute("SELECT status, type, body FROM answer WHERE path = ?", (path,)).fetchone()
        return None if row is None else (row[0], row[1], zlib.decompress(row[2]))

    def put(self, path: str, status: int, kind: str, body: bytes) -> None:
        """Keep one answer."""
        with self._lock, self._database:
            packed = zlib.compress(body, 1)
            self._database.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", (path, status, kind, packed))
            if path.endswith(".metadata"):
                self.sidecars.add(path)

    def size(self, path: str) -> int | None:
        """Return how long a wheel is, in bytes, or None."""
        with self._lock:
            row = self._database.execute("SELECT bytes FROM size WHERE path = ?", (path,)).fetchone()
        return None if row is None else int(row[0])

    def keep_size(self, path: str, size: int) -> None:
        """Keep how long a wheel is."""
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO size VALUES (?, ?)", (path, size))

    def keep_part(self, path: str, start: int, body: bytes) -> None:
        """Keep bytes of a wheel from *start* on."""
        with self._lock, self._database:
            self._database.execute("INSERT OR IGNORE INTO part VALUES (?, ?, ?)", (path, start, body))

    def part(self, path: str, start: int, stop: int) -> bytes | None:
        """Return the bytes of a wheel from *start* to *stop*, or None where one of them is not there."""
        with self._lock:
            rows = self._database.execute("SELECT start, body FROM part WHERE path = ? ORDER BY start", (path,))
            found = b""
            for at, body in rows.fetchall():
                reached = start + len(found)
                if at <= reached < at + len(body):
                    found += body[reached - at :]
        return found[: stop - start] if len(found) >= stop - start else None

    def number(self, origin: str) -> int:
        """Return the number that stands for another server, ``https://HOST``, on loopback."""
        with self._lock, self._database:
            self._database.execute("INSERT OR IGNORE INTO place (origin) VALUES (?)", (origin,))
            row = self._database.execute("SELECT id FROM place WHERE origin = ?", (origin,)).fetchone()
        return int(row[0])

    def origin(self, number: str) -> str | None:
        """Return the server that *number* stands for, or None."""
        with self._lock:
            row = self._database.execute("SELECT origin FROM place WHERE id = ?", (number,)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class SparseFile(io.RawIOBase):
    """A wheel of which only parts are there; reading elsewhere raises EOFError."""

    def __init__(self, recorded: Recorded, path: str, size: int) -> None:
        super().__init__()
        self._recorded, self._path, self._size, self._at = recorded, path, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if self._at < 0:
            raise OSError("a place before the start of the file")
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if stop <= self._at:
            return b""
        body = self._recorded.part(self._path, self._at, stop)
        if body is None:
            raise EOFError(f"{self._path} is recorded in parts only")
        self._at = stop
        return body
