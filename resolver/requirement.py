"""What is asked for: one requirement with its origin, and a whole request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.specifiers import SpecifierSet

from .direct import LocalSource
from .errors import InputError
from .names import NormalizedName, normalize_extra, normalize_project

__all__ = ["Override", "Request", "Requirement", "find_excess", "parse_override", "parse_requirement", "refuse_escapes"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


#: Python refuses to read numbers of more than 4300 digits, and packaging does not expect that.
_LONG_NUMBER = re.compile(r"[0-9]{1000}")
_MOST_NESTED = 100
_LONGEST_NAME = 200


def find_excess(text: str) -> str | None:
    """Return why the requirement *text* is beyond all measure, None where it is not.

    Parsers fail on such texts in ways of their own, some of them by the depth of the stack, which must not
    decide an answer.
    """
    if _LONG_NUMBER.search(text):
        return "it has a number of a thousand digits or more"
    if text.count("(") > _MOST_NESTED:
        depth = deepest = 0
        for character in text:
            depth += (character == "(") - (character == ")")
            deepest = max(deepest, depth)
        if deepest > _MOST_NESTED:
            return f"its parentheses are nested more than {_MOST_NESTED} deep"
    name = re.match(r"\s*[A-Za-z0-9._-]*", text)
    if name is not None and len(name[0].strip()) > _LONGEST_NAME:
        return f"its name has more than {_LONGEST_NAME} characters"
    return None


def refuse_escapes(text: str) -> None:
    """Raise ValueError where *text*, which has a marker, has a backslash.

    PEP 508 has none in a marker's strings. `packaging` reads it as Python does, and writes a marker then that it
    cannot read: in a lock, and on the way to another process.
    """
    if "\\" in text:
        raise ValueError("there is no backslash in a marker (PEP 508)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One PEP 508 requirement and where it came from."""

    project: NormalizedName
    extras: tuple[str, ...] = ()
    """Normalised (PEP 685), sorted, without repeats."""
    specifier: SpecifierSet
    marker: Marker | None = None
    url: str | None = None
    """A direct reference, in normal form where the user states it (:mod:`resolver.direct`)."""
    origin: str
    """``requirements.txt:4``, ``argument 'numpy<2'``, or ``requests 2.32.0``."""
    hashes: tuple[str, ...] = ()
    """``sha256:…`` digests given with ``--hash``, sorted."""

    def __str__(self) -> str:
        """Return the requirement in PEP 508 form, without origin and hashes."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        tail = f" @ {self.url}" if self.url else str(self.specifier)
        space = " " if self.url else ""
        marker = f"{space}; {self.marker}" if self.marker else ""
        return f"{self.project}{extras}{tail}{marker}"


def parse_requirement(text: str, origin: str, *, hashes: tuple[str, ...] = ()) -> Requirement:
    """Return the requirement that *text* states.

    :param text: one PEP 508 requirement.
    :param origin: where it stands, for messages.
    :raises InputError: ``invalid-requirement`` where *text* does not parse.
    """
    excess = find_excess(text)
    try:
        if excess is not None:
            raise ValueError(excess)
        parsed = Pep508(text)
        if parsed.marker is not None:
            refuse_escapes(text)
        project = normalize_project(parsed.name)
    except (InvalidRequirement, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it does not parse"
        shown = text if len(text) <= 200 else text[:200] + "…"
        raise InputError(
            "invalid-requirement",
            f"{shown!r} is not a requirement",
            context=[f"at {origin}", reason if len(reason) <= 300 else reason[:300] + "…"],
            hint="write it as NAME, NAME[EXTRA] or NAME>=VERSION (PEP 508)",
        ) from error
    return Requirement(
        project=project,
        extras=tuple(sorted({normalize_extra(e) for e in parsed.extras})),
        specifier=parsed.specifier,
        marker=parsed.marker,
        url=parsed.url,
        origin=origin,
        hashes=tuple(sorted(hashes)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A requirement that replaces every other one for its project, or those of one parent.

    Extras that the replaced requirement asks for stay. Where the marker does not hold, the
    replaced requirement is gone all the same.
    """

    requirement: Requirement
    parent: NormalizedName | None = None
    """Only what this project requires; None: what anyone requires, the user included."""

    def __str__(self) -> str:
        """Return ``NAME>=1``, or ``PARENT:NAME>=1``."""
        return f"{self.parent}:{self.requirement}" if self.parent else str(self.requirement)


def parse_override(text: str, origin: str) -> Override:
    """Return the override that *text* states: ``NAME>=1``, or ``PARENT:NAME>=1`` for one parent.

    :raises InputError: ``invalid-requirement``, ``invalid-override``.
    """
    head, colon, tail = text.partition(":")
    parent = None
    # a colon can stand in a URL or a marker as well, but then not right after a plain name
    if colon and _PLAIN_NAME.fullmatch(head.strip()) and not tail.startswith("//"):
        parent, text = normalize_project(head.strip()), tail.strip()
    requirement = parse_requirement(text, origin)
    if requirement.url is not None:
        raise InputError(
            "invalid-override",
            f"{text[:200]!r} overrides with a URL",
            context=[f"at {origin}"],
            hint="override with a version",
        )
    return Override(requirement=requirement, parent=parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a resolution is asked for, apart from the catalog.

    Where two sources name the same thing (an option of the command line and a line of
    a requirements.txt), the merged value stands here.
    """

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    """Specifiers that bind a project only where something else asks for it (``-c``)."""
    indexes: tuple[str, ...] = ()
    """Index URLs in order of precedence, ``--extra-index-url`` before ``--index-url``."""
    pythons: tuple[str, ...] = ()
    """Exact versions, ``3.11.9``, ascending, without repeats."""
    systems: tuple[str, ...] = ()
    """Nix system names, sorted, without repeats."""
    providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Allowed providers in order: ``_default``, and normalised projects that have their own list."""
    prefer: str = "provider"
    """``provider``, ``newest`` or ``balanced``."""
    prerelease: Mapping[str, str] = field(default_factory=lambda: {"_default": "if-necessary"})
    """``if-necessary``, ``allow``, ``disallow`` or ``explicit``: ``_default``, and projects' own."""
    resolution: str = "highest"
    """``highest``, ``lowest`` or ``lowest-direct``."""
    as_of: Mapping[str, int] = field(default_factory=dict)
    """Only files uploaded before this UTC time, in seconds since 1970 (exclusive): ``_default`` where
    it is given for all, and projects' own."""
    build_as_of: Mapping[str, int] = field(default_factory=dict)
    """The same for what sdists are built in, instead of the date that follows from each sdist."""
    build_providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Allowed providers of what sdists are built in: ``_default`` and projects of their own; wheels where empty."""
    crates_url: str = ""
    """Where crates of Rust sdists are, as :func:`resolver.crates.crate_url` takes it; empty for the public registry."""
    overrides: tuple[Override, ...] = ()
    excludes: tuple[NormalizedName, ...] = ()
    """Projects that are left out wherever a release asks for them, sorted."""
    require_hashes: bool = False
    local_sources: Mapping[str, LocalSource] = field(default_factory=dict)
    """What the local paths among the requirements hold, by reference in normal form."""
