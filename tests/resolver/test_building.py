"""Sdists: the closures that they are built in, what their backends say, and why they cannot be used."""

import pytest

from resolver.building import Builder
from resolver.catalog import TAKES_A_BUILD, BuildNeed
from resolver.check import check_lock
from resolver.errors import NoSolution
from resolver.lock import parse_lock, render_lock
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request, parse_requirement
from tests.support.memory import INDEX, MemoryCatalog, closure_key, said

PYTHON_311_AND_A_YEAR = 1_698_105_600
SETUPTOOLS = closure_key("setuptools-80.0-py3-none-any.whl")
REQUESTS = []
HERE = Builder(system="x86_64-linux", pythons=("3.11", "3.12"))


def sdist(**values):
    return {"wheel": False, "sdist": True, **values}


def run(*requirements, catalog, python="3.11.9", system="x86_64-linux", builder=HERE, **choices):
    request = Request(
        requirements=tuple(parse_requirement(r, "argument") for r in requirements),
        pythons=(python,),
        systems=(system,),
        indexes=(INDEX,),
        providers=parse_providers([]),
        **choices,
    )
    REQUESTS.append(request)
    return make_lock(request, catalog, find_builder=lambda: builder)


def closure_of(made, name):
    """Return the releases in the build closure of a pin, by name."""
    assert made.lock is not None, made.needs or made.failure
    pin = next(pin for pin in made.lock.targets[0].pins if pin.name == name)
    return {p.name: p.version for p in made.lock.build_closures[pin.build].pins}


def need_of(made):
    (need,) = made.needs
    assert isinstance(need, BuildNeed)
    return need


# ---- what is asked


def test_the_machine_is_looked_at_only_where_a_backend_has_to_be_asked():
    known = MemoryCatalog({"a": {"1": sdist(builds=said("requires", closure=SETUPTOOLS))}})
    assert run("a", catalog=known).lock is not None
    looked = []
    for catalog, times in ((known, 0), (MemoryCatalog({"a": {"1": sdist(builds=[])}, "b": {"1": ["a"]}}), 1)):
        looked.clear()
        make_lock(REQUESTS[-1], catalog, find_builder=lambda: looked.append(1))
        assert len(looked) == times


def test_a_backend_is_asked_for_its_requirements_even_where_the_metadata_is_static():
    catalog = MemoryCatalog({"a": {"1": sdist(builds=[])}})
    need = need_of(run("a", catalog=catalog))
    assert (need.project, need.python, need.system, need.step) == ("a", "3.11", "x86_64-linux", "requires")
    assert need.closure == SETUPTOOLS
    assert [catalog.files[i].filename for i in need.wheels] == ["setuptools-80.0-py3-none-any.whl"]


def test_what_the_backend_adds_is_in_the_closure():
    adds = said("requires", closure=SETUPTOOLS, adds=["wheel>=0.40"])
    catalog = MemoryCatalog({"a": {"1": sdist(builds=adds)}, "wheel": {"0.45": {"upload": 0}}})
    assert closure_of(run("a", catalog=catalog), "a") == {"setuptools": "80.0", "wheel": "0.45"}


def test_metadata_is_asked_in_the_closure_with_what_the_backend_added():
    whole = closure_key("setuptools-80.0-py3-none-any.whl", "wheel-0.45-py3-none-any.whl")
    added = said("requires", closure=SETUPTOOLS, adds=["wheel"])
    releases = {"wheel": {"0.45": {"upload": 0}}, "b": {"1": [], "2": []}}
    asked = MemoryCatalog({"a": {"1": sdist(failure=TAKES_A_BUILD, builds=added)}, **releases})
    need = need_of(run("a", catalog=asked))
    assert (need.step, need.closure) == ("metadata", whole)
    told = [*added, *said("metadata", closure=whole, requires=["b<2"])]
    known = MemoryCatalog({"a": {"1": sdist(failure=TAKES_A_BUILD, builds=told)}, **releases})
    made = run("a", catalog=known)
    assert {pin.name: pin.version for pin in made.lock.targets[0].pins} == {"a": "1", "b": "1"}
    assert made.lock.targets[0].pins[0].built_on is None
    assert parse_lock(render_lock(made.lock)) == made.lock


