"""Where the user and the password for a server come from: the URL of an index, a netrc file, the keyring."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resolver.errors import InputError, MachError, Unavailable

from .urls import Credentials, describe_url, origin_of

if TYPE_CHECKING:
    from .settings import IndexSettings

__all__ = ["KEYRING_PROVIDERS", "CredentialSources", "find_netrc", "read_netrc"]

#: How the keyring is asked, by pip's and uv's names.
KEYRING_PROVIDERS = ("disabled", "subprocess", "import", "auto")

Origin = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What a search brought."""

    credentials: Credentials | None = None
    way: str = ""
    """Where they come from."""
    tried: tuple[str, ...] = ()
    """Why each other way had nothing, a clause each, without a secret."""


class CredentialSources:
    """Finds the credentials of requests; safe to use from many threads at once.

    Each server has its own, told apart by scheme, host and port. In this order: the URL of the index; the netrc
    file (of the user that the URL names, where it names one); the keyring, for indexes only: before the first
    request where the URL names a user, else once the index has refused (as pip and uv do).

    :param indexes: identities of the indexes, in order.
    :param given: identity of an index -> what its URL says; a password of None is to be found.
    :param netrc: the netrc file, which need not be there; None for none.
    :param keyring: one of :data:`KEYRING_PROVIDERS`.
    """

    def __init__(
        self, *, indexes: tuple[str, ...], given: Mapping[str, Credentials], netrc: Path | None, keyring: str
    ) -> None:
        self._indexes = indexes
        self._given = given
        self._netrc = netrc
        self._keyring = keyring
        self._entries: Mapping[str, Credentials] | None = None
        self._found: dict[tuple[Origin, str | None, bool], _Finding | MachError] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: IndexSettings) -> CredentialSources:
        """Return the sources that *settings* name."""
        return cls(indexes=settings.indexes, given=settings.credentials, netrc=settings.netrc, keyring=settings.keyring)

    def is_private(self, url: str) -> bool:
        """Return whether a password is named for the server of *url*: in the URL of its index, or by its host in netrc.

        The keyring is not asked.

        :raises InputError: ``invalid-netrc``.
        """
        try:
            origin = origin_of(url)
        except ValueError:
            return False
        index = self._index_of(url, origin)
        if index in self._given:
            return True
        return (index is not None or origin[0] == "https") and self._ask_netrc(origin, None) is not None

    def find(self, url: str, *, refused: bool = False) -> Credentials | None:
        """Return what is sent with a request for *url*; None where nothing is.

        :param refused: its server has refused a request without credentials.
        :raises Unavailable: ``index-credentials-missing`` where the URL of its index names a user whose password is
            nowhere; ``keyring-unavailable``, ``keyring-failed``.
        :raises InputError: ``invalid-netrc``.
        """
        found = self._search(url, refused)
        return found.credentials

    def describe(self, url: str) -> tuple[str, ...]:
        """Return, for the error about a refusal, which ways were tried for *url*; nothing in it is secret."""
        found = self._search(url, True)
        if found.credentials is not None:
            return (f"a user and a password were sent, from {found.way}",)
        return ("no password was sent", *found.tried)

    def _search(self, url: str, refused: bool) -> _Finding:
        try:
            origin = origin_of(url)
        except ValueError:
            return _Finding()
        index = self._index_of(url, origin)
        with self._lock:
            # an answer for all threads: a keyring takes half a second, or asks its owner
            for key in ((origin, index, False), (origin, index, True)):
                found = self._found.get(key)
                if isinstance(found, _Finding) and found.credentials is not None:
                    return found
            key = (origin, index, refused)
            if key not in self._found:
                try:
                    self._found[key] = self._look_up(origin, index, refused)
                except MachError as error:
                    self._found[key] = error
            found = self._found[key]
        if isinstance(found, MachError):
            raise found
        return found

    def _index_of(self, url: str, origin: Origin) -> str | None:
        """Return the index that *url* belongs to: of those on its server, the one whose path is most like its own."""
        beside = [index for index in self._indexes if origin_of(index) == origin]
        # a password that was written once counts for every index of the server
        beside = [index for index in beside if index in self._given] or beside
        path = urlsplit(url).path.split("/")
        return max(beside, key=lambda index: _shared(urlsplit(index).path.split("/"), path), default=None)

    def _look_up(self, origin: Origin, index: str | None, refused: bool) -> _Finding:
        scheme, netloc = origin
        if index is None:
            if scheme != "https":
                return _Finding(tried=(f"nothing is sent over plain http to {netloc}, which is not the index",))
            return self._ask_netrc(origin, None) or _Finding(tried=self._without_entry(origin, None))
        given = self._given.get(index)
        if given is not None and given.password is not None:
            return _Finding(credentials=given, way="the URL of the index")
        user = None if given is None else given.user
        found = self._ask_netrc(origin, user, default=True)
        if found is not None:
            return found
        tried = (
            "its URL names no user and no password" if user is None else "its URL names a user, and no password",
            *self._without_entry(origin, user),
        )
        if self._keyring == "disabled":
            tried = (*tried, "the keyring is disabled")
        elif refused or user is not None:
            from .keyring import ask_keyring

            services = (index, index.rstrip("/"), netloc)
            credentials = ask_keyring(self._keyring, services, user)
            if credentials is not None:
                return _Finding(credentials=credentials, way=f"the keyring ({self._keyring})")
            tried = (*tried, f"the keyring ({self._keyring}) has none for {index} or {netloc}")
        if user is not None:
            raise Unavailable(
                "index-credentials-missing",
                f"the URL of the index {describe_url(index)} names a user, and the password is not to be found",
                context=tried,
                hint="put it into ~/.netrc or into the keyring (--keyring-provider subprocess); "
                "where the name is a token that needs no password, write a colon behind it: TOKEN:@HOST",
            )
        return _Finding(tried=tried)

    def _ask_netrc(self, origin: Origin, user: str | None, *, default: bool = False) -> _Finding | None:
        if self._entries is None:
            self._entries = {} if self._netrc is None else read_netrc(self._netrc)
        found = self._entries.get(_host(origin)) or (self._entries.get("") if default else None)
        if found is None or user not in (None, found.user):
            return None
        return _Finding(credentials=found, way=str(self._netrc))

    def _without_entry(self, origin: Origin, user: str | None) -> tuple[str, ...]:
        if self._netrc is None:
            return ("there is no ~/.netrc",)
        if not _is_there(self._netrc):
            return (f"there is no {self._netrc}",)
        return (f"{self._netrc} has no entry for {'that user on ' if user is not None else ''}{_host(origin)}",)


