"""``mach crawl`` and ``mach db``: filling a catalog, looking at it, carrying its facts elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex
from tests.support.postgres import fresh_schema, postgres_server
from tests.support.world import World

__all__ = ["postgres_server"]

FAST = ("--rate", "100", "--connections", "8")


def test_a_crawl_makes_an_offline_answer_possible(machine: Machine) -> None:
    machine.write("wanted.txt", "idna\n# and\ncertifi>=2023  # comment\n")
    names = ("installer", "pyproject-hooks", "nobody-has-this")
    done = machine.mach("crawl", *names, "-r", "wanted.txt", *FAST, "--json")
    assert {key: done.json[key] for key in ("pages", "absent", "generation", "errors")} == {
        "pages": 4,
        "absent": 1,
        "generation": 1,
        "errors": [],
    }
    assert done.json["metadata"] > 4
    machine.mach("gen", "idna", "certifi", "--offline", "-o", "python.nix")
    # the second crawl learns nothing, and only asks for pages
    again = machine.mach("crawl", *names, "-r", "wanted.txt", *FAST, "--json").json
    assert (again["generation"], again["metadata"]) == (1, 0)


def test_the_newest_versions_alone_take_fewer_files(machine: Machine) -> None:
    few = machine.mach("crawl", "idna", "--newest", "1", *FAST, "--json").json["metadata"]
    with_sdists = machine.mach("crawl", "idna", "--newest", "1", "--sdists", *FAST, "--json").json["metadata"]
    assert few == 1, "one wheel of four versions"
    assert with_sdists == 1, "its sdist; the wheel's is known"


def test_a_crawl_tells_what_failed_and_keeps_the_rest(machine: Machine, fake_index: FakeIndex) -> None:
    fake_index.add(make_wheel("good", "1.0"))
    fake_index.add(make_wheel("bad", "1.0"))
    fake_index.behave(fake_index.page_path("bad"), status=200, body=b"{", content_type="application/json")
    done = machine.mach("crawl", "good", "bad", "--index-url", fake_index.url, *FAST, "--json", code=3)
    assert "bad" in done.stderr
    assert machine.mach("db", "status", "--json").json["projects"] == 1


@pytest.mark.parametrize("words", [(), ("../etc",), ("requests>=2",)])
def test_a_crawl_takes_names_of_projects(machine: Machine, words: tuple[str, ...]) -> None:
    machine.mach("crawl", *words, code=2)


def test_what_changed_is_crawled_by_serials(machine: Machine, fake_index: FakeIndex) -> None:
    for name in ("one", "two"):
        fake_index.add(make_wheel(name, "1.0"))
    crawl = ("crawl", "--index-url", fake_index.url, *FAST)
    machine.mach(*crawl, "one", "two")
    assert machine.mach(*crawl, "--changed", "--json").json["pages"] == 2, "nothing was followed so far"
    assert machine.mach(*crawl, "--changed", "--json").json["pages"] == 0
    fake_index.add(make_wheel("two", "2.0"))
    fake_index.add(make_wheel("not-asked-for", "1.0"))
    done = machine.mach(*crawl, "--changed", "--json")
    assert (done.json["pages"], done.json["metadata"]) == (1, 1)
    assert "1 of 2 known projects changed" in done.stderr


def test_status_snapshots_pin_and_verify(machine: Machine) -> None:
    empty = machine.mach("db", "status", "--json").json
    assert (empty["projects"], empty["generation"]) == (0, 0)
    machine.mach("crawl", "idna", *FAST)
    first = machine.mach("db", "pin", "first").stdout.strip()
    machine.mach("crawl", "certifi", *FAST)
    status = machine.mach("db", "status", "--json").json
    assert (status["engine"], status["projects"], status["generation"]) == ("sqlite", 2, 2)
    assert status["snapshot"] != first
    lines = machine.mach("db", "snapshots").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [first, status["snapshot"]]
    assert lines[0].endswith("  first")
    assert machine.mach("db", "snapshots", "--json").json[0]["names"] == ["first"]
    plain = machine.mach("db", "status").stdout
    assert f"snapshot        {status['snapshot']}\n" in plain
    # a name moves only where it is told to
    machine.mach("db", "pin", "first", code=2)
    moved = machine.mach("db", "pin", "first", "--replace", "--json").json
    assert moved == {"name": "first", "snapshot": status["snapshot"]}
    assert machine.mach("db", "pin", "old", "--snapshot", first[:12]).stdout.strip() == first
    assert machine.mach("db", "verify", "--json").json == {"intact": True}
    assert "intact" in machine.mach("db", "verify").stderr


def test_names_of_projects_are_listed(machine: Machine, world: World) -> None:
    machine.mach("crawl", "idna", "nobody-has-this", *FAST)
    machine.mach("db", "pin", "first")
    machine.mach("crawl", "certifi", *FAST)
    assert machine.mach("db", "projects").stdout == "certifi\nidna\n"
    assert machine.mach("db", "projects", "--json").json == {world.url: ["certifi", "idna"]}
    assert machine.mach("db", "projects", "--snapshot", "first").stdout == "idna\n"
    assert "unknown-snapshot" in machine.mach("db", "projects", "--snapshot", "second", code=2).stderr


def test_export_and_import_of_a_state(machine: Machine, world: World, tmp_path: Path) -> None:
    machine.mach("crawl", "idna", *FAST)
    first = machine.mach("db", "pin", "first").stdout.strip()
    machine.mach("crawl", "certifi", *FAST)
    told = machine.mach("db", "export", "--snapshot", "first", "first.mach")
    assert first in told.stderr
    assert told.stdout == ""
    (tmp_path / "other").mkdir()
    other = Machine(home=tmp_path / "other", index_url=world.url)
    done = other.mach("db", "import", machine.home / "first.mach", "--json").json
    assert (done["projects"], done["learned"]) == (1, 1)
    assert other.mach("db", "status", "--json").json["snapshot"] == first
    assert other.mach("db", "import", machine.home / "first.mach", "--json").json["learned"] == 0


def test_every_command_takes_the_catalog_that_is_named(machine: Machine) -> None:
    machine.mach("crawl", "idna", *FAST, "--db", "here.db")
    by_option = machine.mach("db", "status", "--db", "here.db", "--json").json
    named = Machine(home=machine.home, index_url=machine.index_url, environ={"MACH_DB": "here.db"})
    by_variable = named.mach("db", "status", "--json").json
    assert by_option == by_variable
    assert by_option["projects"] == 1
    assert machine.mach("db", "status", "--json").json["projects"] == 0


@pytest.mark.postgres
def test_postgresql_is_named_by_its_url(machine: Machine, postgres_server: str) -> None:
    with fresh_schema(postgres_server) as url:
        machine.mach("crawl", "idna", *FAST, "--db", url)
        status = machine.mach("db", "status", "--db", url, "--json").json
        assert (status["engine"], status["projects"]) == ("postgresql", 1)
        assert machine.mach("db", "verify", "--db", url, "--json").json == {"intact": True}
        machine.mach("db", "export", "pg.mach", "--db", url)
    machine.mach("db", "import", "pg.mach")
    assert machine.mach("db", "status", "--json").json["snapshot"] == status["snapshot"]
