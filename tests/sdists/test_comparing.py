"""Metadata is compared by what it means: a difference is seen, another spelling is none."""

from __future__ import annotations

from typing import Any

import pytest

from db.state import Metadata

from .comparing import compare_metadata, normalize_requirement


def made(*requires: str, extras: tuple[str, ...] = (), python: str | None = None) -> Metadata:
    return Metadata(source="backend", requires_dist=requires, provides_extra=extras, requires_python=python)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jinja2 (>=2.0,<4)", "jinja2<4,>=2.0"),
        ("a_b[Y,x] ; extra == 'z'", 'a-b[x,y]; extra == "z"'),
        ("a ; (python_version<'3.8')", 'a; python_version < "3.8"'),
        ("zope.interface", "zope-interface"),
    ],
)
def test_another_spelling_is_the_same_requirement(one: str, other: str) -> None:
    assert normalize_requirement(one) == normalize_requirement(other)


def test_order_does_not_count() -> None:
    assert compare_metadata(made("a", "b", extras=("X", "y")), made("b", "a", extras=("y", "x"))) == {}
    assert compare_metadata(made(python=">=3.8, !=3.9.0"), made(python="!=3.9.0,>=3.8")) == {}


@pytest.mark.parametrize(
    ("sdist", "wheel", "field", "said"),
    [
        (made("a"), made("a", "b"), "requires-dist", {"sdist": [], "wheel": ["b"]}),
        (made("a>=1"), made("a>=2"), "requires-dist", {"sdist": ["a>=1"], "wheel": ["a>=2"]}),
        (
            made("a; python_version < '3'"),
            made("a"),
            "requires-dist",
            {"sdist": ['a; python_version < "3"'], "wheel": ["a"]},
        ),
        (made(extras=("x",)), made(), "provides-extra", {"sdist": ["x"], "wheel": []}),
        (made(python=">=3.8"), made(), "requires-python", {"sdist": [">=3.8"], "wheel": [""]}),
    ],
)
def test_a_difference_is_told_by_its_field(sdist: Metadata, wheel: Metadata, field: str, said: dict[str, Any]) -> None:
    assert compare_metadata(sdist, wheel) == {field: said}
