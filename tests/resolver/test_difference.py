"""What ``mach diff`` says of two locks."""

from dataclasses import replace

from resolver.difference import compare_locks, render_difference
from resolver.locking import make_lock
from tests.resolver.test_locking import ask
from tests.support.memory import MemoryCatalog

RELEASES = {
    "a": {"1": ["b"], "2": ["c"]},
    "b": {"1": []},
    "c": {"1": {"requires": [], "sdist": True}},
    "d": {"1": {"requires": ["b; extra == 'x'"], "extras": ["x"]}},
}


def lock(*texts, **options):
    found = make_lock(ask(*texts, **options), MemoryCatalog(RELEASES)).lock
    assert found is not None
    return found


def test_nothing_differs_from_itself():
    one = lock("a")
    difference = compare_locks(one, one)
    assert difference.is_empty
    assert render_difference(difference) == ""
    assert difference.to_json() == {"equal": True, "request": {}, "targets": []}


def test_added_removed_and_changed_by_target():
    before, after = lock("a<2", "d"), lock("a", "d[x]", "c", providers=["c=sdist"])
    assert render_difference(compare_locks(before, after)).splitlines() == [
        'request: providers {"_default": ["wheel", "sdist"]} -> {"_default": ["wheel", "sdist"], "c": ["sdist"]}',
        "request: - requirements a<2",
        "request: - requirements d",
        "request: + requirements a",
        "request: + requirements c",
        "request: + requirements d[x]",
        "x86_64-linux, Python 3.11.9",
        "  ~ a 1 -> 2",
        "  + c 1 (sdist)",
        "  ~ d [] -> [x]",
    ]
    value = compare_locks(before, after).to_json()
    (target,) = value["targets"]
    assert [(c["name"], c["kind"], c["aspects"]) for c in target["changes"]] == [
        ("a", "changed", ["version", "artifact"]),
        ("c", "added", []),
        ("d", "changed", ["extras"]),
    ]
    assert target["changes"][0]["before"]["version"] == "1"


def test_a_provider_and_a_hash_alone():
    before = lock("c")
    assert "  ~ c wheel -> sdist" in render_difference(compare_locks(before, lock("c", providers=["sdist"])))
    (target,) = before.targets
    (pin,) = target.pins
    other = replace(pin, artifact=replace(pin.artifact, sha256="0" * 64))
    after = replace(before, targets=(replace(target, pins=(other,)),))
    assert "  ~ c 1: another hash for the same file name" in render_difference(compare_locks(before, after))


def test_targets_come_and_go():
    before = lock("a", systems=("x86_64-linux",))
    after = lock("a", systems=("aarch64-darwin",), pythons=("3.11.10",))
    text = render_difference(compare_locks(before, after))
    assert "aarch64-darwin, Python 3.11.10, added" in text
    assert "x86_64-linux, Python 3.11.9, removed" in text
    newer = lock("a", pythons=("3.11.10",))
    assert "x86_64-linux, Python 3.11.9 -> 3.11.10\n" in render_difference(compare_locks(before, newer))
