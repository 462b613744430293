"""From requirements to pins: what ordinary requests get, and what the others are told."""

import pytest

from resolver.catalog import MetadataNeed, PageNeed
from resolver.errors import NoSolution
from resolver.lock import parse_lock, render_lock
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request, parse_requirement
from tests.support.memory import INDEX, MemoryCatalog


def ask(*texts, constraints=(), **options):
    options = {"pythons": ("3.11.9",), "systems": ("x86_64-linux",), "indexes": (INDEX,), "providers": ()} | options
    return Request(
        requirements=tuple(parse_requirement(t, f"requirements.txt:{n}") for n, t in enumerate(texts, 1)),
        constraints=tuple(parse_requirement(t, f"constraints.txt:{n}") for n, t in enumerate(constraints, 1)),
        **options | {"providers": parse_providers(options["providers"])},
    )


def pins(request, catalog, **options):
    lock = make_lock(request, catalog, **options).lock
    assert lock is not None
    return {p.name: f"{p.version} {p.provider}" for p in lock.targets[0].pins}


def refusal(request, catalog):
    failure = make_lock(request, catalog).failure
    assert isinstance(failure, NoSolution)
    return failure


def test_the_newest_version_that_fits_everyone():
    catalog = MemoryCatalog(
        {"a": {"1.0": ["b<2"], "2.0": ["b<2"]}, "b": {"1.0": [], "1.5": [], "2.0": []}, "unrelated": {"1": []}}
    )
    assert pins(ask("a"), catalog) == {"a": "2.0 wheel", "b": "1.5 wheel"}


def test_backtracking_takes_an_older_version():
    catalog = MemoryCatalog(
        {"a": {"1.0": ["b<2"], "2.0": ["b>=3"]}, "b": {"1.0": [], "2.0": []}, "c": {"1.0": ["a", "b"]}}
    )
    assert pins(ask("c"), catalog) == {"a": "1.0 wheel", "b": "1.0 wheel", "c": "1.0 wheel"}


def test_extras_are_nodes_of_their_own_and_share_the_base():
    catalog = MemoryCatalog(
        {
            "a": {
                "1.0": {"requires": ['x; extra == "one"', "y; extra == 'two'", "base"], "extras": ["one", "two"]},
                "2.0": {"requires": ["gone; extra == 'one'"], "extras": ["one"]},
            },
            "x": {"1": []},
            "y": {"1": []},
            "base": {"1": []},
            "both": {"1": ["a[one]", "a[Two]"]},
        },
        absent=["gone"],
    )
    lock = make_lock(ask("both"), catalog).lock
    found = {p.name: p for p in lock.targets[0].pins}
    assert {n: p.version for n, p in found.items()} == {"a": "1.0", "x": "1", "y": "1", "base": "1", "both": "1"}
    assert found["a"].extras == ("one", "two")
    assert found["a"].dependencies == {"base": ("base",), "x": ("x",), "y": ("y",)}


def test_markers_hold_for_the_target_not_for_this_machine():
    catalog = MemoryCatalog(
        {"a": {"1": ["w; sys_platform=='win32'", "d; sys_platform=='darwin'", "l; sys_platform=='linux'"]}}
        | {n: {"1": []} for n in "wdl"}
    )
    assert set(pins(ask("a"), catalog)) == {"a", "l"}
    assert set(pins(ask("a", systems=("aarch64-darwin",)), catalog)) == {"a", "d"}


def test_a_cycle_is_no_problem():
    catalog = MemoryCatalog({"a": {"1": ["b"], "2": ["b"]}, "b": {"1": ["a<2"], "2": ["a"]}})
    assert pins(ask("a"), catalog) == {"a": "2 wheel", "b": "2 wheel"}
    assert pins(ask("b<2"), catalog) == {"a": "1 wheel", "b": "1 wheel"}


def test_a_prerelease_only_where_nothing_stable_fits():
    catalog = MemoryCatalog(
        {"a": {"1.0": [], "2.0rc1": []}, "b": {"1.0b1": []}, "c": {"1.0": ["a>1"], "1.1a1": []}, "d": {"1": ["a<2a0"]}}
    )
    assert pins(ask("a", "b"), catalog) == {"a": "1.0 wheel", "b": "1.0b1 wheel"}
    assert pins(ask("a>=1.0rc1"), catalog) == {"a": "1.0 wheel"}
    assert pins(ask("a>=2.0rc1"), catalog) == {"a": "2.0rc1 wheel"}
    assert pins(ask("a", prerelease={"_default": "allow"}), catalog) == {"a": "2.0rc1 wheel"}
    assert pins(ask("c", "d"), catalog) == {"a": "1.0 wheel", "c": "1.1a1 wheel", "d": "1 wheel"}


