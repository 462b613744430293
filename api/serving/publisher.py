"""One writer for all worker processes: what they fetch at the same time becomes one generation."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import TYPE_CHECKING, Any

from db.writer import publish
from resolver.errors import MachError, Unavailable

from .gathering import batches
from .limits import refuse_rate

if TYPE_CHECKING:
    from db.catalog import CatalogHandle
    from db.facts import Fact

__all__ = ["Publisher", "RemotePublisher"]

_LOG = logging.getLogger("mach.publisher")
#: Batches of facts that are published together at most.
_MOST_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class _Spending:
    client: str
    count: int
    is_made: bool
    """The fetches are made already: nobody is asked."""


@dataclass(slots=True)
class _Batch:
    facts: Sequence[Fact]
    done: threading.Event
    answer: int | MachError = 0


class Publisher:
    """Takes facts from worker processes over a socket, and publishes what has gathered meanwhile.

    A batch that cannot be stored together with others is stored alone, so that one wrong
    fact costs only those who sent it. Use it as a context manager.

    :param spend: takes so many fetches of what a client may have; returns 0, or seconds to wait where it has too few.
    :param charge: takes them whatever it may have.
    """

    def __init__(
        self,
        catalog: CatalogHandle,
        *,
        spend: Callable[[str, int], float] = lambda *_: 0.0,
        charge: Callable[[str, int], object] = lambda *_: None,
    ) -> None:
        self._catalog = catalog
        self._spend = spend
        self._charge = charge
        self._folder = tempfile.mkdtemp(prefix="mach-publisher-")
        self.address = os.path.join(self._folder, "socket")  # noqa: PTH118 - a Listener takes text
        self.key = secrets.token_bytes(32)
        self._listener = Listener(self.address, "AF_UNIX", backlog=64)
        self._ending = False
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._count = 0
        self._writer = threading.Thread(target=self._write, daemon=True, name="publisher")
        self._writer.start()
        self._door = threading.Thread(target=self._accept, daemon=True, name="publisher-door")
        self._door.start()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        # a socket that is closed wakes nobody who waits at it, and its number soon is another socket's
        with contextlib.suppress(OSError), Client(self.address, "AF_UNIX"):
            self._door.join(30)
        self._listener.close()
        self._waiting.put(None)
        self._writer.join(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def waiting(self) -> int:
        """Batches that are being written, or that wait to be."""
        return self._count

    def _add(self, number: int) -> None:
        with self._guard:
            self._count += number

    def _accept(self) -> None:
        while not self._ending:
            connection = None
            try:
                connection = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError):  # no more file descriptors, no more threads
                _LOG.exception("a worker could not be heard")
                if connection is not None:
                    connection.close()  # it is told at once, and asks again
                time.sleep(0.1)

    def _serve(self, connection: Connection[Any, Any]) -> None:
        with connection, contextlib.suppress(EOFError, OSError):  # a worker that ends hangs up
            try:
                deliver_challenge(connection, self.key)
                answer_challenge(connection, self.key)
            except AuthenticationError:
                _LOG.warning("somebody without the key knocked at the publisher")
                return
            while True:
                received = connection.recv()
                if isinstance(received, _Spending):
                    if received.is_made:
                        self._charge(received.client, received.count)
                        connection.send(0.0)
                    else:
                        connection.send(self._spend(received.client, received.count))
                    continue
                batch = _Batch(received, threading.Event())
                self._waiting.put(batch)
                self._add(1)  # afterwards: who sees the count finds the batch in the queue
                batch.done.wait()
                self._add(-1)
                connection.send(batch.answer)

    def _write(self) -> None:
        for together in batches(self._waiting, _MOST_TOGETHER):
            self._store(together)

    def _store(self, together: Sequence[_Batch]) -> None:
        try:
            number = publish(self._catalog, [fact for batch in together for fact in batch.facts])
        except Exception as error:
            if len(together) > 1:
                for batch in together:
                    self._store([batch])
                return
            if not isinstance(error, MachError):
                _LOG.exception("facts could not be stored")
                error = Unavailable("system-error", "facts could not be stored", hint="the service's log tells more")
            together[0].answer = error
        else:
            for batch in together:
                batch.answer = number
        for batch in together:
            batch.done.set()


class RemotePublisher:
    """The publisher as a worker process sees it.

    :param address: of a :class:`Publisher`.
    """

    def __init__(self, address: str, key: bytes) -> None:
        self._address = address
        self._key = key
        self._connection: Connection[Any, Any] | None = None

    def __call__(self, facts: Sequence[Fact]) -> int:
        """Have *facts* published and return the newest generation's number.

        :raises MachError: what :func:`db.writer.publish` raises.
        :raises Unavailable: ``service-ending`` where the publisher is gone.
        """
        answer = self._ask(tuple(facts))
        if isinstance(answer, MachError):
            raise answer
        return int(answer)

    def spend(self, client: str, count: int) -> None:
        """Take *count* fetches of what *client* may have.

        :raises InputError: ``rate-limited``.
        :raises Unavailable: as for facts.
        """
        if wait := self._ask(_Spending(client, count, is_made=False)):
            raise refuse_rate(float(wait), "facts to fetch for requests")

    def charge(self, client: str, count: int) -> None:
        """Take *count* fetches that were made already of what *client* may have.

        :raises Unavailable: as for facts.
        """
        self._ask(_Spending(client, count, is_made=True))

    def _ask(self, value: object) -> Any:
        try:
            if self._connection is None:
                self._connection = Client(self._address, "AF_UNIX", authkey=self._key)
            self._connection.send(value)
            return self._connection.recv()
        except (OSError, EOFError) as error:
            self._connection = None
            raise Unavailable(
                "service-ending", "the service is being restarted", hint="ask again in a few seconds"
            ) from error
