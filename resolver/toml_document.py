"""TOML text from a user's file: parsed within limits, with the lines where things stand, and typed look-ups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import InputError
from .requirements_options import redact

__all__ = ["TomlDocument", "describe_type", "parse_toml"]

#: Characters; the largest real lock files have about 4 million.
MAX_CHARACTERS = 32 * 2**20
#: Parts of a dotted key: the standard library's parser takes time quadratic in them.
_DEEP_KEY = re.compile(r"""^[ \t]*(?:\[[ \t\[]*)?(?:[\w"' \t-]{1,200}\.){64}""", re.MULTILINE)
_MARK = "\ufeff"

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "a text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "a table"),
)


def describe_type(value: object) -> str:
    """Return in words what kind of TOML value *value* is: ``a text``, ``a table``."""
    return next((words for kind, words in _TYPES if isinstance(value, kind)), "a date or time")


class TomlDocument:
    """A parsed file that can tell where its values stand.

    :ivar name: the file's name, for messages.
    :ivar table: the top-level table.
    """

    def __init__(self, name: str, text: str, table: Mapping[str, Any], first_line: int = 1) -> None:
        self.name = name
        self.table = table
        self._first_line = first_line
        self._lines = text.split("\n")
        self._literals: dict[str, list[int]] | None = None

    def place(self, path: str, literal: str | None = None) -> str:
        """Return where a value stands: ``pyproject.toml:12`` where its text tells, else ``pyproject.toml: PATH``.

        :param path: the keys that lead to it, ``project.dependencies``.
        :param literal: the value itself, where it is a text.
        """
        if literal is not None:
            if self._literals is None:
                self._literals = {}
                for number, line in enumerate(self._lines, self._first_line):
                    for match in re.finditer(r'"([^"\\]*)"|\'([^\']*)\'', line):
                        self._literals.setdefault(match[1] or match[2] or "", []).append(number)
            found = self._literals.get(literal, [])
            if len(found) == 1:
                return f"{self.name}:{found[0]}"
        return f"{self.name}: {path}"

    def headers(self, header: str, count: int) -> list[str]:
        """Return where the *count* tables of an array of tables begin.

        :param header: ``[[package]]``.
        """
        lines = [number for number, line in enumerate(self._lines, self._first_line) if line.strip() == header]
        if len(lines) != count:  # one stands in a text, or they are written in another way
            return [f"{self.name}: {header.strip('[]')}[{number}]" for number in range(count)]
        return [f"{self.name}:{line}" for line in lines]

    def refuse(self, place: str, message: str, hint: str | None = None) -> InputError:
        """Return the error that refuses the file for its form: ``invalid-file``."""
        return InputError("invalid-file", f"{place}: {message}", hint=hint or "see docs/reference/request-files.md")

    def get(self, kind: type, *path: str, at: Mapping[str, Any] | None = None, where: str | None = None) -> Any:
        """Return the value under the keys *path*, an empty one of its *kind* where it is missing.

        :param kind: ``str``, ``list``, ``dict`` or ``bool``.
        :param at: the table to begin at; None for the top.
        :param where: the place of *at*, for messages.
        :raises InputError: ``invalid-file`` where it, or a table on the way, is of another kind.
        """
        value: Any = self.table if at is None else at
        for number, key in enumerate(path, 1):
            if key not in value:
                return kind()
            value = value[key]
            wanted: type = kind if number == len(path) else dict
            if not isinstance(value, wanted):
                shown = ".".join(path[:number])
                raise self.refuse(
                    where or self.name,
                    f"{shown} is {describe_type(value)} and must be {describe_type(wanted())}",
                )
        return value

    def texts(self, *path: str, at: Mapping[str, Any] | None = None, where: str | None = None) -> list[str]:
        """Return the list of texts under *path*; empty where it is missing.

        :raises InputError: as :meth:`get`.
        """
        values: list[Any] = self.get(list, *path, at=at, where=where)
        for number, value in enumerate(values):
            if not isinstance(value, str):
                raise self.refuse(
                    where or self.name,
                    f"{'.'.join(path)}[{number}] is {describe_type(value)} and must be a text",
                )
        return values

    def tables(self, *path: str, at: Mapping[str, Any] | None = None, where: str | None = None) -> list[dict[str, Any]]:
        """Return the list of tables under *path*; empty where it is missing.

        :raises InputError: as :meth:`get`.
        """
        values: list[Any] = self.get(list, *path, at=at, where=where)
        for number, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.refuse(
                    where or self.name,
                    f"{'.'.join(path)}[{number}] is {describe_type(value)} and must be a table",
                )
        return values

    def names_in(self, *path: str) -> Iterable[str]:
        """Return the keys of the table under *path*, in their order; none where it is missing or no table."""
        value: Any = self.table
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return tuple(value) if isinstance(value, Mapping) else ()


def parse_toml(text: str, name: str, *, first_line: int = 1) -> TomlDocument:
    """Return the document that *text* holds.

    :param name: the file's name, for messages.
    :param first_line: the number of the first line, where the text is a part of a file.
    :raises InputError: ``invalid-toml``, ``requirements-limit``.
    """
    import tomllib  # not on the way of a plain requirements.txt

    text = text.removeprefix(_MARK)
    deep = _DEEP_KEY.search(text) if len(text) <= MAX_CHARACTERS else None
    if deep is not None or len(text) > MAX_CHARACTERS:
        what = "a key with more than 64 parts" if deep is not None else f"{len(text)} characters"
        raise InputError(
            "requirements-limit",
            f"{name} has {what}",
            hint="check that it is the file you mean: no real one needs that",
        )
    try:
        return TomlDocument(name, text, tomllib.loads(text), first_line)
    except (ValueError, RecursionError) as error:  # ValueError: also a number with thousands of digits
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else redact(str(error))
        if first_line != 1:
            reason += f" of the block that begins in line {first_line}"
        raise InputError("invalid-toml", f"{name} is not TOML", context=[reason], hint="repair the file") from error