def test_yanked_only_where_a_root_names_it():
    catalog = MemoryCatalog({"a": {"1.0": [], "2.0": {"yanked": True}}, "b": {"1": ["a==2.0"]}})
    assert pins(ask("a"), catalog) == {"a": "1.0 wheel"}
    assert pins(ask("a==2.0"), catalog) == {"a": "2.0 wheel"}
    assert "1 version: yanked" in str(refusal(ask("b"), catalog))


def test_an_earlier_provider_wins_whatever_the_version():
    catalog = MemoryCatalog({"a": {"1.0": [], "2.0": {"wheel": False, "sdist": True}}})
    lock = make_lock(ask("a"), catalog).lock
    assert [(p.version, p.provider, p.passed_over) for p in lock.targets[0].pins] == [("1.0", "wheel", "2.0 (sdist)")]
    assert pins(ask("a", prefer="newest"), catalog) == {"a": "2.0 sdist"}
    assert pins(ask("a", providers=["sdist"]), catalog) == {"a": "2.0 sdist"}
    assert pins(ask("a", providers=["a=sdist,wheel"]), catalog) == {"a": "2.0 sdist"}


def test_an_sdist_gets_a_build_closure_and_the_tools():
    catalog = MemoryCatalog({"a": {"2.0": {"wheel": False, "sdist": True}}})
    lock = make_lock(ask("a"), catalog).lock
    (pin,) = lock.targets[0].pins
    assert [p.name for p in lock.build_closures[pin.build].pins] == ["setuptools"]
    assert sorted(lock.tools) == ["installer", "pyproject-hooks"]
    assert parse_lock(render_lock(lock)) == lock


def test_the_best_wheel_for_the_target():
    tags = [
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_28_x86_64",
    ]
    catalog = MemoryCatalog({"a": {"1": {"tags": [*tags, "py3-none-any", "cp312-cp312-manylinux_2_28_x86_64"]}}})
    target = make_lock(ask("a"), catalog).lock.targets[0]
    assert target.pins[0].artifact.filename == "a-1-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert target.glibc == "2.28"


def test_the_patch_interval_is_what_was_evaluated():
    catalog = MemoryCatalog(
        {"a": {"1": {"python": ">=3.11.4", "requires": ["b; python_full_version < '3.11.12'"]}}, "b": {"1": []}}
    )
    target = make_lock(ask("a"), catalog).lock.targets[0]
    assert target.python_interval == ("3.11.4", "3.11.12")


def test_constraints_bind_only_what_is_asked_for():
    catalog = MemoryCatalog({"a": {"1": ["b"]}, "b": {"1": [], "2": []}, "c": {"1": []}})
    assert pins(ask("a", constraints=["b<2", "c<1"]), catalog) == {"a": "1 wheel", "b": "1 wheel"}


def test_existing_pins_stay():
    catalog = MemoryCatalog({"a": {"1": [], "2": []}, "b": {"1": [], "2": []}})
    old = {("x86_64-linux", "3.11"): {"a": ("1", "wheel")}}
    assert pins(ask("a", "b"), catalog, preferences=old) == {"a": "1 wheel", "b": "2 wheel"}
    assert pins(ask("a>1", "b"), catalog, preferences=old) == {"a": "2 wheel", "b": "2 wheel"}


def test_as_of_leaves_later_files_out():
    catalog = MemoryCatalog({"a": {"1": {"upload": 100}, "2": {"upload": 200}, "3": {}}})
    assert pins(ask("a", as_of={"_default": 200}), catalog) == {"a": "1 wheel"}
    error = refusal(ask("a", as_of={"_default": 50}), catalog)
    assert error.code == "no-such-version"
    assert "2 versions: uploaded later than the date asked for" in str(error)


def test_unknown_facts_are_needed_never_backtracked_over():
    catalog = MemoryCatalog({"a": {"1": ["b", "ghost"], "2": {"known": False}}, "b": {"1": ["deep"]}})
    run = make_lock(ask("a", "b", "other"), catalog)
    assert run.lock is None
    assert [n for n in run.needs if isinstance(n, PageNeed)] == [PageNeed(INDEX, "other"), PageNeed(INDEX, "deep")]
    assert [n.project for n in run.needs if isinstance(n, MetadataNeed)] == ["a"]


