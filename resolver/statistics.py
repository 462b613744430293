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

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in sorted(self.__slots__)}
