"""The service's log: one line for each event, as JSON for programs or as text for a terminal."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resolver.errors import printable, shorten

__all__ = ["JsonFormatter", "PlainFormatter", "configuration", "write_event"]

#: Characters of a message.
_LONGEST = 2_000


def write_event(logger: logging.Logger, event: str, **values: object) -> None:
    """Write a line about *event*, with *values* as members of its own.

    :param values: no text of a request: what a client wrote has no place in a log.
    """
    logger.info(event, extra={"values": values})


def configuration(form: str) -> dict[str, Any]:
    """Return how this process shall log, as :func:`logging.config.dictConfig` takes it: all of it to stderr.

    The standard library's logging is what uvicorn, urllib3 and every module of ours speak: another one would only
    stand beside it for the one formatter that is needed.

    :param form: ``json``, lines for programs, or ``plain``, lines for people.
    """
    formatter = {"json": JsonFormatter, "plain": PlainFormatter}[form]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "mach.access": {"level": "INFO"},
            "uvicorn": {"level": "INFO"},
            # its warnings quote the paths that it asks an index for, which say what a request asked for
            "urllib3": {"level": "ERROR"},
        },
    }


class _Formatter(logging.Formatter):
    def _values(self, record: logging.LogRecord) -> dict[str, object]:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": shorten(printable(record.getMessage()), _LONGEST),
            **getattr(record, "values", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            values["exception"] = list(_frames(record.exc_info[1]))
        return values


class JsonFormatter(_Formatter):
    """Writes a record as one line of JSON, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(self._values(record), default=str)


class PlainFormatter(_Formatter):
    """Writes a record as one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the frames of an exception in lines of their own."""
        values = self._values(record)
        frames: Any = values.pop("exception", [])
        at, level, _, event = (values.pop(name) for name in ("time", "level", "logger", "event"))
        members = [f"{name}={printable(str(value))}" for name, value in values.items() if value is not None]
        return "\n".join([" ".join([f"{at} {level}: {event}", *members]), *(f"  {frame}" for frame in frames)])


def _frames(error: BaseException) -> Iterator[str]:
    """Yield what was raised, and where; not what it said, which may quote a request.

    An exception comes before those that it was raised from.
    """
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield f"{type(at).__module__}.{type(at).__qualname__}"
        for frame in traceback.extract_tb(at.__traceback__)[-20:]:
            yield f"at {'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
