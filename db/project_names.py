"""Which projects a state of the catalog has, index by index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from resolver.direct import is_direct
from resolver.nixpkgs_index import is_nixpkgs_index

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["list_projects"]

_PROJECTS = """
    SELECT i.text, p.name
    FROM index_url i
    JOIN project p ON p.index_id = i.id
    WHERE EXISTS (SELECT 1 FROM project_state s WHERE s.project_id = p.id AND s.generation <= ?)
    AND NOT EXISTS (SELECT 1 FROM absence a WHERE a.project_id = p.id AND a.first_generation <= ?
        AND (a.gone_generation IS NULL OR a.gone_generation > ?))
"""


def list_projects(catalog: CatalogHandle, generation: int | None = None) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the projects that each index has in *generation* (by default the newest).

    :return: URL of the index -> normalised names; both in the order of their code points, the same in either engine.
        What an index answered not to have is left out, and so are sources that requirements name by a URL and the
        attributes of a nixpkgs, which are no indexes that a request asks by name.
    :raises DataError: ``unknown-generation``.
    """
    number = catalog.reader(generation).generation
    found: dict[str, list[str]] = {}
    for index, name in catalog.connection.rows(_PROJECTS, (number, number, number)):
        if not is_direct(index) and not is_nixpkgs_index(index):
            found.setdefault(index, []).append(name)
    return {index: tuple(sorted(names)) for index, names in sorted(found.items())}
