"""The configured index itself: what it answers today is read without loss."""

from __future__ import annotations

import pytest
from pypi_simple import ProjectPage

from crawler.client import Client
from crawler.fill import MetadataRequest, PageRequest, Request, fill
from crawler.settings import read_index_settings
from crawler.simple_index import HTML_TYPES, read_page
from db.facts import AbsenceFact, MetadataFact, PageFact
from resolver.names import normalize_project

pytestmark = pytest.mark.index

PROJECTS = ("requests", "numpy", "black", "zope-interface")


def test_pages_and_metadata_of_well_known_projects():
    settings = read_index_settings()
    index = settings.indexes[-1]

    def last_wheel_and_sdist(fact: PageFact | MetadataFact) -> list[Request]:
        if not isinstance(fact, PageFact):
            return []
        chosen = [[f for f in fact.files if f.filename.endswith(end)][-1] for end in (".whl", ".tar.gz")]
        return [MetadataRequest(index=index, project=fact.project, file=file) for file in chosen]

    with Client(settings) as client:
        names = [normalize_project(name) for name in (*PROJECTS, "mach-asks-for-a-project-that-nobody-has")]
        found = fill(
            [PageRequest(index=index, project=name) for name in names], client=client, ahead=last_wheel_and_sdist
        )
    assert not found.errors
    assert [f.project for f in found.facts if isinstance(f, AbsenceFact)] == [names[-1]]
    pages = {f.project: f for f in found.facts if isinstance(f, PageFact)}
    assert set(pages) == set(PROJECTS)
    assert all(file.sha256 and file.url.startswith("http") for page in pages.values() for file in page.files)
    metadata = [f for f in found.facts if isinstance(f, MetadataFact)]
    assert len(metadata) == 8
    assert all(f.failure is None for f in metadata if f.source != "pkg-info")


@pytest.mark.parametrize("project", PROJECTS)
def test_pypi_simple_reads_the_same(project: str):
    settings = read_index_settings()
    index = settings.indexes[-1]
    with Client(settings) as client:
        answer = client.get(
            f"{index}{project}/", what=project, limit=client.limits.page, headers={"Accept": "text/html"}
        )
    assert answer.content_type in HTML_TYPES
    fact = read_page(answer, index, normalize_project(project), 0).fact
    assert isinstance(fact, PageFact)
    oracle = ProjectPage.from_html(project, answer.body, answer.url)
    assert [(f.filename, f.url, f.sha256, f.requires_python, f.yanked) for f in fact.files] == [
        (p.filename, p.url, p.digests.get("sha256"), p.requires_python, p.is_yanked) for p in oracle.packages
    ]
