"""Facts go in, pages, artifacts and generations come out."""

from __future__ import annotations

import pytest

from db.catalog import CatalogHandle
from db.facts import UnchangedFact
from db.writer import note_serial, publish
from resolver.catalog import EXTRACTOR, ID, KIND, METADATA, RANK, SDIST, WHEEL, YANKED
from resolver.errors import DataError
from resolver.names import normalize_project
from tests.db.examples import INDEX, absence, file, metadata, page

ALPHA = normalize_project("alpha")
WHEEL_1 = "alpha-1.0-py3-none-any.whl"
SDIST_1 = "alpha-1.0.tar.gz"
WHEEL_2 = "alpha-2.0-py3-none-any.whl"


def read(catalog: CatalogHandle, generation: int | None = None):
    return catalog.reader(generation).pages(INDEX, [ALPHA])[ALPHA]


def test_page_lists_releases_in_order_with_their_files(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_2, SDIST_1, file(WHEEL_1, requires_python=">=3.8"))])
    found = read(catalog)
    assert found.versions == ["1.0", "2.0"]
    assert found.tags == ["py3-none-any"]
    assert found.pythons == [">=3.8"]
    assert [(row[RANK], row[KIND]) for row in found.files] == [(0, WHEEL), (0, SDIST), (1, WHEEL)]
    assert [row[METADATA] for row in found.files] == [-1, -1, -1]
    assert not found.absent


def test_versions_that_are_equal_share_a_rank(catalog: CatalogHandle):
    publish(catalog, [page("alpha", "alpha-1.0.0.tar.gz", "alpha-1.0-py3-none-any.whl", "alpha-1.10.tar.gz")])
    found = read(catalog)
    assert found.versions == ["1.0", "1.10"]
    assert [row[RANK] for row in found.files] == [0, 0, 1]


def test_files_that_no_candidate_can_be_made_of_are_told_with_the_reason(catalog: CatalogHandle):
    names = ["alpha-1.0.exe", "alpha-1.0.tar.bz2", "beta-1.0.tar.gz", "alpha-final.tar.gz", "alpha-1.0-py3.whl"]
    publish(catalog, [page("alpha", *names, "../alpha-1.0.tar.gz", "alpha-1.0;rm.tar.gz")])
    found = read(catalog)
    assert found.versions == []
    assert found.files == []
    assert dict(map(tuple, found.unusable)) == {
        "../alpha-1.0.tar.gz": "its name has characters that artifacts do not have",
        "alpha-1.0;rm.tar.gz": "its name has characters that artifacts do not have",
        "alpha-1.0-py3.whl": "invalid wheel filename (wrong number of parts)",
        "alpha-1.0.exe": "its format is neither wheel nor .tar.gz nor .zip",
        "alpha-1.0.tar.bz2": "its format is neither wheel nor .tar.gz nor .zip",
        "alpha-final.tar.gz": "invalid sdist filename (invalid version)",
        "beta-1.0.tar.gz": "its name is that of project beta",
    }


def test_artifacts_give_back_exactly_what_the_page_said(catalog: CatalogHandle):
    plain = file(WHEEL_1)
    elsewhere = file(
        SDIST_1, url="http://127.0.0.1:8000/files/alpha-1.0.tar.gz?x=1", sha256=None, size=None, upload_time=None
    )
    publish(catalog, [page("alpha", plain, elsewhere)])
    reader = catalog.reader()
    ids = [row[ID] for row in read(catalog).files]
    found = reader.artifacts(ids)
    assert [(a.filename, a.url, a.sha256, a.size, a.upload_time) for a in (found[i] for i in ids)] == [
        (f.filename, f.url, f.sha256, f.size, f.upload_time) for f in (plain, elsewhere)
    ]
    assert list(reader.file_facts(ids).values()) == [plain, elsewhere]
    assert reader.listing(INDEX, ALPHA) == (plain, elsewhere)
    assert reader.artifacts([10**6]) == {}


def test_unknown_absent_and_empty_projects_are_told_apart(catalog: CatalogHandle):
    gone, empty = normalize_project("gone"), normalize_project("empty")
    publish(catalog, [absence("gone"), page("empty")])
    found = catalog.reader().pages(INDEX, [ALPHA, gone, empty])
    assert set(found) == {gone, empty}
    assert found[gone].absent
    assert not found[empty].absent
    assert catalog.reader().pages("https://other.example/simple/", [gone]) == {}


