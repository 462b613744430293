"""Why there is no solution: the core, the steps, what was filtered out, and fixes that were solved."""

import json

import pytest

from resolver.fixes import loosen
from resolver.locking import make_lock
from resolver.policy import parse_prerelease
from resolver.requirement import parse_override
from tests.resolver.test_locking import ask, refusal
from tests.support.graphs import is_satisfiable, make_graph
from tests.support.memory import MemoryCatalog

DIAMOND = {
    "web": {"1.0": ["core<2"], "1.1": ["core<2"], "1.2": ["core<2"]},
    "data": {"3.0": ["core>=2"], "3.1": ["core>=2.1"]},
    "core": {"1.0": [], "1.5": [], "2.0": [], "2.1": []},
    "bystander": {"1": ["core"]},
    "other": {"1": []},
}


def test_a_conflict_in_full():
    error = refusal(ask("bystander", "web", "other", "data"), MemoryCatalog(DIAMOND))
    assert str(error).splitlines() == [
        "error[conflict]: web (requirements.txt:2) and data (requirements.txt:4) contradict each other"
        " on Python 3.11.9, x86_64-linux, from wheel or sdist",
        "  web 1.0 to 1.2 require core<2",
        "  data 3.1 requires core>=2.1",
        "  data 3.0 requires core>=2",
        "  this works: without web (requirements.txt:2), which takes data 3.1, core 2.1",
        "  this works: without data (requirements.txt:4), which takes web 1.2, core 1.5",
        "hint: make one of the changes that work; each was tried on what the catalog knows",
    ]


def test_the_same_as_values():
    error = refusal(ask("bystander", "web", "other", "data"), MemoryCatalog(DIAMOND))
    details = json.loads(json.dumps(error.to_json()))["details"]
    assert details["target"] == {"python": "3.11.9", "system": "x86_64-linux"}
    assert [(d["requirement"], d["origin"]) for d in details["core"]] == [
        ("web", "requirements.txt:2"),
        ("data", "requirements.txt:4"),
    ]
    assert details["steps"][0] == {
        "project": "web",
        "versions": ["1.0", "1.1", "1.2"],
        "requirements": ["core<2"],
        "on": "core",
        "text": "web 1.0 to 1.2 require core<2",
    }
    assert [(f["kind"], f["from"], f["to"]) for f in details["fixes"]] == [
        ("drop", "web", None),
        ("drop", "data", None),
    ]
    assert details["minimal"] is True
    assert details["filtered"] == {}


def test_a_requirement_is_relaxed_as_little_as_works():
    catalog = MemoryCatalog({"a": {"1": ["b>=2"]}, "b": {"1.0": [], "1.9": [], "2.0": [], "2.4": [], "3.0": []}})
    error = refusal(ask("a", "b>=1,<2"), catalog)
    assert "this works: b<3,>=1 instead of b<2,>=1 (requirements.txt:2), which takes a 1, b 2.4" in str(error)
    far = MemoryCatalog({"a": {"1": ["b>=3"]}, "b": {"1.0": [], "2.4": [], "3.0": []}})
    assert "this works: b<4 instead of b<2" in str(refusal(ask("a", "b<2"), far))


def test_an_extra_that_cannot_be_had_is_done_without():
    catalog = MemoryCatalog({"a": {"1": ["b>=2; extra == 'x'"]}, "b": {"1": []}})
    error = refusal(ask("a[x]"), catalog)
    assert "this works: a instead of a[x] (requirements.txt:1), which takes a 1" in error.context
    assert "this works" not in str(refusal(ask("a[x]", "b>=2"), catalog))


def test_a_constraint_is_named_as_such_and_relaxed():
    catalog = MemoryCatalog({"a": {"1": ["b>=2"]}, "b": {"1.0": [], "2.0": []}})
    error = refusal(ask("a", constraints=["b<2"]), catalog)
    assert error.message.startswith("a (requirements.txt:1) and the constraint b<2 (constraints.txt:1) contradict")
    assert "this works: b<3 instead of b<2 (constraints.txt:1)" in str(error)


