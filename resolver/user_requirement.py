"""One requirement as a user writes it, in a file or as an argument: PEP 508, and pip's other forms by name."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.specifiers import SpecifierSet

from .direct import (
    InvalidReference,
    Locate,
    Reference,
    archive_project,
    parse_reference,
    source_archive_ending,
    url_filename,
)
from .errors import InputError
from .nameless import stand_in_name
from .names import NormalizedName, normalize_extra, normalize_project
from .requirement import Requirement, parse_requirement, refuse_escapes
from .requirements_options import redact

__all__ = ["parse_user_requirement"]

#: Longest requirement, in characters: numbers in it stay below Python's limit for integers.
MAX_REQUIREMENT = 4_000

#: Schemes that pip takes for requirements; version control ones with and without a transport.
_SCHEME = re.compile(r"(https?|file|ftp|ssh|sftp|((git|hg|svn|bzr)(\+[a-z-]+)?)):", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(whl|zip|tgz|tar|tbz|txz|tlz|tar\.(gz|bz2|xz|lz|lzma))", re.IGNORECASE)
_SUFFIX = re.compile(r"(\.tar)?\.[a-z0-9]+\Z", re.IGNORECASE)
_TRAILING_EXTRAS = re.compile(r"\[[^\[\]]*\]\Z")


def parse_user_requirement(
    text: str,
    origin: str,
    *,
    hashes: tuple[str, ...] = (),
    locate: Locate | None = None,
    editable: bool = False,
) -> Requirement:
    """Return the requirement that a user wrote, in a file or as an argument; more than PEP 508 has a name here.

    :param origin: where it stands, for messages.
    :param locate: finds what local paths hold; None refuses every direct reference (a service).
    :param editable: it stands behind ``-e``.
    :raises InputError: ``invalid-requirement``; for URLs, ``NAME @ URL``, version control and local
        paths ``direct-reference-not-allowed``, ``direct-reference-unsupported``,
        ``direct-reference-unnamed``, ``reference-mismatch``.
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
    if editable or _is_direct(body.strip()):
        return _parse_direct(text, origin, hashes, locate, editable=editable)
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
        return _parse_direct(text, origin, hashes, locate, editable=False)
    return requirement


def _is_direct(body: str) -> bool:
    """Return whether *body*, a requirement without its marker, names a URL or path rather than a project (as pip)."""
    if _SCHEME.match(body) or body.startswith(".") or "/" in body:
        return True
    path = _TRAILING_EXTRAS.sub("", body)
    suffix = _SUFFIX.search(path)
    return suffix is not None and _ARCHIVE.fullmatch(suffix[0]) is not None and "@" not in body


def _parse_direct(
    text: str, origin: str, hashes: tuple[str, ...], locate: Locate | None, *, editable: bool
) -> Requirement:
    if locate is None:
        raise InputError(
            "direct-reference-not-allowed",
            f"{origin}: {redact(text)!r} is a URL, a version control address or a path, and this service "
            "fetches nothing that a request names",
            hint=f"name a project of an index instead: {_project_in(text) or 'NAME'}==VERSION",
        )
    name, extras, address, marker = _take_apart(text, origin)
    try:
        reference = parse_reference(address)
        # an archive that a forge makes of a tag is what it is said to be, which its content has to confirm
        is_said = name is not None and (reference.kind != "url" or source_archive_ending(reference.location))
        stated = None if is_said else _name_in(reference, address)
    except InvalidReference as error:
        raise InputError(
            "direct-reference-unsupported",
            f"{origin}: {redact(text)!r} cannot be taken: {error}",
            hint="write NAME @ URL of a wheel, an sdist or another .tar.gz or .zip of a source tree, "
            "NAME @ git+https://…@COMMIT, or ./FOLDER",
        ) from None
    if editable and reference.kind == "url":
        raise InputError(
            "direct-reference-unsupported",
            f"{origin}: {redact(text)!r} is editable, and only a folder can be",
            hint="leave out the -e",
        )
    project = stated if name is None else normalize_project(name)
    if reference.kind == "path":
        reference, stated = locate(replace(reference, editable=editable or reference.editable), origin)
        project = project or stated or stand_in_name(str(reference))
    if project is None:
        raise InputError(
            "direct-reference-unnamed",
            f"{origin}: {redact(text)!r} does not say which project it is",
            hint=f"write NAME @ {redact(address)}",
        )
    if stated is not None and stated != project:
        raise InputError(
            "reference-mismatch",
            f"{origin}: {project} is asked for from {redact(address)}, and that is {stated}",
            hint=f"write {stated} instead, or name another place",
        )
    return Requirement(
        project=project,
        extras=tuple(sorted({normalize_extra(extra) for extra in extras})),
        specifier=SpecifierSet(),
        marker=marker,
        url=str(reference),
        origin=origin,
        hashes=tuple(sorted(hashes)),
    )


def _take_apart(text: str, origin: str) -> tuple[str | None, set[str], str, Marker | None]:
    """Return name (None where only the address stands there), extras, address and marker of a direct reference."""
    try:
        with suppress(InvalidRequirement, ValueError):
            if (parsed := Pep508(text)).url is not None and (parsed.marker is None or "\\" not in text):
                return parsed.name, set(parsed.extras), parsed.url, parsed.marker
        # as pip: in a URL only "; " begins a marker
        address, _, tail = text.partition("; " if _SCHEME.match(text) else ";")
        address = address.strip()
        extras: set[str] = set()
        if (found := _TRAILING_EXTRAS.search(address)) is not None:
            extras = Pep508(f"name{found[0]}").extras
            address = address[: found.start()].rstrip()
        if not _SCHEME.match(address):
            path, mark, fragment = address.partition("#")
            address = quote(path, safe="/~") + mark + fragment
        refuse_escapes(tail)
        return None, extras, address, Marker(tail) if tail.strip() else None
    except (InvalidRequirement, InvalidMarker, ValueError, RecursionError) as error:
        raise InputError(
            "invalid-requirement",
            f"{redact(text)!r} is not a requirement",
            context=[f"at {origin}", str(error).splitlines()[0][:300] if str(error) else "it does not parse"],
            hint="write NAME @ URL, NAME[EXTRA] @ URL ; MARKER, or a path",
        ) from error


def _name_in(reference: Reference, address: str) -> NormalizedName | None:
    """Return the project that a URL's file name or an ``#egg=`` names."""
    if reference.kind == "url":
        return archive_project(url_filename(reference.location))[0]
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)(&|$)", address)
    return normalize_project(egg[1]) if egg is not None and reference.kind == "vcs" else None


def _project_in(text: str) -> str | None:
    with suppress(InvalidRequirement, ValueError, RecursionError):
        return normalize_project(Pep508(text).name)
    return None
