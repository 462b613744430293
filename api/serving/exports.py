"""Snapshots as files for other machines: each is written once, and the newest few are kept while the service runs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.catalog import CatalogHandle

__all__ = ["Exports"]

#: Files that are kept.
_KEPT = 3


class Exports:
    """Fact files of snapshots in a folder of their own, for one event loop. Use it as a context manager."""

    def __init__(self, catalog: CatalogHandle) -> None:
        self._catalog = catalog
        self._folder = Path(tempfile.mkdtemp(prefix="mach-exports-"))
        self._files: dict[str, Path] = {}
        self._flying: dict[str, asyncio.Future[Path]] = {}
        # whoever waits for a file waits in no thread: those that read are few, and others need them
        self._writer = ThreadPoolExecutor(1, "exports")

    def __enter__(self) -> Exports:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def file(self, generation: int, snapshot: str) -> Path:
        """Return the fact file of a snapshot; one is written at a time, once for all who ask meanwhile.

        A file that is let go of while somebody reads it stays until it is read.

        :param generation: of the snapshot in the catalog.
        :param snapshot: its id, 64 hexadecimal digits.
        :raises Unavailable: ``export-unwritable``.
        """
        writing = self._flying.get(snapshot)
        if writing is None:
            loop = asyncio.get_running_loop()
            writing = loop.run_in_executor(self._writer, self._write, generation, snapshot)
            self._flying[snapshot] = writing
            writing.add_done_callback(lambda _: self._flying.pop(snapshot, None))
        return await asyncio.shield(writing)  # who goes away must not end the work that others wait for

    def _write(self, generation: int, snapshot: str) -> Path:
        from db.transfer import export_snapshot

        found = self._files.pop(snapshot, None)
        if found is None:
            found = self._folder / f"{snapshot}.mach"
            export_snapshot(self._catalog, found, generation)
        self._files[snapshot] = found
        while len(self._files) > _KEPT:
            self._files.pop(next(iter(self._files))).unlink(missing_ok=True)
        return found