def test_a_fix_that_does_not_solve_is_not_told():
    catalog = MemoryCatalog(
        {"a": {"1": ["c<2", "d<2"]}, "b": {"1": ["c>=2", "d>=2"]}, "c": {"1": [], "2": []}, "d": {"1": []}}
    )
    error = refusal(ask("a==1", "b==1"), catalog)
    assert [f["text"] for f in error.details["fixes"]] == ["without b==1 (requirements.txt:2)"]


def test_facts_that_a_fix_lacks_are_neither_asked_for_nor_guessed():
    releases = {"a": {"1": ["b<2"]}, "b": {"1": [], "2": []}, "c": {"1": {"known": False}, "2": ["b>=2"]}}
    run = make_lock(ask("a", "c==2"), MemoryCatalog(releases))
    assert run.needs == ()
    assert run.failure.code == "conflict"
    # c 1 might do; that is not known, and so is not told
    assert [f["text"] for f in run.failure.details["fixes"]] == [
        "without a (requirements.txt:1)",
        "without c==2 (requirements.txt:2)",
    ]
    assert ("c", "1") not in {(p, v) for _, p, v in run.reading.metadata_asked()}


def test_another_python_or_provider_or_prereleases_or_date():
    catalog = MemoryCatalog(
        {
            "p": {"1": {"python": ">=3.12"}},
            "s": {"1": {"wheel": False, "sdist": True}},
            "r": {"2.0rc1": []},
            "d": {"1": {"upload": 2_000_000_000}},
        }
    )
    assert "this works: --python 3.12 instead of 3.11.9" in str(refusal(ask("p"), catalog))
    assert "this works: --providers s=wheel,sdist" in str(refusal(ask("s", providers=["wheel"]), catalog))
    request = ask("r", prerelease=parse_prerelease(["disallow"]))
    assert "this works: --prerelease r=allow" in str(refusal(request, catalog))
    error = refusal(ask("d", as_of={"_default": 1_500_000_000}), catalog)
    assert error.code == "no-such-version"
    assert "this works: without --as-of 2017-07-14T02:40:00Z" in str(error)


def test_another_python_where_this_one_needs_what_cannot_be_used():
    releases = {"a": {"1": ["b; python_version < '3.12'"]}, "b": {"1": {"failure": "its metadata takes a build"}}}
    error = refusal(ask("a"), MemoryCatalog(releases))
    assert "this works: --python 3.12 instead of 3.11.9, which takes a 1" in error.context
    releases["a"]["1"] = ["b"]
    assert "this works" not in str(refusal(ask("a"), MemoryCatalog(releases)))


def test_an_override_that_is_at_fault_is_named():
    catalog = MemoryCatalog({"a": {"1": ["b"]}, "c": {"1": ["b>=2"]}, "b": {"1": [], "2": []}})
    request = ask("a", "c", "b==1", overrides=(parse_override("c:b>=2,<3", "overrides.txt:1"),))
    error = refusal(request, catalog)
    assert "the override c:b<3,>=2 (overrides.txt:1) is in force" in error.context
    request = ask("a", "c", overrides=(parse_override("a:b<2", "overrides.txt:1"),))
    error = refusal(request, catalog)
    assert "this works: without the override a:b<2 (overrides.txt:1), which takes a 1, c 1, b 2" in error.context


def test_what_was_left_out_is_counted():
    catalog = MemoryCatalog(
        {
            "a": {
                "1": [],
                "2": {"python": ">=3.12"},
                "3": {"python": ">=3.13"},
                "4": {"tags": ["cp311-cp311-win_amd64"]},
                "5": {"yanked": True},
            },
            "b": {"1": ["a>=2"]},
        }
    )
    error = refusal(ask("b"), catalog)
    assert error.code == "nothing-for-target"
    assert error.details["filtered"] == {
        "a": {"needs another Python than 3.11.9": 2, "no wheel for Python 3.11.9 on x86_64-linux": 1, "yanked": 1}
    }


def test_many_different_requirements_are_told_as_one_range():
    releases = {
        "a": {f"1.{n}": [f"b<{n + 1},>={n}"] for n in range(1, 9)},
        "b": {**{str(n): [] for n in range(1, 9)}, "20": []},
    }
    error = refusal(ask("a", "b>=20"), MemoryCatalog(releases))
    assert "a 1.1 to 1.8 require some b from 1 to 8" in str(error)


