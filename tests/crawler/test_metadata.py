"""Metadata comes the cheapest way that a server allows, and is checked against every digest that a page gives."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile

import pytest

from crawler.client import Client, Limits, Manners
from crawler.metadata import fetch_metadata, version_in_name
from crawler.settings import IndexSettings
from crawler.simple_index import fetch_page
from db.facts import BuildSystem, FileFact, MetadataFact, PageFact
from resolver.catalog import TAKES_A_BUILD
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.support.dists import Dist, make_sdist, make_wheel
from tests.support.hostile import list_hostile
from tests.support.index import FakeIndex

NOISE = random.Random(0).randbytes(300_000)


def listed(client: Client, index: FakeIndex, dist: Dist) -> FileFact:
    page = fetch_page(client, index.url, normalize_project(dist.project)).fact
    assert isinstance(page, PageFact)
    return next(f for f in page.files if f.filename == dist.filename)


def fetch(client: Client, index: FakeIndex, dist: Dist, *, whole: bool = False) -> MetadataFact:
    return fetch_metadata(client, listed(client, index, dist), index.url, normalize_project(dist.project), whole=whole)


def big_wheel(**more: object) -> Dist:
    return make_wheel(
        "big", "1.0", requires=["a>=1", "b ; extra == 'x'"], extras=["x"], requires_python=">=3.8",
        files={"big/noise.bin": NOISE, **{f"big/m{n}.py": f"x = {n}\n" for n in range(700)}}, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def check(fact: MetadataFact, source: str) -> None:
    assert fact.source == source
    assert fact.failure is None
    assert fact.requires_dist == ("a>=1", "b ; extra == 'x'")
    assert fact.provides_extra == ("x",)
    assert fact.requires_python == ">=3.8"
    assert fact.sha256 is None


@pytest.mark.parametrize("sidecar", ["digest", "bare"])
def test_a_sidecar_that_is_announced_is_all_that_is_fetched(client: Client, fake_index: FakeIndex, sidecar: str):
    dist = fake_index.add(big_wheel(), sidecar=sidecar)  # type: ignore[arg-type]
    check(fetch(client, fake_index, dist), "sidecar")
    assert fake_index.count(dist) == 0


@pytest.mark.parametrize("sidecar", ["none", "silent"])
def test_a_wheel_is_read_in_ranges(client: Client, fake_index: FakeIndex, sidecar: str):
    dist = fake_index.add(big_wheel(), sidecar=sidecar)  # type: ignore[arg-type]
    check(fetch(client, fake_index, dist), "range")
    ranges = [asked.headers["range"] for asked in fake_index.asked if asked.path == fake_index.file_path(dist)]
    assert ranges[0] == "bytes=-65536"
    assert len(ranges) <= 3
    assert fake_index.count(fake_index.sidecar_path(dist)) == 0


def test_metadata_far_from_the_end_is_found_in_ranges(client: Client, fake_index: FakeIndex):
    whole = big_wheel()
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole.content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in sorted(old.namelist(), key=lambda name: not name.endswith("METADATA")):
            new.writestr(name, old.read(name))
    content = file.getvalue()
    dist = fake_index.add(
        whole, sidecar="none", content=content, sha256=hashlib.sha256(content).hexdigest(), size=len(content)
    )
    check(fetch(client, fake_index, dist), "range")


def test_a_sidecar_that_is_missing_is_made_up_for(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(big_wheel())
    fake_index.behave(fake_index.sidecar_path(dist), status=404)
    check(fetch(client, fake_index, dist), "range")


def test_a_page_in_place_of_an_unverified_sidecar_is_made_up_for(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(big_wheel(), sidecar="bare", sidecar_content=b"<html>not found</html>")
    check(fetch(client, fake_index, dist), "range")


@pytest.mark.parametrize("ranges", ["ignore", "refuse"])
def test_a_server_without_ranges_gives_the_whole_wheel(client: Client, fake_index: FakeIndex, ranges: str):
    fake_index.ranges = ranges  # type: ignore[assignment]
    dist = fake_index.add(big_wheel(), sidecar="none")
    check(fetch(client, fake_index, dist), "wheel")
    fake_index.forget()
    check(fetch(client, fake_index, dist), "wheel")
    assert fake_index.count(dist) == (1 if ranges == "ignore" else 2)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 206, "body": b"x", "headers": {}},
        {"status": 206, "body": b"x", "headers": {"Content-Range": "bytes 5-1/9"}},
        {"status": 206, "body": b"x" * 9, "headers": {"Content-Range": "bytes 0-8/9"}},
        {"status": 206, "body": b"x", "headers": {"Content-Range": "bytes 0-8/9"}},
        {"status": 206, "body": b"x", "headers": {"Content-Type": "multipart/byteranges; boundary=x"}},
    ],
)
def test_ranges_that_are_wrong_are_not_believed(client: Client, fake_index: FakeIndex, answer: dict[str, object]):
    dist = fake_index.add(big_wheel(), sidecar="none")
    fake_index.behave(dist, times=1, **answer)
    check(fetch(client, fake_index, dist), "wheel")


def test_a_range_longer_than_it_says_is_refused(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(big_wheel(), sidecar="none")
    fake_index.behave(dist, status=206, body=b"x" * 50, headers={"Content-Range": "bytes 0-8/9"})
    with pytest.raises(Unavailable, match="longer than 9 bytes") as caught:
        fetch(client, fake_index, dist)
    assert caught.value.code == "index-garbage"


def test_a_file_that_breaks_off_is_fetched_again(client: Client, fake_index: FakeIndex):
    fake_index.ranges = "refuse"
    dist = fake_index.add(big_wheel(), sidecar="none")
    fake_index.behave(dist, times=2, truncate=1000)
    check(fetch(client, fake_index, dist), "wheel")


def test_a_range_that_breaks_off_is_fetched_again(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(big_wheel(), sidecar="none")
    fake_index.behave(dist, times=2, truncate=1000)
    check(fetch(client, fake_index, dist), "range")


def mismatch(caught: pytest.ExceptionInfo[Unavailable], stated: str, found: bytes) -> None:
    assert caught.value.code == "hash-mismatch"
    assert stated in str(caught.value)
    assert hashlib.sha256(found).hexdigest() in str(caught.value)
    assert caught.value.hint


def test_a_sidecar_with_a_wrong_digest_stops_the_file(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(make_wheel("a", "1.0"), sidecar_sha256="0" * 64)
    with pytest.raises(Unavailable, match=r"METADATA of a-1.0") as caught:
        fetch(client, fake_index, dist)
    assert dist.metadata is not None
    mismatch(caught, "0" * 64, dist.metadata)
    assert fake_index.count(dist) == 0


@pytest.mark.parametrize("ranges", ["on", "ignore"])
def test_a_wheel_with_a_wrong_digest_stops(client: Client, fake_index: FakeIndex, ranges: str):
    fake_index.ranges = ranges  # type: ignore[assignment]
    dist = fake_index.add(make_wheel("a", "1.0"), sidecar="none", sha256="0" * 64)
    with pytest.raises(Unavailable) as caught:
        fetch(client, fake_index, dist)
    mismatch(caught, "0" * 64, dist.content)


def test_an_sdist_with_a_wrong_digest_stops(client: Client, fake_index: FakeIndex):
    dist = fake_index.add(make_sdist("a", "1.0"), sha256="0" * 64)
    with pytest.raises(Unavailable) as caught:
        fetch(client, fake_index, dist)
    mismatch(caught, "0" * 64, dist.content)


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_a_digest_that_the_page_does_not_give_is_learned(client: Client, fake_index: FakeIndex, make: object):
    dist = fake_index.add(make("a", "1.0"), sha256=None)  # type: ignore[operator]
    assert fetch(client, fake_index, dist, whole=True).sha256 == dist.sha256


@pytest.mark.parametrize("options", [{}, {"pkg_info_last": True}, {"suffix": ".zip"}, {"pkg_info_version": "2.4"}])
def test_a_static_pkg_info_is_the_metadata(client: Client, fake_index: FakeIndex, options: dict[str, object]):
    dist = make_sdist("a", "1.0", requires=["b>1"], requires_python=">=3.9", extras={"x": ["c"]}, **options)  # type: ignore[arg-type]
    fact = fetch(client, fake_index, fake_index.add(dist))
    assert (fact.source, fact.failure, fact.requires_python) == ("pkg-info", None, ">=3.9")
    assert fact.requires_dist[0] == "b>1"
    assert fact.provides_extra == ("x",)


@pytest.mark.parametrize("options", [{"pkg_info_version": "2.1"}, {"dynamic": ["Requires-Dist"]}])
def test_other_sdists_take_a_build(client: Client, fake_index: FakeIndex, options: dict[str, object]):
    dist = fake_index.add(make_sdist("a", "1.0", backend="legacy", **options))  # type: ignore[arg-type]
    fact = fetch(client, fake_index, dist)
    assert (fact.failure, fact.requires_dist) == (TAKES_A_BUILD, ())
    assert fact.build == BuildSystem(requires=("setuptools>=40.8.0",))


def test_an_old_sdist_is_read_like_any_other(client: Client, fake_index: FakeIndex):
    """Its build system is wanted even where its metadata cannot be static (before PEP 643)."""
    old = fake_index.add(make_sdist("old", "1.0", pkg_info_version="1.1"), upload_time=1_500_000_000)
    fact = fetch(client, fake_index, old)
    assert (fact.source, fact.failure) == ("pyproject", None)
    assert fact.build == BuildSystem(requires=("setuptools",), backend="setuptools.build_meta")


@pytest.mark.parametrize(
    ("dist", "reason"),
    [
        (make_wheel("a", "1.0", metadata_name="other"), "'other'"),
        (make_wheel("a", "1.0", metadata_version_field="99"), "'99'"),
        (make_wheel("a", "1.0", omit=["METADATA"]), "no METADATA"),
        (make_wheel("a", "1.0", metadata_text=b"\xff"), "no name"),
        (make_wheel("a", "1.0", filename="a-first-py3-none-any.whl"), "file name"),
        (make_sdist("a", "1.0", pkg_info_text="Metadata-Version: 2.2\nName: other\nVersion: 1.0\n"), "'other'"),
        (make_sdist("a", "1.0", filename="a.tar.gz"), "file name"),
        (make_sdist("a", "1.0", filename="b-1.0.tar.gz"), "file name"),
    ],
)
@pytest.mark.parametrize("sidecar", ["digest", "none"])
def test_a_file_with_bad_metadata_is_unusable_with_a_reason(
    client: Client, fake_index: FakeIndex, dist: Dist, reason: str, sidecar: str
):
    has_sidecar = dist.is_wheel and reason != "no METADATA"
    fake_index.add(dist, sidecar=sidecar if has_sidecar else "none")  # type: ignore[arg-type]
    fact = fetch(client, fake_index, dist)
    assert fact.failure is not None
    assert reason in fact.failure
    assert fact.requires_dist == ()


def test_a_broken_wheel_is_unusable_once_its_digest_is_checked(client: Client, fake_index: FakeIndex):
    content = make_wheel("a", "1.0").content[:-60]
    sha256 = hashlib.sha256(content).hexdigest()
    dist = fake_index.add(make_wheel("a", "1.0"), content=content, sha256=sha256, size=len(content), sidecar="none")
    fact = fetch(client, fake_index, dist)
    assert fact.source == "wheel"
    assert fact.failure is not None
    assert "not a whole zip" in fact.failure


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_file_that_is_listed_and_not_there_is_an_error(client: Client, fake_index: FakeIndex, status: int):
    dist = fake_index.add(make_wheel("a", "1.0"), sidecar="none")
    fake_index.behave(dist, status=status)
    with pytest.raises(Unavailable) as caught:
        fetch(client, fake_index, dist)
    assert caught.value.code == ("index-refused" if status == 403 else "index-error")
    assert "a-1.0-py3-none-any.whl" in caught.value.message
    assert str(status) in caught.value.message


def test_files_beyond_the_limit_are_refused(fake_index: FakeIndex):
    fake_index.ranges = "refuse"
    dist = fake_index.add(big_wheel(), sidecar="none")
    manners = Manners(connections=1, per_second=None, attempts=1)
    settings = IndexSettings(indexes=())
    with (
        Client(settings, manners, Limits(file=100_000)) as client,
        pytest.raises(Unavailable, match="longer than 100000 bytes"),
    ):
        fetch(client, fake_index, dist)


def test_hostile_requirements_are_kept_as_inert_text(client: Client, fake_index: FakeIndex):
    listing = next(one for one in list_hostile() if one.dist.project == "hostile-metadata")
    fact = fetch(client, fake_index, fake_index.add(listing.dist, **listing.options))
    assert fact.failure is not None or any("${builtins.abort" in text for text in fact.requires_dist)


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("a_b-1.0-py3-none-any.whl", "a-b", "1.0"),
        ("a_b-1.0-1-py3-none-any.whl", "a-b", "1.0"),
        ("a_b-1.0-py3-none-any.whl", "a", None),
        ("A.B-1.0.post1.tar.gz", "a-b", "1.0.post1"),
        ("a-b-1.0-beta-2.zip", "a-b", "1.0b2"),
        ("a-1-2.0.tar.gz", "a-1", "2.0"),
        ("a-1.0.tar.xz", "a", None),
        ("a-1.0.exe", "a", None),
        ("a-1.0", "a", None),
        ("", "a", None),
        (".whl", "a", None),
    ],
)
def test_the_version_in_a_files_name(filename: str, project: str, version: str | None):
    found = version_in_name(filename, normalize_project(project))
    assert (None if found is None else str(found)) == version
