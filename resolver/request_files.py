"""Reads a request file of any kind but requirements.txt."""

from __future__ import annotations

from collections.abc import Sequence

from .direct import Locate
from .file_kinds import file_kind
from .request_file import RequestFile, Selection, check_selection
from .target import Target

__all__ = ["parse_request_file", "read_request_files"]


def parse_request_file(
    text: str, name: str, selection: Selection, targets: Sequence[Target], locate: Locate | None = None
) -> RequestFile:
    """Return what the file *name* with this *text* asks for.

    :param name: decides the kind (:func:`resolver.request_file.file_kind`), which must not be ``requirements``.
    :param selection: extras and groups.
    :param targets: those to take a foreign lock's pins for; requires-python is checked for each.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: whatever is wrong with the file, with its place; ``python-not-admitted``.
    """
    kind = file_kind(name)
    if kind == "pyproject":
        from .pyproject import parse_pyproject

        answer = parse_pyproject(text, name, selection, locate)
    elif kind == "script":
        from .script_metadata import parse_script

        answer = parse_script(text, name, locate)
    elif kind == "uv-lock":
        from .uv_lock import parse_uv_lock

        answer = parse_uv_lock(text, name, selection, targets, locate)
    elif kind == "poetry-lock":
        from .poetry_lock import parse_poetry_lock

        answer = parse_poetry_lock(text, name, selection, targets, locate)
    else:
        from .foreign_pylock import parse_pylock

        answer = parse_pylock(text, name, selection, targets, locate)
    for target in targets:
        if answer.requires_python is not None:
            answer.requires_python.check(target)
    return answer


def read_request_files(
    files: Sequence[tuple[str, str]],
    selection: Selection,
    targets: Sequence[Target],
    locate: Locate | None = None,
) -> tuple[RequestFile, ...]:
    """Return what *files*, each a name and a text, ask for; every extra and group must be known to one of them.

    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: as :func:`parse_request_file`; ``unknown-extra``, ``unknown-group``.
    """
    answer = tuple(parse_request_file(text, name, selection, targets, locate) for name, text in files)
    check_selection(selection, answer, [name for name, _ in files])
    return answer