def test_facts_that_were_not_asked_for_leave_no_trace():
    small = MemoryCatalog({"a": {"1": ["b"]}, "b": {"1": []}})
    large = MemoryCatalog({"z": {"1": ["a"]}, "b": {"1": []}, "a": {"1": ["b"]}, "zz": {"3": []}})
    first, second = (render_lock(make_lock(ask("a"), c).lock) for c in (small, large))
    assert first == second


def test_two_indexes_the_first_that_has_it():
    class Two:
        def __init__(self, *catalogs):
            self.catalogs = {c.index: c for c in catalogs}

        def pages(self, index, projects):
            return self.catalogs[index].pages(index, projects)

        def artifacts(self, ids):
            return self.catalogs[INDEX].artifacts(ids)

    private = MemoryCatalog({"a": {"0.1": []}}, index="https://private.example/", absent=["b"], tools=False)
    request = ask("a", "b", indexes=("https://private.example/", INDEX))
    run = make_lock(request, Two(private, MemoryCatalog({"a": {"9": []}, "b": {"1": []}})))
    # unknown on the private index: must be asked there first
    assert [n.project for n in run.needs] == ["installer", "pyproject-hooks"]
    assert ("https://private.example/", "a") in run.reading.pages_asked()
    assert (INDEX, "a") not in run.reading.pages_asked()


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (ask("ghost>=1"), "unknown-project", "no index has a project named 'ghost'"),
        (ask("a==7"), "no-such-version", "no known version of a meets a==7"),
        (ask("p"), "nothing-for-target", "p has nothing for Python 3.11.9, x86_64-linux"),
        (ask("w"), "nothing-for-target", "w has nothing"),
        (ask("c1", "c2"), "conflict", "contradict"),
        (ask("needs-ghost"), "unknown-project", "'ghost'"),
        (ask("bad"), "nothing-for-target", "bad 1 cannot be used: its requirement 'this is not one' does not parse"),
        (ask("built"), "nothing-for-target", "built 1 cannot be used: its metadata does not parse"),
        (ask("a<2", "a>=2"), "conflict", "contradict"),
    ],
)
def test_outcomes_are_told_apart(request_, code, says):
    catalog = MemoryCatalog(
        {
            "a": {"1": [], "2": []},
            "p": {"1": {"python": ">=3.12"}},
            "w": {"1": {"tags": ["cp311-cp311-win_amd64"]}},
            "c1": {"1": ["a<2"]},
            "c2": {"1": ["a>=2"]},
            "needs-ghost": {"1": ["ghost"]},
            "bad": {"1": ["this is not one"]},
            "built": {"1": {"wheel": False, "sdist": True, "failure": "its metadata does not parse"}},
        },
        absent=["ghost"],
    )
    error = refusal(request_, catalog)
    assert (error.code, says in str(error)) == (code, True), error


def test_a_conflict_names_both_sides_and_their_origins():
    catalog = MemoryCatalog({"a": {"1": [], "2": []}, "c1": {"1": ["a<2"]}})
    text = str(refusal(ask("c1", "a>=2"), catalog))
    assert "c1 (requirements.txt:1) and a>=2 (requirements.txt:2) contradict each other" in text
    assert "c1 1 requires a<2" in text


def test_hashes_choose_the_file_and_a_wrong_one_stops():
    tags = ["py3-none-any", "py2.py3-none-any"]
    catalog = MemoryCatalog({"a": {"1": {"tags": tags}}})
    files = {f.filename: f.sha256 for f in catalog.files.values()}
    other = parse_requirement("a==1", "r:1", hashes=(f"sha256:{files['a-1-py2.py3-none-any.whl']}",))
    lock = make_lock(Request(requirements=(other,), **_plain()), catalog).lock
    assert lock.targets[0].pins[0].artifact.filename == "a-1-py2.py3-none-any.whl"
    wrong = parse_requirement("a==1", "r:1", hashes=(f"sha256:{'0' * 64}",))
    with pytest.raises(NoSolution) as caught:
        make_lock(Request(requirements=(wrong,), **_plain()), catalog)
    error = caught.value
    assert error.code == "hash-mismatch"
    assert "0" * 64 in str(error)
    assert files["a-1-py3-none-any.whl"] in str(error)


def _plain():
    return {"pythons": ("3.11.9",), "systems": ("x86_64-linux",), "indexes": (INDEX,), "providers": parse_providers([])}
