"""The CPythons of this machine that build backends can be asked in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

from crawler.interpreters import describe_interpreter
from resolver.errors import Unavailable
from resolver.interpreters import NEWEST_PATCHES

__all__ = ["find_interpreters"]

#: Each is a process that ends at once.
_AT_ONCE = 4


def find_interpreters(detail: Callable[[str], None]) -> Mapping[str, Path]:
    """Return a CPython for each X.Y that there is: the one that mach runs in, those in PATH, and pyenv's and uv's.

    Each is run to see whether it can be used, but only one for each X.Y where the first one can. pyenv's shims
    are scripts that start the same interpreters later, or fail: they are left out.

    :param detail: takes a line about each one that cannot be used.
    """
    home = Path("~").expanduser()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder) != pyenv / "shims")
    installed = {pyenv / "versions": "3.*", home / ".local/share/uv/python": "cpython-3.*"}
    candidates = {series: list(_list_candidates(series, path, installed)) for series in NEWEST_PATCHES}
    found: dict[str, Path] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda series: _find_usable(series, candidates[series]), candidates)
        for series, (python, refused) in zip(candidates, answers, strict=True):
            for unusable, reason in refused.items():
                detail(f"{unusable} is not used for build backends: {reason}")
            if python is not None:
                found[series] = python
    return found


def _list_candidates(series: str, path: str, installed: Mapping[Path, str]) -> Iterator[Path]:
    """Yield what may be an interpreter of *series*, by its name, the best first.

    :param path: as the variable PATH.
    :param installed: where tools install interpreters -> what their folders there are called, with ``*``.
    """
    if series == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield Path(sys.executable)
    name = f"python{series}"
    if (found := which(name, path=path)) is not None:
        yield Path(found)
    for folder, pattern in installed.items():
        yield from sorted(folder.glob(f"{pattern}/bin/{name}"), reverse=True)


def _find_usable(series: str, candidates: Iterable[Path]) -> tuple[Path | None, Mapping[Path, str]]:
    """Return the first of *candidates* that can be used, and why those before it cannot."""
    refused: dict[Path, str] = {}
    for path in candidates:
        try:
            interpreter = describe_interpreter(path)
        except Unavailable as error:
            refused[path] = error.message
            continue
        if interpreter.series == series and not interpreter.free_threaded:
            return path, refused
        kind = "free-threaded " if interpreter.free_threaded else ""
        refused[path] = f"it is a {kind}Python {interpreter.series}"
    return None, refused
