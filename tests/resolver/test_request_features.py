"""What a request can ask for beyond names and versions."""

import pytest

from resolver.errors import InputError
from resolver.locking import make_lock
from resolver.preferences import preferences_of
from resolver.requirement import parse_override
from tests.resolver.test_locking import ask, pins, refusal
from tests.support.memory import MemoryCatalog

YEAR = 365 * 86_400


def overriding(*texts):
    return tuple(parse_override(text, f"--override {text}") for text in texts)


def warnings(request, catalog):
    return make_lock(request, catalog).warnings


def versions(request, catalog):
    return {name: text.split()[0] for name, text in pins(request, catalog).items()}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("if-necessary", {"a": "1.0", "b": "1.0b1"}),
        ("allow", {"a": "2.0rc1", "b": "1.0b1"}),
        ("disallow", None),
        ("explicit", None),
    ],
)
def test_prerelease_modes(mode, expected):
    catalog = MemoryCatalog({"a": {"1.0": [], "2.0rc1": []}, "b": {"1.0b1": []}})
    request = ask("a", "b", prerelease={"_default": mode})
    if expected is None:
        assert "1 version: a pre-release, which is not allowed" in str(refusal(request, catalog))
    else:
        assert versions(request, catalog) == expected


def test_explicit_takes_a_prerelease_that_the_user_names_and_no_other():
    catalog = MemoryCatalog({"a": {"1.0b1": ["b"]}, "b": {"0.9": [], "1.0b1": []}})
    request = ask("a>=1.0b1", prerelease={"_default": "explicit"})
    assert versions(request, catalog) == {"a": "1.0b1", "b": "0.9"}


def test_prerelease_for_one_project():
    catalog = MemoryCatalog({"a": {"1.0": [], "2.0rc1": []}, "b": {"1.0": [], "2.0rc1": []}})
    request = ask("a", "b", prerelease={"_default": "if-necessary", "a": "allow"})
    assert versions(request, catalog) == {"a": "2.0rc1", "b": "1.0"}


def test_resolution_lowest_and_lowest_direct():
    catalog = MemoryCatalog({"a": {"1": ["b>=2"], "2": ["b>=2"]}, "b": {"1": [], "2": [], "3": []}})
    assert versions(ask("a", resolution="lowest"), catalog) == {"a": "1", "b": "2"}
    assert versions(ask("a", resolution="lowest-direct"), catalog) == {"a": "1", "b": "3"}
    assert versions(ask("a", resolution="highest"), catalog) == {"a": "2", "b": "3"}


def test_balanced_prefers_a_provider_only_among_fresh_versions():
    def catalog(wheel, sdist):
        return MemoryCatalog({"a": {wheel: {"upload": 0}, sdist: {"wheel": False, "sdist": True, "upload": 2 * YEAR}}})

    assert pins(ask("a", prefer="balanced"), catalog("1.0", "2.0")) == {"a": "2.0 sdist"}
    assert pins(ask("a", prefer="balanced"), catalog("2.0", "2.1")) == {"a": "2.0 wheel"}
    recent = MemoryCatalog({"a": {"1.0": {"upload": YEAR}, "2.0": {"wheel": False, "sdist": True, "upload": 2 * YEAR}}})
    assert pins(ask("a", prefer="balanced"), recent) == {"a": "1.0 wheel"}


def test_an_override_replaces_what_anyone_asks_for():
    catalog = MemoryCatalog({"a": {"1": ["b<2"]}, "b": {"1": [], "2": []}})
    assert versions(ask("a", overrides=overriding("b>=2")), catalog) == {"a": "1", "b": "2"}
    assert versions(ask("a", "b<2", overrides=overriding("b>=2")), catalog) == {"a": "1", "b": "2"}


def test_an_override_for_one_parent_leaves_others_alone():
    catalog = MemoryCatalog({"a": {"1": ["b<2"]}, "c": {"1": ["b<3"]}, "b": {"1": [], "2": [], "3": []}})
    assert versions(ask("a", "c", overrides=overriding("a:b")), catalog)["b"] == "2"
    assert refusal(ask("a", "c", overrides=overriding("c:b>=2")), catalog).code == "conflict"


