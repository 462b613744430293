"""A loopback index that keeps what an ordinary client asked of the real one, and gives it again without it."""

from __future__ import annotations

import re
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests

from tests.support.serving import Answer, Asked, Server

from .recorded import Recorded, SparseFile

__all__ = ["Recording"]

#: Answered for what nobody recorded: neither "absent" (a fact) nor "try again".
_NOT_RECORDED = 403
#: ``href="https://host/…"`` and ``"url": "https://host/…"``: where pages name files of another server.
_ELSEWHERE = re.compile(rb"""(href=["']|"url":\s*")(https?://[^/"'\s]+)/""")
_WHEEL = re.compile(rb"""(href=["'])(/elsewhere/[^"'#]+\.whl)([#"'][^>]*?)>""")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_LARGEST = 400_000_000


class Recording(Server):
    """Serves what is recorded under the paths of the real index; files of other servers lie under ``/elsewhere/``.

    Of a wheel the parts are kept that were asked for. Where they hold the METADATA, pages offer
    it as a sidecar (PEP 658), whether or not the real index does.

    :param index: the real index, ``https://HOST/simple/``; its path is kept.
    :param relaying: pass on what is not recorded as the client asked for it, with its own
        User-Agent, and keep the answer. Nothing is asked that the client did not ask.
    :param cert: file with certificate authorities.
    :param per_second: requests that are passed on a second, at most.
    """

    def __init__(
        self, recorded: Recorded, index: str, *, relaying: bool, cert: str | None = None, per_second: float = 8.0
    ) -> None:
        super().__init__()
        self._recorded = recorded
        self._index = index
        self._relaying = relaying
        self._gap = 1 / per_second
        self._next = 0.0
        self._pace = threading.Lock()
        self._places = threading.BoundedSemaphore(4)
        self._session = requests.Session()
        self._session.verify = cert or True
        #: What was asked for, is not recorded and was not relayed, in the order of asking.
        self.missing: dict[str, None] = {}
        #: Requests that were passed on.
        self.relayed = 0

    @property
    def index(self) -> str:
        """The index's URL on loopback."""
        return self.url + urlsplit(self._index).path

    def answer(self, asked: Asked) -> Answer:
        """Return what is recorded, or what the real index says to the same request."""
        found = self._answer(asked)
        if found is None:
            self.missing[asked.path] = None
            return Answer(status=_NOT_RECORDED)
        return found

    def _answer(self, asked: Asked) -> Answer | None:
        if asked.path.endswith(".whl"):
            return self._wheel(asked)
        found = self._recorded.get(asked.path)
        if found is None and self._relaying and not asked.path.endswith(".metadata"):
            found = self._relay(asked)
        if found is None:
            return None
        status, kind, body = found
        if asked.path.endswith("/"):
            body = _WHEEL.sub(self._offer, _ELSEWHERE.sub(self._move, body))
        return Answer(status=status, headers={"Content-Type": kind}, body=body)

    # ---- pages

    def _move(self, found: re.Match[bytes]) -> bytes:
        return found[1] + f"/elsewhere/{self._recorded.number(found[2].decode())}/".encode()

    def _offer(self, found: re.Match[bytes]) -> bytes:
        offer = b""
        if f"{found[2].decode()}.metadata" in self._recorded.sidecars:
            offer = b' data-dist-info-metadata="true" data-core-metadata="true"'
        return found[1] + found[2] + found[3] + offer + b">"

    # ---- wheels

    def _wheel(self, asked: Asked) -> Answer | None:
        if asked.method == "HEAD":
            return self._head(asked)
        match = _RANGE.fullmatch(asked.headers.get("range", ""))
        size = self._recorded.size(asked.path)
        if match is None:  # a whole wheel: of a build closure
            found = self._recorded.get(asked.path) or (self._relay(asked) if self._relaying else None)
            return None if found is None else Answer(status=found[0], headers={"Content-Type": found[1]}, body=found[2])
        if size is None:
            return None
        start, stop = int(match[1]), min(int(match[2]) + 1, size)
        body = self._recorded.part(asked.path, start, stop)
        if body is None and self._relaying:
            with self._passed_on(asked, {"range": f"bytes={start}-{stop - 1}"}) as response:
                body = response.content if response.status_code == 206 else None
            if body is not None:
                self._recorded.keep_part(asked.path, start, body)
                self._distil(asked.path, size)
        if body is None:
            return None
        return Answer(status=206, headers={"Content-Range": f"bytes {start}-{stop - 1}/{size}"}, body=body)

    def _head(self, asked: Asked) -> Answer | None:
        size = self._recorded.size(asked.path)
        if size is None and self._relaying:
            with self._passed_on(asked, {}) as response:
                if response.status_code == 200 and "Content-Length" in response.headers:
                    size = int(response.headers["Content-Length"])
                    self._recorded.keep_size(asked.path, size)
        return None if size is None else Answer(headers={"Accept-Ranges": "bytes"}, length=size)

    def _distil(self, path: str, size: int) -> None:
        """Keep the METADATA of a wheel once the parts that are there hold it."""
        try:
            with zipfile.ZipFile(SparseFile(self._recorded, path, size)) as archive:
                names = [n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
                if len(names) == 1:
                    self._recorded.put(f"{path}.metadata", 200, "text/plain", archive.read(names[0]))
        except (EOFError, zipfile.BadZipFile):  # not all of it is there yet
            return

    # ---- the real index

    def _relay(self, asked: Asked) -> tuple[int, str, bytes] | None:
        with self._passed_on(asked, {}) as response:
            content = bytearray()
            for piece in response.iter_content(1 << 16):
                content += piece
                if len(content) > _LARGEST:
                    return None
            kind, body = response.headers.get("Content-Type", "application/octet-stream"), bytes(content)
        if response.status_code in (200, 404):
            self._recorded.put(asked.path, response.status_code, kind, body)
        return response.status_code, kind, body

    @contextmanager
    def _passed_on(self, asked: Asked, headers: dict[str, str]) -> Iterator[requests.Response]:
        """Ask the real index what *asked* asks, four requests at a time and so many a second."""
        kept = {name: asked.headers[name] for name in ("accept", "user-agent") if name in asked.headers}
        if "range" in headers:
            kept["accept-encoding"] = "identity"
        source = urljoin(self._index, asked.path)
        if asked.path.startswith("/elsewhere/"):
            _, _, number, rest = asked.path.split("/", 3)
            source = f"{self._recorded.origin(number)}/{rest}"
        with self._places:
            with self._pace:
                start = max(time.monotonic(), self._next)
                self._next = start + self._gap
            time.sleep(max(0.0, start - time.monotonic()))
            self.relayed += 1
            with self._session.request(
                asked.method, source, headers=kept | headers, timeout=180, stream=True, allow_redirects=True
            ) as response:
                yield response
