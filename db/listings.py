"""Rows of listings by file id: the part of reading that the resolver's hot path needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .connection import Connection, expand
from .urls import join_url

__all__ = ["COLUMNS", "TABLES", "batches", "digits", "listed_files", "url_of"]

#: Most values that one statement names.
BATCH = 200

#: The columns of a listing's row, in this order wherever a listing is read.
COLUMNS = """
    f.filename, h.sha256, h.url_digest, h.url, b.text, l.size, l.upload_time, r.text,
    l.yanked, l.yanked_reason, l.has_metadata, h.metadata_sha256
"""
TABLES = """
    FROM file f
    JOIN listing l ON l.file_id = f.id
    LEFT JOIN listing_hash h ON h.listing_id = l.id
    LEFT JOIN url_base b ON b.id = h.url_base_id
    LEFT JOIN requires_python r ON r.id = l.requires_python_id
"""
_OF_FILES = (
    f"SELECT f.id, m.sha256, {COLUMNS} {TABLES}"
    " LEFT JOIN metadata_link m ON m.file_id = f.id AND m.first_generation <= ?"
    " AND (m.gone_generation IS NULL OR m.gone_generation > ?)"
    " WHERE l.first_generation <= ? AND (l.gone_generation IS NULL OR l.gone_generation > ?) AND f.id IN (??)"
)


def batches(values: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """Yield *values* in lists of at most *size*."""
    values = list(values)
    for start in range(0, len(values), size):
        yield values[start : start + size]


def digits(digest: Any) -> str | None:
    """Return a stored digest as hexadecimal digits."""
    return None if digest is None else bytes(digest).hex()


def url_of(row: Any) -> str:
    """Return the URL in a *row* of :data:`COLUMNS`."""
    url: str = row[3] if row[2] is None else join_url(row[4], bytes(row[2]), row[0])
    return url


def listed_files(connection: Connection, file_ids: Iterable[int], generation: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield (file id, digest that only a download told, row of :data:`COLUMNS`) of files listed at *generation*."""
    for ids in batches(sorted(set(file_ids))):
        rows = connection.rows(expand(_OF_FILES, len(ids)), (generation, generation, generation, generation, *ids))
        for row in rows:
            yield row[0], row[1], row[2:]
