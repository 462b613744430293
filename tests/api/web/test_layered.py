"""Places of nodes in layers: edges lead to the right, nothing overlaps, and the same goes in as comes out."""

from __future__ import annotations

import random
import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from api.web.layered import lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    nodes = [str(i) for i in range(draw(st.integers(0, 12)))]
    if not nodes:
        return [], []
    edge = st.tuples(st.sampled_from(nodes), st.sampled_from(nodes))
    return nodes, draw(st.lists(edge, max_size=40))


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_whatever_the_graph_no_two_nodes_overlap(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    nodes, edges = graph
    found = lay_out(nodes, edges)
    assert set(found.layers) == set(found.heights) == set(nodes)
    assert set(found.ways) == set(edges)
    for layer in set(found.layers.values()):
        heights = sorted(found.heights[node] for node in nodes if found.layers[node] == layer)
        assert all(b - a > 0.999 for a, b in pairwise(heights))
        assert heights[0] > 0.499
    for (a, b), way in found.ways.items():
        if a != b:
            assert found.layers[a] != found.layers[b]
            step = 1 if found.layers[a] < found.layers[b] else -1
            assert [layer for layer, _ in way] == list(range(found.layers[a] + step, found.layers[b], step))
    assert found == lay_out(nodes, edges)


def test_edges_lead_to_the_right_where_nothing_goes_in_circles() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    layers = lay_out(["a", "b", "c", "d"], edges).layers
    assert layers == {"a": 0, "b": 1, "c": 2, "d": 0}


def test_a_circle_is_opened_where_it_is_entered() -> None:
    layers = lay_out(["root", "a", "b"], [("a", "b"), ("b", "a"), ("root", "a")]).layers
    assert layers == {"root": 0, "a": 1, "b": 2}


def test_edges_are_untangled() -> None:
    found = lay_out(["a", "b", "c", "x", "y", "z"], [("a", "z"), ("b", "y"), ("c", "x")]).heights
    assert sorted("abc", key=found.__getitem__) == [
        {"z": "a", "y": "b", "x": "c"}[n] for n in sorted("xyz", key=found.__getitem__)
    ]


def test_five_hundred_nodes_take_no_time_to_speak_of() -> None:
    chance = random.Random(7)
    nodes = [str(i) for i in range(500)]
    edges = [(str(chance.randrange(i)), str(i)) for i in range(1, 500) for _ in range(chance.choice([1, 2, 4]))]
    began = time.process_time()
    found = lay_out(nodes, edges)
    assert time.process_time() - began < 10
    assert len(found.heights) == 500


def test_a_chain_longer_than_the_interpreters_stack() -> None:
    nodes = [str(i) for i in range(3000)]
    found = lay_out(nodes, list(pairwise(nodes)))
    assert found.layers["2999"] == 2999
