"""Random histories: the order of fetching does not matter, and every past state is kept."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.catalog import CatalogHandle, open_catalog
from db.facts import AbsenceFact, BuildSystem, BuiltFact, Fact, FileFact, MetadataFact, PageFact
from db.snapshot import snapshot_id
from db.transfer import export_snapshot, import_file
from db.verification import verify
from db.writer import publish
from resolver.catalog import EXTRACTOR, ID, STEPS, Page
from tests.db.examples import INDEX, absence, built, file, metadata, page

PROJECTS = ("alpha", "beta-x", "gamma")
INDEXES = (INDEX, "http://127.0.0.1:8000/simple/")


@st.composite
def files(draw: st.DrawFn, project: str) -> FileFact:
    version = draw(st.sampled_from(["1.0", "1.0.0", "2.0b1", "not-a-version", "1!3+local"]))
    tail = draw(st.sampled_from(["-py3-none-any.whl", "-cp311-cp311-manylinux_2_17_x86_64.whl", ".tar.gz", ".exe"]))
    yanked = draw(st.booleans())
    return file(
        f"{project.replace('-', '_')}-{version}{tail}",
        content=draw(st.sampled_from(["", "other"])),
        size=draw(st.sampled_from([None, 1, 2**40])),
        upload_time=draw(st.sampled_from([None, 0, 1_700_000_000])),
        requires_python=draw(st.sampled_from([None, "", ">=3.8", "ä ☃ 𝄞"])),
        yanked=yanked,
        yanked_reason=draw(st.sampled_from([None, "broken\u202e"])) if yanked else None,
        has_metadata=draw(st.booleans()),
        **draw(st.sampled_from([{}, {"sha256": None}, {"url": "https://x.example/%2e%2e/f"}])),
    )


@st.composite
def builds(draw: st.DrawFn, project: str, filename: str, index: str) -> BuiltFact:
    return built(
        project,
        filename,
        draw(st.sampled_from(STEPS)),
        index=index,
        python=draw(st.sampled_from(["3.9", "3.11"])),
        closure="sha256:" + draw(st.sampled_from("0f")) * 64,
        failure=draw(st.sampled_from([None, "it failed: \u202e"])),
        build=BuildSystem(
            requires=draw(st.sampled_from([(), ("wheel",)])),
            extractor=draw(st.sampled_from([EXTRACTOR - 1, EXTRACTOR, EXTRACTOR])),
        ),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[list[Fact]]:
    """For each of some projects, the facts that were learned of it, in order."""
    chosen = draw(
        st.lists(st.tuples(st.sampled_from(INDEXES), st.sampled_from(PROJECTS)), unique=True, min_size=1, max_size=4)
    )
    stories: list[list[Fact]] = []
    for index, project in chosen:
        story: list[Fact] = []
        for _ in range(draw(st.integers(1, 4))):
            if draw(st.integers(0, 4)) == 0:
                story.append(absence(project, index=index))
                continue
            listed = draw(st.lists(files(project), max_size=5, unique_by=lambda f: f.filename))
            story.append(page(project, *listed, index=index))
            for found in listed:
                if draw(st.booleans()):
                    requires = draw(st.lists(st.sampled_from(["a", "b>1", "c; extra == 'x'", "??"]), max_size=3))
                    failure = draw(st.sampled_from([None, "its metadata takes a build"]))
                    story.append(metadata(project, found.filename, *requires, index=index, failure=failure))
                if found.filename.endswith(".tar.gz"):
                    story += draw(st.lists(builds(project, found.filename, index), max_size=3))
        stories.append(story)
    return stories


def mixed(stories: list[list[Fact]], seed: int) -> list[list[Fact]]:
    """The stories in batches, interleaved at random; within a story the order stays."""
    chance = random.Random(seed)
    waiting = [list(story) for story in stories]
    batches: list[list[Fact]] = []
    while any(waiting):
        story = chance.choice([w for w in waiting if w])
        # A batch may hold pages only where metadata of an earlier page does not follow a later one.
        fact = story.pop(0)
        if batches and chance.random() < 0.4 and not any(same(fact, known) for known in batches[-1]):
            batches[-1].append(fact)
        else:
            batches.append([fact])
    return batches


def same(one: Fact, other: Fact) -> bool:
    return (one.index, one.project) == (other.index, other.project)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def new_catalog(request: pytest.FixtureRequest):
    """A context manager that gives an empty catalog; many can be made in one test."""
    from tests.support.postgres import fresh_schema

    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None

    @contextlib.contextmanager
    def make() -> Iterator[CatalogHandle]:
        with contextlib.ExitStack() as stack:
            if server is None:
                place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "c.sqlite3"
                yield stack.enter_context(open_catalog(place))
            else:
                yield stack.enter_context(open_catalog(stack.enter_context(fresh_schema(server))))

    return make


FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def everything(catalog: CatalogHandle, generation: int) -> list[object]:
    """All that a reader answers, with file ids replaced by what they stand for."""
    reader = catalog.reader(generation)
    answer: list[object] = []
    for index in INDEXES:
        for project, found in sorted(reader.pages(index, PROJECTS).items()):
            artifacts = reader.artifacts(row[ID] for row in found.files)
            rows = [(artifacts[row[ID]], *row[1:]) for row in found.files]
            values = [getattr(found, name) for name in Page.__slots__ if name != "files"]
            answer.append([index, project, values, rows, reader.listing(index, project)])
    return answer


@FEW
@given(stories=histories(), seed=st.integers(0, 2**32))
def test_order_of_fetching_does_not_matter(new_catalog, stories, seed):
    with new_catalog() as one, new_catalog() as other:
        for batch in mixed(stories, seed):
            publish(one, batch)
        for batch in mixed(list(reversed(stories)), seed + 1):
            publish(other, batch)
        assert snapshot_id(one) == snapshot_id(other)
        assert everything(one, one.generation()) == everything(other, other.generation())
        assert verify(one) == ()


@FEW
@given(stories=histories(), seed=st.integers(0, 2**32))
def test_every_past_state_is_answered_as_it_was(new_catalog, stories, seed):
    with new_catalog() as catalog:
        seen: dict[int, list[object]] = {}
        ids: dict[int, str] = {}
        for batch in mixed(stories, seed):
            number = publish(catalog, batch)
            seen[number] = everything(catalog, number)
            ids[number] = snapshot_id(catalog)
        with catalog.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM page")
        for number, was in seen.items():
            assert normal(everything(catalog, number)) == normal(was)
            assert snapshot_id(catalog, number) == ids[number]


def normal(value: object) -> object:
    """*value* with tuples for lists: pages from rows and decoded ones differ in that only."""
    if isinstance(value, list | tuple):
        return tuple(normal(v) for v in value)
    return value


@FEW
@given(stories=histories(), seed=st.integers(0, 2**32))
def test_an_exported_state_is_the_same_elsewhere(new_catalog, stories, seed):
    with new_catalog() as catalog, new_catalog() as elsewhere, tempfile.TemporaryDirectory() as folder:
        for batch in mixed(stories, seed):
            publish(catalog, batch)
        first, second = Path(folder) / "one", Path(folder) / "two"
        identity = export_snapshot(catalog, first)
        assert import_file(elsewhere, first).snapshot == identity
        assert snapshot_id(elsewhere) == identity
        assert everything(elsewhere, elsewhere.generation()) == everything(catalog, catalog.generation())
        assert export_snapshot(elsewhere, second) == identity
        assert second.read_bytes() == first.read_bytes()
        assert import_file(catalog, first).learned == 0


def test_the_histories_hold_what_they_should():
    """The generator reaches removals, absences, metadata and builds; else the tests above say little."""
    kinds: set[type] = set()
    for seed in range(3):
        kinds |= {type(fact) for story in draw_one(seed) for fact in story}
    assert kinds == {PageFact, AbsenceFact, MetadataFact, BuiltFact}


def draw_one(seed: int) -> list[list[Fact]]:
    found: list[list[list[Fact]]] = []

    @settings(max_examples=20, database=None, derandomize=True, deadline=None)
    @given(histories())
    def collect(stories: list[list[Fact]]) -> None:
        found.append(stories)

    collect()
    return [story for stories in found for story in stories]
