"""Places for the nodes of a directed graph in layers, so that edges lead from left to right and cross seldom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layering", "lay_out"]

#: Rounds of ordering (each one forth and back), and of settling; more change little on graphs of 500 nodes.
_ORDERINGS, _SETTLINGS = 6, 10
#: What a node takes of its layer, and an edge that passes by.
_NODE, _PASSING = 1.0, 0.35
#: An edge that passes more layers than this goes straight: its way would cost more than it tells.
_LONGEST_WAY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Layering:
    """Where everything is."""

    layers: Mapping[str, int]
    """Node -> its layer, 0 on the left."""
    heights: Mapping[str, float]
    """Node -> its place in the layer, 0 at the top; 1 is what one node takes."""
    ways: Mapping[tuple[str, str], tuple[tuple[int, float], ...]]
    """Edge -> (layer, height) of each point that it passes between its ends, in its own direction."""


def lay_out(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layering:
    """Return places for *nodes*; the same for the same input in every process.

    After Sugiyama, Tagawa and Toda (1981): cycles are opened, layers are longest paths, each
    layer is ordered by the mean of its neighbours' places, heights are the nearest ones to
    those means that keep order and distance (isotonic regression).

    :param edges: pairs of *nodes*; one that leads to itself has no way.
    """
    forward = _open_cycles(nodes, edges)
    layers = _layers(nodes, forward)
    graph = _Graph(nodes, forward, layers)
    graph.order()
    heights = graph.settle()
    ways = {}
    for edge in dict.fromkeys(edges):
        a, b = edge
        turned = edge not in forward
        chain = graph.chains.get((b, a) if turned else edge, ())
        points = [(graph.layer_of[i], heights[i]) for i in chain]
        ways[edge] = tuple(reversed(points) if turned else points)
    return Layering(layers=layers, heights={node: heights[i] for i, node in enumerate(nodes)}, ways=ways)


def _open_cycles(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[tuple[str, str], None]:
    """Return *edges* with those turned round that close a cycle on a walk in depth, without loops."""
    below: dict[str, list[str]] = {node: [] for node in nodes}
    for a, b in dict.fromkeys(edges):
        if a != b:
            below[a].append(b)
    required = {b for a, b in edges if a != b}
    state = dict.fromkeys(nodes, 0)  # 1 while the walk is below it, 2 afterwards
    forward: dict[tuple[str, str], None] = {}
    for start in (*(n for n in nodes if n not in required), *nodes):
        if state[start]:
            continue
        state[start] = 1
        todo = [(start, iter(below[start]))]
        while todo:
            node, rest = todo[-1]
            other = next(rest, None)
            if other is None:
                state[node] = 2
                todo.pop()
            elif state[other] == 1:
                forward[other, node] = None
            else:
                forward[node, other] = None
                if not state[other]:
                    state[other] = 1
                    todo.append((other, iter(below[other])))
    return forward


def _layers(nodes: Sequence[str], forward: Mapping[tuple[str, str], None]) -> dict[str, int]:
    """Return the length of the longest path to each node."""
    below: dict[str, list[str]] = {node: [] for node in nodes}
    open_ends = dict.fromkeys(nodes, 0)
    for a, b in forward:
        below[a].append(b)
        open_ends[b] += 1
    layers = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not open_ends[node]]
    for node in ready:  # it grows while it is walked
        for other in below[node]:
            layers[other] = max(layers[other], layers[node] + 1)
            open_ends[other] -= 1
            if not open_ends[other]:
                ready.append(other)
    return layers


class _Graph:
    """Nodes and passing points as numbers, in their layers."""

    def __init__(
        self, nodes: Sequence[str], forward: Mapping[tuple[str, str], None], layers: Mapping[str, int]
    ) -> None:
        self.layer_of = [layers[node] for node in nodes]
        self.sizes = [_NODE] * len(nodes)
        self.chains: dict[tuple[str, str], list[int]] = {}
        number = {node: i for i, node in enumerate(nodes)}
        links: list[tuple[int, int]] = []
        for a, b in forward:
            first, last = number[a], number[b]
            chain = []
            between = range(self.layer_of[first] + 1, self.layer_of[last])
            if len(between) <= _LONGEST_WAY:
                for layer in between:
                    chain.append(len(self.layer_of))
                    self.layer_of.append(layer)
                    self.sizes.append(_PASSING)
                steps = [first, *chain, last]
                links += pairwise(steps)
            self.chains[a, b] = chain
        self.left: list[list[int]] = [[] for _ in self.layer_of]
        self.right: list[list[int]] = [[] for _ in self.layer_of]
        for i, j in links:
            self.right[i].append(j)
            self.left[j].append(i)
        self.columns: list[list[int]] = [[] for _ in range(max(self.layer_of, default=-1) + 1)]
        for i, layer in enumerate(self.layer_of):
            self.columns[layer].append(i)

    def order(self) -> None:
        """Order each layer so that few edges cross."""
        best, fewest = [list(column) for column in self.columns], self._crossings()
        places = [0] * len(self.layer_of)
        for column in self.columns:
            for place, i in enumerate(column):
                places[i] = place
        for _ in range(_ORDERINGS):
            for columns, sides in ((self.columns[1:], self.left), (self.columns[-2::-1], self.right)):
                for column in columns:
                    _sort(column, sides, places)
                crossings = self._crossings()
                if crossings < fewest:
                    best, fewest = [list(column) for column in self.columns], crossings
            if not fewest:
                break
        self.columns = best

    def _crossings(self) -> int:
        return sum(self._crossings_between(a, b) for a, b in pairwise(self.columns))

    def _crossings_between(self, column: Sequence[int], following: Sequence[int]) -> int:
        """Return how often edges between two layers cross: inversions, counted in a Fenwick tree."""
        place = {j: k for k, j in enumerate(following)}
        counts = [0] * (len(following) + 1)
        crossings = seen = 0
        for i in column:
            ends = sorted(place[j] for j in self.right[i])
            for end in ends:
                below, k = 0, end + 1
                while k:
                    below += counts[k]
                    k &= k - 1
                crossings += seen - below
            for end in ends:
                k = end + 1
                while k <= len(following):
                    counts[k] += 1
                    k += k & -k
            seen += len(ends)
        return crossings

    def settle(self) -> list[float]:
        """Return the height of every node and point."""
        heights = [0.0] * len(self.layer_of)
        for column in self.columns:
            at = 0.0
            for i in column:
                heights[i] = at + self.sizes[i] / 2
                at += self.sizes[i]
        middle = max((heights[column[-1]] for column in self.columns if column), default=0.0) / 2
        for column in self.columns:
            shift = middle - (heights[column[0]] + heights[column[-1]]) / 2
            for i in column:
                heights[i] += shift
        for turn in range(_SETTLINGS):
            sides = (self.left, self.right)[turn % 2] if turn < _SETTLINGS - 2 else None
            for column in self.columns if turn % 2 == 0 else reversed(self.columns):
                self._settle_column(column, heights, sides)
        top = min((heights[i] - self.sizes[i] / 2 for i in range(len(heights))), default=0.0)
        return [height - top for height in heights]

    def _settle_column(
        self, column: Sequence[int], heights: list[float], sides: Sequence[Sequence[int]] | None
    ) -> None:
        """Move the nodes of a layer as near to their neighbours as order and distance let them."""
        wanted, offsets, at = [], [], 0.0
        for i in column:
            near = sides[i] if sides is not None else [*self.left[i], *self.right[i]]
            wanted.append(_mean([heights[j] for j in near], heights[i]))
            offsets.append(at + self.sizes[i] / 2)
            at += self.sizes[i]
        # blocks of (sum, count): means that ascend, by pooling adjacent violators
        blocks: list[tuple[float, int]] = []
        for want, offset in zip(wanted, offsets, strict=True):
            total, count = want - offset, 1
            while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
                before = blocks.pop()
                total, count = total + before[0], count + before[1]
            blocks.append((total, count))
        starts = [total / count for total, count in blocks for _ in range(count)]
        for i, start, offset in zip(column, starts, offsets, strict=True):
            heights[i] = start + offset


def _sort(column: list[int], sides: Sequence[Sequence[int]], places: list[int]) -> None:
    """Order a layer by the mean places of neighbours, and note the new places."""
    means = {i: _mean([places[j] for j in sides[i]], places[i]) for i in column}
    column.sort(key=lambda i: (means[i], places[i]))
    for place, i in enumerate(column):
        places[i] = place


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
