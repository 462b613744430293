"""Names of projects and extras in their normal form (PEP 503, PEP 685)."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.utils import InvalidName, NormalizedName, canonicalize_name

__all__ = ["NormalizedName", "normalize_extra", "normalize_project"]

_RUNS = re.compile(r"[-_.]+")


@lru_cache(maxsize=65536)
def normalize_project(name: str) -> NormalizedName:
    """Return the normal form of a project's name.

    :raises ValueError: where *name* is not a name that PEP 508 allows.
    """
    try:
        return canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise ValueError(f"{name!r} is not a project name") from error


@lru_cache(maxsize=65536)
def normalize_extra(name: str) -> str:
    """Return the normal form of an extra's name (PEP 685); it never raises."""
    return _RUNS.sub("-", name).lower()
