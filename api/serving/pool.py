"""Worker processes: each resolves one question at a time, and is replaced where it takes too long or dies."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from resolver.errors import Unavailable

from . import worker
from .limits import WorkerSettings
from .question import Question
from .resolution import Answer

__all__ = ["Pool"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Modules that the process has loaded from which workers are forked: a new one is there at once.
_PRELOADED = ["api.serving.worker", "db.engine"]
#: Questions after which a worker is replaced: what leaks is bounded.
_TASKS_OF_A_WORKER = 5_000
#: A worker that dies under a question may have been killed by someone: the question is asked once more.
_TRIES = 2


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
        """Workers that were replaced under a question: ``overrun`` or ``died``."""
        self._pool = ProcessPool(
            max_workers=workers,
            max_tasks=_TASKS_OF_A_WORKER,
            initializer=worker.prepare,
            initargs=(settings,),
            context=context,
        )

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types
        self._pool.join(20)

    @property
    def waiting(self) -> int:
        """Questions that workers have, or that wait for one."""
        return self._waiting

    async def resolve(self, question: Question) -> Answer:
        """Return the answer to *question*.

        :raises MachError: what :func:`api.serving.worker.resolve` raises.
        :raises Unavailable: ``service-busy``, ``resolution-too-long``, ``worker-lost``.
        """
        return await self._run(worker.resolve, question)

    async def render(self, lock: str, form: str, system: str | None = None) -> bytes:
        """Return the text of a lock in another form (:func:`api.serving.worker.render_form`).

        :raises InputError: ``not-in-lock``.
        :raises Unavailable: as :meth:`resolve`.
        """
        return await self._run(worker.render_form, lock, form, system)

    async def _run(self, function: Callable[_P, _T], *arguments: _P.args, **_: _P.kwargs) -> _T:
        if self._waiting >= self._limits.waiting:
            raise Unavailable(
                "service-busy", f"{self._waiting} requests wait already", hint="ask again in a few seconds"
            )
        self._waiting += 1
        try:
            for left in reversed(range(_TRIES)):
                scheduled = self._pool.schedule(function, args=list(arguments), timeout=self._limits.seconds)
                try:
                    answer: _T = await asyncio.wrap_future(scheduled)
                    return answer
                except ProcessExpired as error:
                    self.replaced["died"] += 1
                    if not left:
                        raise Unavailable(
                            "worker-lost",
                            "the process that worked on the request ended, twice",
                            hint="ask for less at once; the service's operator finds more in its log",
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
