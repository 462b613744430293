"""Text of a requirements file -> numbered logical lines: decoding, continuations, comments, variables."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping

from .errors import InputError

__all__ = ["MAX_CHARACTERS", "MAX_LINE", "decode_requirements", "logical_lines"]

#: Limits: far above every real file, far below what could stall a service.
MAX_CHARACTERS = 8 * 2**20
MAX_LINE = 2**20

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the start of this one
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_PEP263 = rb"coding[:=]\s*([-\w.]+)"
#: Codecs that turn characters into characters one by one; others (idna, zip, unicode_escape) are programs.
_CODECS = r"ascii|utf-(8|8-sig|16|32)(-[lb]e)?|iso8859-\d+|cp\d+|koi8-[rtu]|mac-\w+|euc_\w+|gb\w+|big5\w*|shift_jis\w*"
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


def decode_requirements(data: bytes, name: str) -> str:
    """Return the text of a requirements file, decoded as pip does, without regard to the locale.

    A byte order mark decides, else a PEP 263 comment in the first two lines, else it is UTF-8.

    :param name: the file's name, for messages.
    :raises InputError: ``requirements-encoding`` where the bytes are not text in that encoding.
    """
    encoding = "utf-8"
    for mark, codec in _BOMS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], codec
            break
    else:
        for line in data.split(b"\n", 2)[:2]:
            if line.startswith(b"#") and (match := re.search(_PEP263, line)):
                encoding = match[1].decode("ascii")
                break
    try:
        if encoding != "utf-8" and not re.fullmatch(_CODECS, codecs.lookup(encoding).name):
            raise LookupError(f"encoding {encoding!r} is not one that a requirements file may have")
        return data.decode(encoding)
    except (LookupError, UnicodeError) as error:
        raise InputError(
            "requirements-encoding",
            f"{name} is not text in the encoding {encoding[:40]!r}",
            context=[str(error)[:200]],
            hint="save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-",
        ) from error


def _check_text(text: str, name: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            "requirements-limit",
            f"{name} has {len(text)} characters",
            hint=f"a requirements file may have {MAX_CHARACTERS}",
        )
    place = text.find("\0")
    if place < 0:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            place = error.start
    if place >= 0:
        line = text.count("\n", 0, place) + 1
        raise InputError(
            "requirements-encoding",
            f"{name}:{line} holds a NUL character or a lone surrogate",
            hint="save the file as UTF-8 text",
        )


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with continuations joined, each with the number of its first line.

    As pip does it: a comment ends a continuation whatever it ends with, and backslashes are
    removed from both ends of a continued line.
    """
    start, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            start = start if parts else number
            parts.append(line.strip("\\"))
            continue
        if comment:
            line = " " + line  # so that it is still a comment after joining
        if parts:
            yield start, "".join([*parts, line])
            parts.clear()
        else:
            yield number, line
    if parts:
        yield start, "".join(parts)


def _strip_comment(line: str) -> str:
    """Return *line* without its comment: ``#`` at the start or after white space, and what follows."""
    place = line.find("#")
    while place > 0 and not line[place - 1].isspace():
        place = line.find("#", place + 1)
    return (line if place < 0 else line[:place]).strip()


def _limit(line: str, name: str, number: int) -> None:
    if len(line) > MAX_LINE:
        raise InputError(
            "requirements-limit",
            f"{name}:{number} has {len(line)} characters in one line",
            hint=f"a line may have {MAX_LINE}, continuations and variables included",
        )


def _expand_variables(line: str, environment: Mapping[str, str], name: str, number: int) -> str:
    """Return *line* with ``${NAME}`` replaced; a name that is unknown or empty stays as it is, as with pip."""
    for variable in dict.fromkeys(_VARIABLE.findall(line)):
        value = environment.get(variable)
        if value:
            line = line.replace(f"${{{variable}}}", value)
            _limit(line, name, number)
    return line


def logical_lines(text: str, name: str, environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a requirements file that say something, each with the number where it starts.

    :param text: the decoded file.
    :param name: the file's name, for messages.
    :param environment: values for ``${NAME}`` (capitals, digits, underscore).
    :raises InputError: ``requirements-limit``, ``requirements-encoding``.
    """
    _check_text(text, name)
    for number, joined in _join_lines(text):
        line = _strip_comment(joined)
        if not line:
            continue
        _limit(line, name, number)
        yield number, _expand_variables(line, environment, name, number) if "${" in line else line
