"""The [build-system] table of a source tree: which backend builds it, from where, and what it requires first."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .hook_failures import FailureClass, Refused

__all__ = ["LEGACY_BACKEND", "LEGACY_REQUIRES", "BuildSystem", "parse_build_system", "read_build_system"]

#: Where pyproject.toml is missing or names no backend (PEP 517, "Source trees"), and what that requires (PEP 518).
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0",)

_LARGEST = 4 << 20
_MOST_ENTRIES = 10_000
_LONGEST = 65_536
_MOST_FOLDERS = 50
_BACKEND = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """What a source tree says of how it is built (PEP 517, PEP 518)."""

    requires: tuple[str, ...]
    """Raw requirements in the file's order."""
    backend: str
    """``module`` or ``module:object``."""
    backend_path: tuple[str, ...] = ()
    """Folders in the tree that the backend is imported from, relative to the project's."""


def read_build_system(folder: Path) -> BuildSystem:
    """Return the build system of the project in *folder*; nothing in it is run and no link is followed.

    :raises Refused: ``no-backend`` where it is no Python project; ``invalid-build-system``.
    :raises OSError: where it cannot be read.
    """
    path = folder / "pyproject.toml"
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        if not os.path.lexists(folder / "setup.py"):
            raise Refused(
                FailureClass.NO_BACKEND, "its source has no build backend: there is no pyproject.toml and no setup.py"
            ) from None
        return BuildSystem(requires=LEGACY_REQUIRES, backend=LEGACY_BACKEND)
    if not plain:
        raise Refused(FailureClass.INVALID_BUILD_SYSTEM, "its pyproject.toml is not a plain file")
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    return parse_build_system(data)


def parse_build_system(data: bytes) -> BuildSystem:
    """Return what the pyproject.toml *data* says.

    :raises Refused: ``invalid-build-system``.
    """
    if len(data) > _LARGEST:
        raise _invalid(f"is larger than {_LARGEST} bytes")
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _invalid(f"does not parse ({type(error).__name__})") from error
    table = document.get("build-system")
    if table is None:
        return BuildSystem(requires=LEGACY_REQUIRES, backend=LEGACY_BACKEND)
    if not isinstance(table, dict):
        raise _invalid("has a build-system that is not a table")
    if "requires" not in table:
        raise _invalid("has a build-system without requires (PEP 518)")
    requires = _texts(table["requires"], "requires")
    backend = table.get("build-backend")
    if backend is None:
        # PEP 517: as if there were no table, but for its requirements; setuptools has to be among them
        return BuildSystem(requires=requires or LEGACY_REQUIRES, backend=LEGACY_BACKEND)
    if not isinstance(backend, str) or len(backend) > 1000 or not _BACKEND.fullmatch(backend):
        raise _invalid("has a build-backend that names no Python object")
    folders = _texts(table.get("backend-path", []), "backend-path")
    if len(folders) > _MOST_FOLDERS:
        raise _invalid(f"has a backend-path of more than {_MOST_FOLDERS} folders")
    return BuildSystem(requires=requires, backend=backend, backend_path=tuple(_inside(text) for text in folders))


def _invalid(what: str) -> Refused:
    return Refused(FailureClass.INVALID_BUILD_SYSTEM, f"its pyproject.toml {what}")


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise _invalid(f"has a build-system.{key} that is not a list of texts")
    for text in value:
        if not isinstance(text, str) or len(text) > _LONGEST or "\0" in text:
            raise _invalid(f"has a build-system.{key} that is not a list of texts")
    return tuple(value)


def _inside(text: str) -> str:
    """Return a folder of backend-path: relative, and in the tree (PEP 517)."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or len(text) > 200:
        raise _invalid("has a backend-path that leaves the source")
    return text
