"""The options of one request as they were given, and the values that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from resolver.errors import InputError
from resolver.interpreters import DEFAULT_PYTHON, full_python, series, split_python
from resolver.names import NormalizedName
from resolver.policy import parse_key, parse_providers
from resolver.requirement import Requirement
from resolver.requirements_txt import RequirementsFile

__all__ = [
    "Choices",
    "allowed_providers",
    "as_of_dates",
    "build_providers",
    "exact_pythons",
    "excluded_projects",
    "open_series",
    "parse_as_of",
]

#: The first second of the year 10000.
_LAST_SECOND = 253_402_300_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Options of one command or one HTTP request, as they were given."""

    pythons: tuple[str, ...] = ()
    """X.Y or X.Y.Z."""
    systems: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """``LIST`` or ``NAME=LIST``."""
    prefer: str = "provider"
    prerelease: tuple[str, ...] = ()
    """``MODE`` or ``NAME=MODE``."""
    pre: bool = False
    resolution: str = "highest"
    as_of: tuple[str, ...] = ()
    """``DATE`` or ``NAME=DATE``."""
    build_as_of: tuple[str, ...] = ()
    """``DATE`` or ``NAME=DATE``."""
    build_providers: tuple[str, ...] = ()
    """``LIST`` or ``NAME=LIST``."""
    overrides: tuple[str, ...] = ()
    """``REQUIREMENT`` or ``PARENT:REQUIREMENT``."""
    excludes: tuple[str, ...] = ()
    no_build: tuple[str, ...] = ()
    """Projects that may not come from an sdist; ``:all:``."""
    no_binary: tuple[str, ...] = ()
    """Projects that may not come from a wheel; ``:all:``."""
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    keyring_provider: str | None = None
    """How the keyring is asked for passwords of indexes; None for what pip's configuration says."""
    crates_url: str | None = None
    """Where crates are (:func:`resolver.crates.crate_url`); None for the public registry."""
    require_hashes: bool = False
    extras: tuple[str, ...] = ()
    """Extras of the projects whose pyproject.toml or lock is read."""
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735), likewise."""


def parse_as_of(text: str) -> int:
    """Return the UTC seconds since 1970 that *text* names; a bare date means its 00:00.

    :param text: ``2024-05-01``, ``2024-05-01T12:00:00Z`` or with another offset; without one it is UTC.
    :raises InputError: ``invalid-date``.
    """
    try:
        if len(text) == len("2024-05-01"):
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
        if not 0 <= seconds < _LAST_SECOND:
            raise ValueError("no file was uploaded before 1970, and years have four digits")
    except (ValueError, OverflowError) as error:
        raise InputError(
            "invalid-date", f"{text[:60]!r} is not a date", hint="write 2024-05-01 or 2024-05-01T12:00:00Z (UTC)"
        ) from error
    return seconds


def _formats(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({":all:" if name == ":all:" else parse_key(name) for name in names}))


def exact_pythons(choices: Choices) -> tuple[str, ...]:
    """Return the exact versions that are asked for, ascending; of an X.Y alone the newest that mach knows.

    :raises InputError: ``invalid-python``, ``unsupported-python``.
    """
    exact = {full_python(text) for text in choices.pythons or (DEFAULT_PYTHON,)}
    return tuple(sorted(exact, key=split_python))


def open_series(choices: Choices) -> frozenset[str]:
    """Return the X.Y of the Pythons that are asked for without a patch version."""
    texts = choices.pythons or (DEFAULT_PYTHON,)
    exact = {text for text in texts if full_python(text) == text}
    return frozenset(set(texts) - exact - {series(text) for text in exact})


def build_providers(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the allowed providers of what sdists are built in; empty where nothing was said.

    :raises InputError: ``invalid-providers``.
    """
    answer = parse_providers(("wheel", *texts)) if texts else {}
    if any("nixpkgs" in providers for providers in answer.values()):
        raise InputError(
            "invalid-providers",
            "--build-providers names nixpkgs, and sdists are built in wheels and sdists alone",
            hint="use wheel, sdist; what compilers and C libraries nixpkgs gives a build is in the fixes table",
        )
    return answer


def as_of_dates(texts: Sequence[str]) -> dict[str, int]:
    """Return the UTC seconds since 1970 of ``DATE`` (for ``_default``) and ``NAME=DATE``.

    :raises InputError: ``invalid-date``.
    """
    answer = {}
    for text in texts:
        name, _, moment = text.rpartition("=")
        answer[parse_key(name)] = parse_as_of(moment.strip())
    return answer


def excluded_projects(choices: Choices, requirements: Sequence[Requirement]) -> tuple[NormalizedName, ...]:
    """Return the projects that are left out, sorted.

    :raises InputError: ``excluded-root`` where one of them is asked for.
    """
    names = {parse_key(name) for name in choices.excludes}
    for requirement in requirements:
        if requirement.project in names:
            raise InputError(
                "excluded-root",
                f"{requirement.project} is asked for and excluded",
                context=[f"asked for at {requirement.origin}"],
                hint="remove the requirement or the --exclude",
            )
    return tuple(sorted(NormalizedName(name) for name in names))


def allowed_providers(
    choices: Choices, files: Sequence[RequirementsFile], requirements: Sequence[Requirement]
) -> dict[str, tuple[str, ...]]:
    """Return the provider lists after ``--no-binary`` and ``--only-binary`` of the files took theirs away.

    :raises InputError: ``invalid-providers``, ``no-provider-left``.
    """
    providers = parse_providers(choices.providers)
    given = RequirementsFile(no_binary=_formats(choices.no_binary), only_binary=_formats(choices.no_build))
    files = [*files, given]
    named = {name for file in files for name in (*file.only_binary, *file.no_binary)}
    if not named:
        return providers
    everyone = ":all:" in named
    projects = {str(r.project) for r in requirements} | {n for n in named if not n.startswith(":")}
    for key in ["_default", *sorted(projects | (providers.keys() - {"_default"}))]:
        probe = ":any:" if key == "_default" else key
        if key == "_default" and not everyone:
            continue
        order = providers.get(key) or providers["_default"]
        wheels = all(file.allows_wheels(probe) for file in files)
        sdists = all(file.allows_sdists(probe) for file in files)
        kept = tuple(p for p in order if (p != "wheel" or wheels) and (p != "sdist" or sdists))
        if not kept:
            whom = "every project" if key == "_default" else key
            raise InputError(
                "no-provider-left",
                f"--no-binary, --only-binary and --providers leave nothing for {whom}",
                hint="allow wheels or sdists",
            )
        if key == "_default" or kept != providers["_default"]:
            providers[key] = kept
    return providers
