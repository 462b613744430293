"""What runs in a worker process: resolving one question after the other on an open catalog."""

from __future__ import annotations

import gc
import logging
import logging.config
import os
import pickle
import resource
import signal
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from api.filling import Filling
from api.notices import Notices
from api.service import resolve_with
from db.catalog import CatalogHandle, open_catalog
from resolver.errors import printable
from resolver.lock_reader import read_lock
from resolver.lock_request import request_to_json
from resolver.statistics import Statistics

from .forms import render
from .journal import configuration
from .lifeline import end_with_parent
from .limits import WorkerSettings
from .publisher import RemotePublisher
from .question import Question
from .resolution import Answer, resolution_of

__all__ = ["prepare", "render_form", "resolve", "resolve_sent"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LOG = logging.getLogger("mach.worker")
#: As for the command line: a resolution makes many values that live until its end.
_VALUES_BETWEEN_COLLECTIONS = 100_000


class _Worker:
    """The state of this process."""

    settings: WorkerSettings
    catalog: CatalogHandle
    publisher: RemotePublisher


def prepare(settings: WorkerSettings) -> None:
    """Set this process up: its limits, and the catalog that it keeps open.

    :raises DataError: what is wrong with the catalog.
    """
    # Ctrl-C in a terminal reaches every process; the one that serves ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(lambda: os._exit(0))
    logging.config.dictConfig(configuration(settings.log))
    gc.set_threshold(_VALUES_BETWEEN_COLLECTIONS)
    gc.freeze()
    soft = _address_space() + settings.limits.memory
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    _Worker.settings = settings
    _Worker.catalog = open_catalog(settings.db, checked=True)
    _Worker.publisher = RemotePublisher(settings.publisher, settings.key)


def _address_space() -> int:
    """Return the bytes of address space that this process has already; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - no path of anyone's
            return int(stream.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def resolve(question: Question) -> Answer:
    """Return the answer to *question*.

    :raises DataError: ``not-covered`` and what is wrong with the catalog.
    :raises Unavailable: ``too-much-to-fetch``; where an index or a database cannot be used.
    :raises MemoryError: where it takes more than this process may have.
    """
    settings, publisher, statistics = _Worker.settings, _Worker.publisher, Statistics()
    filling = Filling(
        handle=_Worker.catalog,
        settings=lambda: settings.indexes,
        notices=Notices(warn=_log_line),
        offline=not question.fill,
        max_age=settings.max_age,
        generation=None if question.fill else question.generation,
        statistics=statistics,
        builds=question.builds,
        most_facts=settings.limits.facts,
        spend=lambda count: publisher.spend(question.client, count),
        charge=lambda count: publisher.charge(question.client, count),
        publish=publisher,
    )
    try:
        outcome = resolve_with(filling, question.request, snapshot=question.snapshot, nixpkgs=question.nixpkgs)
    finally:
        filling.close()
    request = request_to_json(question.request) if outcome.lock is None else outcome.lock.request
    return Answer(
        resolution=resolution_of(question, request, outcome),
        generation=filling.generation_read,
        # why there is none is told with what else the catalog holds, which is not in the reading
        reads=None if outcome.lock is None else outcome.reading.pages_asked(),
        statistics=statistics.to_json(),
    )


def _letting_go(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Have *function* raise a MemoryError that holds none of what took the memory, where there is enough to send it.

    This process is of no use afterwards: it may take any memory.
    """

    @wraps(function)
    def guarded(*arguments: _P.args, **named: _P.kwargs) -> _T:
        try:
            return function(*arguments, **named)
        except MemoryError:
            pass
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        raise MemoryError

    return guarded


@_letting_go
def resolve_sent(question: bytes) -> Answer:
    """Return the answer to a pickled question.

    What cannot be read again is an error then, and not the end of the process that waits for its next question.

    :raises MachError: as :func:`resolve`.
    :raises MemoryError: as :func:`resolve`; this process must be replaced then.
    """
    return resolve(pickle.loads(question))  # noqa: S301 - the process that started this one wrote it


@_letting_go
def render_form(lock: str, form: str, system: str | None, python: str | None) -> bytes:
    """Return a lock in another form (:data:`api.serving.forms.FORMS`), as bytes to send.

    :param lock: text of a mach.lock that this service wrote.
    :param system: with *python*, which of its targets: :func:`api.serving.forms.render`.
    :raises InputError: ``not-in-lock``.
    :raises MemoryError: as :func:`resolve_sent`.
    """
    return render(read_lock(lock), form, system, python)


def _log_line(text: str) -> None:
    # requests and metadata are strangers' texts: a log is read on terminals
    _LOG.info("%s", printable(text))
