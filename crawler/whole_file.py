"""Downloading one file of an index whole, and checking it against the digest that its page gives."""

from __future__ import annotations

import hashlib
from typing import IO

from db.facts import FileFact
from resolver.errors import Unavailable

from .client import BrokenBody, Client
from .remote_file import refused_file
from .urls import describe_url

__all__ = ["check_digest", "download_file"]


def check_digest(url: str, title: str, stated: str | None, found: str) -> None:
    """Compare the sha256 that a page states with the one that was found.

    :raises Unavailable: ``hash-mismatch``, naming both values.
    """
    if stated is not None and stated != found:
        raise Unavailable(
            "hash-mismatch",
            f"{title} is not what the index says it is",
            context=[f"at {describe_url(url)}", f"the index says sha256 {stated}", f"the answer has   {found}"],
            hint="do not use this file; try again with --refresh, and report it to those who run the index",
        )


def download_file(client: Client, file: FileFact, content: IO[bytes], *, what: str, room: str) -> str:
    """Write *file* to the empty *content*, check its digest where it has one, and return it.

    :param what: for messages: ``the metadata of NAME``.
    :param room: how to make room for *content*, for messages.
    :returns: the sha256, hexadecimal; *content* is at its beginning then.
    :raises Unavailable: ``hash-mismatch``, ``no-temporary-space``, and what :meth:`Client.stream` and
        :meth:`Client.read_body` raise.
    """
    for attempt in range(client.manners.attempts):
        content.seek(0)
        content.truncate()
        try:
            found = _download(client, file, content, what, room)
            break
        except BrokenBody:
            if attempt + 1 == client.manners.attempts:
                raise
    check_digest(file.url, file.filename, file.sha256, found)
    content.seek(0)
    return found


def _download(client: Client, file: FileFact, content: IO[bytes], what: str, room: str) -> str:
    digest = hashlib.sha256()
    with client.stream(file.url, what=what, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code != 200:
            raise refused_file(client, file.url, what, response)
        for piece in client.read_body(response, what=what, limit=client.limits.file):
            digest.update(piece)
            _write(content, piece, file.filename, room)
    # a full disk may be told only when the last bytes leave the buffer
    _write(content, None, file.filename, room)
    return digest.hexdigest()


def _write(content: IO[bytes], piece: bytes | None, filename: str, room: str) -> None:
    try:
        if piece is None:
            content.flush()
        else:
            content.write(piece)
    except OSError as error:
        raise Unavailable(
            "no-temporary-space",
            f"{filename} cannot be written to a temporary file: {error.strerror}",
            hint=room,
        ) from error
