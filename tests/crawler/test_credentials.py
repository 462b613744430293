"""Passwords are found where pip finds them, each for its own server; what is in the way is told without them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from crawler.credentials import CredentialSources, find_netrc, read_netrc
from crawler.keyring import ask_keyring
from crawler.urls import Credentials
from resolver.errors import InputError, MachError, Unavailable
from tests.support.keyrings import FakeKeyring, make_keyring

PRIVATE, PUBLIC = "https://private.example/simple/", "https://public.example/simple/"
Make = Callable[..., CredentialSources]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what makes sources for a private index and a public one."""

    def make_sources(
        *, netrc: str | None = None, given: Mapping[str, Credentials] | None = None, keyring: str = "disabled", **other
    ) -> CredentialSources:
        file = None
        if netrc is not None:
            file = tmp_path / "netrc"
            file.write_text(netrc)
        indexes = other.pop("indexes", (PRIVATE, PUBLIC))
        return CredentialSources(indexes=indexes, given=given or {}, netrc=file, keyring=keyring)

    return make_sources


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    """A keyring that knows the private index by its URL, and another one by its host."""
    found = make_keyring(tmp_path / "keyring", {PRIVATE: ("me", "s3cret"), "other.example:8443": ("you", "pw")})
    monkeypatch.setenv("PATH", str(found.folder))
    return found


# ---- which server


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://private.example/simple/x/", True),
        ("https://private.example/files/x-1.0.whl", True),
        ("https://private.example:443/simple/x/", True),
        ("https://private.example:8443/simple/x/", False),
        ("http://private.example/simple/x/", False),
        ("https://files.private.example/x-1.0.whl", False),
        ("https://public.example/simple/x/", False),
        ("https://private.example@evil.example/simple/x/", False),
        ("not a url", False),
    ],
)
def test_what_the_url_of_an_index_says_is_for_its_scheme_host_and_port(make: Make, url: str, sent: bool):
    sources = make(given={PRIVATE: Credentials("me", "s3cret")})
    assert (sources.find(url) is not None) == sent


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://private.example/simple/x/", "me"),
        ("https://files.example/x-1.0.whl", "files"),
        ("https://FILES.example:8443/x-1.0.whl", "files"),
        ("http://files.example/x-1.0.whl", None),
        ("http://private.example/x-1.0.whl", None),
        ("https://public.example/simple/x/", "anyone"),
        ("https://unknown.example/x-1.0.whl", None),
    ],
)
def test_a_netrc_entry_is_for_its_host_and_never_sent_over_plain_http(make: Make, url: str, user: str | None):
    sources = make(
        netrc="machine private.example login me password a\nmachine Files.example login files password b\n"
        "default login anyone password c\n"
    )
    found = sources.find(url)
    assert (found.user if found else None) == user


def test_an_index_on_plain_http_gets_its_password_and_its_neighbour_does_not(make: Make):
    sources = make(
        netrc="machine intranet.example login me password a", indexes=("http://intranet.example:8080/pypi/",)
    )
    assert sources.find("http://intranet.example:8080/files/x.whl") == Credentials("me", "a")
    assert sources.find("http://intranet.example:9090/files/x.whl") is None


def test_two_indexes_of_one_server_keep_their_passwords_apart(make: Make):
    one, two, open_one = (f"https://host.example/{name}/simple/" for name in ("one", "two", "open"))
    given = {one: Credentials("a", "1"), two: Credentials("b", "2")}
    sources = make(given=given, indexes=(open_one, one, two))
    assert sources.find(f"{one}x/") == sources.find("https://host.example/one/files/x.whl") == given[one]
    assert sources.find(f"{two}x/") == sources.find("https://host.example/two/files/x.whl") == given[two]
    assert sources.find("https://host.example/elsewhere/x.whl") == given[one], "the first that has one"


# ---- which way goes first


def test_a_password_in_the_url_goes_before_netrc_and_netrc_before_the_keyring(make: Make, keyring: FakeKeyring):
    netrc = "machine private.example login me password from-netrc"
    both = make(netrc=netrc, given={PRIVATE: Credentials("me", "from-url")}, keyring="subprocess")
    assert both.find(PRIVATE) == Credentials("me", "from-url")
    user = {PRIVATE: Credentials("me", None)}
    assert make(netrc=netrc, given=user, keyring="subprocess").find(PRIVATE) == Credentials("me", "from-netrc")
    assert keyring.calls == []
    assert make(netrc="", given=user, keyring="subprocess").find(PRIVATE) == Credentials("me", "s3cret")


def test_a_netrc_entry_of_another_user_is_not_taken(make: Make):
    sources = make(netrc="machine private.example login other password a", given={PRIVATE: Credentials("me", None)})
    with pytest.raises(Unavailable) as caught:
        sources.find(PRIVATE)
    assert caught.value.code == "index-credentials-missing"
    assert "has no entry for that user on private.example" in str(caught.value)


def test_an_index_whose_url_names_a_user_is_not_asked_without_a_password(make: Make):
    sources = make(given={PRIVATE: Credentials("token-abc", None)})
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            sources.find(f"{PRIVATE}x/")
        assert caught.value.code == "index-credentials-missing"
        assert "the keyring is disabled" in str(caught.value)
        assert "token-abc" not in str(caught.value)
    assert sources.find(f"{PUBLIC}x/") is None
    assert make(given={PRIVATE: Credentials("token-abc", "")}).find(PRIVATE) == Credentials("token-abc", "")


