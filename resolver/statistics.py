"""What one resolution did, as numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(slots=True, kw_only=True)
class Statistics:
    """Counts of one run, summed over its targets and stages."""

    rounds: int = 0
    """Of resolvelib, in every stage."""
    conflicts: int = 0
    """Dead ends: no candidate of a node could be pinned."""
    rejections: int = 0
    """Candidates that could not be pinned."""
    restarts: int = 0
    pruned: int = 0
    """Candidates that arc consistency took away."""
    complete: int = 0
    """Searches that had to be confirmed in the complete mode."""
    pages: int = 0
    """Project pages that the last run read."""
    metadata: int = 0
    """Files whose metadata the last run read."""
    runs: int = 0
    """How often the resolution was begun afresh, because facts were missing or too old."""
    needed: int = 0
    """Facts that were fetched because a run needed them."""
    fetched: int = 0
    """Facts that were fetched, those ahead of need included."""
    seconds_resolving: float = 0.0
    seconds_fetching: float = 0.0
    """Fetching and storing."""
    seconds_building: float = 0.0
    """Asking build backends, with the downloads that it takes."""

    def to_json(self) -> dict[str, int | float]:
        """Return the counts by name."""
        return {name: round(getattr(self, name), 3) for name in sorted(self.__slots__)}
