"""Why there is no solution, in sentences and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .candidates import Pool
from .edges import UNUSABLE, Edge
from .errors import NoSolution
from .resolution import Failure
from .supply import Supply
from .target import Target

__all__ = ["explain"]


def explain(failure: Failure, target: Target) -> NoSolution:
    """Return the error that tells why *failure* has no solution on *target*.

    The outcomes are told apart by code: ``unknown-project``, ``no-such-version``,
    ``nothing-for-target``, ``conflict``, ``gave-up``.
    """
    supply = failure.supply
    if failure.gave_up:
        return NoSolution(
            "gave-up",
            f"no answer was found within {supply.policy.rounds} rounds for {_place(target)}",
            context=_lines(supply, failure.causes),
            hint="state tighter versions for the projects named above, or split the request",
            details={"rounds": supply.policy.rounds},
        )
    by_project: dict[str, list[Edge]] = {}
    for edge in supply.roots:
        by_project.setdefault(edge.project, []).append(edge)
    for edges in by_project.values():
        error = _single(supply, target, edges)
        if error is not None:
            return error
    causes = list(failure.causes)
    wanted = [edge for edge in causes if edge.key != UNUSABLE]
    projects = {edge.project for edge in wanted}
    if len(projects) == 1 and len(wanted) == len(causes):
        error = _single(supply, target, wanted)
        if error is not None:
            return error
    return NoSolution(
        "conflict",
        f"the requirements contradict each other on {_place(target)}",
        context=_lines(supply, causes),
        hint="change or remove one of the requirements above",
        details={"causes": [_cause(supply, edge) for edge in causes]},
    )


def _place(target: Target) -> str:
    return f"Python {target.python}, {target.system}"


def _cause(supply: Supply, edge: Edge) -> dict[str, Any]:
    return {
        "requirement": edge.text,
        "project": edge.project,
        "origin": edge.origin,
        "asked": edge in supply.roots,
    }


def _lines(supply: Supply, causes: Sequence[Edge]) -> list[str]:
    lines = []
    for edge in causes:
        if edge.key == UNUSABLE:
            line = f"{edge.origin} cannot be used: {edge.text}"
        elif edge in supply.roots:
            line = f"you asked for {edge.text} ({edge.origin})"
        else:
            line = f"{edge.origin} requires {edge.text}"
        if line not in lines:
            lines.append(line)
    shown = lines[:12]
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown)} more")
    return shown


def _single(supply: Supply, target: Target, causes: Sequence[Edge]) -> NoSolution | None:
    """Return the error where one project alone cannot be had as asked, or None where it can."""
    edge = causes[0]
    pool = supply.pool(edge.project)
    if pool is None:
        return None
    asked = _lines(supply, causes)
    texts = sorted({e.text for e in causes})
    if pool.page.absent:
        return NoSolution(
            "unknown-project",
            f"no index has a project named {edge.project!r}",
            context=asked,
            hint="check the spelling, or name the index that has it with --extra-index-url",
            details={"project": edge.project, "causes": [_cause(supply, e) for e in causes]},
        )
    mask = supply.admitted(pool, causes)
    if not mask:
        if len(causes) > 1 and all(supply.admitted(pool, [e]) for e in causes):
            return None
        return NoSolution(
            "no-such-version",
            f"no known version of {edge.project} meets {' and '.join(texts)}",
            context=[*asked, _known(pool)],
            hint="ask for a version that exists, or get newer facts with --refresh",
            details={"project": edge.project, "known": list(pool.page.versions[-5:])},
        )
    usable = pool.available(mask, supply.yanked(pool))
    if usable:
        return None
    reasons = _reasons(pool, mask)
    return NoSolution(
        "nothing-for-target",
        f"{edge.project} has nothing that meets {' and '.join(texts)} for {_place(target)}",
        context=[*asked, *(f"{count} version{'s' if count > 1 else ''}: {why}" for why, count in reasons)],
        hint="choose another --python, --platform or --providers, or ask for another version",
        details={"project": edge.project, "filtered": dict(reasons)},
    )


def _known(pool: Pool) -> str:
    versions = pool.page.versions
    if not versions:
        return f"no usable file of {pool.page.project} is known"
    stable = [v for r, v in enumerate(versions) if not pool.ranks.prereleases >> r & 1] or list(versions)
    return f"{len(versions)} versions are known, the newest is {stable[-1]}"


def _reasons(pool: Pool, mask: int) -> list[tuple[str, int]]:
    counts = [(why, (ranks & mask).bit_count()) for why, ranks in pool.rejected().items()]
    yanked = 0
    for ranks in pool.yanked.values():
        yanked |= ranks & mask
    counts.append(("yanked", yanked.bit_count()))
    return sorted(((why, count) for why, count in counts if count), key=lambda item: (-item[1], item[0]))
