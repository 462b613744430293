"""Workers that die, or cannot be started, at the worst of times: every question ends, and no place is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pebble import ProcessFuture, ProcessPool

from api.serving.limits import Limits, WorkerSettings
from api.serving.pool import Pool
from crawler.settings import read_index_settings
from resolver.errors import DataError, MachError, Unavailable


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    """Settings of workers that are asked for nothing that takes a catalog."""
    return WorkerSettings(
        db=str(tmp_path / "catalog.sqlite3"),
        indexes=read_index_settings(index_url="http://127.0.0.1:9/simple/", environ={}),
        limits=Limits(seconds=60, memory=1 << 30, facts=10, waiting=256),
        max_age=600,
        publisher=str(tmp_path / "nobody"),
        key=b"key",
        log="plain",
    )


def ask(settings: WorkerSettings, times: int = 1) -> tuple[list[MachError], Pool]:
    """Have one worker read what is no lock, as often as said; return what is told of it, and the pool."""
    told: list[MachError] = []

    async def run() -> Pool:
        with Pool(1, settings) as pool:
            for _ in range(times):
                with pytest.raises(MachError) as caught:
                    await asyncio.wait_for(pool.render("{}", "nix"), 60)
                told.append(caught.value)
        return pool

    return told, asyncio.run(run())


def test_a_worker_that_dies_just_when_it_is_asked_is_replaced(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(ProcessPool):
        """As pebble's, where the question comes after its last look at what it has to do."""

        has_died = False

        def schedule(self, *arguments: Any, **named: Any) -> Any:
            if Dying.has_died:
                return super().schedule(*arguments, **named)
            Dying.has_died = True
            self.stop()
            return ProcessFuture()

    monkeypatch.setattr("api.serving.pool.ProcessPool", Dying)
    (told,), pool = ask(settings)
    assert isinstance(told, DataError), "the next one has read it"
    assert pool.replaced == {"died": 1}
    assert pool.waiting == 0


def test_a_worker_that_has_ended_before_it_is_asked_is_replaced(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(ProcessPool):
        has_ended = False

        def schedule(self, *arguments: Any, **named: Any) -> Any:
            if not Ended.has_ended:
                Ended.has_ended = True
                self.stop()
            return super().schedule(*arguments, **named)

    monkeypatch.setattr("api.serving.pool.ProcessPool", Ended)
    (told,), pool = ask(settings)
    assert isinstance(told, DataError)
    assert pool.replaced == {"died": 1}


def test_a_place_is_not_lost_where_no_worker_can_be_started_for_a_while(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scarce(ProcessPool):
        failures = 2

        @property
        def active(self) -> bool:
            if Scarce.failures:
                Scarce.failures -= 1
                raise OSError(24, "Too many open files")
            return bool(super().active)

    monkeypatch.setattr("api.serving.pool.ProcessPool", Scarce)
    told, pool = ask(settings, 3)
    assert [error.code for error in told[:2]] == ["system-error", "system-error"]
    assert isinstance(told[0], Unavailable)
    assert "Too many open files" in told[0].message
    assert isinstance(told[2], DataError), "there is a place again"
    assert pool.waiting == 0
