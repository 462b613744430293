"""A lock's expression as a file for Nix, gone when Nix is done with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.service import Locked
    from nix.fixes import Fix

__all__ = ["expression_file", "root_of"]


@contextmanager
def expression_file(locked: Locked, fixes: Sequence[Fix] = ()) -> Iterator[Path]:
    """Write the expression of a lock to a temporary file and yield its path.

    :param fixes: the user's own.
    """
    from api.service import render_nix

    with tempfile.TemporaryDirectory(prefix="mach-") as folder:
        path = Path(folder) / "default.nix"
        path.write_text(render_nix(locked.lock, root=root_of(locked, None), fixes=fixes), encoding="utf-8")
        yield path


def root_of(locked: Locked, output: str | None) -> str:
    """Return what the relative paths of a lock start from, for an expression in the file *output*.

    :param output: None: somewhere, so that only an absolute folder is right.
    :return: ``.`` where the lock has no such path: its expression depends on no folder.
    """
    from resolver.lock import LockedPath

    artifacts = (pin.artifact for target in locked.lock.targets for pin in target.pins)
    if not any(isinstance(artifact, LockedPath) and not artifact.path.startswith("/") for artifact in artifacts):
        return "."
    folder = Path(os.path.abspath(locked.folder))  # noqa: PTH100  (no link is followed)
    if output is None:
        return str(folder)
    return os.path.relpath(folder, Path(os.path.abspath(output)).parent)  # noqa: PTH100
