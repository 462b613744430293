"""The literal writer against real Nix: what goes in comes out."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nix.literal import to_nix
from tests.support.nix import NixStore

HOSTILE = [
    '"; throw "x"; "',
    '${builtins.abort "x"}',
    "$${x}",
    "\\${x}",
    "''${x}",
    "'${x}",
    "''",
    "'''",
    "a''\nb''\n",
    "$",
    "$$",
    "\\",
    "\\n",
    "\r\n",
    "\r",
    "\x1b]0;title\x07",
    "../../etc/passwd",
    "`id` $(id) ; | &",
    "a\nb\nc\nd\n",
    "a\n  b\n\n    c\nd\n",
    "a\n   \nb\nc\n",
    "  a\n  b\n  c\n",
    "\na\nb\nc\n",
    "a'\n'b\nc$\n{d}\n",
    "é‮ \U0001f600",
    "# no comment",
    "/* no comment */",
]

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
lines = st.lists(st.sampled_from(["a", "  b", "", "   ", "'", "''", "$", "{", "${", "\t", "\r", "é", "\\", '"']))
blocks = lines.map(lambda parts: "\n".join(parts) + "\n")
integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | texts | blocks | st.sampled_from(HOSTILE)
names = texts | st.sampled_from(
    ["if", "or", "rec", "inherit", "outPath", "__toString", "a-b", "a'", "", "true", *HOSTILE]
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(names, v, max_size=4), max_leaves=12)


def evaluate(nix_store: NixStore, text: str) -> object:
    """Return the JSON value of a Nix expression, evaluated by the real Nix."""
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-"],
        input=text.encode(),
        env=nix_store.env(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace") + text
    return json.loads(done.stdout)


@pytest.mark.nix
@settings(max_examples=80, deadline=None)
@given(batch=st.lists(values, min_size=1, max_size=12))
@example(batch=HOSTILE)
@example(batch=[{name: name for name in HOSTILE}])
@example(batch=[-(2**63), 2**63 - 1, -1, 0, [-1], [-1, -2]])
def test_nix_reads_back_exactly_what_was_written(nix_store: NixStore, batch: list[object]) -> None:
    # JSON of attribute sets with outPath or __toString is the coerced value: compare by names and values
    spread = [spread_attributes(value) for value in batch]
    assert evaluate(nix_store, READ_BACK % to_nix(batch)) == spread


READ_BACK = """
let
  spread = value:
    if builtins.isAttrs value then
      { names = builtins.attrNames value; values = map spread (builtins.attrValues value); }
    else if builtins.isList value then map spread value
    else value;
in
map spread %s
"""


def spread_attributes(value: object) -> object:
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: name.encode())
        return {"names": ordered, "values": [spread_attributes(value[name]) for name in ordered]}
    return [spread_attributes(item) for item in value] if isinstance(value, list) else value


def test_layout_is_two_spaces_and_one_element_a_line() -> None:
    assert to_nix({"b": [1, 2], "a-b": {"if": None}, "c": ["x"], "d": [], "e": {}}) == (
        '{\n  a-b = {\n    "if" = null;\n  };\n  b = [\n    1\n    2\n  ];\n  c = [ "x" ];\n  d = [ ];\n  e = { };\n}'
    )


def test_scripts_without_anything_to_escape_stay_readable() -> None:
    assert to_nix({"s": "import os\n\nif x:\n    y()\n"}) == (
        "{\n  s = ''\n    import os\n\n    if x:\n        y()\n  '';\n}"
    )


@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"\udfff": 1}, {"a\0": 1}, 2**63, -(2**63) - 1])
def test_what_nix_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="Nix"):
        to_nix(value)


@pytest.mark.parametrize("value", [1.5, b"x", {1: 2}, object(), {"a": {1, 2}}])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        to_nix(value)
