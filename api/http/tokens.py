"""The tokens by which an operator knows clients: how they are made, kept as hashes, and compared."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from resolver.errors import InputError

__all__ = ["Tokens", "make_token", "read_tokens"]

#: What a token begins with: scanners for secrets that were published by mistake find it.
_PREFIX = "mach_"
#: Bytes that are drawn for a token; with so many, one fast hash is enough to keep it.
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"(?P<name>{_NAME.pattern})[ \t]+sha256:(?P<digest>[0-9a-f]{{64}})")
#: Bytes of a file of tokens.
_LARGEST = 1_000_000


class Tokens:
    """Who may show which token.

    :param digests: SHA-256 of a token, 64 hexadecimal digits, by the name of whom it was given to.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = tuple(digests.items())

    def name_of(self, token: str) -> str | None:
        """Return the name that *token* was given to, None where it is nobody's.

        It takes the same time for every token: each digest is compared, and in constant time.
        """
        shown = hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
        found = None
        for name, digest in self._digests:
            if hmac.compare_digest(digest, shown):
                found = name
        return found


def make_token(name: str) -> tuple[str, str]:
    """Return a new token for *name*, and its line in a file of tokens.

    :raises InputError: ``invalid-token-name``.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "invalid-token-name",
            f"{name[:100]!r} cannot be the name of a token",
            hint="use up to 64 letters, digits, dots, dashes and underscores, a letter or a digit first",
        )
    token = _PREFIX + secrets.token_urlsafe(_BYTES)
    return token, f"{name} sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def read_tokens(path: str) -> Tokens:
    """Return the tokens that a file lists: lines ``NAME sha256:HEX``; empty ones and those after ``#`` say nothing.

    :raises InputError: ``invalid-token-file``; no line is quoted, since it may be a token that was put there as it is.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        lines = data.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _wrong(path, f"cannot be read: {told}") from error
    if len(data) > _LARGEST:
        raise _wrong(path, f"is larger than {_LARGEST} bytes")
    digests: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise _wrong(path, f"has something else than NAME sha256:HEX in line {number}")
        if match["name"] in digests:
            raise _wrong(path, f"names {match['name']} twice, again in line {number}")
        digests[match["name"]] = match["digest"]
    return Tokens(digests)


def _wrong(path: str, what: str) -> InputError:
    return InputError(
        "invalid-token-file", f"the file of tokens {path[:300]!r} {what}", hint="`mach token NAME` prints a line of it"
    )
