"""What is kept of the real sdists: every backend, equal to its wheel or with a reason, and the page shows it all."""

from __future__ import annotations

import json

from crawler.hook_failures import FailureClass

from .releases import KINDS, RELEASES
from .results import PAGE, RESULTS, read_reasons, read_results, render_table

#: What a failure's class is besides those of backends: what mach read, without asking one.
READ = {"cargo-lock", "pyproject", "pkg-info", "no-hash", "no-closure"}
BACKENDS = {
    None,
    "flit_core.buildapi",
    "hatchling.build",
    "maturin",
    "mesonpy",
    "pdm.backend",
    "poetry.core.masonry.api",
    "scikit_build_core.build",
    "setuptools.build_meta",
}
RUNGS = {"pkg-info", "pyproject", "backend"}


def test_every_release_has_a_result() -> None:
    assert list(read_results()) == sorted(release.name for release in RELEASES)
    assert len(RELEASES) >= 30


def test_every_release_was_asked_as_it_is_listed() -> None:
    results = read_results()
    for release in RELEASES:
        result = results[release.name]
        assert (result["python"], result["kind"]) == (release.python, release.kind), release.name


def test_every_kind_every_backend_and_every_source_of_metadata_is_there() -> None:
    results = read_results().values()
    assert {result["kind"] for result in results} == set(KINDS)
    assert {result["backend"] for result in results} >= BACKENDS
    assert {result["metadata-from"] for result in results} - {None} == RUNGS
    assert any(result["build-requires"]["added"] for result in results), "a dynamic build requirement"
    assert any("backend-path" in result for result in results), "a backend in its own tree"


def test_each_is_equal_to_its_wheel_or_has_a_reason_or_a_class_of_failure() -> None:
    results = read_results()
    differing = {name for name, result in results.items() if result.get("differences")}
    assert differing == set(read_reasons())
    for name, result in results.items():
        if "failure" in result:
            assert result["failure"]["class"] in READ | set(FailureClass), name
            assert result["metadata-from"] is None, name
        else:
            assert result["metadata-from"] in RUNGS, name


def test_the_second_lock_of_each_was_the_first() -> None:
    assert [name for name, r in read_results().items() if "failure" not in r and r["same-offline"] is not True] == []


def test_each_was_asked_on_the_python_that_it_is_locked_for() -> None:
    assert [name for name, result in read_results().items() if "built-on" in result] == []


def test_the_file_is_as_it_is_written() -> None:
    before = RESULTS.read_bytes()
    assert json.dumps(read_results(), indent=1, sort_keys=True).encode() + b"\n" == before


def test_the_page_shows_what_is_kept() -> None:
    assert render_table(read_results()) in PAGE.read_text(encoding="utf-8")
