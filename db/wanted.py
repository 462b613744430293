"""Projects that a service was asked for and could not fetch: a queue for the crawler."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from resolver.names import NormalizedName

from . import schema
from .engine import begin
from .listings import batches

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["MOST_WANTED", "done", "want", "wanted"]

#: Projects that wait at once; strangers' wishes beyond are dropped.
MOST_WANTED = 10_000


def want(catalog: CatalogHandle, projects: Iterable[tuple[str, NormalizedName]], *, most: int = MOST_WANTED) -> int:
    """Queue *projects*, each an (index, project), and return how many of them wait now that did not before.

    :param most: projects that may wait at once.
    :raises Unavailable: where the catalog cannot be written.
    """
    table = schema.wanted
    asked = sorted(set(projects))
    now = int(time.time())
    with begin(catalog.engine, catalog.location) as connection:
        room = most - (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
        new = []
        for index, project in asked:
            mine = table.c.index_url == index, table.c.project == project
            if connection.execute(sa.select(table.c.project).where(*mine)).first() is None:
                new.append({"index_url": index, "project": project, "asked_at": now})
        new = new[: max(room, 0)]
        if new:
            connection.execute(table.insert(), new)
    return len(new)


def wanted(catalog: CatalogHandle, index: str) -> list[NormalizedName]:
    """Return the projects that wait to be fetched from *index*, the longest waiting first."""
    rows = catalog.connection.rows(
        "SELECT project FROM wanted WHERE index_url = ? ORDER BY asked_at, project", (index,)
    )
    return [NormalizedName(row[0]) for row in rows]


def done(catalog: CatalogHandle, index: str, projects: Iterable[NormalizedName]) -> None:
    """Take *projects* of *index* out of the queue.

    :raises Unavailable: where the catalog cannot be written.
    """
    table = schema.wanted
    with begin(catalog.engine, catalog.location) as connection:
        for names in batches(projects):
            connection.execute(table.delete().where(table.c.index_url == index, table.c.project.in_(names)))
