"""The answers of the service: remembered ones, those that are being worked out, and new ones."""

from __future__ import annotations

import asyncio
from collections import Counter

from resolver.errors import MachError, Unavailable

from .memory import Memory
from .pool import Pool
from .question import Question
from .resolution import Answer, Resolution

__all__ = ["Answered", "Answers"]

#: Of so many places one client may have one.
_SHARE_OF_A_CLIENT = 4
#: What two questions have in common that one run answers.
_Place = tuple[str, int, bool, bool]


class Answered:
    """A resolution, and what was done for it.

    :ivar resolution: the answer.
    :ivar how: ``remembered``, ``shared`` with the same question of somebody else, or ``resolved``.
    :ivar statistics: what the run did; empty where there was none.
    """

    __slots__ = ("how", "resolution", "statistics")

    def __init__(self, resolution: Resolution, how: str, answer: Answer | None = None) -> None:
        self.resolution = resolution
        self.how = how
        self.statistics = {} if answer is None else answer.statistics


class Answers:
    """Answers questions; the same question at the same time is worked out once.

    :param pool: the workers.
    :param memory: what was answered before.
    """

    def __init__(self, pool: Pool, memory: Memory) -> None:
        self.pool = pool
        self.memory = memory
        self.counts: Counter[str] = Counter()
        """How questions were answered, by the values of :attr:`Answered.how`, and ``failed``."""
        self._flying: dict[_Place, asyncio.Task[Answer]] = {}
        self._of_clients: Counter[str] = Counter()

    async def answer(self, question: Question, known: Resolution | None) -> Answered:
        """Return the answer to *question*.

        :param known: what :attr:`memory` recalls of it.
        :raises MachError: what :meth:`.pool.Pool.resolve` raises.
        """
        try:
            found = Answered(known, "remembered") if known is not None else await self._fly(question)
        except MachError:
            self.counts["failed"] += 1
            raise
        self.counts[found.how] += 1
        return found

    async def _fly(self, question: Question) -> Answered:
        place = (question.key, question.generation, question.fill, question.builds)
        task = self._flying.get(place)
        how = "shared"
        if task is None:
            how = "resolved"
            self._refuse_more(question.client)
            task = asyncio.create_task(self._work(question))
            self._flying[place] = task
            self._of_clients[question.client] += 1
            task.add_done_callback(lambda _: self._land(place, question.client))
        try:
            # who goes away must not end the work that others wait for
            answer = await asyncio.shield(task)
        except MachError as error:
            if error.code == "rate-limited" and how == "shared":
                return await self._fly(question)  # somebody else had used up what they may have fetched
            raise
        return Answered(answer.resolution, how, answer)

    def _refuse_more(self, client: str) -> None:
        """Keep places for others: who hangs up leaves questions behind, which are worked out all the same.

        :raises Unavailable: ``service-busy``.
        """
        most = max(1, self.pool.most_waiting // _SHARE_OF_A_CLIENT)
        if self._of_clients[client] >= most:
            raise Unavailable(
                "service-busy",
                f"{most} of your requests are being worked on already",
                hint="ask again in a few seconds",
            )

    def _land(self, place: _Place, client: str) -> None:
        self._flying.pop(place, None)
        self._of_clients[client] -= 1
        if not self._of_clients[client]:
            del self._of_clients[client]

    async def _work(self, question: Question) -> Answer:
        answer = await self.pool.resolve(question)
        if answer.lasting:
            self.memory.keep(question, answer)
        return answer

    async def form(
        self, resolution: Resolution, form: str, system: str | None = None, python: str | None = None
    ) -> bytes:
        """Return the lock of *resolution* in a form of :data:`api.serving.forms.FORMS`.

        :param system: with *python*, which of its targets: :func:`api.serving.forms.render`.
        :raises NoSolution: where it has none.
        :raises InputError: ``not-in-lock``.
        :raises Unavailable: where no worker can write it.
        """
        if resolution.lock is None:
            assert resolution.failure is not None, "a resolution has a lock or a problem"
            raise resolution.failure
        if form == "lock":
            return resolution.lock.encode()
        body = self.memory.form(resolution.id, form, system, python)
        if body is None:
            body = await self.pool.render(resolution.lock, form, system, python)
            self.memory.keep_form(resolution.id, form, system, python, body)
        return body
