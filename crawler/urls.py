"""URLs as strangers write them: the identity of an index, the address of a file, and what may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from resolver.errors import InputError

__all__ = ["Credentials", "IndexUrl", "clean_url", "describe_url", "join_url", "origin_of", "redact_url", "split_index"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password for one server, which are never shown."""

    user: str
    password: str | None
    """None where only the user is known."""

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUrl:
    """An index as configured: its identity, and what the session needs to reach it."""

    identity: str
    """Absolute, userinfo and fragment removed, lower-case host, with a trailing slash."""
    credentials: Credentials | None


def _split(url: str) -> SplitResult:
    """Split an http(s) URL; raise :class:`ValueError` with a reason that quotes nothing of it."""
    if len(url) > _LONGEST:
        raise ValueError("it is longer than 8192 characters")
    # urlsplit drops tabs and newlines in silence
    if not url.isprintable() or " " in url:
        raise ValueError("it holds spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("it is not an http or https URL")
    host = parts.hostname
    if not host or "\\" in parts.netloc or "%" in host:
        raise ValueError("it names no host")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        netloc += f":{port}"
    return parts._replace(netloc=netloc)


def clean_url(url: str) -> str:
    """Return an absolute http(s) *url* without userinfo and fragment, with its host in lower case.

    :raises ValueError: where it is anything else (``javascript:``, ``file:``, relative);
        the reason quotes nothing of the URL, so it can be shown.
    """
    return urlunsplit(_split(url)._replace(fragment=""))


def join_url(base: str, reference: str) -> str:
    """Return *reference* resolved against the page *base* (RFC 3986) and cleaned as :func:`clean_url` does.

    :raises ValueError: as :func:`clean_url`.
    """
    if not reference.isprintable():
        raise ValueError("it holds spaces or control characters")
    try:
        joined = urljoin(base, reference)
    except ValueError:
        raise ValueError("it is not a URL") from None
    return clean_url(joined)


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and host with port, what credentials and limits belong to.

    :raises ValueError: as :func:`clean_url`.
    """
    parts = _split(url)
    return parts.scheme, parts.netloc


def split_index(url: str) -> IndexUrl:
    """Return the identity and the credentials of the index at *url*.

    :raises InputError: ``invalid-index-url`` where *url* is not an http(s) URL, or has a query.
    """
    hint = "give the URL of a simple index, such as https://index.example/simple/"
    try:
        parts = _split(url)
    except ValueError as error:
        raise InputError(
            "invalid-index-url", f"{redact_url(url)!r} is no URL of an index: {error}", hint=hint
        ) from None
    if parts.query:
        raise InputError(
            "invalid-index-url",
            f"{redact_url(url)!r} is no URL of an index: it has a query",
            context=["the name of a project is appended to the URL of an index"],
            hint=hint,
        )
    given = urlsplit(url)
    credentials = None
    if given.username is not None or given.password is not None:
        password = None if given.password is None else unquote(given.password)
        credentials = Credentials(unquote(given.username or ""), password)
    path = parts.path if parts.path.endswith("/") else parts.path + "/"
    return IndexUrl(identity=urlunsplit((parts.scheme, parts.netloc, path, "", "")), credentials=credentials)


def redact_url(url: str) -> str:
    """Return *url* without userinfo, query and fragment, for messages; it never raises.

    The query goes as well: signed URLs carry their secret there.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    for mark in "?#":
        rest = rest.partition(mark)[0]
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    return shown if len(shown) <= 300 else shown[:300] + "…"


def describe_url(url: str) -> str:
    """Return host and path of *url*, as messages name an index or a file; it never raises."""
    shown = redact_url(url)
    return shown.partition("://")[2] or shown
