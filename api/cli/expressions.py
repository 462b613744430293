"""A lock's expression as a file for Nix, gone when Nix is done with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resolver.lock import Lock

__all__ = ["expression_file"]


@contextmanager
def expression_file(lock: Lock) -> Iterator[Path]:
    """Write the expression of *lock* to a temporary file and yield its path."""
    from api.service import render_nix

    with tempfile.TemporaryDirectory(prefix="mach-") as folder:
        path = Path(folder) / "default.nix"
        path.write_text(render_nix(lock), encoding="utf-8")
        yield path
