"""docs/reference/errors.md against the source: each code has its section, and no section is about nothing."""

from __future__ import annotations

import re

import pytest

from resolver import errors
from tests.docs.error_codes import ROOT, collect, collect_codes

PAGE = (ROOT / "docs/reference/errors.md").read_text()
SECTIONS = dict(re.findall(r"^### ([a-z0-9-]+)\n+(.+?)(?=\n#|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_code_has_a_section() -> None:
    missing = {f"{raised.code} ({raised.place})" for raised in collect_codes() if raised.code not in SECTIONS}
    assert not missing, f"without a section in docs/reference/errors.md: {sorted(missing)}"


def test_no_section_is_about_a_code_that_is_gone() -> None:
    assert set(SECTIONS) - {raised.code for raised in collect_codes()} == set()


def test_sections_are_sorted_and_stand_once() -> None:
    names = re.findall(r"^### (\S+)", PAGE, re.MULTILINE)
    assert names == sorted(set(names))


def test_a_section_names_the_family_that_is_raised() -> None:
    families: dict[str, set[str]] = {}
    for raised in collect_codes():
        families.setdefault(raised.code, set()).add(raised.family)
    wrong = []
    for code, text in SECTIONS.items():
        line = text.splitlines()[0].strip("*")
        said = set(re.findall(r"[A-Z][A-Za-z]+", line))
        if said != families.get(code, said):
            wrong.append(f"{code}: the page says {line!r}, the source raises {sorted(families[code])}")
    assert not wrong, wrong


def test_codes_are_kebab_case() -> None:
    for raised in collect_codes():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", raised.code), raised


@pytest.mark.parametrize("family", sorted(errors.EXIT_CODES, key=lambda f: f.__name__))
def test_the_table_says_what_each_family_ends_with(family: type[errors.MachError]) -> None:
    row = rf"^\| `{family.__name__}` \|.*\| {errors.EXIT_CODES[family]} \| {errors.HTTP_STATUS[family]} \|$"
    assert re.search(row, PAGE, re.MULTILINE)


def test_codes_that_reach_an_error_through_functions_are_found() -> None:
    source = """
class Broken(Unavailable): pass
def refuse(origin, code="x", *, kind="default-kind"): return InputError(kind, "…")
def fail(code, message): raise DataError(code, message)
raise Broken("one-two", "…")
refuse("here")
refuse("here", kind="three" if 1 else "four")
fail("five", "…")
"""
    found = {(raised.code, raised.family) for raised in collect({"a.py": source})}
    assert found == {
        ("one-two", "Unavailable"),
        ("default-kind", "InputError"),
        ("three", "InputError"),
        ("four", "InputError"),
        ("five", "DataError"),
    }


def test_a_code_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"a\.py:1: the code must be a literal"):
        collect({"a.py": "raise InputError(make(), 'x')"})
