"""The client retries what may pass, gives up on what does not, and says where and why."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from dataclasses import replace

import pytest

from crawler.client import Client, Limits, Manners
from crawler.settings import IndexSettings, read_index_settings
from resolver import __version__
from resolver.errors import Unavailable
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex

SOON = Manners(connections=4, per_second=None, attempts=3, backoff=0.001, patience=1)


def get(client: Client, url: str) -> bytes:
    return client.get(url, what="the page of x", limit=1 << 20).body


@pytest.fixture
def path(fake_index: FakeIndex) -> str:
    fake_index.add(make_wheel("x", "1.0"))
    return fake_index.page_path("x")


@pytest.mark.parametrize(
    "trouble", [{"status": 500}, {"status": 503}, {"status": 429}, {"close": True}, {"truncate": 40}]
)
def test_trouble_that_passes_is_not_noticed(
    client: Client, fake_index: FakeIndex, path: str, trouble: dict[str, object]
):
    fake_index.behave(path, times=2, **trouble)
    assert b"x-1.0-py3-none-any.whl" in get(client, f"{fake_index.url}x/")
    assert fake_index.count(path) == 3


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ({"status": 500}, "index-error"),
        ({"status": 429}, "index-error"),
        ({"close": True}, "index-unreachable"),
        ({"truncate": 40}, "index-garbage"),
    ],
)
def test_trouble_that_stays_is_an_error(
    client: Client, fake_index: FakeIndex, path: str, trouble: dict[str, object], code: str
):
    fake_index.behave(path, **trouble)
    with pytest.raises(Unavailable) as caught:
        get(client, f"{fake_index.url}x/")
    assert caught.value.code == code
    assert "the page of x" in caught.value.message
    assert any(path in line for line in caught.value.context)
    assert caught.value.hint
    assert fake_index.count(path) == 3


def test_retry_after_is_heeded_up_to_a_limit(client: Client, fake_index: FakeIndex, path: str):
    fake_index.behave(path, times=1, status=503, headers={"Retry-After": "86400"})
    start = time.monotonic()
    get(client, f"{fake_index.url}x/")
    assert 0.9 < time.monotonic() - start < 5


def test_a_slow_answer_is_waited_for_and_a_dripping_one_given_up(fake_index: FakeIndex, path: str):
    settings = IndexSettings(indexes=(), timeout=0.5)
    once = replace(SOON, attempts=1)
    fake_index.behave(path, times=1, drip=(64, 0.01))
    fake_index.behave(path, times=1, drip=(4, 0.1))
    fake_index.behave(path, times=1, delay=2.0)
    with Client(settings, once, Limits(seconds=1.0)) as client:
        get(client, f"{fake_index.url}x/")
        for _ in ("dripping", "silent"):
            with pytest.raises(Unavailable, match="cannot be reached") as caught:
                get(client, f"{fake_index.url}x/")
            assert "no answer in time" in str(caught.value)


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(IndexSettings(indexes=()), SOON) as client, pytest.raises(Unavailable) as caught:
        get(client, f"http://127.0.0.1:{port}/x/")
    assert caught.value.code == "index-unreachable"
    assert "Connection refused" in str(caught.value)


def test_a_host_that_has_no_address():
    with Client(IndexSettings(indexes=()), SOON) as client, pytest.raises(Unavailable) as caught:
        get(client, "http://index.invalid/x/")
    assert caught.value.code == "index-unreachable"


def test_redirects_are_followed_to_pages_only(client: Client, fake_index: FakeIndex, path: str):
    fake_index.behave("/moved", redirect=f"{fake_index.url}x/")
    assert client.get(f"{fake_index.server.url}/moved", what="x", limit=1 << 20).url == f"{fake_index.url}x/"
    fake_index.behave("/loop", redirect="/loop")
    fake_index.behave("/file", redirect="file:///etc/passwd")
    fake_index.behave("/script", redirect="javascript:alert(1)")
    for bad in ("loop", "file", "script"):
        with pytest.raises(Unavailable) as caught:
            get(client, f"{fake_index.server.url}/{bad}")
        assert caught.value.code == "index-garbage"
        assert "redirects" in str(caught.value)


def test_an_answer_that_is_too_long_is_refused(client: Client, fake_index: FakeIndex):
    fake_index.behave("/long", status=200, body=b"x" * 200_000)
    with pytest.raises(Unavailable, match="longer than 100000 bytes"):
        client.get(f"{fake_index.server.url}/long", what="it", limit=100_000)


def test_a_compressed_bomb_is_refused(client: Client, fake_index: FakeIndex):
    fake_index.behave("/bomb", status=200, body=gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unavailable, match="longer than 100000 bytes"):
        client.get(f"{fake_index.server.url}/bomb", what="it", limit=100_000)


def test_garbage_for_compressed_bytes_is_refused(client: Client, fake_index: FakeIndex):
    fake_index.behave("/bad", status=200, body=b"not gzip", headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unavailable) as caught:
        get(client, f"{fake_index.server.url}/bad")
    assert caught.value.code == "index-garbage"


def test_credentials_go_to_their_server_only(fake_index: FakeIndex, path: str):
    fake_index.password = ("me", "p@ss:word")
    settings = read_index_settings(index_url=fake_index.url_with("me", "p%40ss%3Aword"), environ={})
    with Client(settings, SOON) as client:
        assert b"x-1.0" in get(client, f"{settings.indexes[0]}x/")
        assert fake_index.asked[-1].basic_auth == ("me", "p@ss:word")
        other = fake_index.server.url.replace("127.0.0.1", "localhost")
        client.get(f"{other}{path}", what="x", limit=1 << 20)
        assert fake_index.asked[-1].basic_auth is None
        fake_index.behave("/elsewhere", redirect=f"{other}{path}")
        client.get(f"{fake_index.server.url}/elsewhere", what="x", limit=1 << 20)
        assert fake_index.asked[-1].path == path
        assert fake_index.asked[-1].basic_auth is None


def test_the_index_learns_who_asks_and_sets_no_cookies(client: Client, fake_index: FakeIndex, path: str):
    fake_index.behave(path, headers={"Set-Cookie": "id=1; Path=/"})
    get(client, f"{fake_index.url}x/")
    get(client, f"{fake_index.url}x/")
    asked = fake_index.asked[-1]
    assert asked.headers["user-agent"].startswith(f"mach/{__version__} (+")
    assert "cookie" not in asked.headers


def test_polite_requests_are_spaced(fake_index: FakeIndex, path: str):
    manners = replace(Manners.polite(per_second=20), attempts=1)
    with Client(IndexSettings(indexes=()), manners) as client:
        threads = [threading.Thread(target=get, args=(client, f"{fake_index.url}x/")) for _ in range(6)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - start >= 5 / 20
    assert fake_index.count(path) == 6


def test_a_cancelled_client_stops_soon(fake_index: FakeIndex, path: str):
    fake_index.behave(path, drip=(1, 0.05))
    client = Client(IndexSettings(indexes=()), replace(SOON, attempts=1))
    threading.Timer(0.2, client.cancel).start()
    start = time.monotonic()
    with pytest.raises(Unavailable):
        get(client, f"{fake_index.url}x/")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "http://[::", "ftp://files.example/x"])
def test_only_http_is_spoken(client: Client, url: str):
    with pytest.raises(Unavailable):
        get(client, url)
