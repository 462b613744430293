"""A file on a server, read in ranges (RFC 9110, section 14) as if it were open here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolver.errors import Unavailable

from .client import REFUSALS, BrokenBody, Client, unavailable

if TYPE_CHECKING:
    from requests import Response

__all__ = ["NoRanges", "RemoteFile"]

#: What is fetched first, from the end: a zip's directory and the METADATA before it, most often.
TAIL = 1 << 16
#: What is fetched at least, and how far before what is asked for.
STRIDE = 1 << 15
#: What may be fetched of one file in all.
MOST = 48 << 20

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class NoRanges(Exception):
    """The server does not answer with ranges of this file; it has to be read whole."""


class RemoteFile:
    """A binary file behind a URL; reading fetches what is missing.

    :param size: bytes, as a page states it; checked against what the server says.
    :raises NoRanges: where the server ignores or refuses ranges, or changes its mind midway.
    :raises Unavailable: where it cannot be reached, or answers with an error.
    """

    def __init__(self, client: Client, url: str, *, what: str, size: int | None) -> None:
        self._client = client
        self._url = url
        self._what = what
        self._parts: dict[int, bytes] = {}
        self._fetched = 0
        self._position = 0
        self._size = -1
        self._tag: str | None = None
        if client.ignores_ranges(url):
            raise NoRanges
        start, data = self._fetch(f"bytes=-{TAIL}")
        if size is not None and size != self._size:
            raise NoRanges
        if start + len(data) != self._size:
            raise NoRanges
        self._parts[start] = data

    @property
    def content(self) -> bytes | None:
        """The whole file where one answer held all of it (small files); None otherwise."""
        whole = self._parts.get(0, b"")
        return whole if len(whole) == self._size else None

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seekable(self) -> bool:
        """Return that the file can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as :meth:`io.IOBase.seek` does."""
        base = (0, self._position, self._size)[whence]
        if base + offset < 0:
            raise ValueError("a position before the file's beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes from the position on, all of the rest where it is negative.

        :raises NoRanges: where that takes more than 48 MiB of fetching in all, or ranges stop working.
        :raises Unavailable: as the constructor.
        """
        start = min(self._position, self._size)
        stop = self._size if size < 0 else min(self._size, start + size)
        pieces = []
        at = start
        while at < stop:
            piece = self._piece(at, stop)
            pieces.append(piece)
            at += len(piece)
        self._position = stop
        return b"".join(pieces)

    def _piece(self, at: int, stop: int) -> bytes:
        """Return bytes from *at* on, at least one, at most up to *stop*."""
        for start, data in self._parts.items():
            if start <= at < start + len(data):
                return data[at - start : stop - start]
        known = [start for start in self._parts if start > at]
        first = max([0, at - STRIDE, *(s + len(d) for s, d in self._parts.items() if s + len(d) <= at)])
        last = min([max(stop, at + STRIDE), self._size, *known])
        start, data = self._fetch(f"bytes={first}-{last - 1}")
        if start != first or len(data) != last - first:
            raise NoRanges
        self._parts[start] = data
        return data[at - start : stop - start]

    def _fetch(self, wanted: str) -> tuple[int, bytes]:
        headers = {"Range": wanted, "Accept-Encoding": "identity"}
        if self._tag is not None:
            headers["If-Match"] = self._tag
        for attempt in range(self._client.manners.attempts):
            try:
                return self._fetch_once(headers)
            except BrokenBody:
                if attempt + 1 == self._client.manners.attempts:
                    raise
        raise AssertionError("a request is tried at least once")

    def _fetch_once(self, headers: dict[str, str]) -> tuple[int, bytes]:
        with self._client.stream(self._url, what=self._what, headers=headers) as response:
            if response.status_code in (404, 410) or response.status_code in REFUSALS:
                raise refused_file(self._client, self._url, self._what, response)
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if response.status_code == 200:
                self._client.note_no_ranges(self._url)
            if response.status_code != 206 or match is None:
                raise NoRanges
            first, last, size = (int(group) for group in match.groups())
            if not first <= last < size or self._size not in (-1, size):
                raise NoRanges
            self._fetched += last - first + 1
            if self._fetched > MOST:
                raise NoRanges
            data = b"".join(self._client.read_body(response, what=self._what, limit=last - first + 1))
            if len(data) != last - first + 1:
                raise NoRanges
            self._size = size
            tag = response.headers.get("ETag", "")
            self._tag = tag if tag.startswith('"') and tag.isprintable() else None
            return first, data


def refused_file(client: Client, url: str, what: str, response: Response) -> Unavailable:
    """Return the error for a file that a page lists and its server does not give."""
    status, name = response.status_code, what.removeprefix("the metadata of ")
    if status in REFUSALS:
        return client.refusal(url, status, what=name, answered=response.url)
    return unavailable(
        "index-error",
        f"the index lists {name}, and its server answers {status} for it",
        url=url,
        hint="try again with --refresh, or name another index with --index-url",
    )
