"""A page is stored and read back whole, and what is no page is refused."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.catalog import Page, decode_page, encode_page
from resolver.names import normalize_project

SMALL = st.integers(-1, 2**31 - 1)
ROWS = st.tuples(
    st.integers(1, 2**63 - 1), SMALL, st.sampled_from((0, 1)), SMALL, SMALL, st.integers(-1, 2**63 - 1), SMALL, SMALL
).map(lambda row: (*row[:6], row[6] % 2, row[7]))
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3)


def make_page(**values: object) -> Page:
    return Page(index="https://index.example/simple/", project=normalize_project("alpha"), **values)  # type: ignore[arg-type]


@given(files=st.lists(ROWS, max_size=5), versions=TEXTS, pythons=TEXTS, absent=st.booleans())
def test_a_page_comes_back_as_it_was(
    files: list[tuple[int, ...]], versions: list[str], pythons: list[str], absent: bool
) -> None:
    depset = ["00", ["beta; extra == 'x\n'"], ["x"], None, "a\nfailure"]
    page = make_page(
        absent=absent,
        digest="d",
        versions=versions,
        pythons=pythons,
        files=files,
        depsets=[depset],
        tags=["py3-none-any"],
        unusable=[["a", "b"]],
        builds=[[0, "3.11", "x86_64-linux", "requires", "sha256:" + "0" * 64, 0]],
    )
    again = decode_page(encode_page(page))
    assert {name: getattr(again, name) for name in Page.__slots__} == {
        name: getattr(page, name) for name in Page.__slots__
    }


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="not compressed"),
        pytest.param(zlib.compress(b"[]\n"), id="a list too short"),
        pytest.param(zlib.compress(b"{"), id="no JSON"),
        pytest.param(
            zlib.compress(zlib.decompress(encode_page(make_page(files=[(1, 0, 0, 0, 0, 0, 0, 0)])))[:-1]),
            id="columns that are cut off",
        ),
    ],
)
def test_what_is_no_page_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_page(data)
