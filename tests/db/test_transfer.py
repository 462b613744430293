"""Facts travel in files: whole states and the facts of a lock; damaged files are refused."""

from __future__ import annotations

import gzip
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from db.catalog import CatalogHandle, open_catalog
from db.snapshot import pin, resolve_snapshot, snapshot_id
from db.transfer import export_facts, export_snapshot, import_file
from db.verification import verify
from db.writer import publish
from resolver.catalog import METADATA
from resolver.errors import DataError, InputError, Unavailable
from resolver.names import normalize_project
from tests.db.examples import CLOSURE, INDEX, SYSTEM, absence, built, file, metadata, page

ALPHA, BETA = normalize_project("alpha"), normalize_project("beta")
WHEEL, SDIST = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"


def fill(catalog: CatalogHandle) -> None:
    publish(catalog, [page("alpha", WHEEL, SDIST, "alpha-0.9.tar.gz"), absence("beta"), page("delta", "delta-1.zip")])
    publish(catalog, [metadata("alpha", WHEEL, "beta; extra == 'x'", provides_extra=("x",))])
    said = [built("alpha", SDIST, "requires", "wheel"), built("alpha", SDIST, "metadata", "beta", python="3.9")]
    publish(catalog, [metadata("alpha", SDIST, failure="its metadata takes a build"), *said])
    publish(catalog, [page("alpha", WHEEL, file(SDIST, yanked=True, yanked_reason="why"))])


