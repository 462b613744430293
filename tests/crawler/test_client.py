"""The client retries what may pass, gives up on what does not, and says where and why."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.client import Client, Limits, Manners
from crawler.settings import IndexSettings, read_index_settings
from crawler.simple_index import fetch_page
from crawler.urls import Credentials
from resolver import __version__
from resolver.errors import Unavailable
from resolver.names import NormalizedName
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex, IndexServer
from tests.support.keyrings import make_keyring

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
    assert 0.9 < time.monotonic() - start < 20


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


def test_a_redirect_to_another_server_takes_no_password_along_and_gets_none(tmp_path: Path):
    with IndexServer() as first, IndexServer() as second:
        one, two = first.index(), second.index()
        two.add(make_wheel("x", "1.0"))
        two.password = ("me", "s3cret")
        one.behave(one.page_path("x"), redirect=f"{two.url}x/")
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
        for settings in (
            IndexSettings(indexes=(one.url, two.url), netrc=netrc),
            IndexSettings(
                indexes=(one.url, two.url),
                credentials={one.url: Credentials("me", "s3cret"), two.url: Credentials("me", "s3cret")},
            ),
        ):
            with Client(settings, SOON) as client:
                answer = client.get(f"{one.url}x/", what="x", limit=1 << 20)
                assert one.asked[-1].basic_auth == ("me", "s3cret")
                assert answer.status == 401
                assert two.asked[-1].basic_auth is None
                refused = client.refusal(f"{one.url}x/", 401, what="x", answered=answer.url)
                assert "after a redirect from 127.0.0.1" in str(refused)
                # asked for itself it gets its own
                assert client.get(f"{two.url}x/", what="x", limit=1 << 20).status == 200


def test_the_machines_own_netrc_counts_for_indexes_and_for_no_other_plain_http(
    fake_index: FakeIndex, path: str, tmp_path: Path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\nmachine localhost login me password s3cret\n")
    settings = read_index_settings(index_url=fake_index.url, environ={"NETRC": str(netrc)})
    fake_index.password = ("me", "s3cret")
    with Client(settings, SOON) as client:
        assert b"x-1.0" in get(client, f"{fake_index.url}x/")
        other = fake_index.server.url.replace("127.0.0.1", "localhost")
        assert client.get(f"{other}{path}", what="x", limit=1 << 20).status == 401
        assert fake_index.asked[-1].basic_auth is None
        told = str(client.refusal(f"{other}{path}", 401, what="x", answered=f"{other}{path}"))
        assert "nothing is sent over plain http to localhost" in told


def test_a_password_of_any_letters_is_sent_as_utf_8(fake_index: FakeIndex, path: str):
    fake_index.password = ("mé", 'пароль:"☃')
    settings = IndexSettings(indexes=(fake_index.url,), credentials={fake_index.url: Credentials("mé", 'пароль:"☃')})
    with Client(settings, SOON) as client:
        assert b"x-1.0" in get(client, f"{fake_index.url}x/")


def test_a_refusal_without_a_user_asks_the_keyring_once(
    fake_index: FakeIndex, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keyring = make_keyring(tmp_path / "keyring", {fake_index.url: ("me", "s3cret")})
    monkeypatch.setenv("PATH", str(keyring.folder))
    fake_index.password = ("me", "s3cret")
    with Client(IndexSettings(indexes=(fake_index.url,), keyring="subprocess"), SOON) as client:
        threads = [threading.Thread(target=get, args=(client, f"{fake_index.url}x/")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert fake_index.count(path, status=200) == 4
        refused = fake_index.count(path, status=401)
        assert 1 <= refused <= 4
        get(client, f"{fake_index.url}x/")
        assert fake_index.count(path, status=401) == refused
    assert len(keyring.calls) == 1


def test_a_refusal_tells_each_way_that_was_tried_and_no_secret(
    fake_index: FakeIndex, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keyring = make_keyring(tmp_path / "keyring", {})
    monkeypatch.setenv("PATH", str(keyring.folder))
    fake_index.password = ("me", "s3cret")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine elsewhere.example login me password s3cret\n")
    told = {}
    for name, settings in {
        "nothing": IndexSettings(indexes=(fake_index.url,)),
        "elsewhere": IndexSettings(indexes=(fake_index.url,), netrc=netrc, keyring="subprocess"),
        "gone": IndexSettings(indexes=(fake_index.url,), netrc=tmp_path / "none"),
        "wrong": IndexSettings(indexes=(fake_index.url,), credentials={fake_index.url: Credentials("me", "wr0ng")}),
    }.items():
        with Client(settings, SOON) as client, pytest.raises(Unavailable) as caught:
            fetch_page(client, fake_index.url, NormalizedName("x"))
        assert caught.value.code == "index-refused"
        assert caught.value.message == "the index answers 401 for the page of x"
        told[name] = str(caught.value)
        assert "s3cret" not in told[name]
        assert "wr0ng" not in told[name]
    assert "its URL names no user and no password" in told["nothing"]
    assert "there is no ~/.netrc" in told["nothing"]
    assert "the keyring is disabled" in told["nothing"]
    assert f"{netrc} has no entry for 127.0.0.1" in told["elsewhere"]
    assert f"the keyring (subprocess) has none for {fake_index.url}" in told["elsewhere"]
    assert f"there is no {tmp_path / 'none'}" in told["gone"]
    assert "a user and a password were sent, from the URL of the index" in told["wrong"]


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
