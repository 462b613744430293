"""The fake index speaks as a real one does, to real clients, and misbehaves as told."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple

from tests.support.dists import make_sdist, make_wheel
from tests.support.index import FakeIndex

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
MARCH = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def twin(fake_index: FakeIndex):
    return fake_index.add(make_wheel("Twin", "1.0", requires=["idna"], requires_python=">=3.8"), upload_time=MARCH)


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=10)


def read_page(index: FakeIndex, project: str, accept: str):
    with PyPISimple(index.url, accept=accept) as client:
        return client.get_project_page(project)


# -- pages


@pytest.mark.parametrize("accept", [ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY])
@pytest.mark.parametrize("urls", ["absolute", "relative"])
@pytest.mark.parametrize("layout", ["blake2", "plain"])
@pytest.mark.parametrize("name", ["", "other"])
def test_a_page_is_read_in_both_forms(fake_index, accept, urls, layout, name):
    index = fake_index.server.index(name)
    index.urls, index.layout = urls, layout
    wheel = index.add(make_wheel("Twin", "1.0", requires_python=">=3.8"), yanked="broken")
    sdist = index.add(make_sdist("Twin", "1.0"))
    page = read_page(index, "twin", accept)
    first, second = page.packages
    assert (first.filename, first.package_type, second.package_type) == (wheel.filename, "wheel", "sdist")
    assert (first.version, first.requires_python) == ("1.0", ">=3.8")
    assert (first.is_yanked, first.yanked_reason, second.is_yanked) == (True, "broken", False)
    assert first.digests == {"sha256": wheel.sha256}
    assert (first.has_metadata, bool(second.has_metadata)) == (True, False)
    assert get(first.url).content == wheel.content
    assert get(second.url).content == sdist.content
    metadata = get(first.metadata_url).content
    assert metadata == wheel.metadata
    assert page.last_serial == str(index.serial)


def test_json_says_more_than_html(fake_index, twin):
    in_json = read_page(fake_index, "twin", ACCEPT_JSON_ONLY)
    in_html = read_page(fake_index, "twin", ACCEPT_HTML_ONLY)
    assert (in_json.repository_version, in_json.versions) == ("1.1", ["1.0"])
    assert (in_json.packages[0].size, in_json.packages[0].upload_time) == (twin.size, MARCH)
    assert (in_html.packages[0].size, in_html.packages[0].upload_time) == (None, None)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("text/html", "text/html"),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
        ("application/vnd.pypi.simple.v1+json, text/html;q=0.1", "application/vnd.pypi.simple.v1+json"),
        ("application/vnd.pypi.simple.v1+json;q=0.1, text/html", "text/html"),
        ("image/png", None),
    ],
)
def test_the_form_is_negotiated(fake_index, twin, accept, answered):
    response = requests.get(fake_index.url + "twin/", headers={"Accept": accept}, timeout=10)
    if answered is None:
        assert response.status_code == 406
    else:
        assert response.headers["Content-Type"].split(";")[0] == answered


def test_a_mirror_answers_html_with_upload_times_whatever_was_asked(fake_index, twin):
    fake_index.form = "mirror"
    response = get(fake_index.url + "twin/", **JSON)
    assert response.headers["Content-Type"].startswith("text/html")
    assert 'data-upload-time="2024-03-01T00:00:00.000000Z"' in response.text
    assert 'data-requires-python="&gt;=3.8"' in response.text
    assert "metadata" not in response.text
    assert get(fake_index.server.url + fake_index.sidecar_path(twin)).content == twin.metadata


def test_names_lead_to_the_normal_page(fake_index, twin):
    for spelled in ("Twin/", "TWIN", "twin"):
        response = get(fake_index.url + spelled)
        assert (response.status_code, response.url) == (200, fake_index.url + "twin/")
    assert get(fake_index.url + "nobody/").status_code == 404


def test_pages_state_what_they_were_told(fake_index):
    told = fake_index.add(
        make_wheel("told", "1", requires_python=">=3"),
        sha256="0" * 64,
        size=None,
        upload_time=None,
        requires_python=None,
        sidecar_sha256="1" * 64,
    )
    (file,) = read_page(fake_index, "told", ACCEPT_JSON_ONLY).packages
    assert (file.digests, file.size, file.upload_time, file.requires_python) == (
        {"sha256": "0" * 64},
        None,
        None,
        None,
    )
    assert file.metadata_digests == {"sha256": "1" * 64}
    fake_index.change(told, sidecar="bare", sha256=None)
    (file,) = read_page(fake_index, "told", ACCEPT_JSON_ONLY).packages
    assert (file.digests, file.has_metadata, file.metadata_digests) == ({}, True, {})
    fake_index.change(told, sidecar="silent")
    (file,) = read_page(fake_index, "told", ACCEPT_JSON_ONLY).packages
    assert not file.has_metadata
    assert get(file.metadata_url).status_code == 200
    fake_index.change(told, sidecar="none")
    assert get(file.metadata_url).status_code == 404


@pytest.mark.parametrize(
    ("keys", "in_json", "in_html"),
    [
        ("new", ["core-metadata"], ["data-core-metadata"]),
        ("old", ["dist-info-metadata"], ["data-dist-info-metadata"]),
        ("both", ["core-metadata", "data-dist-info-metadata"], ["data-core-metadata", "data-dist-info-metadata"]),
    ],
)
def test_sidecars_go_by_old_and_new_names(fake_index, twin, keys, in_json, in_html):
    fake_index.sidecar_keys = keys
    entry = get(fake_index.url + "twin/", **JSON).json()["files"][0]
    digest = hashlib.sha256(twin.metadata).hexdigest()
    assert {key: entry[key] for key in entry if "metadata" in key} == {key: {"sha256": digest} for key in in_json}
    found = re.findall(r'(\S+-metadata)="sha256=(\w+)"', get(fake_index.url + "twin/").text)
    assert found == [(key, digest) for key in in_html]


def test_files_can_differ_from_what_the_page_says(fake_index):
    dist = fake_index.add(make_wheel("liar", "1"), content=b"other bytes", sidecar_content=b"Name: other\n")
    assert get(fake_index.file_url(dist)).content == b"other bytes"
    assert get(fake_index.file_url(dist) + ".metadata").content == b"Name: other\n"


@pytest.mark.parametrize(
    "name", ["it's-1-py3-none-any.whl", "a\n${x}-1-py3-none-any.whl", "../../e-1-py3-none-any.whl"]
)
def test_hostile_file_names_are_served(fake_index, name):
    dist = fake_index.add(make_wheel("hostile", "1", filename=name))
    file = get(fake_index.url + "hostile/", **JSON).json()["files"][0]
    assert file["filename"] == name
    if ".." not in name:  # clients take these segments out of a URL
        assert get(file["url"]).content == dist.content


# -- change


def test_yanks_deletions_and_quarantine_move_the_serial(fake_index, twin):
    seen = [fake_index.serial]

    def page():
        seen.append(fake_index.serial)
        assert seen[-1] > seen[-2]
        return read_page(fake_index, "twin", ACCEPT_JSON_ONLY).packages

    fake_index.yank(twin, "bad")
    assert page()[0].yanked_reason == "bad"
    fake_index.unyank(twin)
    assert not page()[0].is_yanked
    fake_index.hide("twin")
    assert get(fake_index.url + "twin/").status_code == 404
    assert fake_index.projects == ()
    fake_index.unhide("twin")
    assert len(page()) == 1
    fake_index.delete(twin)
    assert page() == []


def test_the_root_lists_projects_with_their_serials(fake_index, twin):
    fake_index.add(make_wheel("later", "1"))
    root = get(fake_index.url, **JSON).json()
    assert root["meta"]["_last-serial"] == fake_index.serial
    assert [project["name"] for project in root["projects"]] == ["later", "twin"]
    assert root["projects"][0]["_last-serial"] > root["projects"][1]["_last-serial"]
    fake_index.serials = False
    assert "_last-serial" not in get(fake_index.url, **JSON).text
    with PyPISimple(fake_index.url, accept=ACCEPT_HTML_ONLY) as client:
        assert client.get_index_page().projects == ["later", "twin"]


def test_a_frozen_page_falls_behind_the_root(fake_index, twin):
    fake_index.freeze("twin")
    fake_index.yank(twin)
    response = get(fake_index.url + "twin/", **JSON)
    assert response.json()["files"][0]["yanked"] is False
    promised = get(fake_index.url, **JSON).json()["projects"][0]["_last-serial"]
    assert int(response.headers["X-PyPI-Last-Serial"]) < promised
    fake_index.thaw("twin")
    assert get(fake_index.url + "twin/", **JSON).json()["files"][0]["yanked"] is True


def test_validators_answer_304_until_the_page_changes(fake_index, twin):
    fake_index.last_modified = True
    first = get(fake_index.url + "twin/", **JSON)
    by_etag = {**JSON, "If-None-Match": first.headers["ETag"]}
    by_time = {**JSON, "If-Modified-Since": first.headers["Last-Modified"]}
    assert parsedate_to_datetime(first.headers["Last-Modified"]).tzinfo is not None
    assert [get(first.url, **by_etag).status_code, get(first.url, **by_time).status_code] == [304, 304]
    assert get(first.url, Accept="text/html", **{"If-None-Match": first.headers["ETag"]}).status_code == 200
    fake_index.yank(twin)
    assert [get(first.url, **by_etag).status_code, get(first.url, **by_time).status_code] == [200, 200]
    fake_index.etags = fake_index.last_modified = False
    assert not {"ETag", "Last-Modified"} & set(get(first.url, **JSON).headers)


# -- files


@pytest.mark.parametrize(
    ("wanted", "slice_"),
    [("bytes=0-9", slice(0, 10)), ("bytes=-20", slice(-20, None)), ("bytes=30-", slice(30, None))],
)
def test_ranges(fake_index, twin, wanted, slice_):
    response = get(fake_index.file_url(twin), Range=wanted)
    assert (response.status_code, response.content) == (206, twin.content[slice_])
    assert response.headers["Content-Range"].endswith(f"/{twin.size}")
    fake_index.ranges = "ignore"
    response = get(fake_index.file_url(twin), Range=wanted)
    assert (response.status_code, response.content) == (200, twin.content)
    assert "Accept-Ranges" not in response.headers
    fake_index.ranges = "refuse"
    assert get(fake_index.file_url(twin), Range=wanted).status_code == 416


def test_a_range_behind_the_end_is_refused_and_head_has_no_body(fake_index, twin):
    assert get(fake_index.file_url(twin), Range=f"bytes={twin.size}-").status_code == 416
    head = requests.head(fake_index.file_url(twin), timeout=10)
    assert (head.content, int(head.headers["Content-Length"])) == (b"", twin.size)
    assert head.headers["Accept-Ranges"] == "bytes"


# -- moods


def test_a_path_fails_a_number_of_times_and_recovers(fake_index, twin):
    page = fake_index.page_path("twin")
    fake_index.behave(page, status=503, times=2, headers={"Retry-After": "0"})
    fake_index.behave(page, status=500, times=1)
    assert [get(fake_index.url + "twin/").status_code for _ in range(4)] == [503, 503, 500, 200]
    assert (fake_index.count(page), fake_index.count(page, status=503)) == (4, 2)
    fake_index.behave("/simple/*", status=404)
    assert get(fake_index.url + "twin/").status_code == 404
    fake_index.recover()
    assert get(fake_index.url + "twin/").status_code == 200


def test_bodies_can_be_garbage_empty_or_cut_off(fake_index, twin):
    page = fake_index.page_path("twin")
    fake_index.behave(page, body=b"\xff{", times=1)
    fake_index.behave(page, body=b"", times=1)
    fake_index.behave(page, truncate=10, times=1)
    garbage = get(fake_index.url + "twin/", **JSON)
    assert (garbage.content, garbage.headers["Content-Type"]) == (b"\xff{", JSON["Accept"])
    assert get(fake_index.url + "twin/", **JSON).content == b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(fake_index.url + "twin/", **JSON)


def test_answers_can_be_slow_closed_or_elsewhere(fake_index, twin):
    fake_index.behave(twin, delay=0.2, times=1)
    fake_index.behave(twin, close=True, times=1)
    fake_index.behave(twin, redirect=fake_index.url + "twin/", times=1)
    fake_index.behave(twin, drip=(twin.size // 2, 0.1), times=1)
    began = time.monotonic()
    assert get(fake_index.file_url(twin)).content == twin.content
    assert time.monotonic() - began >= 0.2
    with pytest.raises(requests.exceptions.ConnectionError):
        get(fake_index.file_url(twin))
    assert get(fake_index.file_url(twin)).url == fake_index.url + "twin/"
    began = time.monotonic()
    assert get(fake_index.file_url(twin)).content == twin.content
    assert time.monotonic() - began >= 0.1


def test_a_stopped_server_refuses_connections(fake_index, twin):
    session = requests.Session()
    assert session.get(fake_index.url, timeout=10).ok
    fake_index.server.stop()
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(fake_index.url, timeout=10)


def test_a_password_guards_pages_and_files(fake_index, twin):
    fake_index.password = ("me", "s3cret")
    assert get(fake_index.url + "twin/").status_code == 401
    assert get(fake_index.file_url(twin)).status_code == 401
    assert get(fake_index.url_with("me", "s3cret") + "twin/").status_code == 200
    assert get(fake_index.url_with("me", "wrong") + "twin/").status_code == 401


def test_requests_are_measured(fake_index, twin):
    fake_index.behave(twin, delay=0.3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(get, [fake_index.file_url(twin)] * 3))
    assert fake_index.server.most_at_once == 3
    assert [asked.sent for asked in fake_index.asked] == [twin.size] * 3
    fake_index.forget()
    fake_index.recover()
    get(fake_index.file_url(twin), Range="bytes=0-4")
    assert (fake_index.asked[0].sent, fake_index.asked[0].status, fake_index.server.most_at_once) == (5, 206, 1)


def test_indexes_of_one_server_are_told_apart(fake_index, twin):
    other = fake_index.server.index("other")
    assert get(other.url + "twin/").status_code == 404
    assert (fake_index.count(), other.count()) == (0, 1)
    get(fake_index.url + "twin/?x=1", **{"User-Agent": "mach"})
    (asked,) = fake_index.asked
    assert (asked.method, asked.path, asked.query, asked.headers["user-agent"]) == (
        "GET",
        "/simple/twin/",
        "x=1",
        "mach",
    )
    fake_index.forget()
    assert (fake_index.count(), other.count()) == (0, 0)


# -- other people's clients


def own_environment(tmp_path) -> dict[str, str]:
    """This environment without the configuration of pip and uv, so that only the fake index is asked."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(tmp_path / "uv")}


