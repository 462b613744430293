"""Snapshots: states of the catalog named by a digest of their content, and names given to them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.errors import InputError, MachError

from .digest import snapshot_digest

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = [
    "Snapshot",
    "count_projects",
    "pin",
    "projects_learned",
    "recent_snapshots",
    "resolve_snapshot",
    "snapshot_id",
    "snapshots",
    "unpin",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One published state."""

    id: str
    """64 hexadecimal digits."""
    generation: int
    created_at: int
    """When this catalog learned it, UTC seconds since 1970; no part of the id."""
    names: tuple[str, ...]


def _ids(catalog: CatalogHandle) -> dict[int, str]:
    """Return the ids of all generations, computing those that are not kept yet."""
    kept = dict(catalog.connection.rows("SELECT number, snapshot FROM generation"))
    if all(snapshot is not None for snapshot in kept.values()):
        return kept
    missing = [number for number, snapshot in kept.items() if snapshot is None]
    return kept | catalog.tree.ids(catalog, min(missing), max(missing))


def snapshot_id(catalog: CatalogHandle, generation: int | None = None) -> str:
    """Return the id of the snapshot that *generation* (by default the newest) is; 64 hexadecimal digits.

    :raises DataError: ``unknown-generation``.
    """
    number = catalog.reader(generation).generation
    kept = catalog.connection.rows("SELECT snapshot FROM generation WHERE number = ?", (number,))
    if kept and kept[0][0] is not None:
        return str(kept[0][0])
    return catalog.tree.ids(catalog, number, number).get(number, snapshot_digest([]))


def _names(catalog: CatalogHandle) -> dict[int, list[str]]:
    """Return the names of each generation that has any, sorted."""
    names: dict[int, list[str]] = {}
    for name, number in catalog.connection.rows("SELECT name, generation FROM snapshot_name ORDER BY name"):
        names.setdefault(number, []).append(name)
    return names


def snapshots(catalog: CatalogHandle) -> tuple[Snapshot, ...]:
    """Return every published state, oldest first; ids that had to be computed are kept for the next time."""
    ids = _ids(catalog)
    if not catalog.readonly:
        _keep(catalog, ids)
    names = _names(catalog)
    return tuple(
        Snapshot(id=ids[number], generation=number, created_at=created_at, names=tuple(names.get(number, ())))
        for number, created_at in catalog.connection.rows("SELECT number, created_at FROM generation ORDER BY number")
        if number in ids
    )


def recent_snapshots(catalog: CatalogHandle, most: int) -> list[Snapshot]:
    """Return the newest *most* states, and all that have names, the newest first, of those whose ids are known already.

    Unlike :func:`snapshots` it takes no more time in a catalog that learned much.
    """
    names = _names(catalog)
    query = "SELECT number, snapshot, created_at FROM generation WHERE snapshot IS NOT NULL"
    rows = list(catalog.connection.rows(f"{query} ORDER BY number DESC LIMIT ?", (most,)))
    rows += [row for number in names for row in catalog.connection.rows(f"{query} AND number = ?", (number,))]
    found = {
        number: Snapshot(id=text, generation=number, created_at=created_at, names=tuple(names.get(number, ())))
        for number, text, created_at in rows
    }
    return [found[number] for number in sorted(found, reverse=True)]


def count_projects(catalog: CatalogHandle, generation: int) -> int:
    """Return how many projects *generation* knows something of, absences included; of each index for itself."""
    query = "SELECT COUNT(DISTINCT project_id) FROM project_state WHERE generation <= ?"
    ((count,),) = catalog.connection.rows(query, (generation,))
    return int(count)


def projects_learned(catalog: CatalogHandle, generation: int) -> list[tuple[str, str]]:
    """Return (index, project) of everything whose facts are new in *generation*."""
    query = """
        SELECT i.text, p.name FROM project_state s
        JOIN project p ON p.id = s.project_id
        JOIN index_url i ON i.id = p.index_id
        WHERE s.generation = ?
    """
    return [(index, project) for index, project in catalog.connection.rows(query, (generation,))]


