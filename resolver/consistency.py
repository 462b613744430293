"""Arc consistency over the whole graph: versions that can be in no solution are taken away before a search.

A version of a project that every solution has is dead where one of its dependencies has
no live version; and a project that all live versions of such a project require is in every
solution itself, with only those versions that one of them admits. Both rules are applied
until nothing changes. Only impossible versions go, so no answer is lost (sound). It is
never limited to the newest versions: that gave wrong answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .bridge import Domain
from .candidates import Candidate, Pool
from .catalog import METADATA
from .edges import UNUSABLE, Edge
from .limits import Limits
from .names import NormalizedName
from .supply import Supply

__all__ = ["Consistency"]


class _Space:
    """Candidates of one project as bits of one number: the ranks of each provider, side by side."""

    __slots__ = ("live", "ones", "pool", "slots")

    def __init__(self, pool: Pool, masks: Mapping[str, int]) -> None:
        self.pool = pool
        width = len(pool.page.versions)
        #: Provider -> place of its rank 0.
        self.slots = {provider: at * width for at, provider in enumerate(pool.providers)}
        #: Turns a mask of ranks, multiplied, into the bits of all providers.
        self.ones = sum(1 << slot for slot in self.slots.values())
        #: Bits of the live candidates.
        self.live = sum(masks[provider] << slot for provider, slot in self.slots.items())

    def bit(self, candidate: Candidate) -> int:
        return 1 << self.slots[candidate.provider] + candidate.rank

    def meet(self, mask: int, provider: str | None) -> int:
        """Return the bits of the ranks in *mask*, from any provider or from the one that is asked for."""
        if provider is None:
            return mask * self.ones
        slot = self.slots.get(provider)
        return 0 if slot is None else mask << slot

    def domain(self) -> dict[str, int]:
        """Return provider -> mask of its live ranks."""
        ranks = (1 << len(self.pool.page.versions)) - 1
        return {provider: self.live >> slot & ranks for provider, slot in self.slots.items()}

    def ranks(self) -> int:
        """Return the ranks that are live from any provider."""
        mask = 0
        for part in self.domain().values():
            mask |= part
        return mask


class _Part:
    """One requirement of a group, and the bits of the project it is for that meet it."""

    __slots__ = ("edge", "reach", "space")

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        #: None until the page of the project is known.
        self.space: _Space | None = None
        self.reach = 0


class _Group:
    """Candidates of one node with the same requirements: what holds for one holds for all."""

    __slots__ = ("bits", "members", "nodes", "parts", "projects")

    def __init__(self, edges: Iterable[Edge]) -> None:
        self.bits = 0
        self.members: list[Candidate] = []
        self.parts = [_Part(edge) for edge in edges]
        #: What the requirements are for: nodes by key, and projects.
        self.nodes: dict[str, list[_Part]] = {}
        for part in self.parts:
            self.nodes.setdefault(part.edge.key, []).append(part)
        self.projects = {part.edge.project for part in self.parts}


class _Node:
    """A project, or one of its extras, that every solution has."""

    __slots__ = ("extra", "groups", "project", "space", "targets", "unasked")

    def __init__(self, project: NormalizedName, extra: str) -> None:
        self.project = project
        self.extra = extra
        self.space: _Space | None = None
        self.groups: dict[object, _Group] = {}
        #: Candidates of which it is not known what they require, most preferred first.
        self.unasked: list[Candidate] = []
        #: Projects whose changes matter to it; None until it was looked at.
        self.targets: set[NormalizedName] | None = None


class Consistency:
    """Live versions of the projects that every solution has.

    What a candidate requires takes part where the run has asked for it, or may still ask:
    at most *budget* more files' metadata, those of the projects in *first* before others, and none
    of sdists (each is a download of the whole file, and a build). Where *versions* is given, it
    asks for more than the most preferred version only of projects of which at most *versions* are
    unasked; where *wide* is false, only of those near the conflict. A dependency that is not
    asked for counts as live and unconstraining, which is sound.

    With *assume*, what is left is what is live where the user gets the most preferred candidates
    of what they ask for: more, since old versions that require little keep nothing open then. It
    proves nothing about other candidates.

    :ivar emptied: a project of every solution that has no live version left: there is no solution.
    :ivar pruned: how many candidates were found dead.
    """

    def __init__(
        self,
        supply: Supply,
        first: Iterable[NormalizedName],
        budget: int,
        limits: Limits | None = None,
        *,
        versions: int | None = None,
        wide: bool = True,
        assume: bool = False,
    ) -> None:
        self._supply = supply
        self._limits = limits
        self._budget = budget
        self._versions = versions
        self._wide = wide
        self._assume = assume
        self._places = {project: place for place, project in enumerate(first)}
        self._near = set(self._places)
        self.emptied: NormalizedName | None = None
        self.pruned = 0
        self._spaces: dict[NormalizedName, _Space] = {}
        #: Nodes that every solution has, by key, in the order of finding.
        self._mandatory: dict[str, _Node] = {}
        self._changed: set[NormalizedName] = set()
        #: What narrowed a project: groups that together require the node with the key.
        self._demands: dict[NormalizedName, list[tuple[Sequence[_Group], str]]] = {}
        #: Groups that died, and for which requirement.
        self._dead: dict[NormalizedName, list[tuple[_Group, _Part]]] = {}

    def run(self) -> Mapping[NormalizedName, Domain]:
        """Apply both rules until nothing changes; return project -> provider -> mask of live ranks."""
        for edge in sorted(self._supply.roots, key=lambda edge: (edge.key, edge.text)):
            self._demand(edge)
            reach = self._reach(_Part(edge), ask=True)
            if reach is not None:
                self._narrow(edge.project, reach)
        if self._assume:
            self._take_preferred()
        while self.emptied is None:
            due = [node for node in self._mandatory.values() if self._is_due(node)]
            if not due:
                break
            self._changed = set()
            due.sort(key=self._place)
            for node in due:
                self._revise(node)
                if self.emptied is not None:
                    break
        return {project: space.domain() for project, space in self._spaces.items()}

    def _take_preferred(self) -> None:
        """Leave of what the user asks for the most preferred candidates alone."""
        for project in {edge.project: None for edge in self._supply.roots}:
            space = self._spaces.get(project)
            if space is None or not space.live:
                continue
            pool = space.pool
            for rank, provider in pool.ordered(space.ranks(), self._supply.yanked(pool), self._supply.preferred(pool)):
                bit = 1 << space.slots[provider] + rank
                if space.live & bit:
                    space.live = bit
                    break

    def _place(self, node: _Node) -> int:
        return self._places.get(node.project, len(self._places))

    def _is_due(self, node: _Node) -> bool:
        return node.targets is None or not node.targets.isdisjoint(self._changed)

    def causes(self) -> list[Edge]:
        """Return the edges that left :attr:`emptied` without a live version."""
        if self.emptied is None:
            return []
        asked = [edge for edge in self._supply.roots if edge.project == self.emptied]
        found = {(edge.origin, edge.text): edge for edge in (*asked, *self._asking(self.emptied))}
        dead = self._dead.get(self.emptied, ())
        return [*found.values(), *(edge for group, part in dead for edge in self._alike(group, part))]

    def _asking(self, project: NormalizedName) -> Iterator[Edge]:
        for groups, key in self._demands.get(project, ()):
            for group in groups:
                for part in group.nodes[key]:
                    yield from self._alike(group, part)

    def _alike(self, group: _Group, part: _Part) -> Iterator[Edge]:
        """Yield the edges that the members of a group have in the place of *part*."""
        for candidate in group.members:
            for edge in self._supply.edges_of(candidate):
                if (edge.key, edge.text) == (part.edge.key, part.edge.text):
                    yield edge

    # ---- spaces

    def _space(self, project: NormalizedName) -> _Space | None:
        """Return the candidates of a project, or None where its page is unknown."""
        space = self._spaces.get(project)
        if space is None:
            pool = self._supply.pool(project)
            if pool is None:
                return None
            space = self._spaces[project] = _Space(pool, self._eligible(pool))
        return space

    def _eligible(self, pool: Pool) -> dict[str, int]:
        yanked = self._supply.yanked(pool)
        mask = self._supply.admitted(pool, ())
        allowed = pool.providers if self._limits is None else self._limits.allowed(pool)
        return {p: (pool.masks[p] | (pool.yanked[p] & yanked)) & mask if p in allowed else 0 for p in pool.providers}

    def _reach(self, part: _Part, *, ask: bool) -> int | None:
        """Return the bits that meet a requirement, or None where the page is unknown, or not asked for yet.

        :param ask: ask for the page.
        """
        if part.space is None:
            project = part.edge.project
            if not ask and not self._supply.knows_pool(project):
                return None
            part.space = self._space(project)
            if part.space is None:
                return None
            part.reach = part.space.meet(self._supply.mask(part.edge, part.space.pool), part.edge.provider)
        return part.reach

    def _narrow(self, project: NormalizedName, reach: int) -> None:
        space = self._spaces[project]
        left = space.live & reach
        if left != space.live:
            space.live = left
            self._changed.add(project)
        if not left:
            self.emptied = project

    # ---- the two rules

    def _demand(self, edge: Edge) -> None:
        """Note that every solution has the node of *edge*."""
        if edge.key not in self._mandatory and edge.key != UNUSABLE:
            self._mandatory[edge.key] = _Node(edge.project, edge.extra)
            self._changed.add(edge.project)

    def _open(self, node: _Node) -> _Space | None:
        """Sort the live candidates of a node by what they require; return None where its page is unknown."""
        space = self._space(node.project)
        if space is None or node.space is not None:
            return space
        node.space = space
        pool = space.pool
        for rank, provider in pool.ordered(space.ranks(), self._supply.yanked(pool), None):
            if space.live >> space.slots[provider] + rank & 1:
                node.unasked.append(self._supply.candidate(pool, rank, provider, node.extra))
        return space

    def _sort(self, node: _Node, space: _Space, candidate: Candidate) -> None:
        """Put a candidate, of which it is known what it requires, to those that require the same."""
        edges = [edge for edge in self._supply.edges_of(candidate) if edge.exact is None]
        position = space.pool.page.files[candidate.row][METADATA]
        # what a version says of its own project is about that version
        own = position < 0 or any(edge.project == candidate.project for edge in edges)
        kind = candidate if own else position
        group = node.groups.get(kind)
        if group is None:
            group = node.groups[kind] = _Group(edges)
        group.bits |= space.bit(candidate)
        group.members.append(candidate)

    def _ask(self, node: _Node, space: _Space) -> None:
        """Ask what the live candidates of a node require, as far as the bounds go."""
        supply = self._supply
        live = [c for c in node.unasked if space.live & space.bit(c)]
        node.unasked = [c for c in live if not supply.knows_edges(c)]
        for candidate in live:
            if supply.knows_edges(candidate):
                self._sort(node, space, candidate)
        wanted = [c for c in node.unasked if c.provider != "sdist"]
        if self._versions is not None and wanted:
            if not any(group.bits & space.live for group in node.groups.values()):
                # the most preferred one shows whether the project has to do with the conflict at all
                self._ask_now(node, space, wanted[:1])
                wanted = wanted[1:]
            if len(wanted) > self._versions or not (self._wide or self._is_near(node, space)):
                return
        self._ask_now(node, space, wanted)

    def _ask_now(self, node: _Node, space: _Space, candidates: Sequence[Candidate]) -> None:
        asked = candidates[: self._budget]
        self._budget -= len(asked)
        for candidate in asked:
            self._sort(node, space, candidate)
        node.unasked = [c for c in node.unasked if not self._supply.knows_edges(c)]

    def _is_near(self, node: _Node, space: _Space) -> bool:
        """Return whether a project is of the conflict, has lost a version, or is known to require such a project."""
        if node.project in self._near:
            return True
        return any(
            group.bits & space.live and not group.projects.isdisjoint(self._near) for group in node.groups.values()
        )

    def _revise(self, node: _Node) -> None:
        space = self._open(node)
        node.targets = {node.project}
        if space is None:
            return
        self._ask(node, space)
        living = []
        for group in node.groups.values():
            if not group.bits & space.live:
                continue
            node.targets |= group.projects
            blocked = self._find_blocked(group)
            if blocked is None:
                living.append(group)
                continue
            self._dead.setdefault(node.project, []).append((group, blocked))
            self.pruned += (space.live & group.bits).bit_count()
            self._near.add(node.project)
            self._changed.add(node.project)
            space.live &= ~group.bits
            if not space.live:
                self.emptied = node.project
                return
        if living and not any(space.live & space.bit(c) for c in node.unasked):
            self._propagate(node, space, living)

    def _find_blocked(self, group: _Group) -> _Part | None:
        """Return a requirement of a group that no live candidate meets; None where there is none."""
        for part in group.parts:
            if part.edge.key == UNUSABLE:
                return part
            # where the bounds are close, a page is not worth asking for that no solution is known to have
            reach = self._reach(part, ask=self._versions is None)
            if reach is not None and part.space is not None and not part.space.live & reach:
                return part
        return None

    def _propagate(self, node: _Node, space: _Space, living: list[_Group]) -> None:
        """Demand what all live candidates of a node require, within the union of what each admits."""
        if node.extra:
            self._demand(self._supply.edge_to_base(living[0].members[0]))
            bits = 0
            for group in living:
                bits |= group.bits
            self._narrow(node.project, bits)
        for key, parts in living[0].nodes.items():
            if not all(key in group.nodes for group in living):
                continue
            self._demand(parts[0].edge)
            union: int | None = 0
            for group in living:
                reach = self._join(group.nodes[key])
                if reach is None:
                    union = None
                    break
                assert union is not None
                union |= reach
            if union is not None:
                project = parts[0].edge.project
                self._demands.setdefault(project, []).append((living, key))
                self._narrow(project, union)
            if self.emptied is not None:
                return

    def _join(self, parts: Iterable[_Part]) -> int | None:
        """Return the bits that meet all of *parts*, which are for one project; None where its page is unknown."""
        bits = -1
        for part in parts:
            reach = self._reach(part, ask=True)
            if reach is None:
                return None
            bits &= reach
        return bits
