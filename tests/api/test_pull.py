"""``mach db pull``: a snapshot of a service becomes the catalog of another machine."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest

from tests.e2e.machines import Machine
from tests.support.index import FakeIndex
from tests.support.world import World

TEXT = {"Content-Type": "text/plain"}


@pytest.fixture
def other(tmp_path: Path, fake_index: FakeIndex) -> Machine:
    """A machine whose index has nothing: what it knows, it was told by the service."""
    home = tmp_path / "other"
    home.mkdir()
    return Machine(home=home, index_url=fake_index.url)


def test_a_snapshot_is_resolved_on_elsewhere_to_the_same_bytes(machine: Machine, other: Machine, world: World) -> None:
    with machine.serve() as url:
        httpx.post(f"{url}/resolve", content=b"rich\n", headers=TEXT, timeout=60).raise_for_status()
        snapshot = machine.mach("db", "pin", "release").stdout.strip()
        answer = httpx.post(f"{url}/resolve", json={"requirements": "rich", "snapshot": "release"}, timeout=60)
        pulled = other.mach("db", "pull", url, "--snapshot", "release", "--name", "theirs", "--db", "ci.sqlite3")
        assert pulled.stdout.strip() == snapshot
        again = other.mach("db", "pull", url, "--snapshot", snapshot[:12], "--db", "ci.sqlite3", "--json")
        assert again.json == {"snapshot": snapshot, "is_state": True, "learned": 0}
    ways = {"--index-url": world.url, "--db": "ci.sqlite3", "-o": "-"}
    options = [word for pair in ways.items() for word in pair]
    for name in (snapshot, "theirs"):
        assert other.mach("lock", "rich", "--snapshot", name, *options).stdout == answer.text


def test_the_newest_is_pulled_where_none_is_named(machine: Machine, other: Machine) -> None:
    machine.mach("crawl", "idna", "-q")
    with machine.serve("--fill", "off") as url:
        newest = httpx.get(f"{url}/snapshots?most=1", timeout=60).json()["snapshots"][0]["id"]
        assert other.mach("db", "pull", url, "--db", "ci.sqlite3").stdout.strip() == newest
        first = httpx.get(f"{url}/snapshots/newest/facts", timeout=60)
        assert gzip.decompress(first.content).startswith(b'{"format":"mach-facts"')
        unchanged = httpx.get(
            f"{url}/snapshots/newest/facts", headers={"If-None-Match": first.headers["ETag"]}, timeout=60
        )
        assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_catalog_that_holds_more_says_so(machine: Machine, other: Machine, world: World) -> None:
    machine.mach("crawl", "idna", "-q")
    other.mach("crawl", "rich", "-q", "--index-url", world.url)
    with machine.serve("--fill", "off") as url:
        told = other.mach("db", "pull", url)
        assert "held other facts as well" in told.stderr
        asked = other.mach("lock", "idna", "--snapshot", told.stdout.strip(), code=2)
        assert "error[unknown-snapshot]" in asked.stderr


def test_what_is_no_snapshot_or_no_service_is_told(machine: Machine, other: Machine, world: World) -> None:
    machine.mach("crawl", "idna", "-q")
    with machine.serve("--fill", "off") as url:
        assert "error[unknown-snapshot]" in other.mach("db", "pull", url, "--snapshot", "nobodys", code=2).stderr
        assert "error[service-unusable]" in other.mach("db", "pull", f"{url}/nothing", code=3).stderr
    assert "error[service-unusable]" in other.mach("db", "pull", world.url, code=3).stderr
    assert "error[service-unusable]" in other.mach("db", "pull", "http://127.0.0.1:9/", code=3).stderr
    wrong = other.mach("db", "pull", "no url", code=2).stderr
    assert "error[invalid-service-url]: 'no url' is no URL of a service: it" in wrong
    assert "mach serve" in wrong


def test_a_service_that_wants_a_token_gives_to_who_shows_one(machine: Machine, other: Machine, world: World) -> None:
    machine.mach("crawl", "idna", "-q")
    made = machine.mach("token", "ci")
    machine.write("tokens", made.stdout)
    token = next(word for word in made.stderr.split() if word.startswith("mach_"))
    with machine.serve("--fill", "off", "--tokens", "tokens", "--require-token") as url:
        refused = other.mach("db", "pull", url, code=3)
        assert "error[service-unusable]" in refused.stderr
        assert "MACH_TOKEN" in refused.stderr
        shown = Machine(home=other.home, index_url=world.url, environ={"MACH_TOKEN": token})
        assert len(shown.mach("db", "pull", url).stdout.strip()) == 64


def test_another_snapshot_than_the_service_said_is_not_stored(machine: Machine, fake_index: FakeIndex) -> None:
    machine.mach("crawl", "idna", "-q")
    machine.mach("db", "export", "facts.mach")
    body = (machine.home / "facts.mach").read_bytes()
    fake_index.behave("/simple/snapshots/newest/facts", status=200, body=body, headers={"Mach-Snapshot": "0" * 64})
    told = machine.mach("db", "pull", fake_index.url, "--db", "ci.sqlite3", code=2)
    assert "error[invalid-fact-file]: the service said that it sends snapshot 0000" in told.stderr
    assert machine.mach("db", "projects", "--db", "ci.sqlite3").stdout == ""
