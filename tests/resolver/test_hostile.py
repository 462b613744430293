"""What strangers publish, as the resolver meets it: it costs a candidate or is inert, and never ends a run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from resolver.dependencies import MarkerJudge
from resolver.errors import InputError, MachError, NoSolution
from resolver.lock import parse_lock, render_lock
from resolver.locking import Locking, make_lock
from resolver.requirement import Request, parse_requirement
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.memory import INDEX, MemoryCatalog

#: Hostile texts, and what no terminal, database or encoder takes.
TEXTS = [*HOSTILE_TEXTS.values(), "a\0b", "a\ud800b", "a\x9b31m", "a" * 100_000, "../../x", "9" * 5_000]


def lock(requirement: str, releases: dict[str, dict[str, object]]) -> Locking:
    """Resolve one requirement for one target."""
    request = Request(
        requirements=(parse_requirement(requirement, "r.txt:1"),),
        indexes=(INDEX,),
        pythons=("3.12.1",),
        systems=("x86_64-linux",),
        providers={"_default": ("wheel",)},
    )
    return make_lock(request, MemoryCatalog(releases))


def pins(run: Locking) -> dict[str, str]:
    assert run.failure is None, str(run.failure)
    assert run.lock is not None
    text = render_lock(run.lock)
    assert text.replace("\n", "").isprintable(), "a lock can be shown on a terminal"
    assert parse_lock(text) == run.lock
    for warning in run.warnings:
        assert len(warning) < 2_000
    return {pin.name: pin.version for pin in run.lock.targets[0].pins}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_requirement_that_does_not_parse_costs_its_release(text: str):
    for line in (text, f"b {text}", f"b[{text}]", f"b; {text}", f"b @ {text}"):
        run = lock("a", {"a": {"1": [], "2": [line]}, "b": {"1": []}})
        assert pins(run) in ({"a": "1"}, {"a": "2"}, {"a": "2", "b": "1"})


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_version_that_none_has_is_met_by_none(text: str):
    run = lock("a", {"a": {"1": [], "2": [f"b==={text}"], "3": [f"b=={text}"]}, "b": {"1": []}})
    assert pins(run)["a"] in ("1", "3")


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_marker_about_anything_is_true_or_false_or_costs_its_release(text: str):
    quoted = text.replace("'", "")
    lines = [f"b; os_name == '{quoted}'", f"b; python_version >= '{quoted}'", f"b; '{quoted}' in sys_platform"]
    run = lock("a", {"a": {"1": [], "2": lines}, "b": {"1": []}})
    assert pins(run) in ({"a": "1"}, {"a": "2"}, {"a": "2", "b": "1"})


class _Unreadable(Marker):
    """A marker for which there is no memory left."""

    def evaluate(self, *_: object, **__: object) -> bool:
        raise MemoryError


def test_a_process_without_memory_says_nothing_about_a_marker():
    judge = MarkerJudge({"os_name": "posix"})
    with pytest.raises(MemoryError):
        judge.holds(_Unreadable("os_name == 'posix'"))
    assert judge.holds(Marker("os_name == 'posix'")), "no verdict was kept"


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_requires_python_that_is_none_costs_its_files_or_nothing(text: str):
    run = lock("a", {"a": {"1": [], "2": {"requires": [], "python": text}}})
    assert pins(run)["a"] in ("1", "2")


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_extras_and_reasons_are_text(text: str):
    run = lock("a[x]", {"a": {"1": {"requires": [], "extras": [text]}, "2": {"failure": text}}})
    assert pins(run) == {"a": "1"}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_explanations_hold_hostile_texts_as_text(text: str):
    for releases in (
        {"a": {"1": [text]}},
        {"a": {"1": {"failure": text}}},
        {"a": {"1": {"requires": [], "python": text}, "2": ["c"]}, "c": {"1": [f"b==={text}"]}, "b": {"1": []}},
    ):
        run = lock("a>=0", releases)
        if run.failure is None:
            continue
        assert isinstance(run.failure, NoSolution)
        shown = str(run.failure)
        assert shown.replace("\n", "").isprintable()
        assert len(shown) < 20_000
        json.dumps(run.failure.to_json()).encode()


def test_a_marker_that_is_nested_without_end_costs_its_release():
    for depth, version in ((100, "2"), (101, "1"), (5_000, "1")):
        deep = "b; " + "(" * depth + "os_name == 'nt'" + ")" * depth
        assert pins(lock("a", {"a": {"1": [], "2": [deep]}, "b": {"1": []}})) == {"a": version}


def test_a_project_that_requires_itself_and_many_others_ends():
    releases: dict[str, dict[str, object]] = {"a": {"1": ["a", "a[x]>=1", *(f"b{n}" for n in range(300))]}}
    releases.update({f"b{n}": {"1": [f"b{(n + 1) % 300}", "a==1"]} for n in range(300)})
    assert len(pins(lock("a", releases))) == 301


def test_names_and_numbers_beyond_measure_cost_their_release():
    for line in ("b" * 201, "b" * 100_000, "b==" + "9" * 5_000, "b; python_version > '3." + "9" * 5_000 + "'"):
        assert pins(lock("a", {"a": {"1": [], "2": [line]}, "b": {"1": []}})) == {"a": "1"}
        with pytest.raises(InputError) as error:
            parse_requirement(line, "r.txt:1")
        assert error.value.code == "invalid-requirement"
        assert len(str(error.value)) < 1_000


def test_names_that_differ_in_spelling_are_one_project():
    assert pins(lock("A_b", {"a-b": {"1": ["A.B>=1", "a_-.b"]}})) == {"a-b": "1"}


_LINE = st.text(st.characters(codec=None), max_size=30) | st.builds(
    "{}{}{}; {}".format,
    st.sampled_from(["b", "B[x]", "b[", "c", ""]),
    st.sampled_from(["==", ">=", "~=", "===", " @ ", "<", "!="]),
    st.sampled_from(["1", "2.*", "1+x", "", "a", "http://x/y.whl", "9" * 99]) | st.text(max_size=5),
    st.sampled_from(["os_name=='posix'", "extra=='x'", "'a' < 'b'", "python_version in '3.1'", "x==1", "os_name>'a'"]),
)


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(_LINE, max_size=5),
    python=st.none() | st.text(max_size=10),
    extras=st.lists(st.text(max_size=5), max_size=2),
)
def test_any_metadata_gives_an_answer(lines: list[str], python: str | None, extras: list[str]):
    newest = {"requires": lines, "python": python, "extras": extras}
    run = lock("a[x]", {"a": {"1": [], "2": newest}, "b": {"1": [], "2": ["a"]}, "c": {"1": [], "2": {"failure": "x"}}})
    if not run.needs:  # a stranger's line may name a project that this catalog does not know
        assert pins(run)["a"] in ("1", "2")


@settings(max_examples=500, deadline=None)
@given(text=_LINE | st.text(max_size=80))
def test_any_text_is_a_requirement_or_an_input_error(text: str):
    try:
        parsed = parse_requirement(text, "r.txt:1")
    except InputError as error:
        assert str(error).replace("\n", "").isprintable()  # noqa: PT017
    else:
        assert parse_requirement(str(parsed), "again").project == parsed.project


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=100) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_lock_or_an_error_of_ours(text: str):
    with pytest.raises(MachError) as error:
        parse_lock(text)
    assert error.value.hint