# ---- netrc


def test_netrc_is_looked_for_as_requests_does(tmp_path: Path):
    environ = {"HOME": str(tmp_path)}
    assert find_netrc(environ) is None
    (tmp_path / "_netrc").touch()
    assert find_netrc(environ) == tmp_path / "_netrc"
    (tmp_path / ".netrc").touch()
    assert find_netrc(environ) == tmp_path / ".netrc"
    assert find_netrc({**environ, "NETRC": "/named/netrc"}) == Path("/named/netrc")
    assert find_netrc({**environ, "NETRC": ""}) is None
    assert read_netrc(tmp_path / "none") == read_netrc(Path("/dev/null")) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"machine private.example login me password s3cret s3cret-too\n",
        b"machine private.example login me password s3cret\ns3cret\n",
        b"machine private.example login me password \xff\xfe\x00s3cret \x80 s3cret",
        b"machine",
    ],
)
def test_a_netrc_that_is_not_understood_is_an_error_that_quotes_nothing(tmp_path: Path, text: bytes):
    file = tmp_path / "netrc"
    file.write_bytes(text)
    sources = CredentialSources(indexes=(PRIVATE,), given={}, netrc=file, keyring="disabled")
    with pytest.raises(InputError) as caught:
        sources.find(PRIVATE)
    assert caught.value.code == "invalid-netrc"
    assert str(file) in caught.value.message
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_in_place_of_a_netrc_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="Is a directory"):
        read_netrc(tmp_path)


# ---- keyring


def test_the_program_is_asked_for_the_url_and_then_for_the_host(keyring: FakeKeyring):
    services = ("https://other.example:8443/simple/", "https://other.example:8443/simple", "other.example:8443")
    assert ask_keyring("subprocess", services, "you") == Credentials("you", "pw")
    assert keyring.calls == [["get", service, "you"] for service in services]
    assert ask_keyring("subprocess", services, "someone") is None


def test_without_a_user_the_keyring_is_asked_only_once_the_index_refuses(make: Make, keyring: FakeKeyring):
    sources = make(keyring="subprocess")
    assert sources.find(PRIVATE) is None
    assert keyring.calls == []
    assert sources.find(PRIVATE, refused=True) == Credentials("me", "s3cret")
    assert sources.find(f"{PRIVATE}x/") == Credentials("me", "s3cret"), "it is known from then on"
    assert keyring.calls == [["--mode=creds", "--output=json", "get", PRIVATE]]
    assert sources.find("https://files.example/x.whl", refused=True) is None
    assert len(keyring.calls) == 1, "hosts that a page names are not looked up"


def test_an_answer_of_the_keyring_counts_for_all_threads(make: Make, keyring: FakeKeyring):
    sources = make(given={PRIVATE: Credentials("nobody", None)}, keyring="subprocess")
    for _ in range(3):
        with pytest.raises(Unavailable, match="the keyring \\(subprocess\\) has none"):
            sources.find(PRIVATE)
    assert len(keyring.calls) == 3, "one for the URL, one without its slash, one for the host"


def test_a_user_is_never_taken_for_an_option_of_the_program(keyring: FakeKeyring):
    assert ask_keyring("subprocess", (PRIVATE,), "--mode=creds") is None
    assert keyring.calls == []


@pytest.mark.parametrize("body", ["echo nonsense", "printf '\\377'", "echo '[]'"])
def test_an_answer_that_is_none_is_an_error_that_does_not_quote_it(keyring: FakeKeyring, body: str):
    (keyring.folder / "keyring").write_text(f"#!/bin/sh\necho s3cret >&2\n{body}\n")
    with pytest.raises(Unavailable) as caught:
        ask_keyring("subprocess", (PRIVATE,), None)
    assert caught.value.code == "keyring-failed"
    assert "s3cret" not in str(caught.value)
    assert "nonsense" not in str(caught.value)


@pytest.mark.parametrize("provider", ["subprocess", "import"])
def test_a_provider_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        ask_keyring(provider, (PRIVATE,), "me")
    assert caught.value.code == "keyring-unavailable"
    assert ask_keyring("auto", (PRIVATE,), "me") is None


def write_library(folder: Path, body: str) -> None:
    (folder / "keyring.py").write_text(f"def get_credential(service, user):\n    {body}\n")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path for a library ``keyring``."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    return folder


def test_the_library_goes_before_the_program(library: Path, keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch):
    write_library(
        library, "from types import SimpleNamespace as N; return N(username=user, password=f'pw of {service}')"
    )
    assert ask_keyring("auto", (PRIVATE,), "me") == Credentials("me", f"pw of {PRIVATE}")
    assert keyring.calls == []
    assert ask_keyring("subprocess", (PRIVATE,), "me") == Credentials("me", "s3cret")
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_credential=lambda *_: None, __spec__=object()))
    assert ask_keyring("import", (PRIVATE,), "me") is None


def test_a_library_that_breaks_is_an_error_that_quotes_nothing(library: Path):
    write_library(library, "raise RuntimeError(f'password s3cret of {user}')")
    with pytest.raises(MachError) as caught:
        ask_keyring("import", (PRIVATE,), "me")
    assert caught.value.code == "keyring-failed"
    assert "RuntimeError" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
