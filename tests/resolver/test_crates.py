"""Crates of Rust sdists: where they are fetched from, how a lock holds them, and what goes without."""

from __future__ import annotations

import json

import pytest

from resolver.crates import Crate, check_crate, crate_url, parse_crates_url
from resolver.difference import compare_locks, render_difference
from resolver.errors import DataError, InputError, NoSolution
from resolver.lock import parse_lock, render_lock
from resolver.lock_request import request_from_json, request_to_json
from resolver.locking import Locking
from resolver.sources import sources_of
from tests.resolver.test_building import SETUPTOOLS, run, sdist
from tests.support.memory import MemoryCatalog, closure_key, said

BASE = "https://crates.example/api"
LEAF = Crate(name="leaf", version="0.1.0+x", sha256="a" * 64)
WASI = Crate(name="Wasi", version="0.11.0", sha256="b" * 64)
CRATES = [[crate.name, crate.version, crate.sha256] for crate in (WASI, LEAF)]
MATURIN = {"maturin": {"1.9": {"upload": 0}}}
IN_MATURIN = closure_key("maturin-1.9-py3-none-any.whl")


def rust(**values: object) -> MemoryCatalog:
    """Return a catalog with an sdist ``a`` that is built with maturin."""
    asked = said("requires", closure=IN_MATURIN)
    release = sdist(build=["maturin"], builds=asked, **values)
    return MemoryCatalog({"a": {"1": release}, **MATURIN})


def locked(catalog: MemoryCatalog, base: str = BASE) -> Locking:
    return run("a", catalog=catalog, crates_url=base)


# ---- where they are


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://crates.example/api", "https://crates.example/api/leaf/0.1.0+x/download"),
        ("https://crates.example/api/", "https://crates.example/api/leaf/0.1.0+x/download"),
        (
            "https://crates.example/{crate}/{crate}-{version}.crate",
            "https://crates.example/leaf/leaf-0.1.0+x.crate",
        ),
        ("https://crates.example/{prefix}/{sha256-checksum}", f"https://crates.example/le/af/{'a' * 64}"),
        ("file:///mirror", "file:///mirror/leaf/0.1.0+x/download"),
    ],
)
def test_an_address_follows_from_what_a_registry_says(base: str, url: str) -> None:
    assert crate_url(parse_crates_url(base), LEAF) == url


@pytest.mark.parametrize(
    ("name", "prefix", "lower"), [("A", "1", "1"), ("Ab", "2", "2"), ("Abc", "3/A", "3/a"), ("Abcde", "Ab/cd", "ab/cd")]
)
def test_the_folders_of_an_index_follow_from_the_name(name: str, prefix: str, lower: str) -> None:
    crate = Crate(name=name, version="1.0.0", sha256="a" * 64)
    assert crate_url("x:{prefix}:{lowerprefix}", crate) == f"x:{prefix}:{lower}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "crates.example",
        "ftp://crates.example",
        "https://",
        "https://user:secret@crates.example",
        "https://crates.example/{name}",
        "https://crates.example/ x",
        "https://crates.example/#x",
        "https://crates.example:port/",
        "file://host/mirror",
        "https://crates.example/\x1b[31m",
        'https://crates.example/"${x}',
    ],
)
def test_what_says_no_place_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_crates_url(text)
    assert caught.value.code == "invalid-crates-url"
    assert "secret" not in str(caught.value)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("version", ["0.0.0", "1.2.3-rc.1+build.5", "0.11.0+wasi-snapshot-preview1"])
def test_versions_are_semantic(version: str) -> None:
    check_crate(Crate(name="a", version=version, sha256="a" * 64))


@pytest.mark.parametrize("version", ["1", "1.0", "01.0.0", "1.0.0/..", "1.0.0-", "1.0.0+" + "x" * 200, "1.0.0\n"])
def test_other_versions_are_none(version: str) -> None:
    with pytest.raises(ValueError, match="is not the version of a crate"):
        check_crate(Crate(name="a", version=version, sha256="a" * 64))


# ---- in a lock


