"""The tree of a lock and the reasons for its pins, as people read them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from resolver.errors import InputError
from resolver.graph import list_tree, render_tree, render_why, tree_to_json, why
from resolver.lock import Lock
from tests.resolver.locks import locks, pin, target, web_lock

WEB = web_lock().targets[1]


def test_a_tree_shows_what_requires_what() -> None:
    assert render_tree(WEB) == (
        "x86_64-linux, Python 3.11.9\n"
        "ping 1.0  ping\n"
        "├── idna 3.7  idna>=3\n"
        "└── pong 1.0  pong\n"
        "    └── ping 1.0  ping (*)\n"
        "requests 2.32.0  requests[socks]>=2.30\n"
        "├── idna 3.7  idna<4\n"
        "├── pysocks 1.7.1  pysocks>=1.5\n"
        "└── urllib3 2.2.1  urllib3>=1.21,<3\n"
        "(*) shown above\n"
    )


def test_an_inverted_tree_shows_who_leads_there() -> None:
    assert render_tree(WEB, invert=True) == (
        "x86_64-linux, Python 3.11.9\n"
        "idna 3.7\n"
        "├── ping 1.0  idna>=3\n"
        "│   └── pong 1.0  ping\n"
        "│       └── ping 1.0  pong (*)\n"
        "└── requests 2.32.0  idna<4\n"
        "pysocks 1.7.1\n"
        "└── requests 2.32.0  pysocks>=1.5\n"
        "urllib3 2.2.1\n"
        "└── requests 2.32.0  urllib3>=1.21,<3\n"
        "(*) shown above\n"
    )


def test_a_chain_longer_than_the_stack_is_shown() -> None:
    chain = [pin(f"p{n}==1.0", f"p{n + 1}") for n in range(3000)]
    long = target(*chain, pin("p3000==1.0"), roots={"p0": ("p0",)})
    assert len(list_tree(long)) == 3001
    assert len(why(long, "p3000").askers[0].path) == 3000


@settings(max_examples=40)
@given(locks())
def test_every_pin_and_every_edge_stands_in_either_tree(lock: Lock) -> None:
    for one in lock.targets:
        edges = {(p.name, to) for p in one.pins for to in p.dependencies}
        for invert in (False, True):
            rows = list_tree(one, invert=invert)
            assert {row.name for row in rows} == {p.name for p in one.pins}
            seen = set()
            above: dict[int, str] = {}
            for row in rows:
                above[row.depth] = row.name
                if row.depth:
                    parent = above[row.depth - 1]
                    seen.add((row.name, parent) if invert else (parent, row.name))
            assert seen == edges


def test_why_says_who_asks_and_how_the_user_led_there() -> None:
    assert render_why(why(WEB, "IDNA")) == (
        "idna 3.7 (wheel)\n"
        "  ping 1.0 asks for idna>=3\n"
        "    you ask for ping → ping 1.0\n"
        "  requests 2.32.0 asks for idna<4\n"
        "    you ask for requests[socks]>=2.30 → requests 2.32.0\n"
    )


def test_why_of_a_requirement_of_the_users_own() -> None:
    assert render_why(why(WEB, "requests")) == ("requests[socks] 2.32.0 (wheel)\n  you ask for requests[socks]>=2.30\n")


def test_why_takes_the_shortest_way() -> None:
    made = target(
        pin("a==1", "b"), pin("b==1", "c"), pin("c==1", "d"), pin("d==1"), pin("z==1", "c"),
        roots={"a": ("a",), "z": ("z",)},
    )  # fmt: skip
    [asker] = why(made, "d").askers
    assert [step.name for step in asker.path] == ["z", "c"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("request", "did you mean requests?"),
        ("Url-lib3", "did you mean urllib3?"),
        ("zzz", "mach tree shows everything that is"),
        ("not a name\x1b[2J", "mach tree shows everything that is"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        why(WEB, name)
    assert caught.value.code == "not-in-lock"
    assert caught.value.hint == hint
    assert "\x1b" not in str(caught.value)


def test_the_values_are_plain_json() -> None:
    tree = tree_to_json(WEB)
    assert json.loads(json.dumps(tree)) == tree
    assert tree["roots"] == {"ping": ["ping"], "requests": ["requests[socks]>=2.30"]}
    answer = why(WEB, "idna").to_json()
    assert json.loads(json.dumps(answer)) == answer
    assert [asker["name"] for asker in answer["askers"]] == ["ping", "requests"]