def _keep(catalog: CatalogHandle, ids: dict[int, str]) -> None:
    """Write ids that are not in the catalog yet; where somebody else writes, they are computed again some time."""
    missing = [n for (n,) in catalog.connection.rows("SELECT number FROM generation WHERE snapshot IS NULL")]
    rows = [{"key": number, "id": ids[number]} for number in missing if number in ids]
    if not rows:
        return
    import sqlalchemy as sa

    from . import schema
    from .engine import begin_favour

    table = schema.generation
    update = table.update().where(table.c.number == sa.bindparam("key")).values(snapshot=sa.bindparam("id"))
    with contextlib.suppress(MachError), begin_favour(catalog.location) as connection:
        connection.execute(update, rows)


def resolve_snapshot(catalog: CatalogHandle, text: str) -> int:
    """Return the generation of the snapshot that *text* names: a name, a full id, or at least 4 digits of one.

    An id may have ``sha256:`` before it.  Of several generations with the same content the
    newest is returned: they answer alike.

    :raises InputError: ``unknown-snapshot``, ``ambiguous-snapshot``.
    """
    if _NAME.fullmatch(text):  # anything else names none, and NUL or a lone surrogate breaks the drivers
        named = catalog.connection.rows("SELECT generation FROM snapshot_name WHERE name = ?", (text,))
        if named:
            return int(named[0][0])
    match = _PREFIX.fullmatch(text)
    if match is not None:
        found: dict[str, int] = {}
        for number, snapshot in sorted(_ids(catalog).items()):
            if snapshot.startswith(match[1]):
                found[snapshot] = number
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise InputError(
                "ambiguous-snapshot",
                f"{text!r} begins {len(found)} snapshot ids",
                context=sorted(found)[:5],
                hint="give more digits",
            )
    raise InputError(
        "unknown-snapshot",
        f"there is no snapshot {text[:80]!r}",
        context=[f"the catalog is {catalog.location}"],
        hint="`mach db snapshots` lists ids and names; `mach db import` brings a snapshot from elsewhere",
    )


def pin(catalog: CatalogHandle, name: str, snapshot: str | None = None, *, replace: bool = False) -> str:
    """Give *name* to *snapshot* (id, prefix or other name; by default the newest state) and return its id.

    :raises InputError: ``invalid-snapshot-name``; ``snapshot-name-taken`` where the name
        stands for another id and *replace* is false; those of :func:`resolve_snapshot`.
    """
    if not _NAME.fullmatch(name) or _PREFIX.fullmatch(name):
        raise InputError(
            "invalid-snapshot-name",
            f"{name[:80]!r} cannot name a snapshot",
            hint="use letters, digits and ._- (at most 64), and not something that looks like an id",
        )
    number = catalog.generation() if snapshot is None else resolve_snapshot(catalog, snapshot)
    if number == 0:
        raise InputError(
            "unknown-snapshot",
            f"the catalog {catalog.location} is empty: there is nothing to name",
            hint="fill it first with `mach crawl NAME…` or `mach db import FILE`",
        )
    wanted = snapshot_id(catalog, number)

    from . import schema
    from .engine import begin

    table = schema.snapshot_name
    with begin(catalog.engine, catalog.location) as connection:
        known = connection.execute(table.select().where(table.c.name == name)).first()
        if known is not None and known.snapshot != wanted and not replace:
            raise InputError(
                "snapshot-name-taken",
                f"{name!r} already names the snapshot {known.snapshot}",
                hint="choose another name, or take it away from that one with --replace",
            )
        connection.execute(table.delete().where(table.c.name == name))
        connection.execute(table.insert().values(name=name, snapshot=wanted, generation=number))
    return wanted


def unpin(catalog: CatalogHandle, name: str) -> None:
    """Take *name* away; the facts stay.

    :raises InputError: ``unknown-snapshot`` where nothing has that name.
    """
    from . import schema
    from .engine import begin

    table = schema.snapshot_name
    with begin(catalog.engine, catalog.location) as connection:
        if connection.execute(table.delete().where(table.c.name == name)).rowcount == 0:
            raise InputError(
                "unknown-snapshot",
                f"no snapshot has the name {name[:80]!r}",
                hint="`mach db snapshots` lists ids and names",
            )
