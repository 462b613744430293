"""The Merkle tree over a catalog's projects, which grows from generation to generation: its roots are snapshot ids."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .connection import Connection, expand
from .digest import bucket_digest, bucket_of, snapshot_digest
from .listings import batches

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["SnapshotTree", "replay"]

_CHANGES = """
    SELECT s.generation, i.text, p.name, p.id, s.digest
    FROM project_state s
    JOIN project p ON p.id = s.project_id
    JOIN index_url i ON i.id = p.index_id
    WHERE s.generation > ? AND s.generation <= ?
    ORDER BY s.generation
"""
_MEMBERS = """
    SELECT i.text, p.name, s.digest
    FROM project p
    JOIN index_url i ON i.id = p.index_id
    JOIN project_state s ON s.project_id = p.id AND s.generation =
        (SELECT max(q.generation) FROM project_state q WHERE q.project_id = p.id AND q.generation <= ?)
    WHERE p.id IN (??)
"""

_Bucket = dict[tuple[str, str], bytes]


class SnapshotTree:
    """The tree at one generation; safe to share between threads.

    Leaves are (index, project, digest of the project's facts), 4,096 buckets by the hash of (index, project). Of each
    bucket its digest is kept and which projects are in it, 8 bytes for each: what a generation changed is read, and
    the buckets that it changed.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._begin()

    def clear(self) -> None:
        """Begin with the empty catalog again, the next time."""
        self._is_stale = True

    def _begin(self) -> None:
        self._is_stale = False
        self._first = self._last = 0
        self._ids: dict[int, str] = {}
        self._members: dict[int, array[int]] = {}
        self._digests: dict[int, bytes] = {}

    def ids(self, catalog: CatalogHandle, first: int, last: int) -> dict[int, str]:
        """Return the snapshot ids of the published generations from *first* to *last*.

        What was computed before is known; only what is newer is read. Where *first* is older than that, it begins anew.
        """
        with self._guard:
            while first < self._first or self._is_stale or last > self._last:
                if first < self._first or self._is_stale:
                    self._begin()
                self._ids |= self._grow(catalog.connection, self._last + 1 if self._last else first, last)
                self._first = self._first or first
            return {number: found for number, found in self._ids.items() if first <= number <= last}

    def _grow(self, connection: Connection, first: int, last: int) -> Iterator[tuple[int, str]]:
        changes: dict[int, list[tuple[int, str, str, int, bytes]]] = {}
        for generation, index, project, project_id, digest in connection.rows(_CHANGES, (self._last, last)):
            # nobody asks for an id below *first*: what was learned until then is taken together
            change = (bucket_of(index, project), index, project, project_id, bytes(digest))
            changes.setdefault(max(generation, first - 1), []).append(change)
        buckets = self._load(connection, {change[0] for found in changes.values() for change in found})
        numbers = connection.rows("SELECT number FROM generation WHERE number >= ? AND number <= ?", (first, last))
        if self._is_stale:
            return  # another database may have answered the later questions
        for generation in sorted({*changes, *(row[0] for row in numbers)}):
            touched: set[int] = set()
            for bucket, index, project, project_id, digest in changes.get(generation, ()):
                if (index, project) not in buckets[bucket]:
                    self._members.setdefault(bucket, array("q")).append(project_id)
                buckets[bucket][index, project] = digest
                touched.add(bucket)
            for bucket in touched:
                self._digests[bucket] = bucket_digest(buckets[bucket])
            if generation >= first:
                yield generation, snapshot_digest(self._digests.items())
        self._last = last

    def _load(self, connection: Connection, wanted: Iterable[int]) -> dict[int, _Bucket]:
        """Return what the *wanted* buckets hold at the generation that the tree is at."""
        buckets: dict[int, _Bucket] = {bucket: {} for bucket in wanted}
        members = [project_id for bucket in buckets for project_id in self._members.get(bucket, ())]
        for some in batches(members):
            rows: list[Any] = connection.rows(expand(_MEMBERS, len(some)), (self._last, *some))
            for index, project, digest in rows:
                buckets[bucket_of(index, project)][index, project] = bytes(digest)
        return buckets


def replay(catalog: CatalogHandle, last: int) -> dict[int, str]:
    """Return the snapshot id of every generation up to *last*, from the projects' digests."""
    return SnapshotTree().ids(catalog, 1, last)
