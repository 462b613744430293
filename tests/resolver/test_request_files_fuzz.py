"""Whatever stands in a request file, what comes out is a request or an InputError that says where."""

from __future__ import annotations

import json
import random
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.errors import InputError
from resolver.request_file import Selection
from resolver.request_files import parse_request_file
from tests.resolver.request_files import LINUX, MAC, OLD_POETRY_LOCK, TEXTS

SELECTION = Selection.of(["cli", "every-thing"], ["dev", "test"])
NAMES = [*TEXTS, "old/poetry.lock"]
ALL = {**TEXTS, "old/poetry.lock": OLD_POETRY_LOCK}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "==1",
    [],
    [[]],
    {},
    {"a": {}},
    [{"name": "x"}],
    "\u202e",
    "x" * 5000,
]


def read(name: str, text: str) -> None:
    try:
        parse_request_file(text, name, SELECTION, (LINUX, MAC))
        said = ""
    except InputError as error:
        said = error.message
    assert said.isprintable()
    assert len(said) < 2000


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changed_texts(name: str, data: st.DataObject) -> None:
    text = ALL[name]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        to = min(len(text), at + data.draw(st.integers(0, 40)))
        text = text[:at] + data.draw(st.text(max_size=10)) + text[to:]
    read(name, text)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text(name: str, text: str) -> None:
    read(name, text)


def toml(value: Any) -> str:
    """Return a value as TOML on one line; None has no form and becomes a date."""
    if value is None:
        return "2024-01-01"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if not c.isalnum() else c for c in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + " }"
    return str(value)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values inside."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".py")])
def test_values_of_another_kind_in_every_place(name: str) -> None:
    """Each value of each file is replaced by each odd one, and left out: some 1,500 files."""
    whole = tomllib.loads(ALL[name])
    chosen = random.Random(7)
    for path in places(whole):
        for odd in [*chosen.sample(ODD, 3), "left out"]:
            table = tomllib.loads(ALL[name])
            inner: Any = table
            for key in path[:-1]:
                inner = inner[key]
            if odd == "left out":
                del inner[path[-1]]
            else:
                inner[path[-1]] = odd
            read(name, "\n".join(f"{toml(key)} = {toml(value)}" for key, value in table.items()))


@pytest.mark.parametrize(
    "text",
    [
        "a." * 100_000 + "b = 1",
        "[" + "a." * 100_000 + "b]",
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 5_000,
        "a = " + "1" * 100_000,
        "a" * 1_000_000,
        "\0",
        "\ud800",
        "\ufeff\ufeff",
        "x = 99999-99-99",
    ],
)
@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock"])
def test_texts_that_would_stall_or_overflow_a_parser(name: str, text: str) -> None:
    with pytest.raises(InputError):
        parse_request_file(text, name, SELECTION, (LINUX,))


def test_an_extra_that_names_itself_through_ever_new_markers_ends() -> None:
    text = '[project]\nname = "x"\n[project.optional-dependencies]\n'
    text += 'cli = ["x[a]; python_version < \'4\'"]\na = ["x[cli]; os_name == \'posix\'", "one"]\n'
    read("pyproject.toml", text)


def test_extras_that_name_ever_more_extras_are_refused() -> None:
    deep = {"cli": ["x[a0]"], **{f"a{n}": [f"x[a{n + 1}]"] for n in range(3_000)}, "a3000": []}
    wide = {f"a{n}": [f"x[a{n + 1}]; python_version != '{k}'" for k in range(9)] for n in range(9)}
    for extras in (deep, {"cli": ["x[a0]"], **wide, "a9": []}):
        lines = [f"{name} = [{', '.join(json.dumps(r) for r in named)}]" for name, named in extras.items()]
        text = '[project]\nname = "x"\n[project.optional-dependencies]\n' + "\n".join(lines)
        with pytest.raises(InputError, match="extras name each other too often"):
            parse_request_file(text, "pyproject.toml", Selection.of(["cli"]), (LINUX,))
