"""What one process of the service holds while it runs: its catalog, its workers, its memory."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from fastapi import Request as HttpRequest

from api.serving.answers import Answers
from api.serving.exports import Exports
from api.serving.limits import Limits, WorkerSettings
from api.serving.memory import Memory
from api.serving.pool import Pool
from api.serving.publisher import Publisher
from crawler.settings import IndexSettings
from db.catalog import CatalogHandle, open_catalog
from resolver.errors import Unavailable

from .budgets import Budget
from .settings import ServiceSettings

__all__ = ["State", "open_state", "state_of"]

_LOG = logging.getLogger("mach.http")


class State:
    """The service while it runs.

    :ivar settings: what its operator decided.
    :ivar indexes: the operator's indexes.
    :ivar catalog: for reading and for writing.
    :ivar answers: answers questions.
    :ivar exports: files of snapshots.
    """

    __slots__ = ("answers", "catalog", "exports", "indexes", "settings")

    def __init__(
        self,
        settings: ServiceSettings,
        indexes: IndexSettings,
        catalog: CatalogHandle,
        answers: Answers,
        exports: Exports,
    ) -> None:
        self.settings = settings
        self.indexes = indexes
        self.catalog = catalog
        self.answers = answers
        self.exports = exports


@contextlib.contextmanager
def open_state(settings: ServiceSettings) -> Iterator[State]:
    """Yield the service, and end its processes afterwards.

    :raises MachError: what :func:`db.catalog.open_catalog` raises.
    """
    indexes = settings.indexes()
    limits = Limits(
        seconds=settings.most_seconds,
        memory=settings.most_memory << 20,
        facts=settings.most_facts,
        waiting=settings.most_waiting,
    )
    with contextlib.ExitStack() as stack:
        catalog = stack.enter_context(_open(settings.db))
        facts = Budget(settings.facts_per_minute)
        publisher = stack.enter_context(Publisher(catalog, spend=facts.spend, charge=facts.charge))
        memory = stack.enter_context(Memory(catalog, most=settings.most_resolutions, max_age=settings.max_age))
        worker = WorkerSettings(
            db=settings.db,
            indexes=indexes,
            limits=limits,
            max_age=settings.max_age,
            publisher=publisher.address,
            key=publisher.key,
            log=settings.log,
        )
        pool = stack.enter_context(Pool(settings.workers, worker))
        exports = stack.enter_context(Exports(catalog))
        yield State(settings, indexes, catalog, Answers(pool, memory), exports)


def _open(db: str | None) -> CatalogHandle:
    """Open the catalog; where its database is away for now, that is told with each answer until it is back."""
    try:
        return open_catalog(db)
    except Unavailable as error:
        _LOG.warning("%s", error)
        return open_catalog(db, checked=True)


def state_of(request: HttpRequest) -> State:
    """Return the service that *request* reached."""
    found: State = request.app.state.mach
    return found
