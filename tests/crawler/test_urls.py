"""URLs from strangers are cleaned or refused, and what is shown holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.urls import Credentials, clean_url, describe_url, join_url, redact_url, split_index
from resolver.errors import InputError

BASE = "https://index.example/simple/numpy/"


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("../../packages/a-1.whl#sha256=00", "https://index.example/packages/a-1.whl"),
        ("/p/a-1.whl", "https://index.example/p/a-1.whl"),
        ("//Files.EXAMPLE/a-1.whl", "https://files.example/a-1.whl"),
        ("https://user:secret@files.example:443/a-1.whl?x=1", "https://files.example/a-1.whl?x=1"),
        ("http://[2001:db8::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("../../../../../../etc/passwd", "https://index.example/etc/passwd"),
    ],
)
def test_references_are_resolved_against_the_page(reference: str, url: str):
    assert join_url(BASE, reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "data:text/plain,x",
        "ftp://files.example/a",
        "http://[::",
        "http://host:99999999/a",
        "http:///nohost",
        "java\nscript:alert(1)",
        "http://files.example/a\x1b[2J",
        "http://files.example/a b",
        "http://files\\.example/a",
        "http://files%2e.example/a",
        "x" * 9000,
    ],
)
def test_what_is_no_address_of_a_file_is_refused(reference: str):
    with pytest.raises(ValueError, match=r"^it ") as caught:
        join_url(BASE, reference)
    assert caught.value.args[0].isprintable()


def test_an_index_is_known_without_its_credentials():
    index = split_index("HTTPS://me:p%40ss@Index.Example:443/simple#top")
    assert index.identity == "https://index.example/simple/"
    assert index.credentials == Credentials("me", "p@ss")
    assert "p@ss" not in repr(index)
    assert split_index("https://me@index.example/").credentials == Credentials("me", None)
    assert split_index("https://me:@index.example/").credentials == Credentials("me", "")
    assert split_index("https://index.example/").credentials is None


@pytest.mark.parametrize("url", ["index.example/simple", "file:///opt/simple", "https://me:pw@index.example/?q=1", ""])
def test_what_is_no_index_is_refused(url: str):
    with pytest.raises(InputError) as caught:
        split_index(url)
    assert caught.value.code == "invalid-index-url"
    assert "pw" not in str(caught.value)


def test_secrets_are_not_shown():
    url = "https://me:pa@ss@index.example/simple/?token=abc#frag"
    assert redact_url(url) == "https://index.example/simple/"
    assert describe_url(url) == "index.example/simple/"


@given(st.text())
def test_cleaning_and_showing_never_fail_otherwise(text: str):
    redact_url(text)
    describe_url(text)
    try:
        cleaned = join_url(BASE, text)
    except ValueError:
        return
    assert cleaned.startswith(("http://", "https://"))
    assert cleaned.isprintable()
    assert clean_url(cleaned) == cleaned