def test_an_answer_from_another_closure_does_not_count():
    other = said("requires", closure=closure_key("setuptools-79.0-py3-none-any.whl"))
    assert need_of(run("a", catalog=MemoryCatalog({"a": {"1": sdist(builds=other)}}))).closure == SETUPTOOLS


# ---- where backends run


def test_a_backend_runs_on_the_targets_python_or_the_nearest_one():
    catalog = MemoryCatalog({"a": {"1": sdist(builds=[])}})
    assert need_of(run("a", catalog=catalog, python="3.12.1")).python == "3.12"
    assert need_of(run("a", catalog=catalog, python="3.14.0")).python == "3.12"
    assert need_of(run("a", catalog=catalog, python="3.12.1", system="aarch64-linux")).system == "x86_64-linux"
    assert need_of(run("a", catalog=catalog, python="3.12.1", builder=None)).python == "3.12"


def test_a_lock_says_where_a_backend_ran_that_did_not_run_on_the_target():
    there = said("requires", closure=SETUPTOOLS, python="3.11", system="x86_64-linux")
    catalog = MemoryCatalog({"a": {"1": sdist(builds=there)}})
    (pin,) = run("a", catalog=catalog, python="3.13.1", system="aarch64-linux").lock.targets[0].pins
    assert pin.built_on == "Python 3.11 on x86_64-linux"
    (pin,) = run("a", catalog=catalog).lock.targets[0].pins
    assert pin.built_on is None


def test_an_answer_from_the_target_itself_comes_first():
    here = said("requires", closure=SETUPTOOLS, python="3.11", system="x86_64-linux")
    there = said("requires", closure=SETUPTOOLS, python="3.12", system="x86_64-linux", adds=["wheel"])
    catalog = MemoryCatalog({"a": {"1": sdist(builds=[*there, *here])}, "wheel": {"1": {"upload": 0}}})
    assert closure_of(run("a", catalog=catalog), "a") == {"setuptools": "80.0"}
    assert closure_of(run("a", catalog=catalog, python="3.12.1"), "a") == {"setuptools": "80.0", "wheel": "1"}


# ---- which versions a closure has


def tools(*uploads):
    return {"setuptools": {f"{number}.0": {"upload": upload} for number, upload in enumerate(uploads, 1)}}


@pytest.mark.parametrize(
    ("upload", "expected"),
    [
        (1_000_000_000, "2.0"),  # an old sdist: what was there a year after the Python was released
        (1_800_000_000, "3.0"),  # a later one: what was there when it was uploaded
        (None, "4.0"),  # nobody knows when
    ],
)
def test_a_closure_is_of_the_sdists_time(upload, expected):
    releases = tools(1_000, PYTHON_311_AND_A_YEAR - 1, 1_799_999_999, 1_900_000_000)
    times = {} if upload is None else {"upload": upload}
    builds = [row for n in "234" for row in said("requires", closure=closure_key(f"setuptools-{n}.0-py3-none-any.whl"))]
    catalog = MemoryCatalog({"a": {"1": sdist(builds=builds, **times)}, **releases})
    assert closure_of(run("a", catalog=catalog), "a") == {"setuptools": expected}


def test_a_closure_is_never_later_than_the_date_asked_for():
    releases = tools(1_000, PYTHON_311_AND_A_YEAR - 1)
    builds = said("requires", closure=closure_key("setuptools-1.0-py3-none-any.whl"))
    catalog = MemoryCatalog({"a": {"1": sdist(builds=builds, upload=500)}, **releases})
    assert closure_of(run("a", catalog=catalog, as_of={"_default": 2_000}), "a") == {"setuptools": "1.0"}
    builds_at = run("a", catalog=catalog, build_as_of={"a": 2_000})
    assert closure_of(builds_at, "a") == {"setuptools": "1.0"}


