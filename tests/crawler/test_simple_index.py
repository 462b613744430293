"""Project pages become facts, in every form that an index may give them."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import ProjectPage

from crawler.client import Answer, Client
from crawler.simple_index import fetch_page, read_page, read_time
from db.facts import AbsenceFact, PageFact, UnchangedFact
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.support.dists import make_sdist, make_wheel
from tests.support.hostile import list_hostile
from tests.support.index import FakeIndex

INDEX = "https://index.example/simple/"
NUMPY = normalize_project("numpy")
JSON = "application/vnd.pypi.simple.v1+json"


def get(client: Client, index: FakeIndex, project: str, **known: object) -> PageFact:
    fact = fetch_page(client, index.url, normalize_project(project), **known).fact  # type: ignore[arg-type]
    assert isinstance(fact, PageFact)
    return fact


def read(body: str | bytes, content_type: str = "text/html", **headers: str) -> PageFact:
    body = body.encode() if isinstance(body, str) else body
    answer = Answer(
        url=f"{INDEX}numpy/",
        status=200,
        headers={"Content-Type": content_type, "Content-Length": str(len(body)), **headers},
        body=body,
    )
    fact = read_page(answer, INDEX, NUMPY, 0).fact
    assert isinstance(fact, PageFact)
    return fact


@pytest.fixture
def stocked(fake_index: FakeIndex) -> FakeIndex:
    fake_index.add(make_sdist("numpy", "1.0"), upload_time=None, size=None)
    fake_index.add(make_wheel("numpy", "1.0", requires_python=">=3.9,<4"), upload_time=1700000000)
    fake_index.add(make_wheel("numpy", "2.0"), yanked="breaks <everything> & more", sidecar="bare")
    fake_index.add(make_wheel("numpy", "3.0"), yanked=True, sha256=None, sidecar="none")
    return fake_index


@pytest.mark.parametrize("urls", ["absolute", "relative"])
@pytest.mark.parametrize("form", ["negotiate", "json", "html", "mirror"])
def test_every_form_gives_the_same_files(client: Client, stocked: FakeIndex, form: str, urls: str):
    stocked.form, stocked.urls = form, urls  # type: ignore[assignment]
    page = get(client, stocked, "numpy")
    assert page.index == stocked.url
    assert page.last_serial == stocked.serial
    sdist, first, second, third = page.files
    one, two, three, four = stocked.dists("numpy")
    assert [f.filename for f in page.files] == [d.filename for d in (one, two, three, four)]
    assert [f.url for f in page.files] == [stocked.file_url(d) for d in (one, two, three, four)]
    assert [f.sha256 for f in page.files] == [one.sha256, two.sha256, three.sha256, None]
    assert first.requires_python == ">=3.9,<4"
    assert (first.yanked, second.yanked, third.yanked) == (False, True, True)
    assert (second.yanked_reason, third.yanked_reason) == ("breaks <everything> & more", None)
    assert (sdist.upload_time, first.upload_time) == (None, None if form == "html" else 1700000000)
    assert (sdist.size, first.size) == (None, two.size if form in ("negotiate", "json") else None)
    if form == "mirror":
        assert not any(f.has_metadata for f in page.files)
    else:
        assert [f.has_metadata for f in page.files] == [False, True, True, False]
        assert first.metadata_sha256 is not None
        assert second.metadata_sha256 is None


@pytest.mark.parametrize("form", ["json", "html"])
def test_pypi_simple_reads_the_same(client: Client, stocked: FakeIndex, form: str):
    stocked.form = form  # type: ignore[assignment]
    answer = client.get(f"{stocked.url}numpy/", what="the page", limit=1 << 20)
    if form == "json":
        oracle = ProjectPage.from_json_data(json.loads(answer.body), answer.url)
    else:
        oracle = ProjectPage.from_html("numpy", answer.body, answer.url)
    fact = read_page(answer, stocked.url, NUMPY, 0).fact
    assert isinstance(fact, PageFact)
    assert [(f.filename, f.url, f.sha256, f.requires_python, f.yanked, f.has_metadata) for f in fact.files] == [
        (p.filename, p.url, p.digests.get("sha256"), p.requires_python, p.is_yanked, bool(p.has_metadata))
        for p in oracle.packages
    ]


ATTRIBUTE = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"\A[A-Za-z0-9][\w.]{0,10}-[0-9.]{1,5}(\.tar\.gz|\.zip|-py3-none-any\.whl)\Z"), ATTRIBUTE
        ),
        min_size=1,
        unique_by=lambda row: row[0],
    )
)
def test_pypi_simple_reads_the_same_of_random_pages(rows: list[tuple[str, str]]):
    body = "<!DOCTYPE html><html><body>" + "".join(
        f'<p><A  HREF = "../{escape(name)}#sha256={"0" * 64}" data-requires-python="{escape(text)}">\n'
        f" <b>{escape(name)}</b></a><br/>"
        for name, text in rows
    )
    oracle = ProjectPage.from_html("numpy", body, f"{INDEX}numpy/")
    try:
        found = read(body).files
    except Unavailable:
        found = ()
    refused = [name for name, text in rows if "\0" in text or "�" in name or not name.isprintable()]
    assert [(f.filename, f.url, f.sha256, f.requires_python) for f in found] == [
        (p.filename, p.url, p.digests["sha256"], p.requires_python or None)
        for p in oracle.packages
        if p.filename not in refused
    ]


def test_a_page_that_did_not_change_is_told_by_etag(client: Client, stocked: FakeIndex):
    page = get(client, stocked, "numpy")
    assert page.etag is not None
    again = fetch_page(client, stocked.url, NUMPY, etag=page.etag)
    assert isinstance(again.fact, UnchangedFact)
    stocked.add(make_wheel("numpy", "4.0"))
    assert len(get(client, stocked, "numpy", etag=page.etag).files) == 5


def test_a_page_that_did_not_change_is_told_by_date(client: Client, stocked: FakeIndex):
    stocked.etags, stocked.last_modified = False, True
    page = get(client, stocked, "numpy")
    again = fetch_page(client, stocked.url, NUMPY, last_modified=page.last_modified)
    assert isinstance(again.fact, UnchangedFact)


@pytest.mark.parametrize("status", [404, 410])
def test_an_answer_that_there_is_no_such_project_is_a_fact(client: Client, fake_index: FakeIndex, status: int):
    fake_index.behave(fake_index.page_path("nothing"), status=status)
    fact = fetch_page(client, fake_index.url, normalize_project("nothing")).fact
    assert isinstance(fact, AbsenceFact)
    assert (fact.index, fact.project) == (fake_index.url, "nothing")


def test_an_empty_project_is_a_page_without_files(client: Client, fake_index: FakeIndex):
    fake_index.create("empty")
    for form in ("json", "html"):
        fake_index.form = form  # type: ignore[assignment]
        assert get(client, fake_index, "empty").files == ()


def test_a_stale_page_is_asked_for_again_and_refused(client: Client, stocked: FakeIndex):
    known = get(client, stocked, "numpy").last_serial
    assert known is not None
    stocked.freeze("numpy")
    stocked.add(make_wheel("numpy", "4.0"))
    stocked.forget()
    with pytest.raises(Unavailable, match=f"serial {known}") as caught:
        fetch_page(client, stocked.url, NUMPY, last_serial=known + 1)
    assert caught.value.code == "index-stale"
    assert [asked.headers.get("cache-control") for asked in stocked.asked] == [None, "no-cache"]
    stocked.thaw("numpy")
    assert len(get(client, stocked, "numpy", last_serial=known + 1).files) == 5


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", "text/html", "empty"),
        (b"out of cheese", "text/html", "no HTML"),
        (b"\x00\xff\xfe" * 100, "text/html", "no HTML"),
        (b"{", JSON, "no JSON"),
        (b"", JSON, "no JSON"),
        (b"[" * 100_000, JSON, "no JSON"),
        (b'{"meta": {"api-version": "1.0"}, "name": "numpy"}', JSON, "no files"),
        (b'{"meta": {"api-version": "2.0"}, "name": "numpy", "files": []}', JSON, "version 2.0"),
        (b'{"meta": {}, "name": "numpy", "files": []}', JSON, "version"),
        (b'{"meta": {"api-version": "1.0"}, "name": "scipy", "files": []}', JSON, "'scipy'"),
        (b'{"meta": {"api-version": "1.0"}, "name": ["numpy"], "files": []}', JSON, "no project"),
        (b'<html><meta name="pypi:repository-version" content="2.0"></html>', "text/html", "version 2.0"),
        (b"<html><a href='/login'>Log in</a></html>", "text/html", "none of its 1 rows"),
        (b"%PDF-1.7", "application/pdf", "application/pdf"),
        (b"{}", "application/vnd.pypi.simple.v2+json", "version of the simple API"),
    ],
)
def test_what_is_no_project_page_is_refused_with_a_reason(body: bytes, content_type: str, reason: str):
    with pytest.raises(Unavailable) as caught:
        read(body, content_type)
    assert caught.value.code == "index-garbage"
    assert reason in str(caught.value)
    assert "index.example/simple/numpy/" in str(caught.value)
    assert caught.value.hint


def test_html_that_ends_with_the_connection_must_end_as_html():
    row = '<a href="a-1.0.zip">a-1.0.zip</a>'
    answer = Answer(url=INDEX, status=200, headers={"Content-Type": "text/html"}, body=f"<html>{row}".encode())
    with pytest.raises(Unavailable, match="not the page"):
        read_page(answer, INDEX, NUMPY, 0)
    assert len(read(f"<html>{row}").files) == 1


def rows_of(*rows: dict[str, object]) -> bytes:
    whole = {"filename": "numpy-1.0.zip", "url": "numpy-1.0.zip", "hashes": {"sha256": "AB" * 32}}
    return json.dumps({"meta": {"api-version": "1.4"}, "name": "NumPy", "files": [whole, *rows]}).encode()


@pytest.mark.parametrize(
    "row",
    [
        {"filename": "../../etc/cron.d/x.whl"},
        {"filename": "numpy-2.0.zip\x1b[2J"},
        {"filename": "numpy-2.0\u202epiz.zip"},
        {"filename": "numpy-\ud800.zip"},
        {"filename": "numpy\0-2.0.zip"},
        {"filename": "${x}-2.0.zip"},
        {"filename": ""},
        {"filename": "n" * 300 + ".zip"},
        {"filename": 7},
        {"filename": "numpy-1.0.zip"},
        {"url": "javascript:alert(1)"},
        {"url": "file:///etc/passwd"},
        {"url": "http://[::"},
        {"url": None},
        {"hashes": {"sha256": "zz"}},
        {"hashes": {"sha256": "AB" * 31 + "\u0660\u0661"}},
        {"hashes": "sha256"},
        {"requires-python": "\0"},
        {"requires-python": "\ud800"},
        {"requires-python": ">" * 20_000},
        {"yanked": "\udcff"},
        {"yanked": 3},
        {"core-metadata": 3},
    ],
)
def test_a_bad_row_is_left_out_with_a_reason_and_the_page_kept(row: dict[str, object]):
    good = {"filename": "numpy-2.0.zip", "url": "numpy-2.0.zip", "hashes": {}}
    answer = Answer(
        url=f"{INDEX}numpy/", status=200, headers={"Content-Type": JSON}, body=rows_of({**good, **row}, good)
    )
    found = read_page(answer, INDEX, NUMPY, 0)
    assert isinstance(found.fact, PageFact)
    assert [f.filename for f in found.fact.files] == ["numpy-1.0.zip", "numpy-2.0.zip"]
    assert found.fact.files[0].sha256 == "ab" * 32
    assert len(found.skipped) == 1
    assert found.skipped[0].reason.isprintable()


@pytest.mark.parametrize("rows", [["x"], [None], [[]], [7]])
def test_rows_that_are_no_objects_are_left_out(rows: list[object]):
    assert len(read(rows_of(*rows), JSON).files) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"core-metadata": {"sha256": "CD" * 32}}, (True, "cd" * 32)),
        ({"dist-info-metadata": {"sha256": "cd" * 32}}, (True, "cd" * 32)),
        ({"core-metadata": False, "dist-info-metadata": True}, (False, None)),
        ({"core-metadata": {"sha512": "00"}}, (True, None)),
        ({"core-metadata": {"sha256": "none"}}, (False, None)),
    ],
)
def test_sidecars_are_announced_in_two_ways(row: dict[str, object], expected: tuple[bool, str | None]):
    file = read(rows_of({"filename": "n-2.0.zip", "url": "n", "hashes": {}, **row}), JSON).files[1]
    assert (file.has_metadata, file.metadata_sha256) == expected


def test_values_out_of_range_are_unknown():
    row = {"filename": "n-2.0.zip", "url": "n", "hashes": {}, "size": -1, "upload-time": "1969-01-01T00:00:00Z"}
    file = read(rows_of(row, {**row, "filename": "n-3.0.zip", "size": 1 << 70, "upload-time": "soon"}), JSON).files[1]
    assert (file.size, file.upload_time) == (None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01T00:00:00Z", 1704067200),
        ("2024-01-01T00:00:00.999999Z", 1704067200),
        ("2024-01-01T01:00:00+01:00", 1704067200),
        ("2024-01-01T00:00:00", 1704067200),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (1704067200, None),
    ],
)
def test_upload_times_are_whole_seconds(text: object, seconds: int | None):
    assert read_time(text) == seconds


def test_the_first_base_and_the_last_part_of_the_url_count():
    page = read(
        '<html><base href="https://files.example/x/"><base href="https://no.example/">'
        '<a href="numpy-1.0.zip">numpy-1…</a><a name="no-href">y</a></html>'
    )
    assert [(f.filename, f.url) for f in page.files] == [("numpy-1.0.zip", "https://files.example/x/numpy-1.0.zip")]


def test_a_hostile_page_gives_inert_text_or_nothing(client: Client, fake_index: FakeIndex):
    for listing in list_hostile():
        fake_index.add(listing.dist, **listing.options)
    for form in ("json", "html"):
        fake_index.form = form  # type: ignore[assignment]
        answer = fetch_page(client, fake_index.url, normalize_project("hostile-page"))
        assert isinstance(answer.fact, PageFact)
        assert "hostile_page-1.0-py3-none-any.whl" in [f.filename for f in answer.fact.files]
        assert not any(f.filename.startswith("hostile_page-3.") for f in answer.fact.files)
        assert all(f.url.startswith("http://") and "secret" not in f.url for f in answer.fact.files)
        assert any(row.row.startswith("hostile_page-3.") for row in answer.skipped)


WORDS = [
    *(
        "<a",
        "href=",
        "</a>",
        '"',
        "'",
        ">",
        "<",
        "<!--",
        "<![",
        "<!DOCTYPE",
        "<?",
        "</html>",
        "<html>",
        "&#x;",
        "&#55296;",
    ),
    *(
        "&amp",
        "numpy-1.0.zip",
        "<script>",
        "<base",
        "href=http://[",
        '{"files":[',
        "]}",
        '"meta":',
        '"api-version":"1.0"',
    ),
    *("{", "}", ",", "null", "1e999"),
]
PAGES = st.lists(st.sampled_from([word.encode() for word in WORDS]) | st.binary(max_size=6), max_size=40).map(b" ".join)


@given(
    PAGES,
    st.sampled_from(
        ["text/html", "text/html; charset=utf-16", "text/html; charset=zlib", JSON, "application/json", ""]
    ),
)
def test_no_page_breaks_the_reader(body: bytes, content_type: str):
    with suppress(Unavailable):
        read(body, content_type)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
ROW = st.fixed_dictionaries(
    {},
    optional={
        key: JSON_VALUES | st.just("numpy-1.0.zip")
        for key in ("filename", "url", "hashes", "requires-python", "size", "yanked", "core-metadata", "upload-time")
    },
)


@given(st.lists(ROW | JSON_VALUES, max_size=3))
def test_no_row_breaks_the_reader(rows: list[dict[str, object]]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(rows_of(*rows), JSON).files[0].filename == "numpy-1.0.zip"
