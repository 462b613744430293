"""The stages of a search under bounds so tight that small graphs reach them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resolver import resolution
from resolver.policy import Policy
from tests.resolver.test_soundness import judge


@pytest.mark.parametrize(
    "bounds",
    [
        {"conflicts": 1, "rejections": 1, "consistency_versions": 0},
        {"conflicts": 1, "rejections": 1, "consistency_versions": 1, "consistency_facts": 2},
        {"conflicts": 1, "rejections": 2, "consistency_facts": 0},
    ],
    ids=str,
)
def test_answers_stay_right(bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    policy_of = Policy.of
    monkeypatch.setattr(Policy, "of", lambda *args, **options: replace(policy_of(*args, **options), **bounds))
    monkeypatch.setattr(resolution, "LATER_CONFLICTS", 1)
    assert sum(judge(seed) for seed in range(50_000, 50_300)) > 50
