"""What the service answered before: the last answers in this process, all others in the catalog."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from cachetools import LRUCache

from db.resolutions import Run, load, recall, remember
from resolver.direct import is_direct, is_fixed
from resolver.errors import MachError
from resolver.nixpkgs_index import is_nixpkgs_index

from .gathering import batches
from .question import Question
from .resolution import Answer, Resolution

if TYPE_CHECKING:
    from db.catalog import CatalogHandle

__all__ = ["Memory"]

_LOG = logging.getLogger("mach.memory")
#: Bytes of answers, and of their other forms, that this process holds.
_BYTES = 64 << 20
#: Answers that wait to be written to the catalog; more are not remembered.
_WAITING = 1_000
#: Seconds after which an answer is surely in the catalog.
_WRITTEN_AFTER = 10.0
#: Answers that are written in one transaction.
_TOGETHER = 64
#: Seconds until they are: who is being answered would wait for the interpreter meanwhile.
_BEHIND = 0.05


class Memory:
    """Remembers answers. Use it as a context manager; safe to share between threads.

    What was answered is written behind the answer: who is told of a permanent link finds
    it in this process until it is in the catalog, and after a crash the same question
    gives the same id again.

    :param most: resolutions that the catalog keeps.
    :param max_age: seconds for which a page counts as fresh, where the service fetches.
    """

    def __init__(self, catalog: CatalogHandle, *, most: int, max_age: int) -> None:
        self._catalog = catalog
        self._most = most
        self._max_age = max_age
        self._guard = threading.Lock()
        self._held: LRUCache[str, Resolution] = LRUCache(_BYTES, getsizeof=lambda held: held.size)
        self._forms: LRUCache[tuple[str, str, str | None, str | None], bytes] = LRUCache(
            _BYTES, getsizeof=_size_of_form
        )
        #: By question, generation, and the catalog's turn: a database that comes back may be another one.
        self._answers: LRUCache[tuple[str, int, int], tuple[str, float]] = LRUCache(100_000)
        self._waiting: queue.Queue[tuple[Question, Answer, int] | None] = queue.Queue(_WAITING)
        self._writer = threading.Thread(target=self._write, daemon=True, name="memory")
        self._writer.start()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)
        self._writer.join(30)

    def recall(self, question: Question) -> Resolution | None:
        """Return what *question* was answered before, None where that is unknown or may be different by now.

        :raises DataError: ``catalog-corrupt``.
        :raises Unavailable: where the database cannot be reached.
        """
        key = question.key, question.generation, self._catalog.turn
        with self._guard:
            known, at = self._answers.get(key, ("", 0.0))
            held = self._held.get(known)
        # where pages grow old, the catalog tells their age, but it may not have the answer yet
        if held is not None and (not question.fill or time.monotonic() - at < _WRITTEN_AFTER):
            return held
        since = int(time.time()) - self._max_age if question.fill else None
        found = recall(self._catalog, *key[:2], checked_since=since, never_old=_never_changes)
        if found is None:
            return None
        resolution = Resolution.of_bytes(found[1])
        with self._guard:
            self._answers[key] = found[0], 0.0
            self._hold(resolution)
        return resolution

    def load(self, resolution: str) -> Resolution | None:
        """Return the resolution with this id, None where it is unknown.

        :raises DataError: ``catalog-corrupt``.
        :raises Unavailable: where the database cannot be reached.
        """
        with self._guard:
            held = self._held.get(resolution)
        if held is None:
            body = load(self._catalog, resolution)
            if body is None:
                return None
            held = Resolution.of_bytes(body)
            with self._guard:
                self._hold(held)
        return held

    def keep(self, question: Question, answer: Answer) -> None:
        """Remember *answer*, now in this process and soon in the catalog."""
        turn = self._catalog.turn
        with self._guard:
            self._hold(answer.resolution)
            self._answers[question.key, answer.generation, turn] = answer.resolution.id, time.monotonic()
        try:
            self._waiting.put_nowait((question, answer, turn))
        except queue.Full:
            _LOG.warning("an answer is not remembered: %s wait to be written already", _WAITING)

    def form(self, resolution: str, form: str, system: str | None, python: str | None) -> bytes | None:
        """Return the form of a resolution that was given before, None where that is not at hand."""
        with self._guard:
            return self._forms.get((resolution, form, system, python))

    def keep_form(self, resolution: str, form: str, system: str | None, python: str | None, body: bytes) -> None:
        """Remember the form of a resolution."""
        if _size_of_form(body) <= _BYTES:
            with self._guard:
                self._forms[resolution, form, system, python] = body

    def _hold(self, resolution: Resolution) -> None:
        if resolution.size <= _BYTES:
            self._held[resolution.id] = resolution

    def _write(self) -> None:
        for together in batches(self._waiting, _TOGETHER, _BEHIND):
            try:
                runs = [_run(question, answer) for question, answer, turn in together if turn == self._catalog.turn]
                remember(self._catalog, runs, most=self._most)
            except MachError as error:
                _LOG.warning("%s answers are not remembered: %s", len(together), error.message)
            except Exception:
                _LOG.exception("%s answers are not remembered", len(together))


def _never_changes(index: str) -> bool:
    """Return whether what *index* says is named by a hash or a commit, so that nobody asks for it again."""
    return is_nixpkgs_index(index) or (is_direct(index) and is_fixed(index))


def _size_of_form(body: bytes) -> int:
    """Return the bytes of memory that a form takes with its place, about: an empty one takes some as well."""
    return 500 + len(body)


def _run(question: Question, answer: Answer) -> Run:
    return Run(
        request=question.key,
        generation=answer.generation,
        resolution=answer.resolution.id,
        body=answer.resolution.to_bytes(),
        reads=answer.reads,
    )
