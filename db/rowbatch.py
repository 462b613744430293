"""Rows of one write transaction: ids handed out, texts interned, inserts and updates gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from . import schema
from .engine import WriteRows
from .listings import batches

__all__ = ["RowBatch", "copy_rows"]

#: What PostgreSQL calls the types of our columns: its binary form converts nothing.
_TYPES: Mapping[type, str] = {
    sa.BigInteger: "int8",
    sa.Integer: "int4",
    sa.SmallInteger: "int2",
    sa.Boolean: "bool",
    sa.Text: "text",
    sa.LargeBinary: "bytea",
}

#: Rows gathered before they are sent.
_FLUSH_AT = 20_000

#: Rows from which on PostgreSQL's COPY is worth its start.
_COPY_FROM = 50

#: Parents before children, so that foreign keys hold.
_ORDER: tuple[sa.Table, ...] = (
    schema.generation,
    schema.index_url,
    schema.tagset,
    schema.requires_python,
    schema.url_base,
    schema.depset,
    schema.project,
    schema.project_state,
    schema.page,
    schema.absence,
    schema.release,
    schema.file,
    schema.listing,
    schema.listing_hash,
    schema.metadata_link,
    schema.built_link,
    schema.event,
    schema.freshness,
)


def copy_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert *rows*, which have the same columns, by PostgreSQL's COPY in its binary form.

    https://www.postgresql.org/docs/current/sql-copy.html
    """
    names = list(rows[0])
    types = [_TYPES[type(table.c[name].type)] for name in names]
    preparer = connection.dialect.identifier_preparer
    columns = ", ".join(preparer.quote(name) for name in names)
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {preparer.format_table(table)} ({columns}) FROM STDIN (FORMAT BINARY)"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row([row[name] for name in names])


class RowBatch:
    """Gathers rows and sends them in order; usable only while the write lock is held."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.reading = WriteRows(connection)
        self._next: dict[str, int] = {}
        self._inserts: dict[str, list[Mapping[str, Any]]] = {table.name: [] for table in _ORDER}
        self._gone: dict[str, list[Mapping[str, Any]]] = {}
        self._interned: dict[str, dict[Any, int]] = {}
        self._count = 0

    def next_id(self, table: sa.Table) -> int:
        """Return an unused id of *table*, above all others."""
        if table.name not in self._next:
            found = self.connection.scalar(sa.select(sa.func.max(table.c.id)))
            self._next[table.name] = (found or 0) + 1
        number = self._next[table.name]
        self._next[table.name] = number + 1
        return number

    def insert(self, table: sa.Table, **values: Any) -> None:
        """Gather one row of *table*; every row of a table has the same columns."""
        self._inserts[table.name].append(values)
        self._count += 1

    def end(self, table: sa.Table, generation: int, **key: int | str) -> None:
        """Gather that the row with *key* no longer holds from *generation* on."""
        values = {f"key_{name}": value for name, value in key.items()}
        self._gone.setdefault(table.name, []).append({**values, "gone": generation})
        self._count += 1

    def intern(self, table: sa.Table, texts: Iterable[str]) -> Mapping[str, int]:
        """Return ids of *texts* in an interned *table*, making those that are new."""
        known: Mapping[str, int] = self.intern_by(table, table.c.text, {text: {"text": text} for text in texts})
        return known

    def intern_by(self, table: sa.Table, column: sa.Column[Any], values: Mapping[Any, Mapping[str, Any]]) -> Any:
        """Return ids by *column*'s value; *values* maps it to all columns of the row, id left out."""
        known = self._interned.setdefault(table.name, {})
        unknown = [value for value in values if value not in known]
        for part in batches(unknown, 500):
            for number, value in self.connection.execute(sa.select(table.c.id, column).where(column.in_(part))):
                known[bytes(value) if isinstance(value, memoryview) else value] = number
        for value in unknown:
            if value not in known:
                known[value] = self.next_id(table)
                self.insert(table, id=known[value], **values[value])
        return known

    def flush_if_large(self) -> None:
        """Send what was gathered when it is much."""
        if self._count >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Send all gathered inserts, then the ends."""
        for table in _ORDER:
            rows = self._inserts[table.name]
            if rows:
                if len(rows) >= _COPY_FROM and self.connection.dialect.name == "postgresql":
                    copy_rows(self.connection, table, rows)
                else:
                    self.connection.execute(table.insert(), rows)
                self._inserts[table.name] = []
        for name, ends in self._gone.items():
            table = schema.metadata_tables.tables[name]
            update = table.update().values(gone_generation=sa.bindparam("gone"))
            for key in ends[0]:
                if key != "gone":
                    update = update.where(table.c[key.removeprefix("key_")] == sa.bindparam(key))
            self.connection.execute(update, ends)
        self._gone.clear()
        self._count = 0
