"""The same answer again: offline, from a snapshot, on another machine, from catalogs that were filled otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.oddities import list_sdists
from tests.support.postgres import fresh_schema
from tests.support.twins import list_twins
from tests.support.world import TOOLS

PYTHON = ("--python", "3.11.9")
#: Every project at once, as fast as the politest crawl allows.
FAST = ("--sdists", "--rate", "100", "--connections", "16", "-q")

NewMachine = Callable[..., Machine]


def stock(index: FakeIndex) -> None:
    """Publish twins, sdists and the builders' tools: pure files, which take no compiler."""
    for listing in (*list_twins(), *list_sdists()):
        index.add(listing.dist, **listing.options)
    index.add(make_wheel("multidict", "6.1.0"))  # httpie's; the twin is compiled
    for tool in TOOLS:
        index.add(wheel_from_installed(tool))


@pytest.fixture(scope="module")
def stocked() -> Iterator[FakeIndex]:
    with IndexServer() as server:
        stock(server.index())
        yield server.index()


@pytest.fixture
def new_machine(tmp_path: Path) -> NewMachine:
    """Return what makes a machine that has never seen mach, with the index that it is configured for."""
    count = iter(range(100))

    def make_machine(index: FakeIndex, **environ: str) -> Machine:
        home = tmp_path / f"machine-{next(count)}"
        home.mkdir()
        return Machine(home=home, index_url=index.url, environ=environ)

    return make_machine


def lock(machine: Machine, *words: str | Path) -> str:
    """Return the lock that *machine* writes where it has none."""
    return machine.mach("lock", *words, *PYTHON, "-o", "-", "-q").stdout


def gen(machine: Machine, *words: str | Path) -> str:
    """Return the expression that *machine* writes where it has no lock."""
    return machine.mach("gen", *words, *PYTHON, "-q").stdout


