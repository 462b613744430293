"""A threaded HTTP server on loopback that records requests and can misbehave by path."""

from __future__ import annotations

import base64
import binascii
import re
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import unquote

__all__ = ["Answer", "Asked", "Behaviour", "Server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    """Unquoted, without the query."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    at: float
    """Seconds of the monotonic clock."""
    status: int | None = None
    """What was answered; None where the connection was closed instead."""
    sent: int = 0
    """Bytes of the body that was answered."""

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """User and password, where given."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user, password


@dataclass(slots=True, kw_only=True)
class Answer:
    """One response; ``ranges`` says what a Range header gets."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ranges: Literal["on", "ignore", "refuse"] = "ignore"
    length: int | None = None
    """Content-Length where it is not that of the body: an answer to HEAD whose body is not at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a path answers otherwise; what is None stays as the true answer has it.

    :ivar times: how often; None for ever.
    :ivar status: another status (with a short body, unless *body* is given).
    :ivar body: another body, with the true Content-Type unless *content_type* is given.
    :ivar headers: further headers, ``{"Retry-After": "1"}``.
    :ivar redirect: answer 302 to this URL.
    :ivar delay: seconds to wait before the answer.
    :ivar close: close the connection without an answer.
    :ivar truncate: send only so many bytes of the body that Content-Length promised, then close.
    :ivar drip: (bytes, seconds): send the body so slowly.
    """

    times: int | None = None
    status: int | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    redirect: str | None = None
    delay: float = 0.0
    close: bool = False
    truncate: int | None = None
    drip: tuple[int, float] | None = None

    def alter(self, answer: Answer) -> Answer:
        """Return *answer* as this behaviour has it."""
        headers, body, status, ranges = dict(answer.headers), answer.body, answer.status, answer.ranges
        if self.redirect is not None:
            return Answer(status=302, headers={"Location": self.redirect, **self.headers})
        if self.status is not None and self.status != status:
            status, ranges = self.status, "ignore"
            body = f"{self.status}\n".encode()
            headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self.body is not None:
            body = self.body
            headers.pop("ETag", None)
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        return Answer(status=status, headers={**headers, **self.headers}, body=body, ranges=ranges)


class Server(ABC):
    """The server; a context manager. Who inherits says what is answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._behaviours: dict[str, list[tuple[Behaviour, list[int]]]] = {}
        self._stopping = threading.Event()
        self._at_once = self._most_at_once = 0
        self._connections: set[socket.socket] = set()
        self._place: socket.socket | None = None
        self._http = _LoopbackServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """Return the true answer to *asked*."""

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._place is not None:
            self._place.close()

    def stop(self) -> None:
        """Close the port and every open connection; afterwards a connection is refused."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        # the port stays taken, so that no other test's server answers there
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(self._http.server_address[:2])
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                _shut(connection)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All requests, in the order of their answers."""
        with self._lock:
            return tuple(self._asked)

    @property
    def most_at_once(self) -> int:
        """The greatest number of requests that waited for an answer at one time."""
        with self._lock:
            return self._most_at_once

    def forget(self) -> None:
        """Forget the requests."""
        with self._lock:
            self._asked.clear()
            self._most_at_once = self._at_once

    def behave(self, path: str, behaviour: Behaviour) -> None:
        """Apply *behaviour* to *path* (all that begin so where it ends with ``*``), after earlier ones."""
        with self._lock:
            left = [-1 if behaviour.times is None else behaviour.times]
            self._behaviours.setdefault(path, []).append((behaviour, left))

    def recover(self) -> None:
        """Forget all behaviours."""
        with self._lock:
            self._behaviours.clear()

    def _take_behaviour(self, path: str) -> Behaviour | None:
        with self._lock:
            for where, queue in self._behaviours.items():
                if where != path and not (where.endswith("*") and path.startswith(where[:-1])):
                    continue
                for behaviour, left in queue:
                    if left[0] != 0:
                        left[0] -= 1
                        return behaviour
        return None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self._most_at_once = max(self._most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def _record(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)

    def _wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a client go that closed its connection; anything else is a fault of the fake index."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server_version, sys_version = "fake-index", ""

        def setup(self) -> None:
            super().setup()
            with server._lock:
                server._connections.add(self.connection)

        def finish(self) -> None:
            with server._lock:
                server._connections.discard(self.connection)
            super().finish()

        def do_GET(self) -> None:
            self._serve(with_body=True)

        def do_HEAD(self) -> None:
            self._serve(with_body=False)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: tests read ``asked``."""

        def _serve(self, *, with_body: bool) -> None:
            raw, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(method=self.command, path=unquote(raw), query=query, headers=headers, at=time.monotonic())
            behaviour = server._take_behaviour(asked.path)
            with server._counted():  # not while sending: a client may be done before this thread is
                if behaviour is not None:
                    server._wait(behaviour.delay)
                    if behaviour.close:
                        server._record(asked)
                        self.close_connection = True
                        _shut(self.connection)
                        return
                answer = server.answer(asked)
                answer = behaviour.alter(answer) if behaviour is not None else answer
                answer = _select_range(answer, headers.get("range"))
            sent = len(answer.body) if with_body and answer.status != 304 else 0
            server._record(replace(asked, status=answer.status, sent=sent))
            self._send(answer, behaviour or Behaviour(), with_body)

        def _send(self, answer: Answer, behaviour: Behaviour, with_body: bool) -> None:
            bodiless = answer.status in (204, 304)
            phrase = HTTPStatus(answer.status).phrase
            head = [f"HTTP/1.1 {answer.status} {phrase}", f"Date: {self.date_time_string()}", "Server: fake-index"]
            head += [f"{name}: {value}" for name, value in answer.headers.items()]
            length = len(answer.body) if answer.length is None else answer.length
            head += [] if bodiless else [f"Content-Length: {length}"]
            start = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
            body = answer.body if with_body and not bodiless else b""
            if behaviour.truncate is not None and with_body:
                self.wfile.write(start + body[: behaviour.truncate])
                self.close_connection = True
                _shut(self.connection)
            elif behaviour.drip is not None and with_body:
                step, pause = behaviour.drip
                self.wfile.write(start)
                for at in range(0, len(body), step):
                    self.wfile.write(body[at : at + step])
                    server._wait(pause)
            else:
                self.wfile.write(start + body)

    return Handler


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return


def _select_range(answer: Answer, wanted: str | None) -> Answer:
    """Return the part of *answer* that a Range header asks for (RFC 9110, 14)."""
    if answer.status != 200:
        return answer
    if answer.ranges == "on":
        answer.headers["Accept-Ranges"] = "bytes"
    if wanted is None or answer.ranges == "ignore":
        return answer
    size = len(answer.body)
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip())
    refused = Answer(status=416, headers={"Content-Range": f"bytes */{size}"}, body=b"")
    if answer.ranges == "refuse":
        return refused
    if match is None or match.groups() == ("", ""):
        return answer
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= stop:
        return refused
    headers = {**answer.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(status=206, headers=headers, body=answer.body[start:stop])
