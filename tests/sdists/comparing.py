"""Metadata of an sdist and of a wheel of the same release, compared by what it means and not by its spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from db.state import Metadata
from resolver.names import normalize_project

__all__ = ["compare_metadata", "normalize_requirement"]


def normalize_requirement(text: str) -> str:
    """Return a requirement (PEP 508) in the one spelling that packaging gives it, its names normalised.

    :raises InvalidRequirement: where it is none.
    """
    requirement = Requirement(text)
    requirement.name = normalize_project(requirement.name)
    requirement.extras = {normalize_project(extra) for extra in requirement.extras}
    return str(requirement)


def compare_metadata(sdist: Metadata, wheel: Metadata) -> dict[str, Any]:
    """Return the fields that differ, each with what only the sdist and what only the wheel says; empty where none."""
    fields: dict[str, tuple[set[str], set[str]]] = {
        "requires-dist": _both(normalize_requirement, sdist.requires_dist, wheel.requires_dist),
        "provides-extra": _both(normalize_project, sdist.provides_extra, wheel.provides_extra),
        "requires-python": _both(_specifiers, [sdist.requires_python or ""], [wheel.requires_python or ""]),
    }
    return {
        field: {"sdist": sorted(mine - other), "wheel": sorted(other - mine)}
        for field, (mine, other) in fields.items()
        if mine != other
    }


def _both(normalize: Callable[[str], str], sdist: Iterable[str], wheel: Iterable[str]) -> tuple[set[str], set[str]]:
    return {normalize(text) for text in sdist}, {normalize(text) for text in wheel}


def _specifiers(text: str) -> str:
    return str(SpecifierSet(text))
