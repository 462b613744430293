"""The facts of one recorded day, resolved again without a network: the pins are those of uv and pip."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from db.catalog import open_catalog
from db.transfer import import_file
from resolver.errors import DataError
from tests.docs.test_hosts import found as hosts_in
from tests.oracle.recording import FACTS, PINS, compare, differences, read_reasons, read_recording
from tests.oracle.request_sets import REQUEST_SETS
from tests.oracle.resolvers import Pins, lock_with_mach, pins_of
from tests.oracle.tables import PAGE, render_tables

RECORDING = read_recording()
SETS = pytest.mark.parametrize("name", REQUEST_SETS)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog that knows the recorded facts and nothing else."""
    file = tmp_path_factory.mktemp("oracle") / "catalog.sqlite3"
    with open_catalog(str(file)) as catalog:
        import_file(catalog, FACTS)
    return file


def unexplained(between: str, name: str, newest: Pins, other: Pins) -> list[str]:
    """Return the differences that no reason was written down for."""
    reasons = read_reasons()
    return [str(d) for d in compare(between, name, newest, other) if d.key not in reasons]


@SETS
def test_newest_first_pins_are_those_of_uv_and_pip(name: str, db: Path) -> None:
    lock = lock_with_mach(REQUEST_SETS[name], RECORDING.setting, db, prefer="newest", offline=True)
    record = RECORDING.sets[name]
    assert unexplained("uv", name, pins_of(lock), record.uv) == []
    assert unexplained("pip", name, pins_of(lock), record.pip) == []


@SETS
def test_the_default_order_gives_what_was_recorded(name: str, db: Path) -> None:
    lock = lock_with_mach(REQUEST_SETS[name], RECORDING.setting, db, prefer="provider", offline=True)
    (target,) = lock.targets
    record = RECORDING.sets[name]
    assert pins_of(lock) == record.default
    assert {pin.name: pin.provider for pin in target.pins} == record.providers


def test_the_replay_has_nothing_but_the_recorded_facts(db: Path) -> None:
    with pytest.raises(DataError) as caught:
        lock_with_mach(["flask"], RECORDING.setting, db, prefer="newest", offline=True)
    assert caught.value.code == "not-covered"


def test_every_set_was_recorded_as_it_is_asked_for_now() -> None:
    assert {name: record.requirements for name, record in RECORDING.sets.items()} == dict(REQUEST_SETS)


def test_every_difference_has_a_reason_and_every_reason_a_difference() -> None:
    assert {d.key for d in differences(RECORDING)} == read_reasons().keys()


def test_the_tables_in_the_documentation_are_those_of_the_recording() -> None:
    assert render_tables(RECORDING) in PAGE.read_text(encoding="utf-8")


def test_the_recording_is_small_and_names_no_registry() -> None:
    assert FACTS.stat().st_size + PINS.stat().st_size < 1_500_000
    texts = [gzip.decompress(FACTS.read_bytes()).decode(), PINS.read_text(encoding="utf-8")]
    assert [hosts_in(text) for text in texts] == [[], []]
