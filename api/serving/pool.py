"""Worker processes: each resolves one question at a time, and is replaced where it takes too long or dies.

Each has a pipe of its own: several workers at one pipe take turns by a lock, which a worker that is killed may hold for
ever, and what it had begun to write would be read as the beginning of the next answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from resolver.errors import Unavailable

from . import worker
from .limits import WorkerSettings
from .question import Question
from .resolution import Answer

__all__ = ["Pool"]

_LOG = logging.getLogger("mach.pool")
_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Modules that the process has loaded from which workers are forked: a new one is there at once.
_PRELOADED = ["api.serving.worker", "db.engine"]
#: Questions after which a worker is replaced: what leaks is bounded.
_TASKS_OF_A_WORKER = 5_000
#: A worker that dies under a question may have been killed by someone: the question is asked once more.
_TRIES = 2
#: Seconds after which it is looked whether who works on a question still is there.
_SECONDS_BETWEEN_LOOKS = 1.0


class Pool:
    """Worker processes over one catalog, for one event loop. Use it as a context manager.

    :param workers: how many.
    """

    def __init__(self, workers: int, settings: WorkerSettings) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self.workers = workers
        self._limits = settings.limits
        self._waiting = 0
        self.replaced: Counter[str] = Counter()
        """Workers that were replaced under a question: ``overrun``, ``too-large`` or ``died``."""
        self._make = partial(
            ProcessPool,
            max_workers=1,
            max_tasks=_TASKS_OF_A_WORKER,
            initializer=worker.prepare,
            initargs=(settings,),
            context=context,
        )
        # who worked last is asked first: it has the most in memory
        self._free: asyncio.LifoQueue[ProcessPool] = asyncio.LifoQueue()
        self._all: set[ProcessPool] = set()
        self._started: set[ProcessPool] = set()
        for _ in range(workers):
            self._add()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.stop()  # type: ignore[no-untyped-call]  # pebble has no types
        for one in self._all:
            with contextlib.suppress(TimeoutError):  # what a killed worker left behind
                one.join(20)
        self._all.clear()

    def _add(self) -> None:
        one = self._make()
        self._all.add(one)
        self._free.put_nowait(one)

    def _replace(self, one: ProcessPool) -> None:
        """Have another worker in the place of one that died, or that may be in the middle of something."""
        self._all.discard(one)
        self._started.discard(one)
        self._add()
        try:
            threading.Thread(target=_end, args=(one,), daemon=True, name="ends-worker").start()
        except RuntimeError:  # the system starts no more threads now
            one.stop()  # type: ignore[no-untyped-call]  # pebble has no types

    @property
    def most_waiting(self) -> int:
        """Questions that may be here at once."""
        return self._limits.waiting

    @property
    def waiting(self) -> int:
        """Questions that workers have, or that wait for one."""
        return self._waiting

    async def resolve(self, question: Question) -> Answer:
        """Return the answer to *question*.

        :raises MachError: what :func:`api.serving.worker.resolve` raises.
        :raises Unavailable: ``service-busy``, ``resolution-too-long``, ``resolution-too-large``, ``worker-lost``.
        """
        return await self._run(worker.resolve_sent, pickle.dumps(question))

    async def render(self, lock: str, form: str, system: str | None = None, python: str | None = None) -> bytes:
        """Return the text of a lock in another form (:func:`api.serving.worker.render_form`).

        :raises InputError: ``not-in-lock``.
        :raises Unavailable: as :meth:`resolve`.
        """
        return await self._run(worker.render_form, lock, form, system, python)

    async def _run(self, function: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        if self._waiting >= self._limits.waiting:
            raise Unavailable(
                "service-busy", f"{self._waiting} requests wait already", hint="ask again in a few seconds"
            )
        self._waiting += 1
        try:
            for left in reversed(range(_TRIES)):
                try:
                    return await self._run_once(function, *arguments, **named)
                except (BrokenProcessPool, ProcessExpired) as error:
                    self.replaced["died"] += 1
                    if not left:
                        raise Unavailable(
                            "worker-lost",
                            "the process that worked on the request ended, twice",
                            hint="ask for less at once; the service's operator finds more in its log",
                        ) from error
                except MemoryError as error:
                    self.replaced["too-large"] += 1
                    raise Unavailable(
                        "resolution-too-large",
                        "the resolution takes more memory than this service gives to one",
                        hint="ask for less at once, or pin more versions",
                    ) from error
                except TimeoutError as error:
                    self.replaced["overrun"] += 1
                    raise Unavailable(
                        "resolution-too-long",
                        f"there was no answer after {self._limits.seconds:g} seconds",
                        hint="ask for less at once, or pin more versions; what was fetched is kept",
                    ) from error
            raise AssertionError("the last try returns or raises")
        finally:
            self._waiting -= 1

    async def _run_once(self, function: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        one = await self._idle()
        try:
            try:
                scheduled = one.schedule(function, args=arguments, kwargs=named, timeout=self._limits.seconds)
            except RuntimeError as error:  # it has died since it was looked at
                raise BrokenProcessPool(str(error)) from error
            answer = await _result(one, scheduled)
        # a process that had no memory left may have none for the next question either
        except (BrokenProcessPool, ProcessExpired, MemoryError, TimeoutError, asyncio.CancelledError):
            self._replace(one)
            raise
        except BaseException:
            self._free.put_nowait(one)
            raise
        self._free.put_nowait(one)
        return answer

    async def _idle(self) -> ProcessPool:
        """Return a worker that has nothing to do; who died meanwhile is replaced.

        :raises Unavailable: ``system-error`` where none can be started now.
        """
        while True:
            one = await self._free.get()
            try:
                if one not in self._started:
                    # the first one waits until the modules are loaded from which workers are forked
                    await asyncio.to_thread(getattr, one, "active")
                    self._started.add(one)
                if one.active:
                    return one
            except BrokenProcessPool:
                self._replace(one)
                raise
            except (OSError, RuntimeError) as error:
                self._replace(one)
                _LOG.exception("no worker could be started")
                raise Unavailable(
                    "system-error",
                    f"no process to resolve in could be started: {error}",
                    hint="ask again in a few seconds; the service's operator finds more in its log",
                ) from error
            except BaseException:  # whoever asked went away: the place is not lost
                self._replace(one)
                raise
            self._replace(one)


async def _result(one: ProcessPool, scheduled: Future[_T]) -> _T:
    """Return what a worker was asked for.

    :raises BrokenProcessPool: where it died just when it was asked: pebble then ends the question neither with an
        answer nor in time.
    """
    waiting = asyncio.wrap_future(scheduled)
    while not (await asyncio.wait({waiting}, timeout=_SECONDS_BETWEEN_LOOKS))[0]:
        if not one.active and not scheduled.done():
            raise BrokenProcessPool("the worker died when it was asked")
    return waiting.result()


def _end(one: ProcessPool) -> None:
    one.stop()  # type: ignore[no-untyped-call]  # pebble has no types
    with contextlib.suppress(TimeoutError):
        one.join(60)
