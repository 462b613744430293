"""METADATA and PKG-INFO are read as far as dependencies go, and nothing in them breaks the reader."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from crawler.core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from resolver.names import normalize_project

HEAD = b"Metadata-Version: 2.1\nName: Some_Project\nVersion: 1.0.0\n"


def parse(data: bytes, version: str | None = "1.0") -> CoreMetadata:
    return parse_core_metadata(
        data, project=normalize_project("some-project"), version=None if version is None else Version(version)
    )


def test_raw_strings_are_kept_in_order():
    found = parse(
        HEAD + b"Requires-Dist: b >=2 ; extra == 'X'\nRequires-Dist: a (<3)\nRequires-Dist: not a requirement!\n"
        b"Provides-Extra: X\nRequires-Python: >=3.9, <4\n\nRequires-Dist: in-the-description\n"
    )
    assert found.requires_dist == ("b >=2 ; extra == 'X'", "a (<3)", "not a requirement!")
    assert found.provides_extra == ("X",)
    assert found.requires_python == ">=3.9, <4"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_end_is_read(newline: bytes):
    data = (HEAD + b"Requires-Dist: a\n\nRequires-Dist: in-the-description\n").replace(b"\n", newline)
    assert parse(data).requires_dist == ("a",)


def test_text_in_utf_8_is_kept():
    assert parse(HEAD + "Requires-Dist: a ; 'ü' in platform_version\n".encode()).requires_dist[0].count("ü") == 1


@pytest.mark.parametrize(
    ("head", "dynamic", "static"),
    [
        ("2.1", "", False),
        ("2.2", "", True),
        ("2.4", "Dynamic: Version\nDynamic: License-File\n", True),
        ("2.2", "Dynamic: Requires-Dist\n", False),
        ("2.2", "Dynamic: provides-extra\n", False),
        ("2.3", "Dynamic: Description\nDynamic: REQUIRES-PYTHON\n", False),
        ("1.0", "", False),
    ],
)
def test_pkg_info_is_static_from_2_2_unless_it_says_dynamic(head: str, dynamic: str, static: bool):
    data = f"Metadata-Version: {head}\nName: some.project\nVersion: 1.0\n{dynamic}"
    assert parse(data.encode()).is_static is static


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no name"),
        (b"<html>not found</html>", "no name"),
        (HEAD.replace(b"Some_Project", b"other"), "'other'"),
        (HEAD.replace(b"Some_Project", b"${x}\x1b[2J"), "does not parse"),
        (HEAD.replace(b"1.0.0", b"1.0.1"), "'1.0.1'"),
        (HEAD.replace(b"1.0.0", b"first"), "PEP 440"),
        (HEAD.replace(b"2.1", b"new"), "PEP 440"),
        (HEAD + b"Name: other\n", "unreadable Name"),
        (HEAD + b"Requires-Dist: \xff\xfe\n", "unreadable Requires-Dist"),
        (HEAD + b"Requires-Dist: a\0b\n", "does not parse"),
        (HEAD + b"Requires-Python: >=3\nRequires-Python: >=4\n", "unreadable Requires-Python"),
        (HEAD + b"Requires-Dist: " + b"x" * 70_000, "longer than"),
        (HEAD + b"Requires-Dist: x\n" * 20_001, "more than"),
    ],
)
def test_what_says_nothing_usable_has_a_reason(data: bytes, reason: str):
    with pytest.raises(UnusableMetadata) as caught:
        parse(data)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("its metadata ")


def test_a_version_that_no_name_gives_is_not_compared():
    assert parse(HEAD, version=None).requires_dist == ()


LINES = st.sampled_from(
    [
        HEAD,
        b"Requires-Dist: ",
        b"Dynamic: ",
        b"Name: ",
        b"Version: ",
        b" folded",
        b"\n",
        b"\r",
        b":",
        b"=?utf-8?q?=00?=",
    ]
)


@given(st.lists(LINES | st.binary(max_size=8), max_size=30).map(b"".join))
def test_nothing_else_is_raised(data: bytes):
    with suppress(UnusableMetadata):
        found = parse(HEAD + data)
        for text in (*found.requires_dist, *found.provides_extra, found.requires_python or ""):
            assert "\0" not in text
            text.encode()


@given(st.binary(max_size=200))
def test_nothing_else_is_raised_by_noise(data: bytes):
    with suppress(UnusableMetadata):
        parse(data)
