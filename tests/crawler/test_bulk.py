"""Crawling ahead of need: all metadata of a project with few requests, and only of projects that changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crawler.bulk import crawl, fetch_root
from crawler.client import Client
from crawler.fill import PageRequest
from db.facts import MetadataFact
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.support.dists import make_sdist, make_wheel
from tests.support.index import FakeIndex


@pytest.fixture
def stocked(fake_index: FakeIndex) -> FakeIndex:
    for version in ("1.0", "2.0", "10.0"):
        for tag in ("cp311-cp311-linux_x86_64", "cp312-cp312-linux_x86_64", "py3-none-any"):
            fake_index.add(make_wheel("a", version, tag=tag, requires=["b"]))
        fake_index.add(make_sdist("a", version))
    return fake_index


def page(index: FakeIndex, project: str = "a") -> PageRequest:
    return PageRequest(index=index.url, project=normalize_project(project))


def metadata_of(facts: tuple[object, ...]) -> list[MetadataFact]:
    return [fact for fact in facts if isinstance(fact, MetadataFact)]


def test_equal_sidecars_are_fetched_once_and_known_for_each_file(client: Client, stocked: FakeIndex):
    found = crawl([page(stocked)], client=client)
    facts = metadata_of(found.facts)
    assert sorted(f.filename for f in facts) == sorted(d.filename for d in stocked.dists("a") if d.is_wheel)
    assert all(f.requires_dist == ("b",) and f.source == "sidecar" for f in facts)
    assert stocked.count() == 1 + 3


def test_the_newest_versions_by_pep_440(client: Client, stocked: FakeIndex):
    facts = metadata_of(crawl([page(stocked)], client=client, newest=2, sdists=True).facts)
    assert {f.filename.split("-")[1].removesuffix(".tar.gz") for f in facts} == {"2.0", "10.0"}
    assert sum(f.source == "pkg-info" for f in facts) == 2


@pytest.mark.parametrize(
    "tag",
    [
        *("py3-none-any", "py2.py3-none-any", "cp313-cp313-manylinux_2_17_aarch64", "cp310-abi3-manylinux2014_x86_64"),
        *("cp36-abi3-macosx_11_0_universal2", "cp314-cp314-macosx_15_0_arm64", "cp312-cp312-manylinux_2_41_x86_64"),
    ],
)
def test_a_wheel_for_some_target_is_fetched(client: Client, fake_index: FakeIndex, tag: str):
    fake_index.add(make_wheel("a", "1.0", tag=tag))
    assert len(metadata_of(crawl([page(fake_index)], client=client).facts)) == 1


@pytest.mark.parametrize(
    "tag",
    [
        *("cp313-cp313-musllinux_1_2_x86_64", "cp313-cp313-win_amd64", "cp313-cp313-manylinux_2_17_ppc64le"),
        *("cp38-cp38-manylinux_2_17_x86_64", "pp310-pypy310_pp73-manylinux_2_17_x86_64", "py2-none-any"),
        *("cp313-cp313t-manylinux_2_17_x86_64", "cp312-cp312-macosx_10_9_x86_64"),
    ],
)
def test_a_wheel_that_no_target_takes_is_not_fetched(client: Client, fake_index: FakeIndex, tag: str):
    fake_index.add(make_wheel("a", "2.0", tag=tag))
    older = fake_index.add(make_wheel("a", "1.0"))
    facts = metadata_of(crawl([page(fake_index)], client=client, newest=1).facts)
    assert [fact.filename for fact in facts] == [older.filename], "the newest version is one that has a wheel"
    assert fake_index.count() == 1 + 1


def test_known_files_are_not_fetched_again(client: Client, stocked: FakeIndex):
    facts = metadata_of(
        crawl([page(stocked)], client=client, is_known=lambda page, file: "-10.0-" not in file.filename).facts
    )
    assert {f.filename.split("-")[1] for f in facts} == {"10.0"}


def test_twins_of_a_file_that_fails_are_fetched_themselves(client: Client, stocked: FakeIndex):
    first, second, third, *_ = stocked.dists("a")
    stocked.behave(stocked.sidecar_path(first), status=404)
    stocked.behave(first, status=404)
    found = crawl([page(stocked)], client=client)
    assert [getattr(r, "file").filename for r in found.errors] == [first.filename]  # noqa: B009
    assert {second.filename, third.filename} <= {f.filename for f in metadata_of(found.facts)}
    stocked.recover()
    stocked.behave(stocked.sidecar_path(first), status=404)
    facts = {f.filename: f for f in metadata_of(crawl([page(stocked)], client=client).facts)}
    assert facts[first.filename].source == "range"
    assert facts[second.filename].source == "sidecar"
    assert len(facts) == 9


def test_serials_tell_what_changed(client: Client, stocked: FakeIndex):
    stocked.add(make_wheel("b", "1.0"))
    root = fetch_root(client, stocked.url)
    assert root.serial == stocked.serial
    assert set(root.serials) == {"a", "b"}
    stocked.add(make_wheel("b", "2.0"))
    later = fetch_root(client, stocked.url)
    assert {name for name, serial in later.serials.items() if serial > root.serial} == {"b"}
    assert later.serial == later.serials["b"] == stocked.serial


def test_a_page_behind_the_root_is_stale(client: Client, stocked: FakeIndex):
    stocked.freeze("a")
    stocked.add(make_wheel("a", "11.0"))
    root = fetch_root(client, stocked.url)
    found = crawl([replace(page(stocked), last_serial=root.serials["a"])], client=client)
    assert [error.code for error in found.errors.values()] == ["index-stale"]


@pytest.mark.parametrize("form", ["html", "mirror"])
def test_a_root_without_serials_says_so(client: Client, stocked: FakeIndex, form: str):
    stocked.form = form  # type: ignore[assignment]
    with pytest.raises(Unavailable) as caught:
        fetch_root(client, stocked.url)
    assert caught.value.code == "index-without-serials"
    stocked.form, stocked.serials = "json", False
    with pytest.raises(Unavailable) as caught:
        fetch_root(client, stocked.url)
    assert caught.value.code == "index-without-serials"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"meta": 1, "projects": []}', b'{"meta": {}, "projects": [1]}'])
def test_a_root_that_is_garbage_is_refused(client: Client, stocked: FakeIndex, body: bytes):
    stocked.behave(stocked.root_path, body=body)
    with pytest.raises(Unavailable) as caught:
        fetch_root(client, stocked.url)
    assert caught.value.code == "index-garbage"


def test_names_that_nobody_can_ask_for_are_passed_over(client: Client, stocked: FakeIndex):
    stocked.behave(
        stocked.root_path,
        body=b'{"meta": {"_last-serial": 9}, "projects": ['
        b'{"name": "../x", "_last-serial": 9}, {"name": "A", "_last-serial": 8}]}',
    )
    assert fetch_root(client, stocked.url).serials == {"a": 8}
