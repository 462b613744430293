"""The HTTP client: one session with retries, limits and manners, whose failures are all ``Unavailable``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from resolver import __version__
from resolver.errors import Unavailable

from .credentials import CredentialSources
from .session import BasicAuth, Session
from .settings import IndexSettings
from .urls import Credentials, describe_url, origin_of

__all__ = ["REFUSALS", "Answer", "BrokenBody", "Client", "Limits", "Manners", "unavailable"]

#: Statuses of a server that wants to know who asks, or does not like who does.
REFUSALS = frozenset({401, 403, 407})
_RETRIED = (429, 500, 502, 503, 504)
_CHUNK = 1 << 16

# Retries are ours to tell: without this each one prints a line with the URL on stderr.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of an answer is read, in bytes, and how long it may take."""

    page: int = 64 << 20
    root: int = 512 << 20
    metadata: int = 8 << 20
    file: int = 1 << 30
    seconds: float = 600.0
    """For one whole answer: a server that drips bytes is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How an index is treated."""

    connections: int
    per_second: float | None
    """Requests a second at most; None for no limit."""
    attempts: int = 4
    """Times that one request is tried."""
    backoff: float = 0.3
    """Seconds; doubled from attempt to attempt."""
    patience: float = 30.0
    """Seconds at most that a server's Retry-After is heeded."""

    @classmethod
    def interactive(cls) -> Manners:
        """Return the manners of a person's command: 16 connections, no rate limit."""
        return cls(connections=16, per_second=None)

    @classmethod
    def polite(cls, *, connections: int = 4, per_second: float = 5.0) -> Manners:
        """Return the manners of a bulk crawl: few connections, few requests a second, long patience."""
        return cls(connections=connections, per_second=per_second, attempts=6, backoff=1.0, patience=600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a server, its body read whole (empty where the caller did not ask for it)."""

    url: str
    """Where it came from, after redirects."""
    status: int
    headers: Mapping[str, str]
    """Names compare without regard to case."""
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type, in lower case, without parameters; empty where there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_framed(self) -> bool:
        """Whether the transfer itself shows that the body is whole."""
        return "Content-Length" in self.headers or "chunked" in self.headers.get("Transfer-Encoding", "").lower()


def unavailable(code: str, message: str, *, url: str, context: tuple[str, ...] = (), hint: str) -> Unavailable:
    """Return the error for an answer that cannot be used, naming host and path of *url*."""
    return Unavailable(code, message, context=(f"at {describe_url(url)}", *context), hint=hint)


class BrokenBody(Unavailable):
    """The body of an answer broke off: worth another attempt."""


class _Cancelled(Exception):
    """The client was cancelled while a request waited."""


class _Pacer:
    """Spaces requests evenly over all threads."""

    def __init__(self, per_second: float | None, cancelled: threading.Event) -> None:
        self._gap = 0.0 if per_second is None else 1.0 / per_second
        self._next = 0.0
        self._lock = threading.Lock()
        self._cancelled = cancelled

    def wait(self) -> None:
        """Return when the next request may start.

        :raises _Cancelled: where the client was cancelled meanwhile.
        """
        if self._gap:
            with self._lock:
                now = time.monotonic()
                start = max(now, self._next)
                self._next = start + self._gap
            if start > now:
                self._cancelled.wait(start - now)
        if self._cancelled.is_set():
            raise _Cancelled


class Client:
    """Fetches from indexes; safe to use from many threads at once.

    :param settings: certificates, credentials, proxy and timeout.
    :param manners: connections, rate and retries.
    :param limits: sizes and times.
    :param contact: where an index's operator can reach us, part of the User-Agent.
    """

    def __init__(
        self,
        settings: IndexSettings,
        manners: Manners | None = None,
        limits: Limits | None = None,
        *,
        contact: str = "mach-resolver; turns Python requirements into Nix",
    ) -> None:
        self.settings = settings
        self.manners = manners or Manners.interactive()
        self.limits = limits or Limits()
        self._cancelled = threading.Event()
        self._pacer = _Pacer(self.manners.per_second, self._cancelled)
        self._without_ranges: set[tuple[str, str]] = set()
        self._credentials = CredentialSources.of(settings)
        self._session = Session()
        self._session.headers["User-Agent"] = f"mach/{__version__} (+{contact})"
        self._session.max_redirects = 5
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        retry = Retry(
            total=0 if self.manners.attempts <= 1 else self.manners.attempts - 1,
            redirect=False,
            status_forcelist=_RETRIED,
            allowed_methods=("GET",),
            backoff_factor=self.manners.backoff,
            respect_retry_after_header=True,
            retry_after_max=int(self.manners.patience),
            raise_on_status=False,
        )
        adapter = HTTPAdapter(
            max_retries=retry, pool_connections=16, pool_maxsize=self.manners.connections, pool_block=True
        )
        for scheme in list(self._session.adapters):
            del self._session.adapters[scheme]
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if settings.proxy is not None:
            self._session.proxies.update({"http": settings.proxy, "https": settings.proxy})

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def cancel(self) -> None:
        """Let every request that waits or reads fail soon; the client is of no use afterwards."""
        self._cancelled.set()
        self._session.close()

    def get(
        self,
        url: str,
        *,
        what: str,
        limit: int,
        headers: Mapping[str, str] | None = None,
        read_statuses: frozenset[int] = frozenset({200}),
    ) -> Answer:
        """Return the answer to a GET request, whatever its status.

        :param what: what is fetched, for messages: ``the page of numpy``.
        :param limit: bytes of the body that are accepted.
        :param read_statuses: statuses whose body is read.
        :raises Unavailable: ``index-unreachable``, ``index-error`` (a 5xx or 429 that stays), ``index-garbage``.
        """
        for attempt in range(self.manners.attempts):
            try:
                with self.stream(url, what=what, headers=headers) as response:
                    body = b""
                    if response.status_code in read_statuses:
                        body = b"".join(self.read_body(response, what=what, limit=limit))
                    return Answer(url=response.url, status=response.status_code, headers=response.headers, body=body)
            except BrokenBody:
                # urllib3's Retry ends where the body begins
                if attempt + 1 == self.manners.attempts:
                    raise
                self._cancelled.wait(self.manners.backoff * 2**attempt)
        raise AssertionError("a request is tried at least once")

    @contextmanager
    def stream(self, url: str, *, what: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """Open an answer whose body the caller reads with :meth:`read_body`.

        :raises Unavailable: as :meth:`get`, and what :class:`crawler.credentials.CredentialSources` raises.
        :raises InputError: likewise.
        """
        found = self._credentials.find(url)
        response = self._send(url, what, headers, found)
        if found is None and response.status_code in REFUSALS and not _is_elsewhere(url, response.url):
            found = self._credentials.find(url, refused=True)
            if found is not None:
                response.close()
                response = self._send(url, what, headers, found)
        with response:
            if response.status_code in _RETRIED or response.status_code >= 500:
                raise unavailable(
                    "index-error",
                    f"the index answers {response.status_code} for {what}",
                    url=response.url,
                    hint="try again later, or work from what is known with --offline",
                )
            yield response

    def _send(
        self, url: str, what: str, headers: Mapping[str, str] | None, credentials: Credentials | None
    ) -> requests.Response:
        try:
            self._pacer.wait()
            return self._session.get(
                url,
                headers=dict(headers or {}),
                stream=True,
                timeout=self.settings.timeout,
                verify=self.settings.cert,
                auth=BasicAuth(credentials),
            )
        except (requests.RequestException, HTTPError, OSError, ValueError, _Cancelled) as error:
            raise self._unreachable(url, what, error) from error

    def refusal(self, url: str, status: int, *, what: str, answered: str) -> Unavailable:
        """Return the error for a server that wants another password: which ways to find one were tried, and no secret.

        :param url: what was asked for.
        :param status: one of :data:`REFUSALS`.
        :param answered: the URL that the answer came from, after redirects.
        """
        if _is_elsewhere(url, answered):
            context: tuple[str, ...] = (
                f"after a redirect from {describe_url(url)}: no password is sent to another server",
            )
            hint = "where the index has moved, name its new URL"
        else:
            context = self._credentials.describe(url)
            hint = (
                "put the user and the password for this host into ~/.netrc, into the keyring (--keyring-provider) "
                "or into the URL of the index; where there is one, check it"
            )
        return unavailable(
            "index-refused", f"the index answers {status} for {what}", url=answered, context=context, hint=hint
        )

    def read_body(self, response: requests.Response, *, what: str, limit: int) -> Iterator[bytes]:
        """Yield the body of *response* in pieces.

        :raises Unavailable: ``index-garbage`` where it is longer than *limit* bytes or breaks off,
            ``index-unreachable`` where it takes too long.
        """
        end = time.monotonic() + self.limits.seconds
        length = 0
        while True:
            try:
                # read1 gives what is there; iter_content waits for a full piece, past any deadline
                piece = response.raw.read1(_CHUNK, decode_content=True)
            except (TimeoutError, ReadTimeoutError) as error:
                shown = self._unreachable(response.url, what, error)
                raise BrokenBody(shown.code, shown.message, context=shown.context, hint=shown.hint) from error
            except (HTTPError, OSError, ValueError) as error:
                raise BrokenBody(
                    "index-garbage",
                    f"the answer for {what} breaks off after {length} bytes",
                    context=[f"at {describe_url(response.url)}"],
                    hint="try again, or name another index with --index-url",
                ) from error
            if not piece:
                return
            length += len(piece)
            if length > limit:
                raise unavailable(
                    "index-garbage",
                    f"the answer for {what} is longer than {limit} bytes",
                    url=response.url,
                    hint="name another index with --index-url",
                )
            if self._cancelled.is_set() or time.monotonic() > end:
                raise self._unreachable(response.url, what, TimeoutError())
            yield piece

    def note_no_ranges(self, url: str) -> None:
        """Remember that the server of *url* answers a range request with the whole file."""
        self._without_ranges.add(origin_of(url))

    def ignores_ranges(self, url: str) -> bool:
        """Return whether the server of *url* has ignored a range request before."""
        return origin_of(url) in self._without_ranges

    def _unreachable(self, url: str, what: str, error: Exception) -> Unavailable:
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.TooManyRedirects):
            reason = "it redirects more than 5 times" if isinstance(error, requests.TooManyRedirects) else str(error)
            return unavailable(
                "index-garbage",
                f"the answer for {what} cannot be followed",
                url=url,
                context=(reason,),
                hint="name another index with --index-url",
            )
        return unavailable(
            "index-unreachable",
            f"the index cannot be reached for {what}",
            url=url,
            context=(_reason(error),),
            hint="check the network, or work from what is known with --offline",
        )


def _is_elsewhere(url: str, answered: str) -> bool:
    return origin_of(url) != origin_of(answered)


def _reason(error: BaseException) -> str:
    """Return why a request failed, in words and without addresses or credentials."""
    said = {
        _Cancelled: "it was interrupted",
        requests.exceptions.SSLError: "its certificate is not trusted",
        requests.exceptions.ProxyError: "the proxy does not answer",
        requests.exceptions.Timeout: "no answer in time",
        TimeoutError: "no answer in time",
        ReadTimeoutError: "no answer in time",
    }
    cause: BaseException | None = error
    for _ in range(10):
        if cause is None:
            break
        for kind, words in said.items():
            if isinstance(cause, kind):
                return words
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        inner = getattr(cause, "reason", None)
        arguments = [a for a in cause.args if isinstance(a, BaseException)]
        cause = inner if isinstance(inner, BaseException) else arguments[0] if arguments else cause.__cause__
    return "the connection breaks"
