"""Catalogs that are damaged, foreign, newer, out of reach or not enough: one message, and the file as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.catalog import open_catalog
from db.verification import verify
from tests.api.bad_input.refusals import refuse
from tests.e2e.machines import Machine

COMMANDS = (
    ("gen", "requests<2.32", "--offline"),
    ("gen", "requests<2.32"),
    ("db", "status"),
    ("db", "verify"),
    ("crawl", "idna"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("keep", [0.97, 0.5, 0.1, 100])
def test_a_truncated_catalog(machine: Machine, words: tuple[str, ...], keep: float):
    place = machine.home / "catalog.sqlite3"
    whole = place.read_bytes()
    cut = whole[: int(keep if keep > 1 else len(whole) * keep)]
    place.write_bytes(cut)
    asked = refuse(machine, *words, error="catalog-corrupt", code=3)
    assert str(place) in asked.stderr
    assert "move it away" in asked.stderr
    assert place.read_bytes() == cut, "what can be rescued is not written over"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_is_no_catalog_is_left_alone(machine: Machine, words: tuple[str, ...]):
    text = machine.write("notes.txt", "notes\n" * 200)
    for place, error in ((text, "catalog-corrupt"), (machine.home / "other.sqlite3", "catalog-foreign")):
        if error == "catalog-foreign":
            with sqlite3.connect(place) as other:
                other.execute("CREATE TABLE people (name TEXT)")
            other.close()
        before = place.read_bytes()
        asked = refuse(machine, *words, "--db", place, error=error, code=3)
        assert str(place) in asked.stderr
        assert "--db" in asked.stderr or error == "catalog-corrupt"
        assert place.read_bytes() == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_newer_schema(machine: Machine, words: tuple[str, ...]):
    with sqlite3.connect(machine.home / "catalog.sqlite3") as catalog:
        catalog.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    catalog.close()
    asked = refuse(machine, *words, error="catalog-too-new", code=3)
    assert "schema version 99" in asked.stderr
    assert "install a newer mach" in asked.stderr


def test_places_where_no_catalog_can_be(machine: Machine):
    os.mkfifo(machine.home / "pipe")
    machine.write("requirements.txt", "idna\n")
    for place, error, code in (
        (str(machine.home), "catalog-unwritable", 3),
        ("pipe", "catalog-unwritable", 3),
        ("requirements.txt/catalog.sqlite3", "catalog-unwritable", 3),
        ("a" * 300, "catalog-unwritable", 3),
        ("postgresql://user:s3cret@127.0.0.1:1/x", "catalog-unreachable", 3),
        ("postgresql://user:s3cret@[::x", "invalid-catalog-url", 2),
        ("postgresql://user:s3cret@127.0.0.1:x/y", "catalog-unreachable", 3),
        ("mysql://user:s3cret@x/y", "invalid-catalog-url", 2),
    ):
        asked = refuse(machine, "gen", "idna", "--db", place, error=error, code=code)
        assert "s3cret" not in asked.stderr
    assert (machine.home / "pipe").is_fifo()
    for words in (
        ("gen", "idna", "--offline"),
        ("gen", "idna", "--snapshot", "x"),
        ("db", "verify"),
        ("db", "export", "f"),
    ):
        asked = refuse(machine, *words, "--db", "none.sqlite3", error="catalog-missing", code=3)
        assert "none.sqlite3" in asked.stderr
        assert not (machine.home / "none.sqlite3").exists()


def test_a_missing_fact_is_named_with_the_command_that_gets_it(machine: Machine):
    asked = refuse(
        machine, "lock", "requests<2.32", "httpie", "--python", "3.12", "--offline", error="not-covered", code=3
    )
    assert "the page of httpie" in asked.stderr
    assert "`mach crawl httpie`" in asked.stderr
    snapshot = machine.mach("db", "pin", "before").stdout.strip()
    asked = refuse(machine, "lock", "httpie", "--snapshot", "before", error="not-covered", code=3)
    told = machine.mach("lock", "httpie", "--offline", "--json", code=3).json["error"]
    assert [page["project"] for page in told["details"]["pages"]] == ["httpie"]
    machine.mach("crawl", "httpie", "-q")
    refuse(machine, "lock", "httpie", "--snapshot", snapshot, error="not-covered", code=3)


def test_snapshots_that_are_unknown_or_ambiguous(machine: Machine):
    newest = machine.mach("db", "snapshots", "--json").json[-1]["id"]
    for text in ("ffff", "no-such-name", "", newest[:3], "sha256:", "../x", "%", "_" * 200):
        refuse(machine, "gen", "idna", "--snapshot", text, error="unknown-snapshot", code=2)
    refuse(machine, "db", "pin", newest[:12], error="invalid-snapshot-name", code=2)
    machine.mach("db", "pin", "mine")
    machine.mach("crawl", "pip", "-q")
    asked = refuse(machine, "db", "pin", "mine", error="snapshot-name-taken", code=2)
    assert "--replace" in asked.stderr


def test_two_snapshots_with_the_same_beginning(machine: Machine):
    machine.mach("crawl", "pip", "-q")  # a second state, however many the first facts came in
    with sqlite3.connect(machine.home / "catalog.sqlite3") as catalog:
        numbers = [n for (n,) in catalog.execute("SELECT number FROM generation ORDER BY number LIMIT 2")]
        for number, end in zip(numbers, "ab", strict=True):
            catalog.execute("UPDATE generation SET snapshot = ? WHERE number = ?", ("abcd" + end * 60, number))
    catalog.close()
    asked = refuse(machine, "gen", "idna", "--snapshot", "abcd", error="ambiguous-snapshot", code=2)
    assert "abcd" + "a" * 60 in asked.stderr
    assert "give more digits" in asked.stderr


@pytest.mark.parametrize("damage", ["not gzip", "cut", "flipped", "folder", "missing"])
def test_files_that_are_not_facts_change_nothing(machine: Machine, damage: str):
    machine.mach("db", "export", "facts.mach")
    facts = machine.home / "facts.mach"
    whole = facts.read_bytes()
    if damage == "not gzip":
        facts.write_text("facts\n")
    elif damage == "cut":
        facts.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        facts.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    else:
        facts.unlink()
        if damage == "folder":
            facts.mkdir()
    error = "unreadable-file" if damage in ("folder", "missing") else "invalid-fact-file"
    asked = refuse(machine, "db", "import", "facts.mach", "--db", "new.sqlite3", error=error, code=2)
    assert "facts.mach" in asked.stderr
    with open_catalog(machine.home / "new.sqlite3") as catalog:
        assert catalog.generation() == 0
        assert verify(catalog) == ()


def test_facts_that_cannot_be_written(machine: Machine):
    asked = refuse(machine, "db", "export", "none/facts.mach", error="export-unwritable", code=3)
    assert "none/facts.mach" in asked.stderr


def test_facts_can_be_written_into_a_pipe_which_stays_one(machine: Machine):
    pipe = machine.home / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        machine.mach("db", "export", "pipe")
        assert pipe.is_fifo()
        (machine.home / "facts.mach").write_bytes(read.result(timeout=30))
    machine.mach("db", "export", "direct.mach")
    assert (machine.home / "facts.mach").read_bytes() == (machine.home / "direct.mach").read_bytes()


def test_a_copy_of_the_file_alone_is_the_whole_catalog(machine: Machine):
    machine.mach("crawl", "pip", "-q")
    assert not (machine.home / "catalog.sqlite3-wal").exists()
    shutil.copy(machine.home / "catalog.sqlite3", machine.home / "copy.sqlite3")
    original, copy = (
        machine.mach("db", "status", "--db", f"{name}.sqlite3", "--json").json for name in ("catalog", "copy")
    )
    assert copy["snapshot"] == original["snapshot"]


def test_a_crawl_tells_what_failed_and_keeps_the_rest(machine: Machine):
    asked = machine.mach("crawl", "no-such-thing", "pip", "--json")
    assert asked.json["absent"] == 1
    assert asked.json["pages"] == 1
    refuse(machine, "crawl", "requests>=2", error="invalid-name", code=2)
    refuse(machine, "crawl", error="usage", code=2)
    refuse(machine, "crawl", "-r", "none.txt", error="unreadable-file", code=2)
