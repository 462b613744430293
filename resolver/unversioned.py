"""Source trees that state no version: what stands for it until their build backend has told it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from packaging.version import Version

from .catalog import Page
from .errors import NoSolution

__all__ = ["TAKES_A_VERSION", "UNVERSIONED", "check_version", "read_version", "refuse_source", "with_version"]

#: Failure of a source tree whose version, and all else, only its build backend can tell.
TAKES_A_VERSION = "its version takes a build"
#: What stands for the version of one; what a backend tells is never this, see :mod:`crawler.building`.
UNVERSIONED = "0+unknown"
_LONGEST = 200


def read_version(build: Sequence[Any]) -> str | None:
    """Return the version in a build item of :attr:`resolver.catalog.Page.depsets`; None where no backend told one."""
    return None if len(build) < 6 else str(build[5])


def check_version(text: str) -> str:
    """Return *text*; raise :class:`ValueError` where it is not the normal form of a version that a backend tells."""
    if len(text) > _LONGEST or text == UNVERSIONED or str(Version(text)) != text:
        raise ValueError(f"{text[:80]!r} is not the normal form of a version")
    return text


@lru_cache(maxsize=256)
def with_version(page: Page, version: str) -> Page:
    """Return *page*, that of a source tree, with the *version* that its backend told; its facts are those of *page*."""
    return Page(
        index=page.index,
        project=page.project,
        digest=page.digest,
        versions=[version],
        tags=page.tags,
        pythons=page.pythons,
        depsets=page.depsets,
        files=page.files,
        unusable=page.unusable,
        builds=page.builds,
    )


def refuse_source(place: str, reason: str | None, origins: Sequence[str]) -> NoSolution:
    """Return the error for a source tree whose backend tells no version.

    :param place: where it is: a path, or the URL of a repository or an archive.
    :param reason: the failure of what its backend was asked; None where that gave none.
    :param origins: where it is asked for.
    """
    return NoSolution(
        "version-not-told",
        f"{place} cannot be used: {reason or 'its build backend tells no version'}",
        context=[f"asked for at {origin}" for origin in origins],
        hint="state name and version in [project] of its pyproject.toml, or name a wheel or an sdist of it; "
        "a version that stands in tags can be given with --fixes",
    )
