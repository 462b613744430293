"""Fetching a snapshot from a service of mach, as a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from db.factfile import read_header
from resolver.errors import InputError, Unavailable

from .client import REFUSALS, Client
from .urls import describe_url

__all__ = ["pull_snapshot"]

_ID = re.compile(r"[0-9a-f]{64}")
#: Bytes of a snapshot: all of the public index takes a few GB.
_LARGEST = 64 << 30


def pull_snapshot(
    client: Client,
    service: str,
    snapshot: str,
    file: Path,
    *,
    known: Callable[[str], bool],
    token: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[str, bool]:
    """Write a snapshot of a service to *file*; return its id, and whether it was written.

    It is not where it is known already.

    :param service: URL of the service, with a slash at its end.
    :param snapshot: id, prefix or name that the service knows, or ``newest``.
    :param known: tells whether the snapshot with an id is there already.
    :param token: what the service wants to be shown.
    :param progress: is called with the bytes that arrived and those there are (0: unknown).
    :raises InputError: ``unknown-snapshot`` where the service has none, or several, of that name;
        ``invalid-fact-file`` where it sent another one than it said.
    :raises Unavailable: ``service-unusable``.
    """
    try:
        return _pull(client, service, snapshot, file, known, token, progress)
    except Unavailable as error:
        if not error.code.startswith("index-"):
            raise
        # the client speaks of indexes, and this is none
        raise Unavailable(
            "service-unusable",
            f"the service at {describe_url(service)} cannot be asked for the snapshot {snapshot[:80]}",
            context=[error.message, *error.context],
            hint="check the URL, and that `mach serve` answers there",
        ) from error


def _pull(
    client: Client,
    service: str,
    snapshot: str,
    file: Path,
    known: Callable[[str], bool],
    token: str | None,
    progress: Callable[[int, int], None],
) -> tuple[str, bool]:
    url = f"{service}snapshots/{quote(snapshot, safe='')}/facts"
    what = f"the snapshot {snapshot[:80]} of the service"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with client.stream(url, what=what, headers=headers) as response:
        if response.status_code in REFUSALS:
            raise Unavailable(
                "service-unusable",
                f"the service answers {response.status_code} for {what}",
                hint="set MACH_TOKEN to a token that the service's operator gave you",
            )
        if response.headers.get("Mach-Problem") in ("unknown-snapshot", "ambiguous-snapshot"):
            raise InputError(
                "unknown-snapshot",
                f"the service has no snapshot {snapshot[:80]!r}, or several that begin so",
                hint="give a name or a whole id; its page /snapshots lists them",
            )
        identity = response.headers.get("Mach-Snapshot", "")
        if response.status_code != 200 or not _ID.fullmatch(identity):
            raise Unavailable(
                "service-unusable",
                f"what answers is no service of mach: it answers {response.status_code} for {what}",
                hint="give the URL at which `mach serve` answers, without a path",
            )
        if known(identity):
            return identity, False
        length = response.headers.get("Content-Length", "")
        total, done = int(length) if length.isdecimal() and len(length) < 16 else 0, 0
        with file.open("wb") as stream:
            for piece in client.read_body(response, what=what, limit=_LARGEST):
                stream.write(piece)
                done += len(piece)
                progress(done, max(total, done))
        if total and done != total:
            raise Unavailable(
                "service-unusable", f"{what} breaks off after {done} of {total} bytes", hint="run the command again"
            )
    with file.open("rb") as stream:
        sent = read_header(stream, what).snapshot
    if sent != identity:
        raise InputError(
            "invalid-fact-file",
            f"the service said that it sends snapshot {identity}, and it sent {sent or 'facts of none'}",
            hint="ask the service's operator; nothing was stored",
        )
    return identity, True
