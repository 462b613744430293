"""The tree of errors that mach shows to people.

::

    MachError
    ├── InputError     the request is wrong (bad requirement, unknown option)
    ├── NoSolution     the request is fine and cannot be met
    ├── LockOutdated   the lock does not satisfy the request any more
    ├── DataError      the catalog is missing, corrupt, or does not cover the request
    └── Unavailable    network, Nix or database cannot be used now

Anything else that escapes is a bug.  A family fixes the exit code and the HTTP
status (:data:`EXIT_CODES`, :data:`HTTP_STATUS`); ``code`` is kebab-case, stable,
and names a section of ``docs/reference/errors.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

__all__ = [
    "EXIT_BUG",
    "EXIT_CODES",
    "HTTP_STATUS",
    "DataError",
    "InputError",
    "LockOutdated",
    "MachError",
    "NoSolution",
    "Unavailable",
    "printable",
    "shorten",
]


def printable(text: str) -> str:
    """Return *text* with every character that could steer a terminal written as an escape.

    Names, versions and URLs come from strangers; control characters, lone
    surrogates and bidirectional overrides must reach a terminal only as visible text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def shorten(text: str, most: int = 200) -> str:
    """Return *text* for a message: its first *most* characters, with an ellipsis where there are more."""
    return text if len(text) <= most else text[:most] + "…"


class MachError(Exception):
    """An error with a stable code, one sentence, facts, and the next step.

    :param code: kebab-case name, stable across releases, documented.
    :param message: what happened, to which input, without a full stop at the end.
    :param context: lines that add facts (origin of the requirement, what is known).
    :param hint: what to do next.
    :param details: values for programs; shown with ``--json`` and over HTTP.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        context: Iterable[str] = (),
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = printable(message)
        self.context = tuple(printable(line) for line in context)
        self.hint = None if hint is None else printable(hint)
        self.details: Mapping[str, object] = MappingProxyType(dict(details or {}))

    def __reduce__(self) -> tuple[object, ...]:
        values = {"context": self.context, "hint": self.hint, "details": dict(self.details)}
        return _rebuild, (type(self), self.code, self.message, values)

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        lines += [f"  {line}" for line in self.context]
        if self.hint is not None:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the error of this family that :meth:`to_json` gave."""
        return cls(
            value["code"],
            value["message"],
            context=value["context"],
            hint=value["hint"],
            details=value.get("details"),
        )

    def to_json(self) -> dict[str, object]:
        """Return the error as plain JSON values: code, message, context, hint, details."""
        return {
            "code": self.code,
            "message": self.message,
            "context": list(self.context),
            "hint": self.hint,
            **({"details": dict(self.details)} if self.details else {}),
        }


def _rebuild(family: type[MachError], code: str, message: str, values: Mapping[str, Any]) -> MachError:
    """Return an error that came from another process."""
    return family(code, message, **values)


class InputError(MachError):
    """The request itself is wrong."""


class NoSolution(MachError):
    """The request is understood and cannot be met."""


class LockOutdated(MachError):
    """A lock does not satisfy the request."""


class DataError(MachError):
    """The catalog is missing, corrupt, or does not cover the request."""


class Unavailable(MachError):
    """The network, Nix or the database cannot be used now."""


#: Exit code of the command line by family.
EXIT_CODES: Mapping[type[MachError], int] = MappingProxyType(
    {NoSolution: 1, LockOutdated: 1, InputError: 2, DataError: 3, Unavailable: 3}
)
#: Exit code for anything that is not a :class:`MachError`.
EXIT_BUG = 70
#: HTTP status by family.
HTTP_STATUS: Mapping[type[MachError], int] = MappingProxyType(
    {NoSolution: 422, LockOutdated: 409, InputError: 400, DataError: 424, Unavailable: 503}
)
