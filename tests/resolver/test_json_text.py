"""JSON with one field a line: the same text as the standard library's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.json_text import write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_it_writes_what_the_standard_library_does(value: object):
    assert write_json(value) == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, [b""]])
def test_what_no_lock_holds_is_refused(value: object):
    with pytest.raises(TypeError):
        write_json(value)
