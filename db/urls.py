"""How a file's URL is stored: as interned base and digest where its path follows from them."""

from __future__ import annotations

import re

__all__ = ["join_url", "split_url"]

_DIGEST_PATH = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/")


def split_url(url: str, filename: str) -> tuple[str, bytes] | None:
    """Return base and 32-byte digest of a *url* of the form ``BASE/aa/bb/REST/FILENAME``, else None.

    ``aa``, ``bb`` and ``REST`` are the hexadecimal BLAKE2b-256 digest of the file as
    2, 2 and 60 digits, the layout of the public index's file host.  Only a URL that
    :func:`join_url` gives back exactly is split.
    """
    if not url.endswith("/" + filename):
        return None
    stem = url[: len(url) - len(filename)]
    match = _DIGEST_PATH.fullmatch(stem, len(stem) - 67) if len(stem) > 67 else None
    if match is None or not stem[: match.start()].endswith("/"):
        return None
    return stem[: match.start()], bytes.fromhex("".join(match.groups()))


def join_url(base: str, digest: bytes, filename: str) -> str:
    """Return the URL that :func:`split_url` took apart."""
    digits = digest.hex()
    return f"{base}{digits[:2]}/{digits[2:4]}/{digits[4:]}/{filename}"
