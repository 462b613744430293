"""Reading pages of one state of a catalog: those that are held, those that are kept, and those to be built anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from resolver.catalog import Page, decode_page, encode_page
from resolver.errors import MachError
from resolver.names import NormalizedName

from .connection import corrupt, expand
from .listings import BATCH, batches

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["RebuiltPages", "read_pages"]

_STATES = """
    SELECT p.name,
        (SELECT max(q.generation) FROM project_state q WHERE q.project_id = p.id AND q.generation <= ?)
    FROM index_url i
    JOIN project p ON p.index_id = i.id
    WHERE i.text = ? AND p.name IN (??)
"""
_PAGES = """
    SELECT p.name, p.id, s.generation, g.body
    FROM index_url i
    JOIN project p ON p.index_id = i.id
    JOIN project_state s ON s.project_id = p.id AND s.generation =
        (SELECT max(q.generation) FROM project_state q WHERE q.project_id = p.id AND q.generation <= ?)
    LEFT JOIN page g ON g.project_id = s.project_id AND g.generation = s.generation
    WHERE i.text = ? AND p.name IN (??)
"""
#: Seconds for which pages that were built anew gather before they are written.
_SECONDS_TOGETHER = 2.0
#: Seconds after which they are tried again where they could not be written.
_SECONDS_AFTER_FAILURE = 60.0
#: Bytes of pages that may wait.
_MOST_WAITING = 32 << 20


def read_pages(
    handle: CatalogHandle, index: str, projects: Iterable[NormalizedName], generation: int
) -> Mapping[NormalizedName, Page]:
    """Return the pages of those *projects* on *index* that are known at *generation*.

    What was read before is taken from memory. Where the catalog has grown since, one query tells which of it still
    holds, the rest of what is held included: it would be asked for next.

    :raises DataError: ``catalog-corrupt``.
    """
    connection, held = handle.connection, handle.held
    # before anything is asked: another database may answer later questions
    turn, turn_of_rebuilt = held.turn, handle.rebuilt.turn
    found, doubtful, wanted = held.look_up(index, dict.fromkeys(projects), generation)
    for names in batches(doubtful):
        names += held.others_in_doubt(index, doubtful, generation, BATCH - len(names))
        rows = connection.rows(expand(_STATES, len(names)), (generation, index, *names))
        seen = {name: first for name, first in rows if first is not None}
        confirmed = held.confirm(index, seen, names, generation, turn)
        found.update((name, confirmed[name]) for name in doubtful if name in confirmed)
    if doubtful:
        known, changed, dropped = held.look_up(index, [name for name in doubtful if name not in found], generation)
        found.update(known)
        wanted += changed + dropped
    for names in batches(wanted):
        missing = dict.fromkeys(names)
        for name, project_id, first, body in connection.rows(expand(_PAGES, len(names)), (generation, index, *names)):
            page, size = _page(handle, index, name, project_id, first, body, turn_of_rebuilt)
            held.hold(index, name, page, first, generation, size, turn)
            found[name] = page
            del missing[name]
        for name in missing:
            held.hold(index, name, None, 0, generation, 0, turn)
    handle.rebuilt.keep_due(handle)
    return found


def _page(
    handle: CatalogHandle, index: str, project: NormalizedName, project_id: int, generation: int, body: Any, turn: int
) -> tuple[Page, int]:
    """Return a page and the bytes of its body."""
    if body is None:
        from .load import load_state
        from .page import build_page

        stored = load_state(handle.connection, project_id, index, project, generation)
        body = encode_page(build_page(stored.state, stored.file_ids))
        handle.rebuilt.add(project_id, generation, body, turn)
    try:
        page = decode_page(body)
    except ValueError as error:
        raise corrupt(handle.location, f"page of {project}: {error}") from error
    if (page.index, page.project) != (index, project):
        raise corrupt(handle.location, f"the page of {project} is that of {page.project}")
    return page, len(body)


class RebuiltPages:
    """Pages that a migration dropped and a reader built again, until they are written to the catalog.

    Writing is a favour to the next reader: it does not wait for others who write, and no read fails for it.

    :ivar turn: counts how often everything was let go: what was built before that is not kept.
    """

    def __init__(self) -> None:
        self.turn = 0
        self._guard = threading.Lock()
        self._waiting: dict[tuple[int, int], bytes] = {}
        self._size = 0
        self._due = 0.0

    def add(self, project_id: int, generation: int, body: bytes, turn: int) -> None:
        """Take the body of one page, unless too much waits already.

        :param turn: :attr:`turn` when the catalog was asked.
        """
        with self._guard:
            if turn != self.turn:
                return
            if not self._waiting:
                self._due = max(self._due, time.monotonic() + _SECONDS_TOGETHER)
            if self._size + len(body) <= _MOST_WAITING and (project_id, generation) not in self._waiting:
                self._waiting[project_id, generation] = body
                self._size += len(body)

    def keep_due(self, handle: CatalogHandle) -> None:
        """Write what waits where it has waited for a while."""
        if self._waiting and time.monotonic() >= self._due:
            self.keep(handle)

    def keep(self, handle: CatalogHandle) -> None:
        """Write what waits, in one transaction; where that cannot be now, it waits for a later time."""
        with self._guard:
            waiting, self._waiting, self._size = self._waiting, {}, 0
            turn = self.turn
        if not waiting or handle.readonly:
            return
        from .engine import keep_pages

        rows = [{"project_id": p, "generation": g, "body": body} for (p, g), body in waiting.items()]
        try:
            keep_pages(handle.location, rows)
        except MachError:
            self._due = time.monotonic() + _SECONDS_AFTER_FAILURE
            for (project_id, generation), body in waiting.items():
                self.add(project_id, generation, body, turn)

    def clear(self) -> None:
        """Let go of everything: the ids may be those of other projects by now."""
        with self._guard:
            self._waiting, self._size = {}, 0
            self.turn += 1
