"""One writer for all workers: what arrives meanwhile is one generation, and a wrong fact costs its sender alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from pathlib import Path

import pytest

from api.serving.publisher import Publisher, RemotePublisher
from db.catalog import CatalogHandle, open_catalog
from db.engine import begin
from resolver.errors import MachError, Unavailable
from resolver.names import normalize_project
from tests.db.examples import INDEX, absence, metadata, page


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[CatalogHandle]:
    with open_catalog(tmp_path / "catalog.sqlite3") as handle:
        yield handle


def test_what_arrives_while_others_write_is_one_generation(catalog: CatalogHandle) -> None:
    # The writer takes the first batch alone, or with those of the others that come before it looks for more.
    with Publisher(catalog) as publisher, ThreadPoolExecutor(8) as threads:

        def send(number: int) -> int:
            return RemotePublisher(publisher.address, publisher.key)([page(f"project-{number}")])

        with begin(catalog.engine, catalog.location):  # somebody else holds the write lock
            first = threads.submit(send, 0)
            while publisher.waiting < 1:
                pass
            others = [threads.submit(send, number) for number in range(1, 8)]
            while publisher.waiting < 8:
                pass
        assert first.result(60) == 1
        assert {other.result(60) for other in others} <= {1, 2}
    assert len(catalog.reader().pages(INDEX, [normalize_project(f"project-{n}") for n in range(8)])) == 8


def test_a_wrong_fact_costs_its_sender_alone(catalog: CatalogHandle) -> None:
    # Generation 2, or 1 where the writer takes `right` together with `first`.
    with Publisher(catalog) as publisher, ThreadPoolExecutor(3) as threads:

        def send(*facts: object) -> int:
            return RemotePublisher(publisher.address, publisher.key)(facts)  # type: ignore[arg-type]

        with begin(catalog.engine, catalog.location):
            first = threads.submit(send, absence("first"))
            while publisher.waiting < 1:
                pass
            wrong = threads.submit(send, metadata("nobodys", "nobodys-1.0-py3-none-any.whl"))
            right = threads.submit(send, page("right"))
            while publisher.waiting < 3:
                pass
        first.result(60)
        with pytest.raises(MachError) as caught:
            wrong.result(60)
        assert caught.value.code in ("unknown-file", "unknown-page")
        assert right.result(60) in (1, 2)


def test_a_worker_goes_on_with_one_connection_after_an_error(catalog: CatalogHandle) -> None:
    with Publisher(catalog) as publisher:
        publish = RemotePublisher(publisher.address, publisher.key)
        with pytest.raises(MachError):
            publish([metadata("nobodys", "nobodys-1.0-py3-none-any.whl")])
        assert publish([page("alpha")]) == 1


def test_who_has_no_key_is_not_heard(catalog: CatalogHandle) -> None:
    with Publisher(catalog) as publisher:
        with pytest.raises((AuthenticationError, Unavailable)):
            RemotePublisher(publisher.address, b"wrong")([page("alpha")])
        assert RemotePublisher(publisher.address, publisher.key)([page("beta")]) == 1


def test_who_says_nothing_or_hangs_up_at_once_stops_nobody(catalog: CatalogHandle) -> None:
    with Publisher(catalog) as publisher, socket.socket(socket.AF_UNIX) as silent:
        silent.connect(publisher.address)
        for _ in range(20):  # as a worker that is killed while it connects
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(publisher.address)
        assert RemotePublisher(publisher.address, publisher.key)([page("alpha")]) == 1


def test_who_comes_while_no_thread_can_be_started_is_told_and_the_next_one_is_heard(
    catalog: CatalogHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    with Publisher(catalog) as publisher:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable):
            RemotePublisher(publisher.address, publisher.key)([page("alpha")])
        assert RemotePublisher(publisher.address, publisher.key)([page("alpha")]) == 1


def test_a_publisher_that_ends_leaves_nobody_at_its_door(catalog: CatalogHandle) -> None:
    # who still waited would take what is sent to the next socket of the same number
    with Publisher(catalog) as publisher:
        assert RemotePublisher(publisher.address, publisher.key)([page("alpha")]) == 1
        mine = [thread for thread in threading.enumerate() if thread.name == "publisher-door"]
    assert mine
    assert not any(thread.is_alive() for thread in mine)


def test_a_publisher_that_is_gone_is_told(catalog: CatalogHandle) -> None:
    with Publisher(catalog) as publisher:
        publish = RemotePublisher(publisher.address, publisher.key)
    with pytest.raises(Unavailable) as caught:
        publish([page("alpha")])
    assert caught.value.code == "service-ending"
