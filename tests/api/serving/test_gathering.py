"""What waits in a queue for one thread: everything comes, in order, in batches, until the end is told."""

from __future__ import annotations

import queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.serving.gathering import batches


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=5))
def test_everything_comes_in_order_and_in_batches_until_the_end_is_told(items: list[int], most: int) -> None:
    waiting: queue.Queue[int | None] = queue.Queue()
    for item in [*items, None, 99]:
        waiting.put(item)
    found = list(batches(waiting, most))
    assert [item for batch in found for item in batch] == items
    assert all(len(batch) == most for batch in found[:-1])
    assert all(0 < len(batch) <= most for batch in found)
    assert waiting.get() == 99, "what comes after the end is left"


def test_what_is_there_is_not_kept_waiting_for_more() -> None:
    waiting: queue.Queue[str | None] = queue.Queue()
    found = batches(waiting, 10)
    waiting.put("a")
    assert next(found) == ["a"]
    waiting.put("b")
    waiting.put("c")
    assert next(found) == ["b", "c"]


def test_more_may_gather_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: queue.Queue[str | None] = queue.Queue()
    monkeypatch.setattr("time.sleep", lambda seconds: waiting.put(f"{seconds} later"))
    waiting.put("a")
    assert next(batches(waiting, 10, pause=0.5)) == ["a", "0.5 later"]
