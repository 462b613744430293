"""What a service was asked for and could not fetch: a queue for the crawler."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from resolver.names import NormalizedName

from . import schema
from .engine import begin, begin_favour

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["MOST_WANTED", "Wanted", "forget", "want", "wanted"]

#: Wishes that wait at once; strangers' wishes beyond are dropped.
MOST_WANTED = 10_000
#: Seconds for which wishes wait for others who write.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Wanted:
    """One fact that somebody wants the catalog to have."""

    index: str
    project: NormalizedName
    filename: str = ""
    """The file whose metadata is wanted; empty for the project's page."""


def want(catalog: CatalogHandle, wishes: Iterable[Wanted], *, most: int = MOST_WANTED) -> int:
    """Queue *wishes*, and return how many of them wait now that did not before.

    Who asks is being answered: it does not wait for an import or a crawl that writes for long.

    :param most: wishes that may wait at once.
    :raises Unavailable: where the catalog cannot be written now.
    """
    table = schema.wanted
    dialect = postgresql if catalog.location.file is None else sqlite
    now = int(time.time())
    with begin_favour(catalog.location, _PATIENCE) as connection:
        room = most - (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
        new = []
        for wish in sorted(set(wishes)):
            if connection.execute(sa.select(table.c.project).where(*_is(wish))).first() is None:
                new.append(
                    {"index_url": wish.index, "project": wish.project, "filename": wish.filename, "asked_at": now}
                )
        new = new[: max(room, 0)]
        if new:
            # somebody else may have queued them meanwhile
            connection.execute(dialect.insert(table).on_conflict_do_nothing(), new)
    return len(new)


def wanted(catalog: CatalogHandle, index: str) -> list[Wanted]:
    """Return what is wanted of *index*, the longest waiting first."""
    rows = catalog.connection.rows(
        "SELECT project, filename FROM wanted WHERE index_url = ? ORDER BY asked_at, project, filename", (index,)
    )
    return [Wanted(index=index, project=NormalizedName(project), filename=filename) for project, filename in rows]


def forget(catalog: CatalogHandle, wishes: Iterable[Wanted]) -> None:
    """Take *wishes* out of the queue.

    :raises Unavailable: where the catalog cannot be written.
    """
    with begin(catalog.engine, catalog.location) as connection:
        for wish in wishes:
            connection.execute(schema.wanted.delete().where(*_is(wish)))


def _is(wish: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    table = schema.wanted
    yield table.c.index_url == wish.index
    yield table.c.project == wish.project
    yield table.c.filename == wish.filename
