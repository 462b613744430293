"""What a pinned nixpkgs that was crawled says of targets: its glibc and its oldest macOS say which wheels run."""

import pytest

from resolver.catalog import NIXPKGS, Artifact, Page
from resolver.errors import InputError
from resolver.locking import make_lock
from resolver.nixpkgs_index import TREE, attribute_filename, index_of_nixpkgs
from resolver.nixpkgs_set import NixpkgsSet, read_set, target_in
from resolver.target import best_tag_rank, make_target
from tests.resolver.test_locking import ask
from tests.resolver.test_nixpkgs_provider import NIX, PINNED, WithNixpkgs
from tests.support.memory import MemoryCatalog

RELEASES = {
    "a": {
        "1": {"tags": ["cp311-cp311-manylinux_2_17_x86_64"]},
        "2": {"tags": ["cp311-cp311-manylinux_2_37_x86_64"]},
        "3": {"tags": ["cp311-cp311-manylinux_2_39_x86_64"]},
    }
}


class Crawled(WithNixpkgs):
    """A catalog whose nixpkgs has told of itself: ``glibc``, ``darwin`` or ``python311`` -> version."""

    def __init__(self, releases, told, modules=None):
        super().__init__(releases, modules or {})
        rows = []
        for rank, (name, version) in enumerate(told.items()):
            filename = attribute_filename(name, version)
            self.files[len(self.files)] = Artifact(
                filename=filename, url=f"{NIX}#{name}", sha256=None, size=None, upload_time=None
            )
            rows.append([len(self.files) - 1, rank, NIXPKGS, -1, -1, -1, 0, -1])
        self.nix_map[TREE] = Page(
            index=NIX, project=TREE, digest=str(sorted(told.items())), versions=list(told.values()), files=rows
        )


def locked(catalog, **options):
    return make_lock(ask("a"), catalog, nixpkgs=PINNED, **options).lock


@pytest.mark.parametrize(("glibc", "version"), [("2.40", "3"), ("2.38", "2"), ("2.36", "1")])
def test_a_wheel_that_needs_a_newer_glibc_than_the_pinned_nixpkgs_has_is_not_picked(glibc, version):
    lock = locked(Crawled(RELEASES, {"glibc": glibc}))
    assert lock.targets[0].pins[0].version == version


def test_one_that_was_not_crawled_has_the_glibc_of_the_oldest_that_is_supported():
    lock = locked(MemoryCatalog(RELEASES))
    assert (lock.targets[0].pins[0].version, lock.targets[0].glibc) == ("2", "2.37")
    # as does a lock from before it was
    assert locked(Crawled(RELEASES, {"glibc": "2.40"}), before_crawl=True) == lock


def test_what_it_says_is_among_the_facts_of_the_lock():
    facts = {locked(Crawled(RELEASES, {"glibc": glibc})).facts for glibc in ("2.35", "2.36", "2.36")}
    assert len(facts) == 2
    run = make_lock(ask("a"), Crawled(RELEASES, {"glibc": "2.36"}), nixpkgs=PINNED)
    assert (NIX, TREE) in run.reading.pages_asked()


def test_another_nixpkgs_or_none_is_not_asked():
    crawled = Crawled(RELEASES, {"glibc": "2.40"})
    assert make_lock(ask("a"), crawled).lock.targets[0].pins[0].version == "2"
    run = make_lock(ask("a", pythons=("3.12.1",)), crawled, nixpkgs=PINNED)
    assert all(project != TREE for _, project in run.reading.pages_asked())


def test_each_system_has_its_own():
    told = read_set(["darwin@14.0.nixpkgs", "python311@3.11.9.nixpkgs"], "3.11.2")
    assert told == NixpkgsSet(python="3.11.9", macos=(14, 0))
    newer = target_in(told, "aarch64-darwin", "3.11.9")
    assert best_tag_rank(newer, "cp311-cp311-macosx_14_0_arm64") is not None
    assert best_tag_rank(make_target("aarch64-darwin", "3.11.9"), "cp311-cp311-macosx_14_0_arm64") is None
    # a macOS says nothing on Linux, nor a glibc on macOS
    assert target_in(told, "x86_64-linux", "3.11.9") == make_target("x86_64-linux", "3.11.9")
    other = target_in(NixpkgsSet(glibc=(2, 17)), "aarch64-darwin", "3.11.9")
    assert other == make_target("aarch64-darwin", "3.11.9")


@pytest.mark.parametrize(
    "name",
    ["python311@3.11.nixpkgs", "python311@3.12.1.nixpkgs", "python312@3.11.9.nixpkgs", "python311@3.11.999.nixpkgs",
     "glibc@two.nixpkgs", "glibc@2.99999.nixpkgs", "glibc@2.36", "../glibc@2.36.nixpkgs", "darwin@.nixpkgs"],
)  # fmt: skip
def test_what_is_no_version_says_nothing(name):
    assert read_set([name], "3.11.2") == NixpkgsSet()


def test_a_pre_release_of_the_interpreter_counts_as_its_version():
    assert read_set(["python314@3.14.0rc2.nixpkgs"], "3.14").python == "3.14.0"


def test_a_glibc_that_no_wheel_is_for_is_told():
    with pytest.raises(InputError, match=r"glibc 2\.12 cannot be resolved for"):
        locked(Crawled(RELEASES, {"glibc": "2.12"}))
    assert index_of_nixpkgs(PINNED.sha256, "x86_64-linux", "3.11") == NIX
