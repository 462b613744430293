"""The search for one target: from roots to verified pins, or to the reason why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.markers import Marker
from resolvelib import ResolutionImpossible, ResolutionTooDeep
from resolvelib.resolvers import Resolution as Search

from .bridge import Bridge, Edge, Watch
from .candidates import Candidate, Pool
from .catalog import METADATA, Page
from .dependencies import MarkerJudge
from .names import NormalizedName, normalize_extra
from .policy import Policy
from .reading import Reading
from .requirement import Requirement
from .target import Target

__all__ = ["Failure", "ResolvedPin", "Solved", "solve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPin:
    """One project of a solution, still tied to the page that it came from."""

    project: NormalizedName
    version: str
    provider: str
    extras: tuple[str, ...]
    page: Page
    rows: tuple[int, ...]
    """Rows of the page that provide it on the target, best first."""
    dependencies: Mapping[str, tuple[str, ...]]
    passed_over: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solution in which every pin satisfies every edge."""

    pins: tuple[ResolvedPin, ...]
    """Sorted by project."""
    roots: Mapping[str, tuple[str, ...]]
    markers: tuple[tuple[Marker, str], ...]
    """(marker, extra) of every marker that was evaluated."""
    pythons: tuple[str, ...]
    """Every Requires-Python text that was evaluated."""
    warnings: tuple[str, ...]
    rounds: int
    conflicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No solution: proved, or given up."""

    gave_up: bool
    causes: tuple[tuple[Edge, Candidate | None], ...]
    """(requirement, who asked) of the last conflict; None stands for the user."""
    bridge: Bridge
    rounds: int


def solve(
    reading: Reading,
    target: Target,
    policy: Policy,
    *,
    roots: Sequence[Requirement],
    constraints: Sequence[Requirement] = (),
    preferences: Mapping[str, tuple[str, str]] | None = None,
) -> Solved | Failure | None:
    """Search for pins that meet *roots* on *target*.

    The fast mode comes first; its "impossible" or an invalid result is confirmed in the
    complete mode (resolvelib 1.2.1 is not sound; its issue 206).

    :param preferences: existing pins, project -> (version, provider).
    :return: the solution, why there is none, or None where facts are missing: they stand
        in :attr:`Reading.needs` then.
    """
    outcome: Solved | Failure | None = None
    for complete in (False, True):
        judge = MarkerJudge(target.environment)
        bridge = Bridge(
            reading,
            target,
            policy,
            judge,
            roots=roots,
            constraints=constraints,
            preferences=preferences or {},
            complete=complete,
        )
        outcome = _search(bridge, judge, policy, complete)
        if reading.needs:
            return None
        if isinstance(outcome, Solved):
            return outcome
    return outcome


def _search(bridge: Bridge, judge: MarkerJudge, policy: Policy, complete: bool) -> Solved | Failure | None:
    watch = Watch(bridge, complete)
    search: Any = Search(bridge, watch)
    try:
        state = search.resolve(bridge.root_edges, max_rounds=policy.rounds)
    except ResolutionImpossible as error:
        causes = tuple((c.requirement, c.parent) for c in error.causes)
        return Failure(gave_up=False, causes=causes, bridge=bridge, rounds=watch.rounds)
    except ResolutionTooDeep:
        causes = tuple((c.requirement, c.parent) for c in search.state.backtrack_causes)
        return Failure(gave_up=True, causes=causes, bridge=bridge, rounds=watch.rounds)
    return _collect(bridge, judge, state.mapping, watch)


def _collect(bridge: Bridge, judge: MarkerJudge, mapping: Mapping[str, Candidate], watch: Watch) -> Solved | None:
    """Return what the roots reach in *mapping*, or None where an edge is not satisfied by its pin.

    The walk is iterative and our own: resolvelib's recursive one fails on orphaned cycles.
    """
    reached: dict[str, Candidate] = {}
    demands: dict[NormalizedName, list[Edge]] = {}
    todo = list(bridge.root_edges)
    while todo:
        edge = todo.pop()
        candidate = mapping.get(edge.key)
        if candidate is None or not bridge.is_satisfied_by(edge, candidate):
            return None
        if edge.exact is None:
            demands.setdefault(edge.project, []).append(edge)
        if edge.key not in reached:
            reached[edge.key] = candidate
            todo += bridge.edges_of(candidate)
    warnings = [f"the marker {text!r} was taken as not applicable: {reason}" for text, reason in judge.raised.items()]
    pins = []
    for project in sorted({c.project for c in reached.values()}):
        pool = bridge.pool(project)
        if pool is None:
            return None
        nodes = [c for c in reached.values() if c.project == project]
        pins.append(_pin(bridge, pool, nodes, bridge.admitted(pool, demands.get(project, ())), warnings))
    return Solved(
        pins=tuple(pins),
        roots=_texts(bridge.root_edges),
        markers=tuple(judge.evaluated()),
        pythons=tuple(sorted(bridge.pythons)),
        warnings=tuple(warnings),
        rounds=watch.rounds,
        conflicts=watch.conflicts,
    )


def _texts(edges: Sequence[Edge]) -> dict[str, tuple[str, ...]]:
    texts: dict[str, set[str]] = {}
    for edge in edges:
        if edge.exact is None:
            texts.setdefault(edge.project, set()).add(edge.text)
    return {project: tuple(sorted(found)) for project, found in sorted(texts.items())}


def _pin(bridge: Bridge, pool: Pool, nodes: list[Candidate], admitted: int, warnings: list[str]) -> ResolvedPin:
    base = next(c for c in nodes if not c.extra)
    depset: Any = pool.page.depsets[pool.page.files[base.row][METADATA]]
    extras = tuple(sorted(c.extra for c in nodes if c.extra))
    normal = {normalize_extra(e) for e in depset[2]}
    for extra in extras:
        if extra not in normal:
            offered = f"it offers {', '.join(sorted(normal))}" if normal else "it offers none"
            warnings.append(f"{base.project} {base.version} has no extra {extra!r}; {offered}")
    if pool.yanked[base.provider] >> base.rank & 1:
        warnings.append(f"{base.project} {base.version} was yanked")
    rows = pool.files[base.provider][base.rank]
    best = pool.row(base.rank, base.provider)
    edges = [edge for node in nodes for edge in bridge.edges_of(node)]
    return ResolvedPin(
        project=base.project,
        version=base.version,
        provider=base.provider,
        extras=extras,
        page=pool.page,
        rows=(best, *(row for row in rows if row != best)),
        dependencies=_texts(edges),
        passed_over=_passed_over(pool, base, admitted),
    )


def _passed_over(pool: Pool, base: Candidate, admitted: int) -> str | None:
    """Return the newest stable version that the provider order alone kept from being taken, ``2.4.0 (sdist)``."""
    newer = admitted & ~((1 << (base.rank + 1)) - 1) & ~pool.ranks.prereleases
    best: tuple[int, str] | None = None
    for provider in pool.providers:
        mask = pool.masks[provider] & newer
        if provider != base.provider and mask and (best is None or mask.bit_length() - 1 > best[0]):
            best = (mask.bit_length() - 1, provider)
    return None if best is None else f"{pool.page.versions[best[0]]} ({best[1]})"
