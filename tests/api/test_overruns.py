"""Requests that take more than one may: they are told so, their process is replaced, and others go on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from api.http.app import make_app
from api.http.settings import ServiceSettings
from bench.facts import INDEX, Release, write_catalog
from tests.e2e.machines import Machine

TEXT = {"Content-Type": "text/plain"}


def pigeons(count: int) -> dict[str, dict[str, Release]]:
    """Return projects of which every one asks for a place of its own, where there is one place too few.

    That it cannot be done takes any search that only goes back a time that grows faster than every power.
    """
    sitting = {
        f"pigeon-{pigeon}": {f"{hole}.0": Release(requires=[f"hole-{hole}=={pigeon}.0"]) for hole in range(1, count)}
        for pigeon in range(1, count + 1)
    }
    holes = {f"hole-{hole}": {f"{pigeon}.0": Release() for pigeon in range(1, count + 1)} for hole in range(1, count)}
    return {**sitting, **holes, "easy": {"1.0": Release()}}


HARD = "\n".join(f"pigeon-{number}" for number in range(1, 9))
#: More to read than a process has memory.
LARGE = "\n".join(f"heavy-{number}" for number in range(8))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with an easy request and hard ones."""
    file = tmp_path_factory.mktemp("catalog") / "catalog.sqlite3"
    heavy = {
        f"heavy-{number}": {
            f"{release}.0": Release(requires=[f"easy<{nine}{release}{'0' * 900}" for nine in range(1, 4)])
            for release in range(1_000)
        }
        for number in range(8)
    }
    write_catalog(file, {**heavy, **pigeons(8)})
    return file


@contextmanager
def serving(catalog: Path, **settings: Any) -> Iterator[TestClient]:
    """Yield a client of a service in this process, with its own workers, that fetches nothing."""
    given = {"db": str(catalog), "index_url": INDEX, "fill": "off", **settings}
    with TestClient(make_app(ServiceSettings.model_validate(given)), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, text: str) -> httpx2.Response:
    return client.post("/resolve", content=text, headers=TEXT)


def figure(client: TestClient, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_a_process_that_overruns_is_replaced_while_others_go_on(catalog: Path) -> None:
    with serving(catalog, workers=2, most_seconds=1.5) as client, ThreadPoolExecutor(1) as threads:
        assert ask(client, "easy").status_code == 200
        began = time.monotonic()
        hard = threads.submit(ask, client, HARD)
        answers = []
        while not hard.done():
            answers.append(ask(client, f"easy\n# {len(answers)}\nhole-1=={len(answers) % 8 + 1}.0\n").status_code)
        assert set(answers) == {200}
        assert len(answers) > 3
        told = hard.result()
        assert (told.status_code, told.json()["code"]) == (503, "resolution-too-long")
        assert 1.5 <= time.monotonic() - began < 20
        assert figure(client, 'mach_workers_replaced_total{reason="overrun"}') == 1
        assert figure(client, "mach_waiting") == 0
        # both processes work again, and what had no answer is not remembered as one
        again = [threads.submit(ask, client, HARD), ThreadPoolExecutor(1).submit(ask, client, "easy\nhole-2")]
        assert [each.result().status_code for each in again] == [503, 200]


@pytest.mark.parametrize("mebibytes", [4, 16])
def test_a_request_that_takes_too_much_memory_is_told_so(catalog: Path, mebibytes: int) -> None:
    with serving(catalog, workers=1, most_memory=mebibytes, most_seconds=60) as client:
        told = ask(client, LARGE)
        assert (told.status_code, told.json()["code"]) == (503, "resolution-too-large"), told.text[:300]
        assert ask(client, "easy").status_code == 200, "there is another process"
        assert figure(client, 'mach_workers_replaced_total{reason="too-large"}') == 1


def test_one_client_cannot_have_all_places(catalog: Path, machine: Machine, token: str) -> None:
    with (
        serving(catalog, workers=1, most_seconds=4, most_waiting=8, tokens=str(machine.home / "tokens")) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        assert ask(client, "easy").status_code == 200
        hard = [threads.submit(ask, client, f"{HARD}\n# {'x' * n}\neasy!=0.{n}") for n in range(2)]
        while figure(client, "mach_waiting") < 2:
            time.sleep(0.01)
        told = ask(client, "easy\nhole-5")
        assert (told.status_code, told.json()["code"]) == (503, "service-busy")
        assert "2 of your requests" in told.json()["title"]
        other = {**TEXT, "Authorization": f"Bearer {token}"}
        assert client.post("/resolve", content="easy\nhole-5", headers=other).status_code == 200
        assert {answer.result().json()["code"] for answer in hard} == {"resolution-too-long"}
        assert ask(client, "easy\nhole-6").status_code == 200


def test_who_would_wait_too_long_is_sent_away_at_once(catalog: Path) -> None:
    with serving(catalog, workers=1, most_seconds=2, most_waiting=1) as client, ThreadPoolExecutor(1) as threads:
        hard = threads.submit(ask, client, HARD)
        while figure(client, "mach_waiting") == 0:
            time.sleep(0.01)
        told = ask(client, "easy\nhole-3")
        assert (told.status_code, told.json()["code"]) == (503, "service-busy")
        assert int(told.headers["Retry-After"]) > 0
        assert hard.result().json()["code"] == "resolution-too-long"
        assert ask(client, "easy\nhole-3").status_code == 200
