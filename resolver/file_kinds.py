"""Which kind of request file is which: told by the name alone."""

from __future__ import annotations

import posixpath
import re

from .errors import InputError

__all__ = ["check_constraint_file", "file_kind"]

_PYLOCK = re.compile(r"pylock\.([^.]+\.)?toml")
#: Files of other tools that would be read as garbage, and what to do instead.
_FOREIGN = {
    "pipfile": "run `pipenv requirements > requirements.txt` and name that file",
    "pipfile.lock": "run `pipenv requirements --hash > requirements.txt` and name that file",
    "pdm.lock": "run `pdm export -f pylock -o pylock.toml` and name that file",
    "setup.cfg": "name its dependencies in a pyproject.toml or a requirements.txt",
    "setup.py": "name its dependencies in a pyproject.toml or a requirements.txt",
    "environment.yml": "name its projects in a requirements.txt",
    "environment.yaml": "name its projects in a requirements.txt",
    "flake.lock": "it pins nixpkgs: give it with --nixpkgs",
    "mach.lock": "it is mach's own lock: commands read it with --lock",
}


def file_kind(name: str) -> str:
    """Return what the file *name* is by its name alone.

    One of ``requirements``, ``pyproject``, ``script``, ``uv-lock``, ``poetry-lock``, ``pylock``.

    :raises InputError: ``file-unsupported`` for files of other tools.
    """
    base = posixpath.basename(name).lower()
    if base in _FOREIGN:
        raise InputError("file-unsupported", f"{name} is not a file that mach reads requests from", hint=_FOREIGN[base])
    if base == "uv.lock" or base.endswith((".py.lock", ".pyw.lock")):
        return "uv-lock"
    if base == "poetry.lock":
        return "poetry-lock"
    if _PYLOCK.fullmatch(base):
        return "pylock"
    if base.endswith(".toml"):
        return "pyproject"
    if base.endswith((".py", ".pyw")):
        return "script"
    return "requirements"


def check_constraint_file(name: str) -> None:
    """Refuse files other than requirements files where constraints are to be read.

    :raises InputError: ``file-unsupported``.
    """
    if file_kind(name) != "requirements":
        raise InputError(
            "file-unsupported",
            f"{name} does not state constraints",
            hint=f"ask for what it states with -r {name}, or write what binds into a requirements file",
        )
