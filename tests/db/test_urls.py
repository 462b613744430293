"""URLs are stored apart only where they come back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.urls import join_url, split_url

DIGITS = "0123456789abcdef" * 4
TAIL = f"{DIGITS[:2]}/{DIGITS[2:4]}/{DIGITS[4:]}"


def test_the_layout_of_the_file_host_is_split():
    url = f"https://files.index.example/packages/{TAIL}/a-1.tar.gz"
    assert split_url(url, "a-1.tar.gz") == ("https://files.index.example/packages/", bytes.fromhex(DIGITS))


@pytest.mark.parametrize(
    "url",
    [
        "https://files.index.example/a-1.tar.gz",
        f"https://files.index.example/{TAIL.upper()}/a-1.tar.gz",
        f"https://files.index.example/{TAIL}/b-1.tar.gz",
        f"https://files.index.example/x{TAIL}/a-1.tar.gz",
        f"{TAIL}/a-1.tar.gz",
    ],
)
def test_others_are_kept_whole(url: str):
    assert split_url(url, "a-1.tar.gz") is None


@given(base=st.text(), digest=st.binary(min_size=32, max_size=32), filename=st.text(min_size=1))
def test_what_is_split_comes_back(base: str, digest: bytes, filename: str):
    url = join_url(base + "/", digest, filename)
    split = split_url(url, filename)
    assert split is None or join_url(*split, filename) == url
