"""What the cases gave, kept in ``results.json``, and the reasons for differences in ``reasons.toml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "read_results", "write_results"]

RESULTS = Path(__file__).with_name("results.json")


def read_results() -> dict[str, Any]:
    """Return what is kept, by case."""
    return dict(json.loads(RESULTS.read_bytes())) if RESULTS.exists() else {}


def write_results(results: dict[str, Any]) -> None:
    """Keep *results*; equal ones give equal bytes."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
