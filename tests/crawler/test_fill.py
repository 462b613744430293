"""A batch brings every fact that can be had, each once, and what is likely to be needed next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.client import Client
from crawler.fill import MetadataRequest, PageRequest, Request, fill
from db.facts import AbsenceFact, Fact, MetadataFact, PageFact, UnchangedFact
from resolver.names import normalize_project
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex, IndexServer


def page(index: FakeIndex, project: str, **known: object) -> PageRequest:
    return PageRequest(index=index.url, project=normalize_project(project), **known)  # type: ignore[arg-type]


def newest(fact: PageFact | MetadataFact) -> Iterator[Request]:
    """Ask ahead as a service would: the last file of a page, then the pages that its metadata names."""
    if isinstance(fact, PageFact):
        if fact.files:
            yield MetadataRequest(index=fact.index, project=fact.project, file=fact.files[-1])
    else:
        for text in fact.requires_dist:
            yield PageRequest(index=fact.index, project=normalize_project(text.split(">")[0]))


@pytest.fixture
def stocked(fake_index: FakeIndex) -> FakeIndex:
    fake_index.add(make_wheel("a", "1.0"))
    fake_index.add(make_wheel("a", "2.0", requires=["b>1", "c"]))
    fake_index.add(make_wheel("b", "1.0", requires=["a>0", "missing"]))
    fake_index.add(make_wheel("c", "1.0"))
    return fake_index


def named(facts: tuple[Fact, ...]) -> set[tuple[str, str]]:
    return {(type(fact).__name__, getattr(fact, "filename", fact.project)) for fact in facts}


def test_a_chain_is_followed_ahead_and_nothing_is_fetched_twice(client: Client, stocked: FakeIndex):
    seen: list[tuple[int, int]] = []
    found = fill(
        [page(stocked, "a"), page(stocked, "a")],
        client=client,
        ahead=newest,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert named(found.facts) == {
        ("PageFact", "a"),
        ("PageFact", "b"),
        ("PageFact", "c"),
        ("AbsenceFact", "missing"),
        ("MetadataFact", "a-2.0-py3-none-any.whl"),
        ("MetadataFact", "b-1.0-py3-none-any.whl"),
        ("MetadataFact", "c-1.0-py3-none-any.whl"),
    }
    assert not found.errors
    assert not found.skipped
    assert stocked.count() == 7
    assert [done for done, _ in seen] == list(range(1, 8))
    assert seen[-1] == (7, 7)


def test_nothing_is_fetched_ahead_that_was_not_asked_for(client: Client, stocked: FakeIndex):
    assert named(fill([page(stocked, "a")], client=client).facts) == {("PageFact", "a")}
    assert fill([], client=client).facts == ()


def test_a_failure_loses_none_of_the_others(client: Client, stocked: FakeIndex):
    stocked.behave(stocked.page_path("b"), status=500)
    stocked.behave(stocked.page_path("c"), body=b"garbage")
    wrong = stocked.add(make_wheel("d", "1.0"), sidecar_sha256="0" * 64)
    found = fill([page(stocked, name) for name in "abcd"], client=client, ahead=newest)
    assert {(request.project, error.code) for request, error in found.errors.items()} == {
        ("b", "index-error"),
        ("c", "index-garbage"),
        ("d", "hash-mismatch"),
    }
    assert isinstance(next(r for r in found.errors if r.project == "d"), MetadataRequest)
    assert wrong.filename not in {name for _, name in named(found.facts)}
    assert named(found.facts) == {("PageFact", "a"), ("PageFact", "d"), ("MetadataFact", "a-2.0-py3-none-any.whl")}


def test_pages_are_revalidated(client: Client, stocked: FakeIndex):
    [first] = fill([page(stocked, "a")], client=client).facts
    assert isinstance(first, PageFact)
    [again] = fill([page(stocked, "a", etag=first.etag)], client=client, ahead=newest).facts
    assert isinstance(again, UnchangedFact)
    assert stocked.count(status=304) == 1


def test_one_project_may_be_asked_of_two_indexes(client: Client, stocked: FakeIndex):
    other = stocked.server.index("other")
    found = fill([page(stocked, "a"), page(other, "a")], client=client)
    assert {type(fact): fact.index for fact in found.facts} == {PageFact: stocked.url, AbsenceFact: other.url}


def test_rows_that_are_left_out_are_told(client: Client, stocked: FakeIndex):
    stocked.add(make_wheel("a", "3.0"), url="javascript:alert(1)")
    [row] = fill([page(stocked, "a")], client=client).skipped
    assert (row.project, row.row) == ("a", "a-3.0-py3-none-any.whl")
    assert str(row) == (
        "'a-3.0-py3-none-any.whl' on the page of a is left out: its URL cannot be used: it is not an http or https URL"
    )


def test_a_server_that_is_gone_is_not_asked_for_everything(client: Client, stocked: FakeIndex):
    with IndexServer() as gone:
        dead = gone.index()
        url = dead.url
    requests: list[Request] = [PageRequest(index=url, project=normalize_project(f"p{n}")) for n in range(60)]
    found = fill([*requests, page(stocked, "a")], client=client)
    assert len(found.errors) == 60
    assert {error.code for error in found.errors.values()} == {"index-unreachable"}
    assert sum("not tried" in str(error) for error in found.errors.values()) > 40
    assert named(found.facts) == {("PageFact", "a")}


def test_a_bug_is_not_taken_for_a_failure(client: Client, stocked: FakeIndex):
    def broken(fact: PageFact | MetadataFact) -> Iterator[Request]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill([page(stocked, "a")], client=client, ahead=broken)


@pytest.mark.parametrize("answer", [{"delay": 60.0}, {"status": 503, "headers": {"Retry-After": "60"}}])
def test_ctrl_c_stops_at_once(stocked: FakeIndex, answer: dict[str, object]):
    stocked.behave("/*", **answer)
    program = textwrap.dedent(f"""
        from crawler.client import Client, Manners
        from crawler.fill import PageRequest, fill
        from crawler.settings import IndexSettings
        client = Client(IndexSettings(indexes=(), timeout=100), Manners(connections=4, per_second=None, patience=60))
        try:
            print("ready", flush=True)
            fill([PageRequest(index={stocked.url!r}, project=f"p{{n}}") for n in range(9)], client=client)
        except KeyboardInterrupt:
            print("stopped")
    """)
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    # a delayed request is recorded only when it is answered: give the threads time to ask
    time.sleep(1.0)
    start = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out.strip(), process.returncode) == ("stopped", 0)
    assert time.monotonic() - start < 20, "and not after a minute"
