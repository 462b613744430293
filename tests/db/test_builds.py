"""What a catalog keeps of building sdists: build systems, and what backends said in a build closure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.catalog import CatalogHandle
from db.connection import SCHEMA_VERSION
from db.facts import BuildSystem
from db.snapshot import snapshot_id, snapshots
from db.verification import verify
from db.writer import publish
from resolver.catalog import EXTRACTOR, ID, KIND, METADATA, SDIST, TAKES_A_BUILD, Page
from resolver.crates import Crate, read_crates
from resolver.errors import DataError
from resolver.names import normalize_project
from resolver.unversioned import TAKES_A_VERSION, UNVERSIONED, read_version
from tests.db.examples import CLOSURE, INDEX, SYSTEM, built, file, metadata, page

ALPHA = normalize_project("alpha")
WHEEL_1, SDIST_1, SDIST_2 = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz"
ELSEWHERE = "sha256:" + "f" * 64
#: Computed from the documented form by a script that shares no code with db.
GOLDEN = [
    "095b6277aeea73e955f35c840b9e128bfdc46bccec06ad88165e55ad8fa76f66",
    "5767425500d00a789cbeae1adfb0c114ba085e0ff86c41051d344d1d1e20b577",
]


def read(catalog: CatalogHandle, generation: int | None = None) -> Page:
    return catalog.reader(generation).pages(INDEX, [ALPHA])[ALPHA]


def said(catalog: CatalogHandle, generation: int | None = None) -> dict[tuple[str, ...], list[object]]:
    """What the page says of builds: file name, Python, system, step and closure to the depset without its digest."""
    found = read(catalog, generation)
    artifacts = catalog.reader(generation).artifacts(row[ID] for row in found.files)
    return {
        (artifacts[found.files[row][ID]].filename, *place): list(found.depsets[position][1:])
        for row, *place, position in found.builds
    }


def test_an_sdists_metadata_has_its_build_system_and_a_wheels_has_none(catalog: CatalogHandle):
    system = BuildSystem(
        requires=("hatchling>1", "x; python_version < '3'"), backend="backend", backend_path=(".", "b")
    )
    facts = [metadata("alpha", WHEEL_1, "beta"), metadata("alpha", SDIST_1, "beta", build=system)]
    publish(catalog, [page("alpha", WHEEL_1, SDIST_1), *facts])
    found = read(catalog)
    depsets = {row[KIND]: found.depsets[row[METADATA]] for row in found.files}
    expected = [["hatchling>1", "x; python_version < '3'"], "backend", [".", "b"], EXTRACTOR]
    assert depsets[SDIST][1:] == [["beta"], [], None, None, expected]
    assert depsets[1 - SDIST][1:] == [["beta"], [], None, None, None]


def test_crates_are_part_of_a_build_system(catalog: CatalogHandle):
    crates = (
        Crate(name="leaf", version="0.1.0", sha256="a" * 64),
        Crate(name="leaf", version="0.1.0+x", sha256="b" * 64),
    )
    rust = BuildSystem(requires=("maturin",), backend="maturin", crates=crates)
    publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1, build=rust)])
    before = snapshot_id(catalog)
    [depset] = read(catalog).depsets
    named = [["leaf", "0.1.0", "a" * 64], ["leaf", "0.1.0+x", "b" * 64]]
    assert depset[5] == [["maturin"], "maturin", [], EXTRACTOR, named]
    assert read_crates(depset[5]) == crates
    verify(catalog)
    # the same facts again change nothing; a Cargo.lock without crates is not the same as none
    publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1, build=rust)])
    assert snapshot_id(catalog) == before
    publish(catalog, [metadata("alpha", SDIST_1, build=replace(rust, crates=()))])
    [depset] = read(catalog).depsets
    assert depset[5] == [["maturin"], "maturin", [], EXTRACTOR, []]
    without = snapshot_id(catalog)
    publish(catalog, [metadata("alpha", SDIST_1, build=replace(rust, crates=None))])
    assert len({before, without, snapshot_id(catalog)}) == 3


@pytest.mark.parametrize(
    "crates",
    [
        (Crate(name="../leaf", version="0.1.0", sha256="a" * 64),),
        (Crate(name="leaf", version="one", sha256="a" * 64),),
        (Crate(name="leaf", version="0.1.0", sha256="A" * 64),),
        (Crate(name="leaf", version="0.1.0", sha256="a" * 64), Crate(name="bark", version="0.1.0", sha256="a" * 64)),
        (Crate(name="leaf", version="0.1.0", sha256="a" * 64), Crate(name="leaf", version="0.1.0", sha256="b" * 64)),
    ],
    ids=["name", "version", "checksum", "order", "twice"],
)
def test_what_is_no_crate_is_not_kept(catalog: CatalogHandle, crates: tuple[Crate, ...]):
    build = BuildSystem(requires=("maturin",), crates=crates)
    with pytest.raises(DataError) as caught:
        publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1, build=build)])
    assert caught.value.code == "invalid-fact"


def test_the_version_that_a_backend_told_is_part_of_what_it_said(catalog: CatalogHandle):
    told = BuildSystem(requires=(), version="1.2.post3")
    publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1, failure=TAKES_A_VERSION)])
    publish(catalog, [built("alpha", SDIST_1, "metadata", build=told)])
    known = read(catalog)
    [[*_, position]] = known.builds
    assert list(known.depsets[position][5]) == [[], None, [], EXTRACTOR, None, "1.2.post3"]
    assert (read_version(known.depsets[position][5]), read_crates(known.depsets[position][5])) == ("1.2.post3", None)
    verify(catalog)
    before = snapshot_id(catalog)
    publish(catalog, [built("alpha", SDIST_1, "metadata", build=told)])
    assert snapshot_id(catalog) == before
    publish(catalog, [built("alpha", SDIST_1, "metadata", build=replace(told, version="1.3"))])
    assert snapshot_id(catalog) != before


@pytest.mark.parametrize("version", ["1.0-1", "01", "new", "", UNVERSIONED, "1" * 300, "../1"])
def test_what_is_no_version_is_not_kept(catalog: CatalogHandle, version: str):
    with pytest.raises(DataError) as caught:
        publish(
            catalog,
            [
                page("alpha", SDIST_1),
                built("alpha", SDIST_1, "metadata", build=BuildSystem(requires=(), version=version)),
            ],
        )
    assert caught.value.code == "invalid-fact"


def test_what_backends_said_is_on_the_page_by_file_and_place(catalog: CatalogHandle):
    publish(
        catalog,
        [
            built("alpha", SDIST_2, "requires", "wheel"),
            built("alpha", SDIST_1, "metadata", "beta>=1", provides_extra=("x",), requires_python=">=3.8"),
            built("alpha", SDIST_1, "requires", "wheel", python="3.9"),
            built("alpha", SDIST_1, "requires", "wheel"),
            built("alpha", SDIST_1, "requires", closure=ELSEWHERE, failure="its build backend failed: no"),
            built("alpha", SDIST_1, "requires", system="aarch64-darwin"),
            metadata("alpha", SDIST_1, failure=TAKES_A_BUILD),
            page("alpha", WHEEL_1, SDIST_1, SDIST_2),
        ],
    )
    assert catalog.generation() == 1
    found = read(catalog)
    here = ("3.11", "x86_64-linux")
    added: list[object] = [[], [], None, None, [["wheel"], None, [], EXTRACTOR]]
    nothing = [[], None, [], EXTRACTOR]
    assert said(catalog) == {
        (SDIST_1, "3.11", "aarch64-darwin", "requires", CLOSURE): [[], [], None, None, nothing],
        (SDIST_1, *here, "metadata", CLOSURE): [["beta>=1"], ["x"], ">=3.8", None, nothing],
        (SDIST_1, *here, "requires", CLOSURE): added,
        (SDIST_1, *here, "requires", ELSEWHERE): [[], [], None, "its build backend failed: no", nothing],
        (SDIST_1, "3.9", "x86_64-linux", "requires", CLOSURE): added,
        (SDIST_2, *here, "requires", CLOSURE): added,
    }
    assert [tuple(b) for b in found.builds] == sorted(tuple(b) for b in found.builds)
    assert [d[0] for d in found.depsets] == sorted({d[0] for d in found.depsets}), "each once, by digest"
    assert len(found.depsets) == 5
    assert verify(catalog) == ()


def test_a_later_answer_replaces_the_one_in_the_same_place_only(catalog: CatalogHandle):
    publish(catalog, [page("alpha", SDIST_1), built("alpha", SDIST_1, "requires", failure="out of memory")])
    publish(catalog, [built("alpha", SDIST_1, "requires", "wheel", closure=ELSEWHERE)])
    assert publish(catalog, [built("alpha", SDIST_1, "requires", "wheel")]) == 3
    assert publish(catalog, [built("alpha", SDIST_1, "requires", "wheel", source="nix")]) == 3, "nothing was learned"
    place = (SDIST_1, "3.11", "x86_64-linux", "requires", CLOSURE)
    assert [said(catalog, n)[place][3] for n in (1, 2, 3)] == ["out of memory", "out of memory", None]
    assert [len(said(catalog, n)) for n in (1, 2, 3)] == [1, 2, 2]
    events = catalog.connection.rows("SELECT generation, kind, detail FROM event ORDER BY id")
    told = f'{{"python": "3.11", "system": "x86_64-linux", "step": "requires", "closure": "{CLOSURE}"}}'
    assert [tuple(event) for event in events] == [(3, "built-changed", told)]
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM page")
    assert [len(said(catalog, n)) for n in (1, 2, 3)] == [1, 2, 2], "built again from the facts"


def test_only_listed_files_have_builds_and_nothing_is_forgotten(catalog: CatalogHandle):
    sdist = file(SDIST_1, has_metadata=True, metadata_sha256="a" * 64)
    publish(catalog, [page("alpha", sdist, SDIST_2), built("alpha", SDIST_1, "requires", "wheel")])
    publish(catalog, [page("alpha", SDIST_2)])
    assert said(catalog) == {}
    publish(catalog, [page("alpha", file(SDIST_1, content="replaced"), SDIST_2)])
    assert said(catalog) == {}, "another content under the same name is another file"
    publish(catalog, [page("alpha", replace(sdist, yanked=True, metadata_sha256="b" * 64))])
    assert len(said(catalog)) == 1
    assert verify(catalog) == ()


@pytest.mark.parametrize("system", [None, replace(SYSTEM, extractor=EXTRACTOR - 1), replace(SYSTEM, extractor=99)])
def test_what_other_rules_found_counts_as_unknown_and_is_kept(catalog: CatalogHandle, system: BuildSystem | None):
    facts = [metadata("alpha", SDIST_1, "old", build=system), metadata("alpha", WHEEL_1, "beta")]
    if system is not None:
        facts.append(built("alpha", SDIST_1, "requires", "wheel", build=system))
    publish(catalog, [page("alpha", WHEEL_1, SDIST_1), *facts])
    found = read(catalog)
    assert {row[KIND]: row[METADATA] for row in found.files} == {SDIST: -1, 1 - SDIST: 0}
    assert [d[1] for d in found.depsets] == [["beta"]]
    assert found.builds == []
    assert len(catalog.connection.rows("SELECT 1 FROM metadata_link")) == 2
    assert verify(catalog) == ()
    assert publish(catalog, [metadata("alpha", SDIST_1, "old"), built("alpha", SDIST_1, "requires", "wheel")]) == 2
    found = read(catalog)
    assert min(row[METADATA] for row in found.files) >= 0
    assert len(found.builds) == 1


def test_kept_pages_are_of_the_rules_of_their_schema_version():
    """Pages leave out what other rules found: raising EXTRACTOR takes a migration that drops them, and a line here."""
    assert {4: 1, 5: 1}[SCHEMA_VERSION] == EXTRACTOR


@pytest.mark.parametrize(
    ("fact", "code", "told"),
    [
        (built("alpha", "alpha-9.tar.gz", "requires"), "unknown-file", "alpha-9.tar.gz"),
        (built("beta", "beta-1.0.tar.gz", "requires"), "unknown-file", "beta-1.0.tar.gz"),
        (built("alpha", SDIST_1, "wheel"), "invalid-fact", "'wheel' is not a step"),
        (built("alpha", SDIST_1, "requires", python="3"), "invalid-fact", "'3' is not the X.Y"),
        (built("alpha", SDIST_1, "requires", python="3.11.9"), "invalid-fact", "'3.11.9'"),
        (built("alpha", SDIST_1, "requires", python="3.11\n"), "invalid-fact", r"'3.11\\n'"),
        (built("alpha", SDIST_1, "requires", python="3.\u0661"), "invalid-fact", "X.Y"),
        (built("alpha", SDIST_1, "requires", closure="0" * 64), "invalid-fact", "build closure"),
        (built("alpha", SDIST_1, "requires", closure="sha256:" + "F" * 64), "invalid-fact", "build closure"),
        (built("alpha", SDIST_1, "requires", closure=CLOSURE + "0"), "invalid-fact", "build closure"),
        (built("alpha", SDIST_1, "requires", system="a system"), "invalid-fact", "name of a system"),
        (built("alpha", SDIST_1, "requires", system="x86_64-linux\0"), "invalid-fact", "name of a system"),
        (built("alpha", SDIST_1, "requires", "nul\0"), "invalid-fact", "NUL"),
        (built("alpha", SDIST_1, "metadata", "\ud800"), "invalid-fact", "surrogate"),
        (built("alpha", SDIST_1, "requires", failure="\0"), "invalid-fact", "NUL"),
        (built("alpha", SDIST_1, "requires", build=replace(SYSTEM, extractor=-1)), "invalid-fact", "out of range"),
        (metadata("alpha", SDIST_1, build=replace(SYSTEM, backend="\0")), "invalid-fact", "NUL"),
        (metadata("alpha", SDIST_1, build=replace(SYSTEM, backend_path=("\udcff",))), "invalid-fact", "surrogate"),
        (metadata("alpha", SDIST_1, build=replace(SYSTEM, extractor=2**63)), "invalid-fact", "out of range"),
    ],
)
def test_what_no_catalog_can_keep_is_refused_and_nothing_stored(catalog: CatalogHandle, fact, code, told):
    publish(catalog, [page("alpha", SDIST_1)])
    with pytest.raises(DataError, match=told) as error:
        publish(catalog, [page("zeta", "zeta-1.0.tar.gz"), fact])
    assert error.value.code == code
    assert catalog.generation() == 1


def test_the_id_of_a_known_state_never_changes(catalog: CatalogHandle):
    """The number stands in people's files: a change of the digests' form must be one on purpose."""
    publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1, failure=TAKES_A_BUILD)])
    publish(catalog, [built("alpha", SDIST_1, "requires", "wheel"), built("alpha", SDIST_1, "metadata", "beta>=1")])
    assert [snapshot.id for snapshot in snapshots(catalog)] == GOLDEN


@pytest.mark.parametrize(
    "changed",
    [
        built("alpha", SDIST_1, "requires", "wheel", python="3.9"),
        built("alpha", SDIST_1, "requires", "wheel", system="aarch64-linux"),
        built("alpha", SDIST_1, "requires", "wheel", closure=ELSEWHERE),
        built("alpha", SDIST_1, "metadata", "wheel"),
        built("alpha", SDIST_1, "requires", "wheel", failure="no"),
        built("alpha", SDIST_1, "requires", "wheel", build=BuildSystem(requires=("wheel",), extractor=EXTRACTOR + 1)),
        metadata("alpha", SDIST_1, build=replace(SYSTEM, requires=())),
        metadata("alpha", SDIST_1, build=replace(SYSTEM, backend=None)),
        metadata("alpha", SDIST_1, build=replace(SYSTEM, backend_path=("b",))),
        metadata("alpha", SDIST_1, build=None),
    ],
)
def test_every_fact_of_a_build_changes_the_id(catalog: CatalogHandle, changed):
    facts = [metadata("alpha", SDIST_1), built("alpha", SDIST_1, "requires", "wheel")]
    publish(catalog, [page("alpha", SDIST_1), *facts])
    before = snapshot_id(catalog)
    publish(catalog, [changed])
    assert snapshot_id(catalog) != before
    assert snapshot_id(catalog, 1) == before


def test_both_engines_keep_the_same_page_byte_by_byte(catalog: CatalogHandle, other_engine: CatalogHandle):
    facts = [
        built("alpha", SDIST_1, "requires", "wheel"),
        built("alpha", SDIST_1, "metadata", "beta"),
        built("alpha", SDIST_2, "requires", closure=ELSEWHERE),
        metadata("alpha", SDIST_2, "ä"),
    ]
    for where, order in ((catalog, facts), (other_engine, facts[::-1])):
        publish(where, [page("alpha", SDIST_1, SDIST_2, WHEEL_1)])
        publish(where, order)
    bodies = [
        [bytes(body) for (body,) in where.connection.rows("SELECT body FROM page ORDER BY generation")]
        for where in (catalog, other_engine)
    ]
    assert bodies[0] == bodies[1]
    assert snapshot_id(catalog) == snapshot_id(other_engine)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM built_link",
        "UPDATE built_link SET gone_generation = NULL",
        "UPDATE built_link SET python = '3.12'",
        "UPDATE built_link SET step = 'metadata'",
        "UPDATE built_link SET depset_id = 1 WHERE depset_id > 1",
        "UPDATE depset SET body = '[[],[],null,null,[[],null,[],1]]'",
    ],
)
def test_damage_is_found(catalog: CatalogHandle, damage: str):
    publish(catalog, [page("alpha", SDIST_1), metadata("alpha", SDIST_1), built("alpha", SDIST_1, "requires", "wheel")])
    publish(catalog, [built("alpha", SDIST_1, "requires", "setuptools")])
    assert verify(catalog) == ()
    with catalog.engine.begin() as connection:
        assert connection.exec_driver_sql(damage).rowcount > 0
    assert verify(catalog) != ()