def versions(lock_text: str) -> dict[str, str]:
    (target,) = json.loads(lock_text)["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


# ---- snapshots


def release_app(index: FakeIndex, *versions: str) -> None:
    for version in versions:
        index.add(make_wheel("app", version, requires=["part"]))
        index.add(make_wheel("part", version))


@pytest.fixture
def young_index(fake_index: FakeIndex) -> FakeIndex:
    """An index with two projects in their first version, and the builders' tools."""
    release_app(fake_index, "1.0")
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    return fake_index


def test_a_snapshot_answers_as_it_did_after_newer_facts_came(young_index: FakeIndex, new_machine: NewMachine) -> None:
    machine = new_machine(young_index)
    old_lock, old_expression = lock(machine, "app"), gen(machine, "app")
    snapshot = machine.mach("db", "pin", "before").stdout.strip()
    # a snapshot that was asked for is told, in the lock and in the head of the expression; all else is the same
    line = f'  "snapshot": "{snapshot}",\n'
    old_by_id = lock(machine, "app", "--snapshot", snapshot)
    assert old_by_id.replace(line, '  "snapshot": null,\n') == old_lock
    old_expression_by_id = gen(machine, "app", "--snapshot", snapshot)
    assert old_expression_by_id.replace(f"# snapshot: {snapshot}\n", "") == old_expression

    release_app(young_index, "2.0")
    young_index.yank(young_index.dists("part")[0], "broken")
    young_index.delete(young_index.dists("app")[0])
    machine.mach("crawl", "app", "part", *FAST)
    assert versions(lock(machine, "app")) == {"app": "2.0", "part": "2.0"}

    young_index.forget()
    for name in (snapshot, snapshot[:14], "before"):
        assert lock(machine, "app", "--snapshot", name) == old_by_id
        assert gen(machine, "app", "--snapshot", name) == old_expression_by_id
    assert young_index.count() == 0, "nothing is fetched for a snapshot"
    assert machine.mach("db", "pin", "after").stdout.strip() != snapshot


def test_a_snapshot_that_does_not_exist_is_told(young_index: FakeIndex, new_machine: NewMachine) -> None:
    machine = new_machine(young_index)
    lock(machine, "app")
    told = machine.mach("lock", "app", "--snapshot", "never-given", code=2).stderr
    assert "never-given" in told


def test_as_of_a_date_newer_files_are_not_seen(fake_index: FakeIndex, new_machine: NewMachine) -> None:
    stock(fake_index)
    machine = new_machine(fake_index)
    assert versions(lock(machine, "requests"))["requests"] == "2.32.5"
    # exclusive: what was uploaded on the day itself is not there yet
    for date, version in (("2024-05-29", "2.31.0"), ("2024-05-30", "2.32.3"), ("2024-05-29T02:00:01+02:00", "2.32.3")):
        assert versions(lock(machine, "requests", "--as-of", date))["requests"] == version


# ---- other machines


def test_another_machine_repeats_it_with_the_facts_of_the_lock(stocked: FakeIndex, new_machine: NewMachine) -> None:
    first, second = new_machine(stocked), new_machine(stocked)
    lock(first, "click<8.1.8", "requests<2.30")  # what the first machine knows besides
    first.write("requirements.txt", "httpie\nsdist-static[more]\n")
    first.mach("lock", "-r", "requirements.txt", *PYTHON)
    expression = first.mach("gen", "--lock", "mach.lock").stdout
    first.mach("db", "export", "--lock", "mach.lock", "facts.mach")

    stocked.forget()
    second.mach("db", "import", first.home / "facts.mach")
    second.write("requirements.txt", "httpie\nsdist-static[more]\n")
    second.mach("lock", "-r", "requirements.txt", *PYTHON, "--offline")
    assert second.read("mach.lock") == first.read("mach.lock")
    second.mach("db", "verify", "--lock", "mach.lock")
    (second.home / "mach.lock").unlink()
    assert gen(second, "-r", "requirements.txt", "--offline") == expression
    assert stocked.count() == 0
    # exactly those facts: what the first machine knows besides is not there
    told = second.mach("lock", "requests<2.30", *PYTHON, "--offline", code=3).stderr
    assert "error[not-covered]" in told
    second.mach("db", "export", "--lock", first.home / "mach.lock", "again.mach")
    assert (second.home / "again.mach").read_bytes() == (first.home / "facts.mach").read_bytes()


@pytest.mark.postgres
def test_a_whole_catalog_moves_to_another_machine_and_engine(
    stocked: FakeIndex, new_machine: NewMachine, postgres_server: str
) -> None:
    first = new_machine(stocked)
    locks = {request: lock(first, request) for request in ("httpie", "requests[socks]<2.32", "sdist-static")}
    first.mach("db", "export", "everything.mach")
    snapshot = first.mach("db", "status", "--json").json["snapshot"]
    stocked.forget()
    with fresh_schema(postgres_server) as url:
        for second in (new_machine(stocked), new_machine(stocked, MACH_DB=url)):
            second.mach("db", "import", first.home / "everything.mach")
            assert second.mach("db", "status", "--json").json["snapshot"] == snapshot
            for request, text in locks.items():
                assert lock(second, request, "--offline") == text
    assert stocked.count() == 0


# ---- catalogs that were filled otherwise


def test_processes_that_fill_one_catalog_together_agree(stocked: FakeIndex, new_machine: NewMachine) -> None:
    alone, shared = new_machine(stocked), new_machine(stocked)
    requests = ("httpie", "requests[socks]", "rich", "httpie")
    with ThreadPoolExecutor(len(requests)) as pool:
        words = [("lock", request, *PYTHON, "-o", "-", "-q") for request in requests]
        answers = [outcome.stdout for outcome in pool.map(lambda asked: shared.process(*asked), words)]
    assert answers == [lock(alone, request) for request in requests]
    assert shared.mach("db", "verify", "--json").json == {"intact": True}


def test_the_order_of_filling_and_other_projects_change_nothing(stocked: FakeIndex, new_machine: NewMachine) -> None:
    plain, after_others, crawled = (new_machine(stocked) for _ in range(3))
    expected = lock(plain, "requests[socks]")
    lock(after_others, "httpie")
    lock(after_others, "sdist-static")
    assert lock(after_others, "requests[socks]") == expected
    crawled.mach("crawl", "urllib3", "chardet", "packaging", *FAST)
    crawled.mach("crawl", "requests", "--newest", "1", *FAST)
    assert lock(crawled, "requests[socks]") == expected
    ids = {machine.mach("db", "status", "--json").json["snapshot"] for machine in (plain, after_others, crawled)}
    assert len(ids) == 3, "they do not know the same"


@pytest.mark.postgres
def test_equal_facts_have_one_id_in_both_engines(
    stocked: FakeIndex, new_machine: NewMachine, postgres_server: str
) -> None:
    projects = ["requests", "urllib3", "idna", "sdist-static", "nobody-has-this"]
    with fresh_schema(postgres_server) as url:
        one, other, another = new_machine(stocked), new_machine(stocked, MACH_DB=url), new_machine(stocked)
        one.mach("crawl", *projects, *FAST)
        for project in reversed(projects):
            other.mach("crawl", project, *FAST)
        lock(another, "requests[socks]==2.31.0")  # metadata that a crawl brings as well, and a project that it does not
        states = [machine.mach("db", "status", "--json").json for machine in (one, other, another)]
    assert states[0]["snapshot"] == states[1]["snapshot"] != states[2]["snapshot"]
    assert states[0]["generation"] == 1 < states[1]["generation"]


REQUESTS = (
    "requests",
    "httpie --platform aarch64-darwin --platform x86_64-linux",
    "requests[socks,use-chardet-on-py3]<2.32",
    "sdist-static[more]",
    "urllib3<2 rich --prefer newest",
    "urllib3<2.0.7 --pre",
)


@pytest.mark.parametrize("form", ["json", "html", "mirror"])
def test_on_demand_and_prefilled_catalogs_give_the_same_lock(new_machine: NewMachine, form: Any) -> None:
    with IndexServer() as server:
        index = server.index()
        index.form = form
        index.urls = "relative" if form == "html" else "absolute"
        index.etags = index.serials = form == "json"
        stock(index)
        # the form of an answer and what is asked have little to do with each other
        requests = {"json": REQUESTS, "html": REQUESTS[3:4], "mirror": REQUESTS[1:3]}[form]
        prefilled, grown = new_machine(index), new_machine(index)
        prefilled.mach("crawl", *index.projects, *FAST)
        # a crawl asks no build backends: what those say is known once a lock took it
        if "sdist-static[more]" in requests:
            lock(prefilled, "sdist-static[more]")
        from_full = {request: lock(prefilled, *request.split(), "--offline") for request in requests}
        for request in requests:
            fresh = new_machine(index)
            assert lock(fresh, *request.split()) == from_full[request], f"{request}, from nothing"
        for request in reversed(requests):
            assert lock(grown, *request.split()) == from_full[request], f"{request}, from what others left"
