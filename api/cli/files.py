"""Reading what the user names and writing results, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.errors import InputError, Unavailable

if TYPE_CHECKING:
    from resolver.lock import Nixpkgs

__all__ = ["STDIN", "make_reader", "read_bytes", "read_nixpkgs", "read_text", "unwritable", "write_text"]

#: What messages call standard input.
STDIN = "<stdin>"
#: The origin of what the user named in the command itself.
_HERE = "command line"
#: Larger requirements files and locks are refused.
_LARGEST = 64 * 1024 * 1024


def make_reader() -> Callable[[str, str], str]:
    """Return what reads requirements files for the parser: a path and the origin that named it to text."""
    from resolver.requirements_txt import decode_requirements

    def read(path: str, origin: str) -> str:
        if path == "-":
            return decode_requirements(_read_stdin(), STDIN)
        return decode_requirements(_read(Path(path), origin), path)

    return read


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, 64 MiB at most.

    :raises InputError: ``unreadable-file``.
    """
    return _read(path, _HERE)


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a file, 64 MiB at most.

    :raises InputError: ``unreadable-file``.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            "unreadable-file",
            f"{path} is not UTF-8 text",
            context=[str(error)],
            hint="check that it is the file you mean",
        ) from error


def _read_stdin() -> bytes:
    try:
        data = sys.stdin.buffer.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(
            "unreadable-file",
            f"standard input cannot be read: {error.strerror}",
            hint="pipe a requirements file into it, or name one with -r FILE",
        ) from error
    return _limited(data, "standard input", [])


def _read(path: Path, origin: str) -> bytes:
    named = [] if origin == _HERE else [f"named at {origin}"]
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(
            "unreadable-file",
            f"{_shown(path)} cannot be read: {getattr(error, 'strerror', None) or error}",
            context=named,
            hint="check the path",
        ) from error
    return _limited(data, str(path), named)


def _shown(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 300 else "…" + text[-300:]


def _limited(data: bytes, name: str, context: list[str]) -> bytes:
    if len(data) > _LARGEST:
        raise InputError(
            "unreadable-file",
            f"{name} is larger than {_LARGEST >> 20} MiB",
            context=context,
            hint="check that it is the file you mean",
        )
    return data


def write_text(path: Path, text: str) -> None:
    """Write *text* to *path* through a temporary file beside it, so that a crash leaves the old content.

    What is not a plain file (``/dev/stdout``, a pipe) is written directly.

    :raises Unavailable: ``output-unwritable``.
    :raises BrokenPipeError: where it is a pipe that nobody reads any more.
    """
    try:
        _write(path, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(str(path), error) from error


def unwritable(place: str, error: OSError) -> Unavailable:
    """Return the error for a result that cannot be written to *place*."""
    return Unavailable(
        "output-unwritable",
        f"{place} cannot be written: {error.strerror or error}",
        hint="make room, or check the path and its permissions, then run the command again",
    )


def _write(path: Path, text: str) -> None:
    import tempfile

    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".mach-")
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
    if source is None and sha256 is None:
        return None
    from resolver.nixpkgs_pin import make_nixpkgs, nixpkgs_from_flake_lock, nixpkgs_from_npins

    if source is None or not (source.endswith(".json") or source.endswith(".lock") or "/" in source):
        return make_nixpkgs(source, sha256)
    text = read_text(Path(source))
    return nixpkgs_from_npins(text, source) if source.endswith(".json") else nixpkgs_from_flake_lock(text, source)
