"""Where a project's settings stand: mach.toml or ``[tool.mach]``, in a folder or above it.

Kept apart from :mod:`api.config`, so that a command where nothing is configured does not import that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from resolver.errors import InputError

__all__ = ["find_project_file"]

#: The project's own file, and the one that may hold the same settings in a table.
_OWN = "mach.toml"
_SHARED = "pyproject.toml"
_ROOTS = (".git", ".hg", ".svn", ".jj")


def _parse(text: str, path: Path) -> Mapping[str, Any]:
    from resolver.toml_document import parse_toml

    return parse_toml(text, str(path)).table


def find_project_file(
    folder: Path, read: Callable[[Path], str]
) -> tuple[Path, Mapping[str, Any], tuple[str, ...]] | None:
    """Return the file with the project's settings, its table, and notes; None where there is none.

    It is the mach.toml, or the pyproject.toml with a table ``[tool.mach]``, in *folder* or the nearest
    folder above it, up to the root of the version control that *folder* is under; where it is
    under none, *folder* alone is looked at: what lies above may be anyone's.

    :param read: gives the text of a file.
    :raises InputError: ``invalid-toml``, ``invalid-configuration``.
    """
    for place in _folders(folder):
        own, shared = place / _OWN, place / _SHARED
        table: Mapping[str, Any] | None = None
        if shared.is_file():
            text = read(shared)
            # most projects have a pyproject.toml without a word about mach: it is not parsed here
            tool = _parse(text, shared).get("tool") if "mach" in text else None
            stated = tool.get("mach") if isinstance(tool, dict) else None
            if stated is not None and not isinstance(stated, dict):
                from resolver.toml_document import describe_type

                raise InputError(
                    "invalid-configuration",
                    f"{shared}: tool.mach is {describe_type(stated)} and must be a table",
                    hint="write the settings below [tool.mach]",
                )
            table = stated
        if own.is_file():
            notes = () if table is None else (f"{shared}: [tool.mach] is left out, since {own} lies beside it",)
            return own, _parse(read(own), own), notes
        if table is not None:
            return shared, table, ()
    return None


def _folders(folder: Path) -> list[Path]:
    start = folder.absolute()
    chain = [start, *start.parents]
    for number, place in enumerate(chain):
        if any((place / root).exists() for root in _ROOTS):
            # as they were named, so that messages show them so
            return [folder, *chain[1 : number + 1]]
    return [folder]
