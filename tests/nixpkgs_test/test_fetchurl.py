"""The stand-in's fetchurl tries URLs in order, over http and from files, and lets nix compare the hash."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.support.dists import Dist, make_wheel
from tests.support.index import FakeIndex
from tests.support.nix import NixOutcome, NixStore

pytestmark = pytest.mark.nix

FETCH = "{ pkgs, request }: pkgs.fetchurl (builtins.fromJSON request)"
serial = itertools.count()


@pytest.fixture
def dist(tmp_path: Path) -> Dist:
    """A wheel that no other test has: what a store has already is not fetched again."""
    return make_wheel("alpha", "1.0", files={"alpha.py": f"{tmp_path} {next(serial)}\n"})


def fetch(store: NixStore, folder: Path, dist: Dist, **request: object) -> NixOutcome:
    (folder / "fetch.nix").write_text(FETCH)
    return store.try_build(folder / "fetch.nix", strings={"request": json.dumps({"sha256": dist.sha256, **request})})


def test_a_file_is_fetched_over_http(nix_store: NixStore, fake_index: FakeIndex, dist: Dist, tmp_path: Path) -> None:
    fake_index.add(dist)
    outcome = fetch(nix_store, tmp_path, dist, url=fake_index.file_url(dist))
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.paths[0].read_bytes() == dist.content
    assert outcome.paths[0].name.endswith("-alpha-1.0-py3-none-any.whl")


def test_a_file_is_fetched_from_a_folder_under_another_name(nix_store: NixStore, dist: Dist, tmp_path: Path) -> None:
    (nix_store.files / dist.sha256).write_bytes(dist.content)
    outcome = fetch(nix_store, tmp_path, dist, url=f"file://{nix_store.files}/{dist.sha256}", name="other.whl")
    assert outcome.paths[0].name.endswith("-other.whl")
    assert outcome.paths[0].read_bytes() == dist.content


@pytest.mark.parametrize("fault", [{"status": 404}, {"truncate": 10}, {"close": True}])
def test_the_next_url_is_tried(
    nix_store: NixStore, fake_index: FakeIndex, dist: Dist, tmp_path: Path, fault: dict[str, object]
) -> None:
    fake_index.add(dist)
    fake_index.behave(dist, **fault)
    good = fake_index.server.index("mirror")
    good.add(dist)
    urls = ["http://127.0.0.1:1/x", fake_index.file_url(dist), good.file_url(dist)]
    outcome = fetch(nix_store, tmp_path, dist, urls=urls, name="alpha.whl")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.paths[0].read_bytes() == dist.content


def test_a_server_that_is_busy_is_asked_again(
    nix_store: NixStore, fake_index: FakeIndex, dist: Dist, tmp_path: Path
) -> None:
    fake_index.add(dist)
    fake_index.behave(dist, status=503, times=1)
    assert fetch(nix_store, tmp_path, dist, url=fake_index.file_url(dist)).returncode == 0
    assert fake_index.count(dist) == 2


def test_when_no_url_answers_the_build_fails_and_names_them(nix_store: NixStore, dist: Dist, tmp_path: Path) -> None:
    outcome = fetch(nix_store, tmp_path, dist, urls=["http://127.0.0.1:1/x", "file:///nowhere"], name="alpha.whl")
    assert outcome.returncode == 1  # not 100: to nix a failed fetch is one that may succeed another time
    for text in ("http://127.0.0.1:1/x", "file:///nowhere", "cannot download alpha.whl from any mirror"):
        assert text in outcome.stderr


def test_a_wrong_hash_is_a_mismatch(nix_store: NixStore, dist: Dist, tmp_path: Path) -> None:
    (nix_store.files / dist.sha256).write_bytes(dist.content)
    outcome = fetch(nix_store, tmp_path, dist, url=f"file://{nix_store.files}/{dist.sha256}", sha256="0" * 64)
    assert outcome.returncode == 102
    assert "hash mismatch" in outcome.stderr


def test_a_name_that_nix_does_not_take_is_an_error(nix_store: NixStore, dist: Dist, tmp_path: Path) -> None:
    outcome = fetch(nix_store, tmp_path, dist, url="http://127.0.0.1:1/a%20b!.whl")
    assert outcome.returncode == 1
    assert "a%20b!.whl" in outcome.stderr
