"""When an index is asked again, and what happens where it does not answer: counted on the fake index itself."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex


@pytest.fixture
def index(fake_index: FakeIndex) -> FakeIndex:
    """An index with ``app``, which requires ``part``, and the builders' tools."""
    fake_index.add(make_wheel("app", "1.0", requires=["part"]))
    fake_index.add(make_wheel("part", "1.0"))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    return fake_index


@pytest.fixture
def machine(index: FakeIndex, tmp_path: Path) -> Machine:
    return Machine(home=tmp_path, index_url=index.url)


def pins(text: str) -> dict[str, str]:
    (target,) = json.loads(text)["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


def pages(index: FakeIndex, status: int | None = None) -> int:
    return index.count(index.root_path + "*", status=status)


def test_a_fresh_page_is_not_asked_for_again(machine: Machine, index: FakeIndex) -> None:
    first = machine.mach("lock", "app", "-o", "-").stdout
    assert {index.count(index.page_path(p)) for p in ("app", "part", "installer", "pyproject-hooks")} == {1}
    index.add(make_wheel("app", "2.0"))
    index.forget()
    assert machine.mach("lock", "app", "-o", "-").stdout == first
    assert index.count() == 0


def test_refresh_asks_for_every_page_that_is_read_once(machine: Machine, index: FakeIndex) -> None:
    machine.mach("lock", "app", "-o", "-")
    index.add(make_wheel("app", "2.0", requires=["part"]))
    index.add(make_wheel("aside", "1.0"))
    index.forget()
    assert pins(machine.mach("lock", "app", "-o", "-", "--refresh").stdout) == {"app": "2.0", "part": "1.0"}
    assert {index.count(index.page_path(p)) for p in ("app", "part", "installer", "pyproject-hooks")} == {1}
    assert index.count(index.page_path("aside")) == 0


def test_a_page_older_than_max_age_is_asked_for(machine: Machine, index: FakeIndex) -> None:
    machine.mach("lock", "app", "-o", "-")
    index.add(make_wheel("part", "1.1"))
    rest = ("lock", "app", "-o", "-", "--max-age")
    assert pins(machine.mach(*rest, "3600").stdout) == {"app": "1.0", "part": "1.0"}
    make_older(machine, 1200)
    assert pins(machine.mach(*rest, "3600").stdout) == {"app": "1.0", "part": "1.0"}
    assert pins(machine.mach(*rest, "600").stdout) == {"app": "1.0", "part": "1.1"}
    index.forget()
    machine.mach(*rest, "600")
    assert index.count() == 0, "what was asked for is fresh again"


def make_older(machine: Machine, seconds: int) -> None:
    """Let *seconds* pass for every page that the catalog holds."""
    (file,) = machine.home.rglob("catalog.sqlite3")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as catalog:
        assert catalog.execute("UPDATE freshness SET checked_at = checked_at - ?", [seconds]).rowcount


def test_an_unchanged_page_costs_no_body_and_no_generation(machine: Machine, index: FakeIndex) -> None:
    first = machine.mach("lock", "app", "-o", "-").stdout
    generation = machine.mach("db", "status", "--json").json["generation"]
    index.forget()
    assert machine.mach("lock", "app", "-o", "-", "--refresh").stdout == first
    assert pages(index) == pages(index, status=304) == 4
    assert sum(asked.sent for asked in index.asked) == 0
    assert machine.mach("db", "status", "--json").json["generation"] == generation


def test_last_modified_does_as_well(machine: Machine, index: FakeIndex) -> None:
    index.etags, index.last_modified = False, True
    machine.mach("lock", "app", "-o", "-")
    index.forget()
    machine.mach("lock", "app", "-o", "-", "--refresh")
    assert pages(index) == pages(index, status=304) == 4


def test_an_index_without_validators_sends_it_again_and_nothing_is_learned(machine: Machine, index: FakeIndex) -> None:
    index.etags = index.serials = False
    first = machine.mach("lock", "app", "-o", "-").stdout
    index.forget()
    assert machine.mach("lock", "app", "-o", "-", "--refresh").stdout == first
    assert pages(index) == pages(index, status=200) == 4
    assert (
        machine.mach("db", "snapshots").stdout.count("\n") == machine.mach("db", "status", "--json").json["generation"]
    )


def test_a_good_lock_asks_nobody(machine: Machine, index: FakeIndex) -> None:
    machine.write("requirements.txt", "app\n")
    machine.mach("lock", "-r", "requirements.txt")
    first = machine.read("mach.lock")
    index.add(make_wheel("app", "2.0"))
    index.forget()
    machine.mach("lock", "-r", "requirements.txt", "--max-age", "0")
    assert machine.read("mach.lock") == first
    told = machine.mach("gen", "-r", "requirements.txt", "-o", "python.nix", "--max-age", "0").stderr
    assert "using mach.lock, which satisfies the request" in told
    assert index.count() == 0
    # arguments have nothing to do with a lock that happens to lie here
    assert "app-2.0-py3" in machine.mach("gen", "app", "--refresh").stdout


def test_where_the_index_is_gone_the_old_answer_is_given_with_its_age(machine: Machine, index: FakeIndex) -> None:
    first = machine.mach("lock", "app", "-o", "-").stdout
    make_older(machine, 3 * 3600)
    index.server.stop()
    answer = machine.mach("lock", "app", "-o", "-", "-q")
    assert answer.stdout == first
    assert "warning:" in answer.stderr
    assert "up to 3 hours old" in answer.stderr


def test_where_the_index_is_gone_and_nothing_is_known_it_is_an_error(machine: Machine, index: FakeIndex) -> None:
    index.server.stop()
    told = machine.mach("lock", "app", code=3).stderr
    assert "error[" in told
    assert not (machine.home / "mach.lock").exists()


def test_a_broken_answer_keeps_the_old_page(machine: Machine, index: FakeIndex) -> None:
    first = machine.mach("lock", "app", "-o", "-").stdout
    json_type = "application/vnd.pypi.simple.v1+json"
    index.behave(index.page_path("app"), status=200, body=b"<html><p>maintenance", content_type=json_type)
    answer = machine.mach("lock", "app", "-o", "-", "--refresh")
    assert answer.stdout == first
    assert "warning: 1 of 4 project pages could not be checked" in answer.stderr


def test_a_project_that_appears_later_is_found(machine: Machine, index: FakeIndex) -> None:
    told = machine.mach("lock", "late", code=1)
    assert "error[unknown-project]" in told.stderr
    assert told.stdout == ""
    index.add(make_wheel("late", "0.1"))
    # the absence is a fact like any other, and as fresh
    index.forget()
    machine.mach("lock", "late", code=1)
    assert index.count() == 0
    assert pins(machine.mach("lock", "late", "-o", "-", "--refresh").stdout) == {"late": "0.1"}


def test_a_project_that_is_gone_is_gone_and_a_snapshot_still_has_it(machine: Machine, index: FakeIndex) -> None:
    machine.mach("lock", "app", "-o", "-")
    machine.mach("db", "pin", "before")
    index.hide("part")
    machine.mach("lock", "app", "-o", "-", "--refresh", code=1)
    assert pins(machine.mach("lock", "app", "-o", "-", "--snapshot", "before").stdout)["part"] == "1.0"


@pytest.mark.parametrize("how", ["--offline", "--snapshot"])
def test_what_is_not_known_is_never_taken_for_absent(machine: Machine, index: FakeIndex, how: str) -> None:
    machine.mach("crawl", "app", "--newest", "1", "-q")
    snapshot = machine.mach("db", "status", "--json").json["snapshot"]
    words = ["--offline"] if how == "--offline" else ["--snapshot", snapshot]
    index.forget()
    told = machine.mach("lock", "app", *words, "--json", code=3)
    assert told.json["error"]["code"] == "not-covered"
    missing = {page["project"] for page in told.json["error"]["details"]["pages"]}
    assert "part" in missing
    assert "mach crawl" in told.json["error"]["hint"]
    assert index.count() == 0
