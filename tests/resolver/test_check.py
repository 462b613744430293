"""Checking a lock against a request: each way in which it can fail to answer, and none that is not one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.check import check_graph, check_lock
from resolver.lock import BuildClosure, Lock, LockTarget, Pin
from resolver.lock_request import request_to_json
from resolver.requirement import Request, parse_requirement
from tests.resolver.locks import lock, pin, target, web_lock

SYSTEMS = ("aarch64-linux", "x86_64-linux")


def ask(*lines: str, **options: Any) -> Request:
    requirements = []
    for number, line in enumerate(lines, 1):
        text, *hashes = line.split(" --hash=")
        requirements.append(parse_requirement(text, f"requirements.txt:{number}", hashes=tuple(hashes)))
    return Request(
        requirements=tuple(requirements), **{"pythons": ("3.11.9",), "systems": SYSTEMS, "indexes": (), **options}
    )


ASKED = ask("requests[socks]>=2.30", "ping")


def test_a_lock_answers_the_request_that_it_was_made_for() -> None:
    assert check_lock(web_lock(), ASKED) == []
    assert check_graph(web_lock()) == []


@pytest.mark.parametrize(
    "request_",
    [
        ask("ping>=0.1,<2", "Requests[SOCKS]"),
        ask("requests[socks]", "ping", "colorama; sys_platform == 'win32'"),
        ask("requests[socks]", "ping", pythons=("3.11.2",)),
        ask("requests[socks]", "ping", prefer="newest", indexes=("https://elsewhere.example/",)),
        ask("requests[socks]", "ping", constraints=(parse_requirement("numpy<1", "constraints.txt:1"),)),
        ask("requests[socks]", "ping", "ping; python_full_version === 'x' or os_name >= 'posix'"),
        ask("requests[socks]", "ping", providers={"_default": ("sdist", "wheel")}),
    ],
)
def test_a_lock_answers_other_words_for_what_it_holds(request_: Request) -> None:
    assert check_lock(web_lock(), request_) == []


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (
            ask("requests[socks]>=2.33", "ping"),
            "x86_64-linux: requests 2.32.0 is locked and does not satisfy requests[socks]>=2.33 (requirements.txt:1)",
        ),
        (ask("requests[socks]", "ping", "numpy"), "x86_64-linux: numpy (requirements.txt:3) is not locked at all"),
        (ask("requests[socks]"), "x86_64-linux: ping 1.0 is locked and nothing asks for it any more"),
        (
            ask("requests", "ping"),
            "x86_64-linux: requests 2.32.0 is locked with the extra 'socks', which nothing asks for",
        ),
        (
            ask("requests[socks,security]", "ping"),
            "x86_64-linux: requests 2.32.0 is locked without the extra 'security', which is asked for",
        ),
        (
            ask("requests[socks]", "ping", "ping>=2; platform_machine == 'x86_64'"),
            "x86_64-linux: ping 1.0 is locked and does not satisfy ping>=2 (requirements.txt:3)",
        ),
        (
            ask("requests[socks]", "ping", constraints=(parse_requirement("urllib3<2", "constraints.txt:1"),)),
            "x86_64-linux: urllib3 2.2.1 is locked and does not satisfy urllib3<2 (constraints.txt:1)",
        ),
        (
            ask("requests[socks]", "ping --hash=sha256:" + "0" * 64),
            "x86_64-linux: ping-1.0-py3-none-any.whl has none of the hashes that are given for ping",
        ),
        (
            ask("requests[socks]", "ping", require_hashes=True),
            "x86_64-linux: idna 3.7 has no --hash, and --require-hashes is set",
        ),
        (
            ask("requests[socks]", "ping", providers={"_default": ("wheel",)}),
            "x86_64-linux: pysocks 1.7.1 is locked from the provider sdist, which is not allowed",
        ),
        (
            ask("requests[socks]", "ping", providers={"_default": ("wheel", "sdist"), "idna": ("sdist",)}),
            "x86_64-linux: idna 3.7 is locked from the provider wheel, which is not allowed",
        ),
        (
            ask("requests[socks]", "ping", pythons=("3.12.1",)),
            "x86_64-linux: it was resolved for Python 3.11.9 and holds from 3.11.0 to below 3.12, not for 3.12.1",
        ),
        (ask("requests[socks]", "ping", systems=(*SYSTEMS, "aarch64-darwin")), "it has no target aarch64-darwin"),
        (ask("requests[socks]", "ping", systems=("x86_64-linux",)), "the target aarch64-linux is not asked for"),
        (
            ask("requests[socks]", "ping", as_of={"_default": 1_700_000_000}),
            "it was resolved without --as-of, and 2023-11-14T22:13:20Z is asked for",
        ),
        (
            ask("requests[socks]", "ping @ https://index.example/ping-1.0-py3-none-any.whl"),
            "x86_64-linux: ping @ https://index.example/ping-1.0-py3-none-any.whl (requirements.txt:2) names a URL, "
            "and ping 1.0 is locked from an index",
        ),
    ],
)
def test_a_lock_that_does_not_answer_says_why(request_: Request, problem: str) -> None:
    assert problem in check_lock(web_lock(), request_)


def test_a_marker_is_judged_for_each_target() -> None:
    found = check_lock(web_lock(), ask("requests[socks]", "ping", "ping>=2; platform_machine == 'x86_64'"))
    assert [problem.split(":")[0] for problem in found] == ["x86_64-linux"]


def test_an_earlier_date_is_not_met_and_a_later_one_is() -> None:
    made = replace(web_lock(), request=request_to_json(replace(ASKED, as_of={"_default": 1_700_000_000})))
    assert check_lock(made, replace(ASKED, as_of={"_default": 1_700_000_000})) == []
    assert check_lock(made, replace(ASKED, as_of={"_default": 1_700_000_001})) == []
    assert check_lock(made, ASKED) == []
    assert check_lock(made, replace(ASKED, as_of={"_default": 1_600_000_000})) == [
        "it was resolved as of 2023-11-14T22:13:20Z, and 2020-09-13T12:26:40Z is asked for"
    ]


def test_a_pre_release_stays_only_while_it_is_let_in() -> None:
    asked = ask("new", prerelease={"_default": "allow"}, systems=("x86_64-linux",))
    made = replace(lock(target(pin("new==2.0rc1"), roots={"new": ("new",)})), request=request_to_json(asked))
    assert check_lock(made, asked) == []
    assert check_lock(made, replace(asked, prerelease={"_default": "if-necessary"})) == [
        "it was resolved with other values of --prerelease"
    ]


def test_a_build_closure_that_no_sdist_needs_is_superfluous() -> None:
    made = lock(
        target(pin("ping==1.0"), roots={"ping": ("ping",)}), closures=(BuildClosure(pins=(pin("setuptools==80.0.0"),)),)
    )
    [problem] = check_graph(made)
    assert problem.startswith("the build closure sha256:")
    assert problem.endswith("is locked and no sdist needs it")


def changed(made: Lock, name: str, **what: Any) -> Lock:
    """Return *made* with the pin *name* changed on its last target."""
    *others, last = made.targets
    pins = tuple(replace(p, **what) if p.name == name else p for p in last.pins)
    return replace(made, targets=(*others, replace(last, pins=pins)))


@pytest.mark.parametrize(
    ("name", "what", "problem"),
    [
        ("idna", {"version": "4.0"}, "idna 4.0 is locked and does not satisfy idna<4 (requests 2.32.0)"),
        ("idna", {"extras": ("all",)}, "idna 3.7 is locked with the extra 'all', which nothing asks for"),
        ("requests", {"extras": ()}, "requests 2.32.0 is locked without the extra 'socks', which is asked for"),
        ("pong", {"dependencies": {"ping": ("ping[x]",)}}, "ping 1.0 is locked without the extra 'x', which is asked"),
        ("requests", {"dependencies": {}}, "urllib3 2.2.1 is locked and nothing asks for it any more"),
    ],
)
def test_a_graph_that_contradicts_itself_is_found(name: str, what: dict[str, Any], problem: str) -> None:
    made = changed(web_lock(), name, **what)
    assert any(found.startswith(f"x86_64-linux: {problem}") for found in check_graph(made))
    assert any(found.startswith(f"x86_64-linux: {problem}") for found in check_lock(made, ASKED))


@st.composite
def sound_targets(draw: st.DrawFn) -> LockTarget:
    """Draw a target in which every pin is reached and every edge is met."""
    names = [f"p{n}" for n in range(draw(st.integers(1, 8)))]
    versions = {name: f"{draw(st.integers(1, 9))}.{draw(st.integers(0, 9))}" for name in names}
    edges: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in names}
    for number, name in enumerate(names):
        asker = draw(st.sampled_from([None, *names[:number]]))
        others = draw(st.lists(st.sampled_from(names), max_size=2))
        bound = draw(st.sampled_from([f"{name}=={versions[name]}", f"{name}>=1", name, f"{name}<10"]))
        for one in {asker, *others} - {None} if number else set(others):
            edges[one or name][name] = (bound,)
        if asker is None:
            edges.setdefault("", {})[name] = (bound,)
    pins: list[Pin] = [replace(pin(f"{name}=={versions[name]}"), dependencies=edges[name]) for name in names]
    return target(*pins, roots=edges[""])


@given(sound_targets(), st.data())
def test_a_sound_graph_has_no_problem_and_loses_it_with_any_pin(made: LockTarget, data: st.DataObject) -> None:
    assert check_graph(lock(made)) == []
    victim = data.draw(st.sampled_from(made.pins))
    newer = replace(made, pins=tuple(replace(p, version="99") if p is victim else p for p in made.pins))
    texts = [t for p in made.pins for t in p.dependencies.get(victim.name, ())] + list(made.roots.get(victim.name, ()))
    bound = any("==" in text or "<" in text for text in texts)
    assert bool(check_graph(lock(newer))) == bound
    without = replace(made, pins=tuple(p for p in made.pins if p is not victim))
    assert any(f"{victim.name}" in problem for problem in check_graph(lock(without)))
