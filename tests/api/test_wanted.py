"""``mach crawl --wanted``: what a service lacked is fetched, with what that leads to, and waits no longer."""

from __future__ import annotations

from db.catalog import open_catalog
from db.wanted import Wanted, want, wanted
from resolver.names import normalize_project
from tests.e2e.machines import Machine
from tests.support.world import World


def wish(world: World, project: str, filename: str = "") -> Wanted:
    return Wanted(index=world.url, project=normalize_project(project), filename=filename)


def queue(machine: Machine, *wishes: Wanted) -> None:
    with open_catalog(machine.home / "wanted.sqlite3") as catalog:
        want(catalog, wishes)


def waiting(machine: Machine, world: World) -> list[str]:
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
