"""Every source of a lock is found, wherever it stands in it, and has one name in an archive."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import get_args

from resolver import lock as lock_types
from resolver.lock import BuildClosure, Lock, LockedCheckout, LockedPath, Nixpkgs, Pin, digest_closure
from resolver.sources import Origin, Source, folders_of, sources_of
from tests.resolver.locks import FACTS, artifact, pin, target

REV = "0123456789abcdef0123456789abcdef01234567"
CHECKOUT = LockedCheckout(url="https://git.example/team/tool.git", commit=REV, nar_sha256="c" * 64)
WHEEL = LockedPath(
    path="./near-1.0-py3-none-any.whl", states=FACTS, filename="near-1.0-py3-none-any.whl", sha256="d" * 64
)
FOLDER = LockedPath(path="../library", states=FACTS)


def example() -> Lock:
    closure = BuildClosure(pins=(pin("setuptools==80.0"),))
    digest = digest_closure(closure)
    direct = [
        Pin(name=name, version="1.0", provider="sdist", artifact=locked, build=digest)
        for name, locked in (("tool", CHECKOUT), ("near", WHEEL), ("library", FOLDER))
    ]
    return Lock(
        request={},
        policy={},
        facts=FACTS,
        nixpkgs=Nixpkgs(rev=REV, sha256="0" * 52),
        targets=(
            target(pin("requests==2.0"), pin("old==1.0", build=digest), *direct, roots={}),
            target(pin("requests==2.0"), pin("only-there==3.0"), roots={}, system="aarch64-darwin"),
        ),
        tools={"installer": artifact("installer-1.0-py3-none-any.whl")},
        build_closures={digest: closure},
    )


def labels(sources: tuple[Source, ...]) -> set[str]:
    return {source.label for source in sources}


def test_targets_tools_closures_and_nixpkgs_are_sources() -> None:
    assert labels(sources_of(example())) == {
        "requests-2.0-py3-none-any.whl",
        "old-1.0.tar.gz",
        "only_there-3.0-py3-none-any.whl",
        "setuptools-80.0-py3-none-any.whl",
        "installer-1.0-py3-none-any.whl",
        "tool.git@0123456789ab",
        "near-1.0-py3-none-any.whl",
        "nixpkgs 0123456789ab",
    }


def test_a_source_is_named_by_its_hash() -> None:
    names = {source.label: source.name for source in sources_of(example())}
    assert names["tool.git@0123456789ab"] == "c" * 64
    assert names["near-1.0-py3-none-any.whl"] == "d" * 64
    assert names["requests-2.0-py3-none-any.whl"] == artifact("requests-2.0-py3-none-any.whl").sha256
    assert names["nixpkgs 0123456789ab"] == f"nixpkgs-{REV}.tar.gz"
    assert list(names.values()) == sorted(names.values())


def test_a_folder_of_the_user_is_none() -> None:
    assert folders_of(example()) == ("../library",)


def test_the_same_bytes_from_two_places_are_one_source() -> None:
    lock = example()
    here, there = lock.targets
    moved = replace(artifact("requests-2.0-py3-none-any.whl"), url="https://mirror.example/r.whl", size=7)
    pins = tuple(replace(p, artifact=moved) if p.name == "requests" else p for p in there.pins)
    lock = replace(lock, targets=(here, replace(there, pins=pins)))
    (found,) = [source for source in sources_of(lock) if source.label.startswith("requests")]
    assert found.origins == (artifact("requests-2.0-py3-none-any.whl"), moved)
    assert found.size == 7


def test_every_type_of_a_lock_that_has_a_hash_is_known() -> None:
    """A new one has to become an Origin, or builds from an archive lack it."""
    hashed = {
        kind
        for kind in vars(lock_types).values()
        if is_dataclass(kind)
        and kind.__module__ == lock_types.__name__
        and {"sha256", "nar_sha256"} & {field.name for field in fields(kind)}
    }
    assert hashed == set(get_args(Origin))


def test_artifacts_under_keys_that_came_later_are_found() -> None:
    crate = artifact("crate-1.0.crate")
    assert labels(sources_of(replace(example(), policy={"later": [{"deep": (crate,)}]}))) > {"crate-1.0.crate"}