def test_metadata_appears_on_the_page_by_file(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1, WHEEL_2, SDIST_1)])
    before = read(catalog)
    publish(
        catalog,
        [
            metadata("alpha", WHEEL_1, "beta>=1", "gamma; extra == 'x'", provides_extra=("x",)),
            metadata("alpha", WHEEL_2, "beta>=1", "gamma; extra == 'x'", provides_extra=("x",)),
            metadata("alpha", SDIST_1, failure="its metadata takes a build"),
        ],
    )
    found = read(catalog)
    depsets = {tuple(d[1]): d for d in found.depsets}
    assert len(found.depsets) == 2
    assert depsets["beta>=1", "gamma; extra == 'x'"][2:] == [["x"], None, None, None]
    assert depsets[()][4:] == [
        "its metadata takes a build",
        [["setuptools>=61"], "setuptools.build_meta", [], EXTRACTOR],
    ]
    by_name = {catalog.reader().artifacts([row[ID]])[row[ID]].filename: row[METADATA] for row in found.files}
    assert by_name[WHEEL_1] == by_name[WHEEL_2] != by_name[SDIST_1]
    assert found.digest == before.digest, "metadata is no part of a listing"


def test_only_what_is_learned_makes_a_generation(catalog: CatalogHandle):
    assert catalog.generation() == 0
    assert publish(catalog, []) == 0
    assert publish(catalog, [page("alpha", WHEEL_1, checked_at=10, etag='"a"', last_serial=7)]) == 1
    assert publish(catalog, [page("alpha", WHEEL_1, checked_at=20, etag='"b"')]) == 1
    assert catalog.freshness(INDEX, [ALPHA])[ALPHA].etag == '"b"'
    assert publish(catalog, [UnchangedFact(index=INDEX, project=ALPHA, checked_at=30)]) == 1
    fresh = catalog.freshness(INDEX, [ALPHA, normalize_project("beta")])
    assert list(fresh) == [ALPHA]
    assert (fresh[ALPHA].checked_at, fresh[ALPHA].etag, fresh[ALPHA].last_serial) == (30, '"b"', None)
    assert publish(catalog, [metadata("alpha", WHEEL_1, "beta")]) == 2
    assert publish(catalog, [metadata("alpha", WHEEL_1, "beta", source="range")]) == 2


def test_a_batch_is_one_generation_whatever_its_order(catalog: CatalogHandle):
    facts = [metadata("alpha", WHEEL_1, "beta"), absence("beta"), page("alpha", WHEEL_1)]
    assert publish(catalog, facts) == 1
    assert read(catalog).files[0][METADATA] == 0


def test_an_older_generation_is_answered_as_it_was(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1, WHEEL_2)])
    publish(catalog, [metadata("alpha", WHEEL_1, "beta")])
    publish(catalog, [page("alpha", file(WHEEL_1, yanked=True, yanked_reason="broken"), WHEEL_2)])
    publish(catalog, [page("alpha", file(WHEEL_2, url="https://mirror.example/alpha-2.0-py3-none-any.whl"))])
    publish(catalog, [absence("alpha")])
    first, known, yanked, removed, absent = (read(catalog, n) for n in range(1, 6))
    assert [row[METADATA] for row in first.files] == [-1, -1]
    assert [row[METADATA] for row in known.files] == [0, -1]
    assert [row[YANKED] for row in known.files] == [0, 0]
    assert [row[YANKED] for row in yanked.files] == [1, 0]
    assert yanked.files[0][METADATA] == 0, "a yank forgets no metadata"
    assert removed.versions == ["2.0"]
    assert absent.absent
    number = removed.files[0][ID]
    assert catalog.reader(4).artifacts([number])[number].url == "https://mirror.example/alpha-2.0-py3-none-any.whl"
    assert catalog.reader(3).artifacts([number])[number].url == file(WHEEL_2).url
    assert catalog.reader(5).artifacts([number]) == {}
    with pytest.raises(DataError, match="generations up to 5"):
        catalog.reader(6)


def test_a_reader_does_not_see_what_is_published_later(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1)])
    reader = catalog.reader()
    publish(catalog, [page("alpha", WHEEL_1, WHEEL_2), page("beta", "beta-1.0.tar.gz")])
    assert reader.pages(INDEX, [ALPHA])[ALPHA].versions == ["1.0"]
    assert reader.pages(INDEX, [normalize_project("beta")]) == {}
    assert read(catalog).versions == ["1.0", "2.0"]


def test_another_content_under_the_same_name_is_another_file(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1), metadata("alpha", WHEEL_1, "beta")])
    publish(catalog, [page("alpha", file(WHEEL_1, content="replaced"))])
    assert read(catalog).files[0][METADATA] == -1
    publish(catalog, [page("alpha", WHEEL_1)])
    assert read(catalog).files[0][METADATA] == 0


