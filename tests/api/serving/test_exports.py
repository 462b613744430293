"""Snapshots as files: written once for all who ask, and nobody who waits for one keeps a thread."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from api.serving.exports import Exports
from db.catalog import CatalogHandle, open_catalog
from db.snapshot import snapshot_id
from db.transfer import export_snapshot
from db.writer import publish
from tests.db.examples import page


def test_who_waits_for_a_file_keeps_no_thread_and_it_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    goes_on = threading.Event()

    def export_slowly(catalog: CatalogHandle, file: Path, generation: int) -> None:
        written.append(generation)
        assert goes_on.wait(60)
        export_snapshot(catalog, file, generation)

    async def ask(exports: Exports, snapshot: str) -> set[Path]:
        asked = [asyncio.create_task(exports.file(1, snapshot)) for _ in range(20)]
        await asyncio.to_thread(lambda: None)  # there still is one for others
        gone = asked.pop()
        gone.cancel()
        goes_on.set()
        return set(await asyncio.gather(*asked))

    monkeypatch.setattr("db.transfer.export_snapshot", export_slowly)
    with open_catalog(tmp_path / "catalog.sqlite3") as catalog:
        publish(catalog, [page("alpha", "alpha-1.0.tar.gz")])
        with Exports(catalog) as exports:
            (file,) = asyncio.run(ask(exports, snapshot_id(catalog, 1)))
            assert file.stat().st_size > 0
    assert written == [1]