def test_long_explanations_are_cut_and_the_details_are_not():
    releases = {f"p{n}": {"1": [f"p{n + 1}"]} for n in range(20)} | {"p20": {"1": ["end<2"]}, "end": {"1": [], "2": []}}
    error = refusal(ask("p0", "end>=2"), MemoryCatalog(releases))
    assert len(str(error).splitlines()) <= 15
    assert "and 16 steps between (--json shows them)" in str(error)
    assert len(error.details["steps"]) == 21


def test_the_core_of_many_requirements():
    releases = {f"n{n}": {"1": []} for n in range(600)} | {"a": {"1": ["b<2"]}, "b": {"1": [], "2": []}}
    error = refusal(ask(*[f"n{n}" for n in range(600)], "a", "b>=2"), MemoryCatalog(releases))
    assert [d["requirement"] for d in error.details["core"]] == ["a", "b>=2"]


def test_what_the_failed_search_did_not_ask_for_changes_no_core():
    class Watched(MemoryCatalog):
        """A catalog that holds only what is asked for first."""

    known = {"a": {"1": ["b<2"], "2": ["b<2"]}, "b": {"1": [], "2": []}, "c": {"1": ["b>=2"]}}
    more = {**known, "z": {"1": []}}
    first, second = (refusal(ask("a", "c"), Watched(r)) for r in (known, more))
    assert first.to_json() == second.to_json()


@pytest.mark.parametrize(
    ("before", "version", "after"),
    [
        ("<2", "2.1", "<3"),
        ("<=1.5", "2.0.1", "<3"),
        (">=3", "2.1", ">=2.1"),
        ("==1.0", "2.0", "==2.0"),
        ("==1.4.*", "2.5.1", "==2.5.*"),
        ("~=1.4", "2.5.1", "~=2.5.1"),
        (">=1,<2", "2.1", "<3,>=1"),
        ("!=2.1,<5", "2.1", "<5"),
        (">1.2.3", "1.2.3+foo", ">=1.2.3"),
        ("===1.0", "2.0", "==2.0"),
        ("<1!2", "1!2.5", "<1!3"),
    ],
)
def test_loosen(before, version, after):
    from packaging.specifiers import SpecifierSet

    assert str(loosen(SpecifierSet(before), version)) == after


def apply(roots, fix):
    """Return *roots* after a fix."""
    at = int(fix["origin"].rpartition(":")[2]) - 1
    return [fix["to"] if n == at else text for n, text in enumerate(roots) if n != at or fix["to"]]


def judge(seed):
    """Return whether there is no solution, and whether the core is minimal by all that could be known."""
    releases, roots = make_graph(seed)
    for versions in releases.values():
        for release in versions.values():
            release["yanked"] = False  # whether a yanked version may be taken depends on the other roots
    run = make_lock(ask(*roots), MemoryCatalog(releases))
    if run.lock is not None:
        return False, False
    details = run.failure.details
    core = [roots[int(d["origin"].rpartition(":")[2]) - 1] for d in details["core"]]
    assert not is_satisfiable(releases, core), f"seed {seed}: {core} is no core of {roots}"
    for fix in details["fixes"]:
        if fix["origin"]:
            assert is_satisfiable(releases, apply(roots, fix)), f"seed {seed}: {fix} does not help {roots}"
    assert len(str(run.failure).splitlines()) <= 15
    rests = [[other for other in core if other != text] for text in core]
    return True, all(not rest or is_satisfiable(releases, rest) for rest in rests)


def test_every_core_is_one_and_every_fix_works():
    judged = [judge(seed) for seed in range(500)]
    failed = sum(no for no, _ in judged)
    assert failed > 100
    # a requirement of a core may be impossible alone as well, by facts that the search had no need to ask for
    assert sum(minimal for _, minimal in judged) > 0.95 * failed


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(10))
def test_every_core_is_one_and_every_fix_works_long(block):
    for seed in range(1_000 + block * 500, 1_500 + block * 500):
        judge(seed)


def test_an_absent_project_among_versions_that_conflict():
    catalog = MemoryCatalog({"a": {"1": ["ghost"], "2": ["b<2"]}, "b": {"1": [], "2": []}}, absent=["ghost"])
    error = refusal(ask("a", "b>=2"), catalog)
    assert error.code == "conflict"
    assert "a 1 requires ghost, which no index has" in error.context
