"""``mach crawl --wanted``: what a service lacked is fetched, with what that leads to, and waits no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.crawl_service import Crawl
from api.notices import Notices
from api.wanted_service import crawl_wanted
from crawler.settings import IndexSettings
from db.catalog import open_catalog
from db.wanted import Wanted, want, wanted
from resolver.names import normalize_project
from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.world import World


@pytest.fixture
def small(fake_index: FakeIndex, tmp_path: Path) -> Machine:
    """A machine whose index has ``app`` in six versions, each of which requires ``part``, and the builders' tools."""
    for version in ("1.0", "2.0", "3.0", "4.0", "5.0", "6.0"):
        fake_index.add(make_wheel("app", version, requires=["part"]))
    fake_index.add(make_wheel("part", "1.0"))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    return Machine(home=tmp_path, index_url=fake_index.url)


def wish(world: World | FakeIndex, project: str, filename: str = "") -> Wanted:
    return Wanted(index=world.url, project=normalize_project(project), filename=filename)


def queue(machine: Machine, *wishes: Wanted) -> None:
    with open_catalog(machine.home / "wanted.sqlite3") as catalog:
        want(catalog, wishes)


def waiting(machine: Machine, world: World | FakeIndex) -> list[str]:
    with open_catalog(machine.home / "wanted.sqlite3") as catalog:
        return [wish.project for wish in wanted(catalog, world.url)]


def test_one_crawl_brings_all_that_an_answer_takes(machine: Machine, world: World) -> None:
    queue(machine, *(wish(world, name) for name in ("rich", "installer", "pyproject-hooks")))
    machine.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "-q")
    assert waiting(machine, world) == []
    lock = machine.mach("lock", "rich", "--offline", "--db", "wanted.sqlite3", "-o", "-").stdout
    assert lock == machine.mach("lock", "rich", "-o", "-").stdout


def test_the_very_file_that_is_wanted_is_fetched(machine: Machine, world: World) -> None:
    machine.mach("crawl", "idna", "--newest", "1", "--db", "wanted.sqlite3", "-q")
    filename = "idna-3.4-py3-none-any.whl"
    queue(machine, wish(world, "idna", filename))
    crawled = machine.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "--json").json
    assert (crawled["pages"], crawled["metadata"]) == (0, 1)
    assert waiting(machine, world) == []


def test_who_asks_again_for_an_old_release_gets_it(small: Machine, fake_index: FakeIndex) -> None:
    db = ("--db", "wanted.sqlite3")
    queue(small, *(wish(fake_index, name) for name in ("app", "installer", "pyproject-hooks")))
    small.mach("crawl", "--wanted", *db)
    lacking = small.mach("lock", "app<3", "--offline", "--json", *db, code=3).json["error"]["details"]
    assert lacking["pages"] == [], "what app leads to was fetched with it"
    queue(small, *(wish(fake_index, need["project"], need["filename"]) for need in lacking["metadata"]))
    small.mach("crawl", "--wanted", *db)
    small.mach("lock", "app<3", "--offline", *db)
    assert "app-2.0-py3-none-any.whl" in small.read("mach.lock")


def test_of_the_newest_versions_three_unless_told_otherwise(small: Machine, fake_index: FakeIndex) -> None:
    queue(small, wish(fake_index, "app"))
    few = small.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "--json").json
    assert (few["pages"], few["metadata"]) == (2, 3 + 1)
    queue(small, wish(fake_index, "app"))
    more = small.mach("crawl", "--wanted", "--newest", "5", "--db", "wanted.sqlite3", "--json").json
    assert (more["pages"], more["metadata"]) == (1, 2)


def test_what_was_fetched_is_there_before_the_crawl_ends(small: Machine, fake_index: FakeIndex) -> None:
    names = [f"project-{number}" for number in range(21)]
    for name in names:
        fake_index.add(make_wheel(name, "1.0"))
    queue(small, *(wish(fake_index, name) for name in names))
    crawled = small.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "--rate", "100", "--json").json
    assert (crawled["pages"], crawled["generation"]) == (21, 2), "20 projects at once"


def test_what_is_asked_for_meanwhile_goes_before_what_is_fetched_ahead(small: Machine, fake_index: FakeIndex) -> None:
    fake_index.add(make_wheel("late", "1.0"))
    queue(small, wish(fake_index, "app"))
    with open_catalog(small.home / "wanted.sqlite3") as catalog:
        asked = [wish(fake_index, "late"), wish(fake_index, "app", "app-1.0-py3-none-any.whl")]
        how = Crawl(
            handle=catalog,
            settings=IndexSettings(indexes=(fake_index.url,)),
            notices=Notices(progress=lambda done, total, what: want(catalog, asked) and asked.clear()),
            per_second=100,
        )
        crawled = crawl_wanted(how)
    assert (crawled.pages, crawled.metadata) == (3, 3 + 1 + 1 + 1)
    assert waiting(small, fake_index) == []
    assert len(small.mach("db", "snapshots", "--db", "wanted.sqlite3").stdout.splitlines()) == 3


@pytest.mark.parametrize("filename", ["", "app-6.0-py3-none-any.whl"])
def test_what_failed_goes_on_waiting(small: Machine, fake_index: FakeIndex, filename: str) -> None:
    db = ("--db", "wanted.sqlite3")
    if filename:
        small.mach("crawl", "app", "--newest", "1", *db)
        queue(small, wish(fake_index, "app", filename))
    else:
        queue(small, wish(fake_index, "app"))
    queue(small, wish(fake_index, "part"))
    fake_index.behave(fake_index.page_path("app") if not filename else f"{fake_index.prefix}/packages/*", status=403)
    small.mach("crawl", "--wanted", *db, code=3)
    assert "app" in waiting(small, fake_index)
    fake_index.recover()
    small.mach("crawl", "--wanted", *db)
    assert waiting(small, fake_index) == []


def test_a_project_that_nobody_has_waits_no_longer_either(machine: Machine, world: World) -> None:
    queue(machine, wish(world, "nobody-has-this"))
    assert machine.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "--json").json["absent"] == 1
    assert waiting(machine, world) == []


def test_what_another_index_shall_have_goes_on_waiting(machine: Machine, world: World) -> None:
    queue(machine, Wanted(index="https://other.example/", project=normalize_project("rich")))
    assert machine.mach("crawl", "--wanted", "--db", "wanted.sqlite3", "--json").json["pages"] == 0
    with open_catalog(machine.home / "wanted.sqlite3") as catalog:
        assert len(wanted(catalog, "https://other.example/")) == 1


def test_there_has_to_be_something_to_crawl(machine: Machine) -> None:
    assert "give --changed or --wanted" in machine.mach("crawl", code=2).stderr