def test_a_snapshot_goes_to_the_other_engine_and_back(
    catalog: CatalogHandle, other_engine: CatalogHandle, tmp_path: Path
):
    fill(catalog)
    identity = export_snapshot(catalog, tmp_path / "one")
    imported = import_file(other_engine, tmp_path / "one")
    assert (imported.snapshot, imported.generation, imported.projects, imported.learned) == (identity, 1, 3, 3)
    assert snapshot_id(other_engine) == identity
    assert resolve_snapshot(other_engine, identity[:12]) == 1
    assert verify(other_engine) == ()
    export_snapshot(other_engine, tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert import_file(other_engine, tmp_path / "one").learned == 0
    assert other_engine.generation() == 1
    assert other_engine.freshness(INDEX, [ALPHA]) == {}, "nobody knows when the pages were fetched"


def test_an_older_state_can_be_exported(catalog: CatalogHandle, tmp_path: Path):
    fill(catalog)
    pin(catalog, "now")
    publish(catalog, [absence("alpha")])
    assert export_snapshot(catalog, tmp_path / "old", resolve_snapshot(catalog, "now")) == snapshot_id(catalog, 4)
    with open_catalog(tmp_path / "new.sqlite3") as new:
        import_file(new, tmp_path / "old")
        assert not new.reader().pages(INDEX, [ALPHA])[ALPHA].absent


def test_the_facts_of_a_lock_hold_whole_pages_and_only_the_metadata_that_was_read(
    catalog: CatalogHandle, tmp_path: Path
):
    fill(catalog)
    export_facts(catalog, tmp_path / "facts", pages=[(INDEX, BETA)], metadata=[(INDEX, ALPHA, WHEEL)])
    with open_catalog(tmp_path / "new.sqlite3") as new:
        assert import_file(new, tmp_path / "facts").snapshot is None
        theirs = catalog.reader().pages(INDEX, [ALPHA, BETA])
        mine = new.reader().pages(INDEX, [ALPHA, BETA, normalize_project("delta")])
        assert {name: found.digest for name, found in mine.items()} == {n: found.digest for n, found in theirs.items()}
        assert mine[BETA].absent
        known = {mine[ALPHA].files[i][METADATA] >= 0: i for i in range(2)}
        assert set(known) == {True, False}
        assert [d[1] for d in mine[ALPHA].depsets] == [["beta; extra == 'x'"]]


def test_the_facts_of_a_lock_are_the_same_bytes_whatever_was_known_before(catalog: CatalogHandle, tmp_path: Path):
    fill(catalog)
    wanted: dict[str, Any] = {"pages": [(INDEX, BETA)], "metadata": [(INDEX, ALPHA, WHEEL)]}
    export_facts(catalog, tmp_path / "one", **wanted)
    with open_catalog(tmp_path / "new.sqlite3") as new:
        publish(new, [absence("beta"), page("alpha", file(SDIST, yanked=True, yanked_reason="why"), WHEEL)])
        publish(new, [metadata("alpha", WHEEL, "beta; extra == 'x'", provides_extra=("x",), source="range")])
        export_facts(new, tmp_path / "two", **wanted)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_not_known_cannot_be_exported(catalog: CatalogHandle, tmp_path: Path):
    fill(catalog)
    for wanted in (
        {"pages": [(INDEX, normalize_project("nope"))], "metadata": []},
        {"pages": [], "metadata": [(INDEX, normalize_project("delta"), "delta-1.zip")]},
        {"pages": [], "metadata": [(INDEX, ALPHA, "alpha-0.9.tar.gz")]},
    ):
        with pytest.raises(DataError) as error:
            export_facts(catalog, tmp_path / "facts", **wanted)
        assert error.value.code == "not-covered"
    assert not [p for p in tmp_path.iterdir() if "facts" in p.name]


def test_facts_add_to_what_is_known(catalog: CatalogHandle, tmp_path: Path):
    fill(catalog)
    export_facts(catalog, tmp_path / "facts", pages=[(INDEX, BETA)], metadata=[(INDEX, ALPHA, WHEEL)])
    with open_catalog(tmp_path / "new.sqlite3") as new:
        publish(new, [page("other", "other-1.tar.gz")])
        publish(new, [page("alpha", WHEEL, "alpha-0.1.tar.gz"), metadata("alpha", "alpha-0.1.tar.gz", "old")])
        publish(new, [page("alpha", WHEEL, file(SDIST, yanked=True, yanked_reason="why"), checked_at=5)])
        assert import_file(new, tmp_path / "facts").learned == 2
        assert new.freshness(INDEX, [ALPHA])[ALPHA].checked_at == 5
        assert len(new.reader().pages(INDEX, [ALPHA, BETA, normalize_project("other")])) == 3
        assert verify(new) == ()


@pytest.mark.parametrize(
    "known",
    [
        [page("alpha", WHEEL)],
        [page("alpha")],
        [absence("alpha")],
        [page("beta", "beta-1.tar.gz")],
        [page("alpha", WHEEL, file(SDIST, yanked=True, yanked_reason="why")), metadata("alpha", WHEEL, "else")],
        [
            page("alpha", WHEEL, file(SDIST, yanked=True, yanked_reason="why")),
            built("alpha", SDIST, "requires", "flit-core"),
        ],
    ],
)
def test_another_state_is_not_replaced_unasked(catalog: CatalogHandle, tmp_path: Path, known):
    with open_catalog(tmp_path / "source.sqlite3") as source:
        fill(source)
        identity = export_snapshot(source, tmp_path / "file")
    publish(catalog, known)
    before = snapshot_id(catalog)
    with pytest.raises(InputError) as error:
        import_file(catalog, tmp_path / "file")
    assert error.value.code == "import-conflict"
    assert snapshot_id(catalog) == before
    import_file(catalog, tmp_path / "file", replace_listings=True)
    assert verify(catalog) == ()
    assert catalog.freshness(INDEX, [ALPHA, BETA]) == {}, "validators of a replaced page would confirm the wrong one"
    with open_catalog(tmp_path / "source.sqlite3") as source:
        mine, theirs = (c.reader().pages(INDEX, [ALPHA, BETA]) for c in (catalog, source))
        assert {n: p.digest for n, p in mine.items()} == {n: p.digest for n, p in theirs.items()}
        assert mine[ALPHA].depsets == theirs[ALPHA].depsets
        assert mine[ALPHA].builds == theirs[ALPHA].builds
    assert identity


def test_the_facts_of_a_lock_hold_what_backends_said_of_its_sdists(catalog: CatalogHandle, tmp_path: Path):
    fill(catalog)
    sdist = (INDEX, ALPHA, SDIST)
    place = ("3.11", "x86_64-linux", "requires", CLOSURE)
    for name, wanted, places in (
        ("all", {"metadata": [sdist]}, [("3.11", "requires"), ("3.9", "metadata")]),
        ("asked", {"metadata": [sdist], "builds": [(*sdist, place)]}, [("3.11", "requires")]),
        ("none", {"metadata": [sdist], "builds": []}, []),
        ("wheel", {"metadata": [(INDEX, ALPHA, WHEEL)]}, []),
        ("alone", {"metadata": [], "builds": [(*sdist, place)]}, [("3.11", "requires")]),
    ):
        export_facts(catalog, tmp_path / name, pages=[], **wanted)
        with open_catalog(tmp_path / f"{name}.sqlite3") as new:
            import_file(new, tmp_path / name)
            found = new.reader().pages(INDEX, [ALPHA])[ALPHA]
            assert [(b[1], b[3]) for b in found.builds] == places, name
            assert verify(new) == ()
    with pytest.raises(DataError, match=r"what the build backend of alpha-1\.0\.tar\.gz says .*3\.12") as error:
        export_facts(
            catalog, tmp_path / "x", pages=[], metadata=[], builds=[(*sdist, ("3.12", *place[1:])), (*sdist, place)]
        )
    assert error.value.code == "not-covered"


def test_of_what_was_found_out_about_sdists_the_newer_rules_stay(catalog: CatalogHandle, tmp_path: Path):
    newer = [metadata("alpha", SDIST, "b"), built("alpha", SDIST, "requires", "wheel")]
    older = [
        metadata("alpha", SDIST, "a", build=None),
        built("alpha", SDIST, "requires", build=replace(SYSTEM, extractor=0)),
    ]
    with open_catalog(tmp_path / "source.sqlite3") as source:
        publish(source, [page("alpha", SDIST), *older])
        export_snapshot(source, tmp_path / "older")
        publish(source, newer)
        export_snapshot(source, tmp_path / "newer")
    publish(catalog, [page("alpha", SDIST), *older])
    assert import_file(catalog, tmp_path / "newer").learned == 1
    known = snapshot_id(catalog)
    assert known == import_file(catalog, tmp_path / "newer").snapshot
    assert import_file(catalog, tmp_path / "older").learned == 0
    assert snapshot_id(catalog) == known
    assert import_file(catalog, tmp_path / "older", replace_listings=True).learned == 1
    assert snapshot_id(catalog) == snapshot_id(catalog, 1)


def test_what_backends_said_elsewhere_adds_to_what_is_known(catalog: CatalogHandle, tmp_path: Path):
    with open_catalog(tmp_path / "source.sqlite3") as source:
        publish(source, [page("alpha", SDIST), built("alpha", SDIST, "requires", "wheel", python="3.9")])
        export_snapshot(source, tmp_path / "file")
    here = [metadata("alpha", SDIST), built("alpha", SDIST, "requires", "wheel")]
    publish(catalog, [page("alpha", SDIST), *here])
    assert import_file(catalog, tmp_path / "file").learned == 1
    found = catalog.reader().pages(INDEX, [ALPHA])[ALPHA]
    assert [b[1] for b in found.builds] == ["3.11", "3.9"]
    assert found.files[0][METADATA] >= 0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory):
    """A filled catalog, and the lines of what it exports."""
    folder = tmp_path_factory.mktemp("exported")
    with open_catalog(folder / "catalog.sqlite3") as catalog:
        fill(catalog)
        export_snapshot(catalog, folder / "file")
        yield catalog, gzip.decompress((folder / "file").read_bytes()), folder / "changed"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_file_with_any_change_is_refused(exported: tuple[CatalogHandle, bytes, Path], data: st.DataObject):
    catalog, content, place = exported
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    changed_content = content[:start] + data.draw(st.binary(max_size=5)) + content[end:]
    assume(changed_content != content)
    place.write_bytes(gzip.compress(changed_content))
    with pytest.raises(InputError):
        import_file(catalog, place, replace_listings=True)
    assert catalog.generation() == 4


def test_an_export_that_cannot_be_written_leaves_the_old_file(
    catalog: CatalogHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Python 3.11 keeps a half-written .pyc where a file's size is limited
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    fill(catalog)
    with pytest.raises(Unavailable) as error:
        export_snapshot(catalog, tmp_path / "missing" / "file")
    assert error.value.code == "export-unwritable"
    target = tmp_path / "file"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(Unavailable) as error:
            export_snapshot(catalog, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.code == "export-unwritable"
    assert target.read_bytes() == b"old"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".file")]