def test_an_exact_override_takes_what_was_yanked():
    catalog = MemoryCatalog(
        {
            "a": {"1": ["b>=2"], "0": []},
            "c": {"1": ["b"]},
            "b": {"1": {"yanked": True}, "1.5": {}, "2": {}, "3": {"yanked": True}},
        }
    )
    for override in ("b==1", "b===1", "a:b==1"):
        run = make_lock(ask("a", overrides=overriding(override)), catalog)
        assert [(p.name, p.version) for p in run.lock.targets[0].pins] == [("a", "1"), ("b", "1")]
        assert run.warnings == ("b 1 was yanked",)
    assert versions(ask("a", "b", overrides=overriding("b==3")), catalog) == {"a": "1", "b": "3"}
    assert refusal(ask("c", overrides=overriding("b<1.5")), catalog).code == "nothing-for-target", "no version is named"


def test_an_exact_override_opens_its_own_version_where_it_holds():
    catalog = MemoryCatalog({"a": {"1": ["b"]}, "b": {"1": {"yanked": True}, "2": {}, "3": {"yanked": True}}})
    for_somebody_else = ask("a", overrides=overriding("other:b==3"))
    assert versions(for_somebody_else, catalog)["b"] == "2", "what was not yanked goes before it"
    built = MemoryCatalog({"a": {"1": ["b"]}, "b": {"2": {"wheel": False, "sdist": True}, "3": {"yanked": True}}})
    assert versions(for_somebody_else, built)["b"] == "2", "of a later provider as well"
    elsewhere = overriding("b==1; sys_platform == 'win32'", "b>=1; sys_platform == 'linux'")
    assert versions(ask("a", overrides=elsewhere), catalog)["b"] == "2"
    not_here = overriding("b==1; sys_platform == 'win32'", "b<2; sys_platform == 'linux'")
    assert refusal(ask("a", overrides=not_here), catalog).code == "nothing-for-target"


def test_an_override_keeps_extras_and_its_marker_can_remove():
    catalog = MemoryCatalog(
        {"a": {"1": ["b[x]<2"]}, "b": {"2": {"requires": ["c; extra == 'x'"], "extras": ["x"]}}, "c": {"1": []}}
    )
    assert versions(ask("a", overrides=overriding("b>=2")), catalog) == {"a": "1", "b": "2", "c": "1"}
    assert versions(ask("a", overrides=overriding("b; sys_platform == 'win32'")), catalog) == {"a": "1"}


def test_an_override_that_replaces_nothing_is_told():
    catalog = MemoryCatalog({"a": {"1": []}})
    assert warnings(ask("a", overrides=overriding("ghost<3")), catalog) == (
        "the override ghost<3 replaces nothing: nobody asks for it",
    )


def test_an_excluded_dependency_is_left_out():
    catalog = MemoryCatalog({"a": {"1": ["b", "c"]}, "b": {"1": []}, "c": {"1": []}})
    assert versions(ask("a", excludes=("c",)), catalog) == {"a": "1", "b": "1"}


def test_an_exclude_that_leaves_nothing_out_is_told():
    catalog = MemoryCatalog({"a": {"1": []}})
    assert warnings(ask("a", excludes=("ghost",)), catalog) == (
        "the exclude ghost leaves nothing out: nobody asks for it",
    )


def test_a_date_for_one_project():
    catalog = MemoryCatalog({n: {"1": {"upload": 100}, "2": {"upload": 200}} for n in "ab"})
    assert versions(ask("a", "b", as_of={"a": 150}), catalog) == {"a": "1", "b": "2"}
    assert versions(ask("a", "b", as_of={"_default": 150, "b": 300}), catalog) == {"a": "1", "b": "2"}


def test_several_pythons_make_several_targets():
    catalog = MemoryCatalog({"a": {"1": {"python": "<3.12"}, "2": {"python": ">=3.12"}}})
    lock = make_lock(ask("a", pythons=("3.11.9", "3.12.1")), catalog).lock
    assert [(t.python, t.pins[0].version) for t in lock.targets] == [("3.11.9", "1"), ("3.12.1", "2")]


def test_near_takes_the_versions_of_another_platform():
    catalog = MemoryCatalog({"a": {"1": [], "2": []}, "b": {"1": [], "2": {"tags": ["py3-none-win_amd64"]}}})
    old = make_lock(ask("a<2", "b"), catalog).lock
    request = ask("a", "b", systems=("aarch64-darwin",))
    assert versions(request, catalog)["a"] == "2"
    lock = make_lock(request, catalog, preferences=preferences_of(old, near=True)).lock
    assert [p.version for p in lock.targets[0].pins] == ["1", "1"]


def test_overrides_are_parsed_with_their_parent():
    assert str(parse_override("A.b:c>1", "o")) == "a-b:c>1"
    assert parse_override("c ; python_version < '3'", "o").parent is None
    with pytest.raises(InputError, match="overrides with a URL"):
        parse_override("c @ https://files.example/c.whl", "o")
