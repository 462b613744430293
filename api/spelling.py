"""The nearest names for a project that no index has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from db.catalog import Reader
from resolver.errors import NoSolution

__all__ = ["name_nearest", "nearest_names"]


def nearest_names(reader: Reader, indexes: Iterable[str], project: str) -> list[str]:
    """Return at most three names that the catalog knows on *indexes* and that *project* may be a misspelling of."""
    names: set[str] = set()
    for index in indexes:
        names.update(reader.names_like(index, project))
    return difflib.get_close_matches(project, sorted(names), n=3, cutoff=0.7)


def name_nearest(error: NoSolution, reader: Reader, indexes: Iterable[str]) -> NoSolution:
    """Return *error* with the nearest names in its hint, where it is about a project that no index has."""
    project = error.details.get("project")
    if error.code != "unknown-project" or not isinstance(project, str):
        return error
    near = nearest_names(reader, indexes, project)
    if not near:
        return error
    return NoSolution(
        error.code,
        error.message,
        context=error.context,
        hint=f"did you mean {' or '.join(near)}? {error.hint}",
        details={**error.details, "near": near},
    )
