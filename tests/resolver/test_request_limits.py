"""What a request must not state: markers that cannot be read again, groups that never end."""

from __future__ import annotations

import pytest

from resolver.errors import InputError
from resolver.foreign_locks import MarkerTexts
from resolver.lock_request import request_from_json, request_to_json
from resolver.request_file import Selection
from resolver.request_files import parse_request_file
from resolver.requirement import Request, parse_requirement
from resolver.user_requirement import parse_user_requirement
from tests.resolver.request_files import LINUX

MARKERS = [r"'a\nb'", r"'\x41'", r"'a\\b'", r'"\ud800"', r"'\''"]


@pytest.mark.parametrize("value", MARKERS)
def test_a_marker_with_a_backslash_is_refused(value: str) -> None:
    for parse in (parse_requirement, parse_user_requirement):
        with pytest.raises(InputError) as caught:
            parse(f"idna; python_version > {value}", "here")
        assert caught.value.code == "invalid-requirement"
    with pytest.raises(InputError) as caught:
        MarkerTexts("uv.lock").parse(f"python_version > {value}", "here")
    assert caught.value.code == "invalid-file"


def test_markers_that_grow_from_extra_to_extra_are_refused() -> None:
    marker = " and ".join(f"python_version != '{n}'" for n in range(15))
    ways = "".join(f'a{n} = ["x[a{n + 1}]; {marker}"]\n' for n in range(40))
    text = f'[project]\nname = "x"\n[project.optional-dependencies]\n{ways}a40 = []\n'
    with pytest.raises(InputError, match="too often, under long markers"):
        parse_request_file(text, "pyproject.toml", Selection.of(["a0"]), (LINUX,))


def test_groups_that_include_groups_in_ever_more_ways_are_walked_once() -> None:
    ways = "".join(f"g{n} = [{{include-group = 'g{n + 1}'}}, {{include-group = 'g{n + 1}'}}]\n" for n in range(60))
    text = f"[dependency-groups]\n{ways}g60 = ['idna']\n"
    found = parse_request_file(text, "pyproject.toml", Selection.of((), groups=["g0"]), (LINUX,))
    assert [str(requirement) for requirement in found.requirements] == ["idna"]


def test_groups_that_include_each_other_are_told_in_their_order() -> None:
    text = "[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]\n"
    with pytest.raises(InputError) as caught:
        parse_request_file(text, "pyproject.toml", Selection.of((), groups=["a"]), (LINUX,))
    assert caught.value.code == "invalid-file"
    assert "a -> b -> a" in str(caught.value) or "b -> a -> b" in str(caught.value)


@pytest.mark.parametrize("address", ["\x1f", "svn://a.example/b", "https://a.example/a b"])
def test_the_request_of_a_lock_names_nothing_that_is_no_reference(address: str) -> None:
    value = request_to_json(Request(requirements=()))
    with pytest.raises(InputError) as caught:
        request_from_json({**value, "requirements": [f"idna @ {address}"]})
    assert caught.value.code in ("invalid-lock-request", "invalid-requirement")
