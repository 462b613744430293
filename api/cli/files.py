"""Reading what the user names and writing results, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from resolver.errors import InputError
from resolver.lock import Nixpkgs

__all__ = ["STDIN", "make_reader", "read_nixpkgs", "read_text", "write_text"]

#: What messages call standard input.
STDIN = "<stdin>"
#: Larger requirements files and locks are refused.
_LARGEST = 64 * 1024 * 1024


def make_reader() -> Callable[[str, str], str]:
    """Return what reads requirements files for the parser: a path and the origin that named it to text."""
    from resolver.requirements_txt import decode_requirements

    def read(path: str, origin: str) -> str:
        if path == "-":
            return decode_requirements(sys.stdin.buffer.read(_LARGEST), STDIN)
        return decode_requirements(_read(Path(path), origin), path)

    return read


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a file.

    :raises InputError: ``unreadable-file``.
    """
    try:
        return _read(path, "command line").decode()
    except UnicodeDecodeError as error:
        raise InputError("unreadable-file", f"{path} is not UTF-8 text", context=[str(error)]) from error


def _read(path: Path, origin: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(
            "unreadable-file",
            f"{path} cannot be read: {error.strerror}",
            context=[f"named at {origin}"],
            hint="check the path",
        ) from error
    if len(data) > _LARGEST:
        raise InputError("unreadable-file", f"{path} is larger than {_LARGEST} bytes", context=[f"named at {origin}"])
    return data


def write_text(path: Path, text: str) -> None:
    """Write *text* to *path* through a temporary file beside it, so that a crash leaves the old content.

    What is not a plain file (``/dev/stdout``, a pipe) is written directly.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_nixpkgs(source: str | None, sha256: str | None) -> Nixpkgs | None:
    """Return the nixpkgs that ``--nixpkgs`` and ``--nixpkgs-sha256`` name: a revision, or a file that pins one.

    :raises InputError: where they do not fit together, or the file pins none.
    """
    from resolver.nixpkgs_pin import make_nixpkgs, nixpkgs_from_flake_lock, nixpkgs_from_npins

    if source is None or not (source.endswith(".json") or source.endswith(".lock") or "/" in source):
        return make_nixpkgs(source, sha256)
    text = read_text(Path(source))
    return nixpkgs_from_npins(text, source) if source.endswith(".json") else nixpkgs_from_flake_lock(text, source)