@pytest.mark.parametrize("form", ["negotiate", "html", "mirror"])
def test_pip_downloads_from_it(fake_index, tmp_path, form):
    fake_index.form = form
    fake_index.add(make_wheel("twin", "2.0", requires_python=">=4"))
    fake_index.add(make_wheel("twin", "3.0"), yanked=True)
    expected = fake_index.add(make_wheel("twin", "1.0", requires=["idna"]))
    command = [sys.executable, "-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir"]
    command += ["--index-url", fake_index.url, "--dest", str(tmp_path / "got"), "twin"]
    subprocess.run(command, env=own_environment(tmp_path), check=True, capture_output=True)
    assert (tmp_path / "got" / expected.filename).read_bytes() == expected.content


@pytest.mark.parametrize("form", ["negotiate", "html", "mirror"])
def test_uv_resolves_with_it(fake_index, tmp_path, form):
    fake_index.form = form
    fake_index.add(make_wheel("twin", "1.0", requires=["needed>=1", 'extra-one; extra == "x"'], extras=["x"]))
    fake_index.add(make_sdist("needed", "1.5", requires=["leaf"]))
    fake_index.add(make_wheel("leaf", "0.1"))
    fake_index.add(make_wheel("extra-one", "0.2"))
    command = ["uv", "pip", "compile", "--no-header", "--no-annotate", "--index-url", fake_index.url, "-"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=own_environment(tmp_path),
        input="twin[x]",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["extra-one==0.2", "leaf==0.1", "needed==1.5", "twin==1.0"]