def test_the_users_choices_are_not_those_of_closures():
    builds = said("requires", closure=closure_key("setuptools-2.0-py3-none-any.whl"))
    catalog = MemoryCatalog({"a": {"1": sdist(builds=builds)}, **tools(0, 0)})
    made = run("a", "setuptools", catalog=catalog, resolution="lowest", excludes=("setuptools-scm",))
    assert {pin.name: pin.version for pin in made.lock.targets[0].pins} == {"a": "1", "setuptools": "1.0"}
    assert closure_of(made, "a") == {"setuptools": "2.0"}


def test_equal_closures_stand_in_the_lock_once():
    made = run("a", "b", catalog=MemoryCatalog({n: {"1": sdist()} for n in "ab"}))
    assert len(made.lock.build_closures) == 1


# ---- sdists in closures


FROM_SOURCE = {"_default": ("wheel", "sdist")}


def test_a_closure_holds_sdists_only_where_that_is_allowed():
    releases = {"a": {"1": sdist(build=["tool"])}, "tool": {"1": sdist(upload=0)}}
    failure = run("a", catalog=MemoryCatalog(releases)).failure
    assert "what its build requires cannot be had" in str(failure)
    inner = closure_key("setuptools-80.0-py3-none-any.whl")
    need = need_of(run("a", catalog=MemoryCatalog(releases), build_providers=FROM_SOURCE))
    assert need.wheels == ()
    (tool,) = need.sdists
    assert (tool.project, tool.version, tool.step, tool.closure) == ("tool", "1", "wheel", inner)
    builds = said("requires", closure=need.closure)
    catalog = MemoryCatalog({**releases, "a": {"1": sdist(build=["tool"], builds=builds)}})
    made = run("a", catalog=catalog, build_providers={"tool": ("sdist",)})
    assert closure_of(made, "a") == {"tool": "1"}
    assert len(made.lock.build_closures) == 2
    assert parse_lock(render_lock(made.lock)) == made.lock
    assert check_lock(made.lock, REQUESTS[-1]) == []


def test_a_build_that_takes_itself_is_named():
    catalog = MemoryCatalog(
        {
            "a": {"1": sdist(build=["b"])},
            "b": {"1": sdist(upload=0, build=["c"])},
            "c": {"1": sdist(upload=0, build=["b"])},
        }
    )
    failure = run("a", catalog=catalog, build_providers=FROM_SOURCE).failure
    assert "its build takes itself: b → c → b" in str(failure)


# ---- why an sdist cannot be used


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        (sdist(failure="its metadata does not parse"), "its metadata does not parse"),
        (sdist(build=["setuptools >"]), "its build requirement 'setuptools >' does not parse"),
        (sdist(build=["x @ https://h.example/x.zip"]), "names a URL, which mach does not fetch"),
        (sdist(build=["no-such"]), "what its build requires cannot be had"),
        (sdist(builds=said("requires", closure=SETUPTOOLS, failure="its build backend failed")), "its build backend"),
        (sdist(builds=said("requires", closure=SETUPTOOLS, adds=["no-such"])), "what its build requires cannot be had"),
    ],
)
def test_an_sdist_that_cannot_be_built_is_backtracked_over(release, reason):
    catalog = MemoryCatalog({"a": {"1": [], "2": release}}, absent=["no-such"])
    made = run("a", catalog=catalog, prefer="newest")
    assert [pin.version for pin in made.lock.targets[0].pins] == ["1"]
    failure = run("a==2", catalog=catalog).failure
    assert isinstance(failure, NoSolution)
    assert reason in str(failure)


def test_the_facts_of_a_lock_hold_what_backends_said():
    first = run("a", catalog=MemoryCatalog({"a": {"1": sdist()}})).lock
    told = said("requires", closure=SETUPTOOLS, adds=["setuptools"])
    assert run("a", catalog=MemoryCatalog({"a": {"1": sdist(builds=told)}})).lock.facts != first.facts
