"""The one writer of Nix literals: Python values in, Nix text that evaluates to exactly those values out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["to_nix"]

#: Words that Nix reserves (manual, "Identifiers"); ``or`` is accepted as a name only in places.
_KEYWORDS = frozenset({"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"})
_LARGEST = 2**63 - 1
#: A list of one scalar stays on its line up to this width.
_SHORT = 80


def to_nix(value: object, *, indent: int = 0) -> str:
    """Return the Nix literal that evaluates to *value*.

    Strings may hold any Unicode text; everything in them that means something to Nix is
    escaped, so text from strangers stays text. Attribute names are sorted by code point.
    The layout is the one that nixfmt leaves alone: two spaces, one element a line.

    :param value: str, int, bool, None, a list or tuple, or a mapping from str, nested at will.
    :param indent: spaces that stand before the line on which the literal begins.
    :raises ValueError: for NUL or a lone surrogate in a string, and for an integer that does not
        fit into 64 bits: Nix has no such values.
    :raises TypeError: for any other type.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case str():
            return _block(value, indent) if _fits_block(value) else _string(value)
        case Mapping():
            return _attributes(value, indent)
        case list() | tuple():
            return _list(value, indent)
    raise TypeError(f"no Nix literal for a value of type {type(value).__name__}")


def _integer(value: int) -> str:
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise ValueError(f"{value} does not fit into a Nix integer (64 bits)")
    if value < -_LARGEST:
        return f"(-{_LARGEST} - 1)"  # the positive counterpart would not fit
    # minus is an operator: without parentheses a negative number ends a list
    return f"({value})" if value < 0 else str(value)


def _string(text: str) -> str:
    if "\0" in text:
        raise ValueError("a Nix string cannot hold NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a Nix string cannot hold a lone surrogate") from error
    return f'"{text.translate(_ESCAPES)}"'


def _fits_block(text: str) -> bool:
    """Tell whether *text* may stand in an indented string without any escape.

    Where a script of many lines needs no escape at all, it stays readable; escapes next to
    quotes are what goes wrong in indented strings, so none is ever written there.
    """
    lines = text.split("\n")
    return (
        len(lines) > 3
        and lines[-1] == ""
        and lines[0][:1] not in ("", " ")  # Nix drops a blank first line, and takes the least indent away
        and "''" not in text
        and "${" not in text
        and all(line == "" or (line.isprintable() and not line.isspace()) for line in lines)
    )


def _block(text: str, indent: int) -> str:
    pad = " " * (indent + 2)
    body = "".join(f"{pad}{line}\n" if line else "\n" for line in text.split("\n")[:-1])
    return f"''\n{body}{' ' * indent}''"


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a Nix attribute name is text, not {type(name).__name__}")
    return name if _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS else _string(name)


def _attributes(value: Mapping[object, object], indent: int) -> str:
    if not value:
        return "{ }"
    pad = " " * (indent + 2)
    names = sorted((name, _name(name)) for name in value)
    lines = (f"{pad}{written} = {to_nix(value[name], indent=indent + 2)};\n" for name, written in names)
    return f"{{\n{''.join(lines)}{' ' * indent}}}"


def _list(value: Sequence[object], indent: int) -> str:
    if not value:
        return "[ ]"
    if len(value) == 1 and (value[0] is None or isinstance(value[0], str | int)):
        only = to_nix(value[0], indent=indent + 2)
        if "\n" not in only and len(only) <= _SHORT:
            return f"[ {only} ]"
    pad = " " * (indent + 2)
    lines = (f"{pad}{to_nix(item, indent=indent + 2)}\n" for item in value)
    return f"[\n{''.join(lines)}{' ' * indent}]"
