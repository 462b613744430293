"""Filling an archive: every source from another archive or from where the lock has it, several at once, checked."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from resolver.direct import Reference
from resolver.errors import InputError, MachError, Unavailable
from resolver.lock import LockedArtifact, LockedCheckout, LockedPath
from resolver.nixpkgs_pin import NIXPKGS_ARCHIVE
from resolver.sources import Origin, Source, label_of

from .archive_folder import ArchiveFolder
from .client import REFUSALS, BrokenBody, Client, unavailable
from .git_checkout import checked_out
from .nar import dump_nar
from .urls import clean_url, describe_url, origin_of

__all__ = ["Fetching", "parse_archive"]

#: Bytes of a file whose size the lock does not tell.
_LARGEST = 16 << 30
_CHUNK = 1 << 20
#: After so many failures to reach one server, without one answer of it, it is not asked again.
_GIVE_UP_AFTER = 3


class _Absent(Exception):
    """An archive that may hold a file does not."""


def parse_archive(text: str) -> Path | str:
    """Return what ``--from`` names: a folder, or the URL of a server that serves one, without a slash at its end.

    :raises InputError: ``no-archive``.
    """
    if "://" not in text:
        if not Path(text).is_dir():
            raise InputError(
                "no-archive", f"there is no folder {text}", hint="name the folder or the http(s) URL of an archive"
            )
        return Path(text)
    try:
        url = clean_url(text)
        if "@" in urlsplit(text).netloc:
            raise ValueError("it holds a user name or password")
        if urlsplit(url).query:
            raise ValueError("it has a query")
    except ValueError as error:
        raise InputError(
            "no-archive",
            f"{describe_url(text)!r} is not the URL of an archive: {error}",
            hint="name the folder or the http(s) URL of an archive; a password belongs into ~/.netrc",
        ) from error
    return url.rstrip("/")


class Fetching:
    """Gets sources into one archive; safe to use from many threads at once.

    :param client: its manners say how servers are treated.
    :param archives: other archives, asked first, in order: folders and URLs.
    :param root: the folder that relative paths of the lock start from.
    :param local_urls: whether ``file:`` URLs of the lock are read from this machine.
    """

    def __init__(
        self,
        folder: ArchiveFolder,
        client: Client,
        *,
        archives: Iterable[Path | str] = (),
        root: Path,
        local_urls: bool = False,
    ) -> None:
        self._folder = folder
        self._client = client
        self._archives = tuple(archives)
        self._root = root
        self._local_urls = local_urls
        self._lost: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def save(self, source: Source) -> int:
        """Get *source* and return its bytes; the first place that has the right content counts.

        :raises Unavailable: ``output-unwritable`` at once; else, of the place that failed last,
            ``hash-mismatch``, ``source-unreachable``, ``repository-unreachable``, ``git-not-found``.
        :raises InputError: ``unknown-revision``, ``unreadable-file``, ``file-url-refused``.
        """
        last: MachError | None = None
        for place, open_pieces in self._places(source):
            try:
                return self._save_from(source, place, open_pieces)
            except _Absent:
                continue
            except MachError as error:
                if error.code in ("output-unwritable", "no-temporary-space"):
                    raise
                last = error
        assert last is not None, "a source has an origin"
        raise last

    def _save_from(self, source: Source, place: str, open_pieces: Callable[[], Iterator[bytes]]) -> int:
        for attempt in range(self._client.manners.attempts):
            try:
                return self._folder.save(source, open_pieces(), origin=place)
            except BrokenBody as error:
                if attempt + 1 == self._client.manners.attempts:
                    raise _unreachable(source.label, error) from error
        raise AssertionError("a source is tried at least once")

    def _places(self, source: Source) -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
        """Yield where *source* may be had, in words, with what opens it."""
        for archive in self._archives:
            if isinstance(archive, Path):
                path = archive / source.name
                yield str(path), partial(self._read_file, path, source.label, optional=True)
            else:
                url = f"{archive}/{source.name}"
                yield describe_url(url), partial(self._download, url, source, optional=True)
        for origin in source.origins:
            yield self._place_of(origin), partial(self._open, origin, source)

    def _place_of(self, origin: Origin) -> str:
        if isinstance(origin, LockedPath):
            return origin.path
        return describe_url(origin.url if isinstance(origin, LockedArtifact | LockedCheckout) else NIXPKGS_ARCHIVE)

    def _open(self, origin: Origin, source: Source) -> Iterator[bytes]:
        if isinstance(origin, LockedCheckout):
            reference = Reference(kind="vcs", location=origin.url, revision=origin.commit)
            with checked_out(reference, origin.commit) as tree:
                try:
                    yield from dump_nar(tree)
                except ValueError as error:
                    raise _unreadable(label_of(origin), str(error)) from error
        elif isinstance(origin, LockedPath):
            yield from self._read_file(self._root / origin.path, source.label)
        elif isinstance(origin, LockedArtifact):
            yield from self._open_url(origin.url, source)
        else:
            yield from self._download(f"{NIXPKGS_ARCHIVE}{origin.rev}.tar.gz", source)

    def _open_url(self, url: str, source: Source) -> Iterator[bytes]:
        parts = urlsplit(url)
        if parts.scheme != "file":
            return self._download(url, source)
        if not self._local_urls:
            raise InputError(
                "file-url-refused",
                f"the lock takes {source.label} from a file of this machine, {url}",
                hint="--allow-file-urls has it read; it is kept only where it has the hash in the lock",
            )
        return self._read_file(Path(unquote(parts.path)), source.label)

    def _read_file(self, path: Path, label: str, *, optional: bool = False) -> Iterator[bytes]:
        try:
            if optional and not path.exists():
                raise _Absent
            # a pipe or a device would be read for ever
            if not stat.S_ISREG(path.stat().st_mode):
                raise _unreadable(label, f"{path} is not a plain file")
            with path.open("rb") as file:
                while piece := file.read(_CHUNK):
                    yield piece
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise _unreadable(label, f"{path}: {getattr(error, 'strerror', None) or error}") from error

    def _download(self, url: str, source: Source, *, optional: bool = False) -> Iterator[bytes]:
        what, server = source.label, origin_of(url)
        if self._lost.get(server, 0) >= _GIVE_UP_AFTER:
            raise _unreachable(
                what,
                unavailable(
                    "index-unreachable",
                    f"the index cannot be reached for {what}",
                    url=url,
                    context=(f"not tried: {_GIVE_UP_AFTER} requests to this server failed before",),
                    hint="",
                ),
            )
        try:
            with self._client.stream(url, what=what, headers={"Accept-Encoding": "identity"}) as response:
                with self._lock:
                    self._lost[server] = -1_000_000
                if optional and response.status_code in (404, 410):
                    raise _Absent
                if response.status_code in REFUSALS:
                    raise self._client.refusal(url, response.status_code, what=what, answered=response.url)
                if response.status_code != 200:
                    raise unavailable(
                        "index-error", f"the index answers {response.status_code} for {what}", url=url, hint=""
                    )
                yield from self._client.read_body(response, what=what, limit=source.size or _LARGEST)
        except BrokenBody:
            raise
        except Unavailable as error:
            if error.code == "index-unreachable":
                with self._lock:
                    self._lost[server] = self._lost.get(server, 0) + 1
            raise error if error.code == "index-refused" else _unreachable(what, error) from error


def _unreachable(what: str, error: Unavailable) -> Unavailable:
    return Unavailable(
        "source-unreachable",
        f"{what} cannot be fetched",
        context=[error.message.replace("the index", "its server"), *error.context],
        hint="check the network, or name an archive that has it with --from",
    )


def _unreadable(what: str, reason: str) -> InputError:
    return InputError(
        "unreadable-file",
        f"{what} cannot be read: {reason}",
        hint="put the file back where the lock has it, or name an archive that has it with --from",
    )
