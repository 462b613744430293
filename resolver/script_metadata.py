"""Requests from a Python script with inline metadata (PEP 723)."""

from __future__ import annotations

import re

from .direct import Locate
from .errors import InputError
from .pyproject import tool_notes
from .request_file import RequestFile, parse_python_range
from .toml_document import describe_type, parse_toml
from .user_requirement import parse_user_requirement

__all__ = ["parse_script"]

_START = re.compile(r"# /// (?P<type>[a-zA-Z0-9-]+)")
_KEYS = ("dependencies", "requires-python", "tool")


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    """Return the ``script`` blocks of a file: the number of their first inner line, and their lines.

    PEP 723: a block runs from ``# /// script`` to the last ``# ///`` that only comment lines
    precede; what looks like a block without an end is none.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    found, number = [], 0
    while number < len(lines):
        start = _START.fullmatch(lines[number])
        number += 1
        if start is None:
            continue
        end, last = number, None
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            if lines[end] == "# ///":
                last = end
            end += 1
        if last is None:
            number = end  # a block that begins further down these lines has no end either
            continue
        if start["type"] == "script":
            found.append((number + 1, [line[2:] for line in lines[number:last]]))
        number = last + 1
    return found


def parse_script(text: str, name: str, locate: Locate | None = None) -> RequestFile:
    """Return what the ``# /// script`` block of a Python file asks for.

    :param name: the file's name, for messages.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: ``no-script-metadata``, ``invalid-toml``, ``invalid-file``, ``source-unsupported``,
        ``invalid-requirement`` and its kin, with the line in the file.
    """
    blocks = _blocks(text)
    if not blocks:
        raise InputError(
            "no-script-metadata",
            f"{name} is a Python file without a block of metadata (PEP 723)",
            hint='write `# /// script`, `# dependencies = ["requests"]` and `# ///` at its top',
        )
    if len(blocks) > 1:
        raise InputError(
            "invalid-file",
            f"{name} has {len(blocks)} blocks of metadata, in lines {', '.join(str(n - 1) for n, _ in blocks)}",
            hint="keep one `# /// script` block (PEP 723)",
        )
    first, lines = blocks[0]
    document = parse_toml("\n".join(lines), name, first_line=first)
    for key in document.table:
        if key not in _KEYS:
            raise document.refuse(
                f"{name}:{first - 1}", f"{key[:60]!r} is no key of PEP 723", f"use {', '.join(_KEYS)}"
            )
    requirements = tuple(
        parse_user_requirement(text, document.place(f"dependencies[{n}]", text), locate=locate)
        for n, text in enumerate(document.texts("dependencies"))
    )
    python = document.table.get("requires-python")
    if python is not None and not isinstance(python, str):
        raise document.refuse(name, f"requires-python is {describe_type(python)} and must be a text")
    return RequestFile(
        requirements=requirements,
        requires_python=None
        if python is None
        else parse_python_range(python, document.place("requires-python", python)),
        notes=tuple(tool_notes(document, requirements)),
    )
