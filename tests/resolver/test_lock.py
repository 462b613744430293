"""The lock's text: the same bytes for the same content, and back again."""

from __future__ import annotations

import json

from hypothesis import given, settings

from resolver.lock import BuildClosure, Lock, digest_closure, parse_lock, render_lock
from tests.resolver.locks import locks, pin, web_lock


@settings(max_examples=60)
@given(locks())
def test_a_lock_survives_its_text_and_the_text_its_lock(lock: Lock) -> None:
    text = render_lock(lock)
    read = parse_lock(text)
    assert read == lock
    assert render_lock(read) == text


def test_the_text_is_sorted_with_one_field_a_line() -> None:
    text = render_lock(web_lock())
    value = json.loads(text)
    assert text == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert [p["name"] for p in value["targets"][0]["pins"]] == sorted(p["name"] for p in value["targets"][0]["pins"])


def test_a_closure_is_named_by_its_whole_content() -> None:
    closure = BuildClosure(pins=(pin("setuptools==80.0.0"), pin("wheel==0.45")))
    other = BuildClosure(pins=(pin("setuptools==80.0.0"), pin("wheel==0.46")))
    sized = BuildClosure(pins=(pin("setuptools==80.0.0"), pin("wheel==0.45", size=3)))
    assert digest_closure(closure) == digest_closure(BuildClosure(pins=closure.pins))
    assert len({digest_closure(c) for c in (closure, other, sized)}) == 3
