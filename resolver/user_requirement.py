"""One requirement as a user writes it, in a file or as an argument: PEP 508, and pip's other forms by name."""

from __future__ import annotations

import re
from contextlib import suppress

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508

from .errors import InputError
from .names import normalize_project
from .requirement import Requirement, parse_requirement
from .requirements_options import redact

__all__ = ["parse_user_requirement", "refuse_direct"]

#: Longest requirement, in characters: numbers in it stay below Python's limit for integers.
MAX_REQUIREMENT = 4_000

#: Schemes that pip takes for requirements; version control ones with and without a transport.
_SCHEME = re.compile(r"(https?|file|ftp|ssh|sftp|((git|hg|svn|bzr)(\+[a-z-]+)?)):", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(whl|zip|tgz|tar|tbz|txz|tlz|tar\.(gz|bz2|xz|lz|lzma))", re.IGNORECASE)
_SUFFIX = re.compile(r"(\.tar)?\.[a-z0-9]+\Z", re.IGNORECASE)
_TRAILING_EXTRAS = re.compile(r"\[[^\[\]]*\]\Z")


def parse_user_requirement(text: str, origin: str, *, hashes: tuple[str, ...] = ()) -> Requirement:
    """Return the requirement that a user wrote, in a file or as an argument; more than PEP 508 has a name here.

    :param origin: where it stands, for messages.
    :raises InputError: ``invalid-requirement``, or ``direct-reference-unsupported`` for URLs,
        ``NAME @ URL``, version control and local paths.
    """
    if len(text) > MAX_REQUIREMENT:
        raise InputError(
            "requirements-limit",
            f"{origin}: the requirement has {len(text)} characters",
            hint=f"a requirement may have {MAX_REQUIREMENT}",
        )
    if not text.strip().replace("\t", " ").isprintable():
        # they end in the lock and on terminals; no name, version or marker needs them
        raise InputError(
            "invalid-requirement",
            f"{text[:200]!r} holds control characters or other invisible ones",
            context=[f"at {origin}"],
            hint="write it anew by hand: NAME, NAME[EXTRA] or NAME>=VERSION (PEP 508)",
        )
    body, _, marker = text.partition(";")
    if not marker.strip():
        text = body.strip()  # pip takes "requests;"
    if _is_direct(body.strip()):
        raise refuse_direct(text, origin)
    try:
        requirement = parse_requirement(text, origin, hashes=hashes)
    except RecursionError as error:
        raise InputError(
            "invalid-requirement",
            f"{text[:80]!r} is not a requirement that can be read",
            context=[f"at {origin}", "its marker is nested too deeply"],
            hint="write the marker with fewer parentheses",
        ) from error
    if requirement.url is not None:
        raise refuse_direct(text, origin)
    return requirement


def _is_direct(body: str) -> bool:
    """Return whether *body*, a requirement without its marker, names a URL or path rather than a project (as pip)."""
    if _SCHEME.match(body) or body.startswith(".") or "/" in body:
        return True
    path = _TRAILING_EXTRAS.sub("", body)
    suffix = _SUFFIX.search(path)
    return suffix is not None and _ARCHIVE.fullmatch(suffix[0]) is not None and "@" not in body


def refuse_direct(text: str, origin: str) -> InputError:
    """Return the error that refuses *text*, a direct reference at *origin*."""
    hint = "name a project of an index instead: NAME==VERSION"
    with suppress(InvalidRequirement, ValueError, RecursionError):
        if (parsed := Pep508(text)).url is not None:
            hint = f"name a project of an index instead: {normalize_project(parsed.name)}==VERSION"
    return InputError(
        "direct-reference-unsupported",
        f"{origin}: {redact(text)!r} is a URL, a version control address or a path, which mach does not take yet",
        hint=hint,
    )
