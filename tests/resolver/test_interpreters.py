"""CPython versions, and the patch versions over which an answer holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker, UndefinedComparison
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from resolver.errors import InputError
from resolver.interpreters import (
    DEFAULT_PYTHON,
    NEWEST_PATCHES,
    full_python,
    nix_attribute,
    patch_interval,
    split_python,
)
from resolver.target import make_target

ENVIRONMENT = make_target("x86_64-linux", "3.11.9").environment


def test_the_newest_patch_is_filled_in() -> None:
    assert full_python("3.11") == NEWEST_PATCHES["3.11"]
    assert full_python("3.11.9") == "3.11.9"
    assert full_python("3.11.0") == "3.11.0"
    assert DEFAULT_PYTHON in NEWEST_PATCHES


@pytest.mark.parametrize("series", NEWEST_PATCHES)
def test_the_table_is_right_in_form(series: str) -> None:
    newest = NEWEST_PATCHES[series]
    assert newest.startswith(f"{series}.")
    assert split_python(newest) == tuple(int(part) for part in newest.split("."))
    assert nix_attribute(series) == nix_attribute(newest) == "python" + series.replace(".", "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid-python"),
        ("3", "invalid-python"),
        ("3.11.", "invalid-python"),
        ("3.11.09", "invalid-python"),
        ("3.011", "invalid-python"),
        ("3.11.9rc1", "invalid-python"),
        ("3.11.9\n", "invalid-python"),
        ("3.11.100", "invalid-python"),
        ("3.١١", "invalid-python"),
        (">=3.11", "invalid-python"),
        ("python3.11", "invalid-python"),
        ("2.7.18", "invalid-python"),
        ("3.9", "unsupported-python"),
        ("3.15.0", "unsupported-python"),
        ("3." + "9" * 5000, "invalid-python"),
    ],
)
def test_other_versions_are_refused(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        full_python(text)
    assert caught.value.code == code
    assert "3.13" in str(caught.value)
    assert len(str(caught.value)) < 500


@given(st.text(max_size=12))
def test_nothing_but_input_errors_comes_out(text: str) -> None:
    for function in (full_python, split_python, nix_attribute):
        try:
            function(text)
        except InputError as error:
            code = error.code
        else:
            code = ""
        assert code in ("", "invalid-python", "unsupported-python")


# --- intervals ----------------------------------------------------------------------------------


def interval(python: str, *markers: str, requires: tuple[str, ...] = (), extra: str = "") -> tuple[str, str]:
    return patch_interval(
        python, ENVIRONMENT, markers={(text, extra): Marker(text) for text in markers}, requires_python=requires
    )


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("python_version >= '3.11'", ("3.11.0", "3.12")),
        ("python_version >= '3.11.4'", ("3.11.0", "3.12")),
        ("sys_platform == 'linux' and os_name == 'nt'", ("3.11.0", "3.12")),
        ("python_full_version >= '3.11.4'", ("3.11.4", "3.12")),
        ("python_full_version < '3.11.4'", ("3.11.4", "3.12")),
        ("python_full_version <= '3.11.9'", ("3.11.0", "3.11.10")),
        ("python_full_version > '3.11.9'", ("3.11.0", "3.11.10")),
        ("python_full_version == '3.11.9'", ("3.11.9", "3.11.10")),
        ("python_full_version != '3.11.3'", ("3.11.4", "3.12")),
        ("python_full_version == '3.11.12'", ("3.11.0", "3.11.12")),
        ("python_full_version ~= '3.11.4'", ("3.11.4", "3.12")),
        ("python_full_version >= '3.11.10rc1'", ("3.11.0", "3.11.10")),
        ("'3.11.4' <= python_full_version", ("3.11.4", "3.12")),
        ("implementation_version >= '3.11.4'", ("3.11.4", "3.12")),
        ("implementation_version == '3.11.9'", ("3.11.9", "3.11.10")),
        ("python_full_version >= '3.12.4'", ("3.11.0", "3.12")),
        ("python_full_version >= '3.11.4' and os_name == 'nt'", ("3.11.0", "3.12")),
        ("python_full_version in '3.11.9 3.11.10'", ("3.11.9", "3.11.11")),
        ("'3.11.1' in python_full_version", ("3.11.2", "3.11.10")),
        ("extra == 'x' and python_full_version >= '3.11.4'", ("3.11.0", "3.12")),
    ],
)
def test_markers(marker: str, expected: tuple[str, str]) -> None:
    assert interval("3.11.9", marker) == expected


def test_the_extra_counts() -> None:
    assert interval("3.11.9", "extra == 'x' and python_full_version >= '3.11.4'", extra="x") == ("3.11.4", "3.12")


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        (">=3.8", ("3.11.0", "3.12")),
        (">=3.11", ("3.11.0", "3.12")),
        ("<=3.11", ("3.11.1", "3.12")),
        (">3.11", ("3.11.1", "3.12")),
        ("!=3.11", ("3.11.1", "3.12")),
        ("~=3.11", ("3.11.0", "3.12")),
        ("==3.11.*", ("3.11.0", "3.12")),
        (">=3.7.1,<3.12", ("3.11.0", "3.12")),
        (">=3.9,!=3.9.7,<4", ("3.11.0", "3.12")),
        (">=3.11.5,<3.11.12", ("3.11.5", "3.11.12")),
        ("<3.11.5", ("3.11.5", "3.12")),
        ("===3.11.9", ("3.11.9", "3.11.10")),
        ("garbage 3.11.4", ("3.11.0", "3.12")),
        ("", ("3.11.0", "3.12")),
        (">=3.011.04", ("3.11.4", "3.12")),
    ],
)
def test_requires_python(requires: str, expected: tuple[str, str]) -> None:
    assert interval("3.11.9", requires=(requires,)) == expected


def test_numbers_that_python_does_not_read_change_nothing() -> None:
    huge = "3.11." + "1" * 5000
    assert interval("3.11.9", f"python_full_version < '{huge}'", requires=(f"<{huge}",)) == ("3.11.0", "3.12")


def test_intervals_are_intersected() -> None:
    assert interval(
        "3.11.9", "python_full_version < '3.11.4'", "python_full_version >= '3.11.11'", requires=("<=3.11",)
    ) == (
        "3.11.4",
        "3.11.11",
    )


VARIABLES = st.sampled_from(["python_full_version", "implementation_version", "python_version", "os_name"])
OPERATORS = st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "~=", "==="])
VERSIONS = st.sampled_from(
    ["3.11", "3.11.0", "3.11.4", "3.11.9", "3.11.10", "3.11.4rc1", "3.11.9.post1", "3.12.1", "3.11.9.1"]
)
ATOMS = st.one_of(
    st.builds("{} {} '{}'".format, VARIABLES, OPERATORS, VERSIONS),
    st.builds("'{2}' {1} {0}".format, VARIABLES, st.sampled_from(["<", ">=", "=="]), VERSIONS),
    st.builds("{} == '{}.*'".format, VARIABLES, VERSIONS),
    st.builds("{} {} '{} {}'".format, VARIABLES, st.sampled_from(["in", "not in"]), VERSIONS, VERSIONS),
    st.builds("'{1}' in {0}".format, VARIABLES, st.sampled_from(["9", ".1", "3.11.1", "x"])),
)
MARKERS = st.recursive(
    ATOMS, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner), max_leaves=3
)
SPECIFIERS = st.lists(st.builds("{}{}".format, OPERATORS, VERSIONS), max_size=3).map(",".join)


def value(marker: str, patch: int) -> bool:
    version = f"3.11.{patch}"
    given = {**ENVIRONMENT, "python_full_version": version, "implementation_version": version}
    try:
        return Marker(marker).evaluate(given)
    except UndefinedComparison:
        return False


def admits(requires: str, patch: int) -> bool:
    try:
        return SpecifierSet(requires).contains(f"3.11.{patch}", prereleases=True)
    except InvalidSpecifier:
        return False


@settings(deadline=None, max_examples=150)
@given(st.lists(MARKERS, max_size=2), st.lists(SPECIFIERS, max_size=2), st.integers(0, 25))
def test_an_interval_is_the_widest_that_changes_nothing(markers: list[str], requires: list[str], patch: int) -> None:
    low, high = interval(f"3.11.{patch}", *markers, requires=tuple(requires))

    def all_values(patch: int) -> list[bool]:
        return [value(m, patch) for m in markers] + [admits(r, patch) for r in requires]

    first = split_python(low)[2]
    after = 100 if high == "3.12" else split_python(high)[2]
    assert first <= patch < after
    assert {tuple(all_values(p)) for p in range(first, after)} == {tuple(all_values(patch))}
    if first:
        assert all_values(first - 1) != all_values(patch)
    if high != "3.12":
        assert all_values(after) != all_values(patch)