def test_a_sidecar_that_changed_makes_metadata_unknown_and_one_that_appears_does_not(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1), metadata("alpha", WHEEL_1, "beta")])
    publish(catalog, [page("alpha", file(WHEEL_1, has_metadata=True, metadata_sha256="a" * 64))])
    assert read(catalog).files[0][METADATA] == 0
    publish(catalog, [page("alpha", file(WHEEL_1, has_metadata=True, metadata_sha256="b" * 64))])
    assert read(catalog).files[0][METADATA] == -1


def test_a_digest_that_only_a_download_told_is_the_artifacts(catalog: CatalogHandle):
    publish(catalog, [page("alpha", file(SDIST_1, sha256=None)), metadata("alpha", SDIST_1, sha256="c" * 64)])
    number = read(catalog).files[0][ID]
    assert catalog.reader().artifacts([number])[number].sha256 == "c" * 64


def test_events_tell_yanks_removals_and_changes(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1, WHEEL_2)])
    publish(catalog, [page("alpha", file(WHEEL_1, yanked=True, yanked_reason="broken"))])
    publish(catalog, [page("alpha", WHEEL_1, file(WHEEL_2, size=2000)), metadata("alpha", WHEEL_1, "beta")])
    publish(catalog, [metadata("alpha", WHEEL_1, "gamma"), absence("alpha")])
    rows = catalog.connection.rows(
        "SELECT e.generation, f.filename, e.kind, e.detail FROM event e"
        " LEFT JOIN file f ON f.id = e.file_id ORDER BY e.id"
    )
    assert [tuple(row) for row in rows if row[0] < 4] == [
        (2, WHEEL_1, "yanked", "broken"),
        (2, WHEEL_2, "removed", None),
        (3, WHEEL_1, "unyanked", None),
        (3, WHEEL_2, "returned", None),
        (3, WHEEL_2, "listing-changed", '["size"]'),
    ]
    assert {(row[1], row[2]) for row in rows if row[0] == 4} == {
        (None, "absent"),
        (WHEEL_1, "removed"),
        (WHEEL_2, "removed"),
        (WHEEL_1, "metadata-changed"),
    }


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (metadata("alpha", "alpha-9-py3-none-any.whl"), "unknown-file"),
        (metadata("beta", "beta-1.0.tar.gz"), "unknown-file"),
        (metadata("alpha", WHEEL_1, sha256="d" * 64), "hash-mismatch"),
        (metadata("alpha", WHEEL_1, "nul\0"), "invalid-fact"),
        (UnchangedFact(index=INDEX, project=normalize_project("beta"), checked_at=1), "unknown-page"),
        (page("alpha", file(WHEEL_1, sha256="X" * 64)), "invalid-fact"),
        (page("alpha", file(WHEEL_1, size=2**63)), "invalid-fact"),
        (page("alpha", file(WHEEL_1, upload_time=-1)), "invalid-fact"),
        (page("alpha", file(WHEEL_1, requires_python="\ud800")), "invalid-fact"),
        (page("alpha", WHEEL_1, etag="\0"), "invalid-fact"),
        (page("alpha", WHEEL_1, last_serial=10**30), "invalid-fact"),
        (page("alpha", WHEEL_1, index="https://nul\0.example/"), "invalid-fact"),
    ],
)
def test_what_no_catalog_can_keep_is_refused_and_nothing_stored(catalog: CatalogHandle, fact, code):
    publish(catalog, [page("alpha", WHEEL_1)])
    with pytest.raises(DataError) as error:
        publish(catalog, [page("zeta", "zeta-1.0.tar.gz"), absence("aaa"), fact])
    assert error.value.code == code
    assert catalog.generation() == 1
    assert catalog.reader().pages(INDEX, [normalize_project("zeta"), normalize_project("aaa")]) == {}


def test_a_pruned_page_is_built_again_from_the_facts(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL_1, WHEEL_2), metadata("alpha", WHEEL_1, "beta")])
    before = read(catalog)
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM page")
    after = read(catalog)
    assert (list(after.versions), list(after.files), after.digest) == (before.versions, before.files, before.digest)


def test_the_serial_of_an_index_is_kept(catalog: CatalogHandle):
    assert catalog.last_serial(INDEX) is None
    note_serial(catalog, INDEX, 41)
    note_serial(catalog, INDEX, 42)
    assert catalog.last_serial(INDEX) == 42
    assert catalog.generation() == 0
