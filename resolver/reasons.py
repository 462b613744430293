"""A core in sentences: what versions require, what was filtered out, and which kind of trouble it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .candidates import Candidate, Pool
from .conflict import Demand, Step, Trouble
from .core import Core
from .edges import Edge
from .excerpt import Unit, ask_unit, limit_unit, need_unit
from .lock_request import render_time
from .names import NormalizedName
from .supply import Supply

__all__ = ["describe", "find_single", "known_versions"]

#: Longer requirements and reasons are cut in sentences.
_MOST_TEXT = 160


def describe(supply: Supply, core: Core) -> Trouble:
    """Return the trouble that *core* is."""
    return _Description(supply, core).trouble()


def find_single(supply: Supply) -> Core | None:
    """Return the core where one project alone cannot be had as the user asks for it: no search is needed then."""
    projects = dict.fromkeys(edge.project for edge in supply.roots)
    for project in projects:
        pool = supply.pool(project)
        if pool is None:
            continue
        edges = {ask_unit(e): e for e in supply.roots if e.project == project}
        edges |= {limit_unit(e): e for e in supply.constraints.get(project, ())}
        if _has_any(supply, pool, edges.values()):
            continue
        for unit in reversed(list(edges)):
            rest = {u: e for u, e in edges.items() if u != unit}
            if any(u.kind == "ask" for u in rest) and not _has_any(supply, pool, rest.values()):
                edges = rest
        return Core(units=tuple(edges), proved=True, minimal=True)
    return None


def _has_any(supply: Supply, pool: Pool, edges: Iterable[Edge]) -> bool:
    mask = pool.ranks.all
    for edge in edges:
        mask &= supply.mask(edge, pool)
    return bool(pool.available(mask, supply.yanked(pool)))


def known_versions(pool: Pool) -> str:
    """Return what versions of a project are known, as a sentence."""
    versions, rules = pool.page.versions, pool.rules
    if not versions:
        return f"no usable file of {pool.page.project} is known"
    stable = [v for r, v in enumerate(versions) if not pool.ranks.prereleases >> r & 1] or list(versions)
    name, newest = pool.page.project, stable[-1]
    line = f"the only known version of {name} is {newest}"
    if len(versions) > 1:
        line = f"{len(versions)} versions of {name} are known, {versions[0]} to {versions[-1]}"
        line += "" if newest == versions[-1] else f", the newest stable one is {newest}"
    if rules.as_of is None:
        return line
    before = pool.uploaded_before(rules.as_of)
    late = "none of them" if not before else f"of them {versions[before.bit_length() - 1]} is the newest that"
    return f"{line}; {late} was uploaded before {render_time(rules.as_of)}"


@dataclass(slots=True)
class _Relation:
    """One ``need`` or ``unusable`` unit: requirements by rank of the asking project."""

    unit: Unit
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    admitted: dict[int, int] = field(default_factory=dict)
    """What each rank admits of the project that is required."""
    everyone: bool = True
    """Every version of the asking project that is left has it."""


class _Description:
    def __init__(self, supply: Supply, core: Core) -> None:
        self.supply = supply
        self.core = core
        units = set(core.units)
        self.asks = [e for e in supply.roots if ask_unit(e) in units]
        self.limits = [e for es in supply.constraints.values() for e in es if limit_unit(e) in units]
        #: Ranks that are left of each project, by provider.
        self.left: dict[NormalizedName, dict[str, int]] = {}
        #: Ranks that are asked for, before anything was filtered out.
        self.wanted: dict[NormalizedName, int] = {}
        self.incoming: dict[NormalizedName, int] = {}
        for edge in {ask_unit(e): e for e in self.asks}.values():
            self._narrow(edge.project, self._mask(edge))
        for edge in self.limits:
            self._narrow(edge.project, self._mask(edge))
        self.relations = [self._follow(unit) for unit in core.units if unit.kind in ("need", "unusable")]

    # ---- masks

    def _mask(self, edge: Edge) -> int:
        pool = self.supply.known_pool(edge.project)
        return 0 if pool is None else self.supply.mask(edge, pool)

    def _left(self, project: NormalizedName) -> dict[str, int]:
        left = self.left.get(project)
        if left is None:
            pool = self.supply.known_pool(project)
            if pool is None:
                left = {}
            else:
                yanked = self.supply.yanked(pool)
                left = {p: pool.masks[p] | (pool.yanked[p] & yanked) for p in pool.providers}
            self.left[project] = left
        return left

    def _narrow(self, project: NormalizedName, mask: int) -> None:
        left = self._left(project)
        for provider in left:
            left[provider] &= mask
        self.wanted[project] = self.wanted.get(project, -1) & mask
        self.incoming[project] = self.incoming.get(project, 0) + 1

    def _follow(self, unit: Unit) -> _Relation:
        relation = _Relation(unit)
        name, _, extra = unit.who.partition("[")
        project = NormalizedName(name)
        pool = self.supply.known_pool(project)
        if pool is None:
            return relation
        known = self.supply.known_edges()
        for provider, mask in self._left(project).items():
            for rank in _bits(mask):
                candidate = self.supply.candidate(pool, rank, provider, extra.rstrip("]"))
                edges = [e for e in known.get(candidate, ()) if need_unit(candidate.key, e) == unit]
                if edges:
                    self._note(relation, candidate, edges)
                else:
                    relation.everyone = False
        if unit.kind == "need":
            union = 0
            for admitted in relation.admitted.values():
                union |= admitted
            target = NormalizedName(unit.what)
            before = self.wanted.get(target, -1)
            self._narrow(target, union if relation.everyone else -1)
            if not relation.everyone:
                self.wanted[target] = before & union
        return relation

    def _note(self, relation: _Relation, candidate: Candidate, edges: Sequence[Edge]) -> None:
        rank = candidate.rank
        texts = dict.fromkeys(edge.told for edge in edges)
        relation.texts[rank] = tuple(sorted({*relation.texts.get(rank, ()), *texts}))
        if relation.unit.kind == "need":
            mask = -1
            for edge in edges:
                mask &= self._mask(edge)
            relation.admitted[rank] = relation.admitted.get(rank, 0) | mask

    # ---- the trouble

    def trouble(self) -> Trouble:
        code, project = self._code()
        return Trouble(
            code=code,
            project=project,
            core=tuple(self._demands()),
            steps=tuple(step for relation in self.relations for step in self._steps(relation)),
            filtered=self._filtered(),
            yanked=self._yanked(),
            minimal=self.core.minimal,
        )

    def _demands(self) -> Iterable[Demand]:
        for kind, edges in (("requirement", self.asks), ("constraint", self.limits)):
            for edge in {(e.text, e.origin): e for e in edges}.values():
                yield Demand(kind=kind, text=_cut(edge.text), project=edge.project, origin=edge.origin)

    def _code(self) -> tuple[str, str | None]:
        """Return the code, and the one project at which everything ends where there is one."""
        asking = {unit.who.partition("[")[0] for unit in self.core.units if unit.kind == "need"}
        broken = {unit.who.partition("[")[0] for unit in self.core.units if unit.kind == "unusable"}
        ends = [project for project in self.incoming if project not in asking]
        pool = self.supply.known_pool(ends[0]) if len(ends) == 1 and broken <= {ends[0]} else None
        if pool is None:
            return "conflict", None
        project = pool.page.project
        if pool.page.absent:
            return "unknown-project", project
        wanted = self.wanted[project] & pool.ranks.all
        if not wanted:
            return ("no-such-version", project) if self.incoming[project] == 1 else ("conflict", None)
        usable = bool(pool.available(wanted, self.supply.yanked(pool)))
        if usable:
            return ("nothing-for-target", project) if broken else ("conflict", None)
        moment = pool.rules.as_of
        late = moment is not None and not wanted & pool.uploaded_before(moment)
        return "no-such-version" if late else "nothing-for-target", project

    # ---- sentences

    def _steps(self, relation: _Relation) -> Iterable[Step]:
        unit = relation.unit
        name = unit.who.partition("[")[0]
        pool = self.supply.known_pool(NormalizedName(name))
        if pool is None or not relation.texts:
            return
        order = sorted(relation.texts)
        groups: dict[tuple[str, ...], list[int]] = {}
        for rank in reversed(order):
            groups.setdefault(relation.texts[rank], []).insert(0, rank)
        if unit.kind == "need" and len(groups) > 2:
            union = 0
            for admitted in relation.admitted.values():
                union |= admitted
            texts = tuple(dict.fromkeys(text for group in groups for text in group))
            yield self._step(unit, pool, order, order, texts, self._any_of(unit.what, union, texts))
            return
        for texts, ranks in list(groups.items())[:3]:
            yield self._step(unit, pool, ranks, order, texts, " and ".join(map(_cut, texts)))

    def _any_of(self, target: str, union: int, texts: Sequence[str]) -> str:
        pool = self.supply.known_pool(NormalizedName(target))
        ranks = [] if pool is None else list(_bits(union & pool.ranks.all))
        if pool is None or not ranks:
            return f"{_cut(texts[0])} or the like"
        first, last = pool.page.versions[ranks[0]], pool.page.versions[ranks[-1]]
        span = first if first == last else f"from {first} to {last}"
        return f"some {target} {span}"

    def _step(
        self, unit: Unit, pool: Pool, ranks: Sequence[int], order: Sequence[int], texts: tuple[str, ...], said: str
    ) -> Step:
        versions = tuple(pool.page.versions[rank] for rank in ranks)
        subject = f"{unit.who} {_ranges(pool.page.versions, ranks, order)}"
        if unit.kind == "unusable":
            text = f"{subject} cannot be used: {said}"
        else:
            verb = "requires" if len(ranks) == 1 else "require"
            text = f"{subject} {verb} {said}{self._remark(NormalizedName(unit.what))}"
        return Step(
            project=unit.who,
            versions=versions,
            requirements=() if unit.kind == "unusable" else tuple(map(_cut, texts)),
            on=unit.what,
            text=text,
        )

    def _remark(self, target: NormalizedName) -> str:
        pool = self.supply.known_pool(target)
        if pool is None:
            return ""
        if pool.page.absent:
            return ", which no index has"
        wanted = self.wanted.get(target, -1) & pool.ranks.all
        if self.incoming.get(target) == 1 and not wanted:
            return f", and no known {target} fits"
        return ""

    def _filtered(self) -> Mapping[str, Mapping[str, int]]:
        """Return why versions that are wanted, newer than any that is left, were filtered out."""
        answer: dict[str, Mapping[str, int]] = {}
        for project, wanted in self.wanted.items():
            pool = self.supply.known_pool(project)
            if pool is None:
                continue
            wanted &= pool.ranks.all
            usable = pool.available(pool.ranks.all, self.supply.yanked(pool))
            newest = (usable & wanted).bit_length()
            reasons = _reasons(pool, wanted & ~usable & ~((1 << newest) - 1))
            if reasons:
                answer[project] = reasons
        return answer

    def _yanked(self) -> Mapping[str, str]:
        answer = {}
        for project, wanted in self.wanted.items():
            pool = self.supply.known_pool(project)
            if pool is not None and not pool.available(wanted & pool.ranks.all, self.supply.yanked(pool)):
                ranks = 0
                for mask in pool.yanked.values():
                    ranks |= mask & wanted
                if ranks:
                    answer[str(project)] = pool.page.versions[ranks.bit_length() - 1]
        return answer


def _reasons(pool: Pool, mask: int) -> dict[str, int]:
    counts = {why: (ranks & mask).bit_count() for why, ranks in pool.rejected().items()}
    yanked = 0
    for ranks in pool.yanked.values():
        yanked |= ranks & mask
    counts["yanked"] = yanked.bit_count()
    return dict(sorted(((w, c) for w, c in counts.items() if c), key=lambda item: (-item[1], item[0])))


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        mask ^= low
        yield low.bit_length() - 1


def _ranges(versions: Sequence[str], ranks: Sequence[int], order: Sequence[int]) -> str:
    """Return *ranks* as ranges within *order*, the ranks that there are: ``1.0 to 2.3, and 3.0``."""
    place = {rank: n for n, rank in enumerate(order)}
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and place[runs[-1][-1]] + 1 == place[rank]:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    shown = [_span(versions[run[0]], versions[run[-1]], len(run)) for run in runs[-3:]]
    if len(runs) > 3:
        shown.insert(0, f"{sum(map(len, runs[:-3]))} older versions")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _span(first: str, last: str, count: int) -> str:
    if count == 1:
        return first
    return f"{first} and {last}" if count == 2 else f"{first} to {last}"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