def test_a_lock_has_the_crates_of_an_sdist() -> None:
    lock = locked(rust(crates=CRATES)).lock
    assert lock is not None
    [pin] = json.loads(render_lock(lock))["targets"][0]["pins"]
    assert pin["crates"] == [
        {"name": "Wasi", "version": "0.11.0", "sha256": "b" * 64, "url": f"{BASE}/Wasi/0.11.0/download"},
        {"name": "leaf", "version": "0.1.0+x", "sha256": "a" * 64, "url": f"{BASE}/leaf/0.1.0+x/download"},
    ]
    assert parse_lock(render_lock(lock)) == lock
    assert {"Wasi-0.11.0.crate", "leaf-0.1.0+x.crate"} < {source.label for source in sources_of(lock)}


def test_a_lock_made_again_takes_them_from_the_same_place() -> None:
    lock = locked(rust(crates=CRATES)).lock
    assert lock is not None
    again = request_from_json(lock.request)
    assert again.crates_url == BASE
    assert request_to_json(again) == lock.request


def test_an_sdist_whose_cargo_lock_names_none_is_rust_all_the_same() -> None:
    lock = locked(rust(crates=[])).lock
    assert lock is not None
    [pin] = json.loads(render_lock(lock))["targets"][0]["pins"]
    assert pin["crates"] == []
    assert parse_lock(render_lock(lock)) == lock


def test_one_that_is_not_rust_has_no_such_key() -> None:
    lock = run("a", catalog=MemoryCatalog({"a": {"1": sdist()}})).lock
    assert lock is not None
    assert "crates" not in json.loads(render_lock(lock))["targets"][0]["pins"][0]


def test_crates_stay_where_the_backend_tells_the_metadata() -> None:
    told = [*said("requires", closure=IN_MATURIN), *said("metadata", closure=IN_MATURIN)]
    release = sdist(build=["maturin"], builds=told, failure="its metadata takes a build", crates=CRATES)
    lock = locked(MemoryCatalog({"a": {"1": release}, **MATURIN})).lock
    assert lock is not None
    assert [crate.name for crate in lock.targets[0].pins[0].crates or ()] == ["Wasi", "leaf"]


def test_other_crates_are_a_difference_and_other_facts() -> None:
    one, two = locked(rust(crates=CRATES)).lock, locked(rust(crates=CRATES[:1])).lock
    assert one is not None
    assert two is not None
    assert one.facts != two.facts
    assert "~ a 1: other crates" in render_difference(compare_locks(one, two))


# ---- without


@pytest.mark.parametrize(
    "release",
    [
        sdist(build=["maturin"], builds=said("requires", closure=IN_MATURIN)),
        sdist(builds=said("requires", closure=SETUPTOOLS, adds=["setuptools-rust>=1"])),
    ],
    ids=["stated", "added by setup.py"],
)
def test_one_without_a_cargo_lock_is_backtracked_over(release: dict[str, object]) -> None:
    releases = {"a": {"1": [], "2": release}, "setuptools-rust": {"1": {"upload": 0}}, **MATURIN}
    made = run("a", catalog=MemoryCatalog(releases), prefer="newest")
    assert made.lock is not None
    assert made.lock.targets[0].pins[0].version == "1"
    failure = run("a==2", catalog=MemoryCatalog(releases)).failure
    assert isinstance(failure, NoSolution)
    assert "it is built with Rust and has no Cargo.lock" in str(failure)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": "../leaf"}, "crates[0]"),
        ({"version": "1"}, "crates[0]"),
        ({"sha256": "A" * 64}, "crates[0]"),
        ({"url": "javascript:x"}, "crates[0].url"),
        ({"url": "https://user@crates.example/x"}, "crates[0].url"),
        ({"more": "x"}, "crates[0].more"),
        ({"name": "zeta"}, "crates"),
        ({"name": "leaf", "version": "0.1.0+x"}, "crates"),
    ],
)
def test_what_is_no_crate_is_not_read(change: dict[str, str], where: str) -> None:
    lock = locked(rust(crates=CRATES)).lock
    assert lock is not None
    value = json.loads(render_lock(lock))
    value["targets"][0]["pins"][0]["crates"][0].update(change)
    with pytest.raises(DataError) as caught:
        parse_lock(json.dumps(value))
    assert caught.value.details["where"] == f"targets[0].pins[0].{where}"


def test_a_wheel_has_none() -> None:
    lock = run("a", catalog=MemoryCatalog({"a": {"1": []}})).lock
    assert lock is not None
    value = json.loads(render_lock(lock))
    value["targets"][0]["pins"][0]["crates"] = []
    with pytest.raises(DataError, match="only an sdist is built"):
        parse_lock(json.dumps(value))
