"""What the page of a resolution shows of one locked target: rows, tree, and what deserves a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from resolver.graph import TreeRow, list_tree
from resolver.lock import LockTarget, Pin

__all__ = ["Branch", "Row", "TargetView", "view_target"]

#: A tree with at most so many lines is open from the start; of a larger one, its first two levels.
_OPEN_LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pin."""

    pin: Pin
    requested: tuple[str, ...]
    """The user's own requirements for it."""
    askers: tuple[tuple[str, tuple[str, ...]], ...]
    """Who requires it, by which requirements; sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One line of the tree, and how the list around it is opened and closed."""

    row: TreeRow
    provider: str
    opens: bool
    """Lines below it follow."""
    shown: bool
    """These are open from the start."""
    closes: int
    """Lists that end after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One locked target."""

    target: LockTarget
    rows: tuple[Row, ...]
    """What the user asked for first, then by name."""
    tree: tuple[Branch, ...]
    counts: tuple[tuple[str, int], ...]
    """(provider, pins that come from it), the most first."""
    fallen: tuple[Pin, ...]
    passed_over: tuple[Pin, ...]


def view_target(target: LockTarget) -> TargetView:
    """Return what a page shows of *target*."""
    askers: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for pin in target.pins:
        for name, texts in sorted(pin.dependencies.items()):
            askers.setdefault(name, []).append((pin.name, tuple(texts)))
    counts = Counter(pin.provider for pin in target.pins)
    return TargetView(
        target=target,
        rows=tuple(
            Row(pin=pin, requested=tuple(target.roots.get(pin.name, ())), askers=tuple(askers.get(pin.name, ())))
            for pin in sorted(target.pins, key=lambda pin: pin.name not in target.roots)
        ),
        tree=tuple(_branches(list_tree(target), {pin.name: pin.provider for pin in target.pins})),
        counts=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        fallen=tuple(pin for pin in target.pins if pin.fallback),
        passed_over=tuple(pin for pin in target.pins if pin.passed_over),
    )


def _branches(rows: Sequence[TreeRow], providers: dict[str, str]) -> list[Branch]:
    answer = []
    for place, row in enumerate(rows):
        following = rows[place + 1].depth if place + 1 < len(rows) else 0
        answer.append(
            Branch(
                row=row,
                provider=providers[row.name],
                opens=following > row.depth,
                shown=len(rows) <= _OPEN_LINES or row.depth < 1,
                closes=max(0, row.depth - following),
            )
        )
    return answer