def _host(origin: Origin) -> str:
    return urlsplit("//" + origin[1]).hostname or ""


def _shared(first: list[str], second: list[str]) -> int:
    """Return how many leading parts two paths share."""
    count = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        count += 1
    return count


# ---- netrc


def find_netrc(environ: Mapping[str, str]) -> Path | None:
    """Return the netrc file as requests and pip look for it: ``NETRC``, else ``~/.netrc``, else ``~/_netrc``.

    What ``NETRC`` names need not be there; None where there is none.
    """
    named = environ.get("NETRC")
    if named is not None:
        return Path(named).expanduser() if named else None
    home = Path(environ.get("HOME") or "~").expanduser()
    return next((file for file in (home / ".netrc", home / "_netrc") if _is_there(file)), None)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):
        return True  # reading it tells what is wrong


def read_netrc(file: Path) -> Mapping[str, Credentials]:
    """Return the entries of a netrc file by host in lower case; the default entry stands at ``""``.

    :raises InputError: ``invalid-netrc``; a file that cannot be read is no reason to go without a password.
    """
    import netrc  # most machines have no such file

    try:
        if not _is_there(file):
            return {}
        hosts = netrc.netrc(str(file)).hosts
    except netrc.NetrcParseError as error:
        # its message may quote a password
        raise _bad_netrc(file, f"line {error.lineno} is not understood") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _bad_netrc(file, reason or "it is no text") from None
    return {
        "" if host == "default" else host.lower(): Credentials(login or account or "", password or "")
        for host, (login, account, password) in hosts.items()
    }


def _bad_netrc(file: Path, reason: str) -> InputError:
    return InputError(
        "invalid-netrc",
        f"{file} cannot be read: {reason}",
        hint="repair it, or set NETRC=/dev/null to go without",
    )
