"""Snapshots as files for other machines: each is written once, and the newest few are kept while the service runs."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.catalog import CatalogHandle

__all__ = ["Exports"]

#: Files that are kept.
_KEPT = 3


class Exports:
    """Fact files of snapshots in a folder of their own. Use it as a context manager."""

    def __init__(self, catalog: CatalogHandle) -> None:
        self._catalog = catalog
        self._folder = Path(tempfile.mkdtemp(prefix="mach-exports-"))
        self._guard = threading.Lock()
        self._files: dict[str, Path] = {}

    def __enter__(self) -> Exports:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def file(self, generation: int, snapshot: str) -> Path:
        """Return the fact file of a snapshot; one is written at a time, and who asks meanwhile waits.

        A file that is let go of while somebody reads it stays until it is read.

        :param generation: of the snapshot in the catalog.
        :param snapshot: its id, 64 hexadecimal digits.
        :raises Unavailable: ``export-unwritable``.
        """
        from db.transfer import export_snapshot

        with self._guard:
            found = self._files.pop(snapshot, None)
            if found is None:
                found = self._folder / f"{snapshot}.mach"
                export_snapshot(self._catalog, found, generation)
            self._files[snapshot] = found
            while len(self._files) > _KEPT:
                self._files.pop(next(iter(self._files))).unlink(missing_ok=True)
            return found
