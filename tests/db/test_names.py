"""Names that a catalog knows: all of them, and those that may be meant by a misspelt one."""

from db.catalog import CatalogHandle
from db.project_names import list_projects
from db.writer import publish
from resolver.nixpkgs_index import index_of_nixpkgs
from tests.db.examples import INDEX, absence, page

WHEEL = "requests-1-py3-none-any.whl"


def test_names_of_about_the_same_letters(catalog: CatalogHandle) -> None:
    publish(catalog, [page("requests", WHEEL), page("requests-cache"), page("numpy"), absence("requestz")])
    reader = catalog.reader()
    assert reader.names_like(INDEX, "reqeusts") == ["requests"]
    assert reader.names_like(INDEX, "erquests") == ["requests"]
    assert reader.names_like(INDEX, "xrequests") == ["requests"]
    assert reader.names_like(INDEX, "requests") == []
    assert reader.names_like(INDEX, "n") == []
    assert reader.names_like(INDEX, "nump") == ["numpy"]
    assert reader.names_like("https://other.example/", "requestss") == []


def test_names_are_those_of_the_generation(catalog: CatalogHandle) -> None:
    first = publish(catalog, [page("alpha", "alpha-1-py3-none-any.whl")])
    assert first is not None
    early = catalog.reader()
    publish(catalog, [page("alpine", "alpine-1-py3-none-any.whl"), absence("alpha")])
    assert early.names_like(INDEX, "alpah") == ["alpha"]
    assert catalog.reader().names_like(INDEX, "alpah") == ["alpine"]


def test_all_names_are_those_that_each_index_has(catalog: CatalogHandle) -> None:
    other = "https://other.example/simple/"
    nixpkgs = index_of_nixpkgs("0" * 52, "x86_64-linux", "3.11")
    first = publish(catalog, [page("Zope.Interface"), page("alpha"), absence("gone")])
    publish(catalog, [absence("alpha"), page("gone"), page("alpha", index=other), page("numpy", index=nixpkgs)])
    direct = "direct:https://host.example/demo-1-py3-none-any.whl"
    publish(catalog, [page("demo", index=direct)])
    assert list_projects(catalog) == {INDEX: ("gone", "zope-interface"), other: ("alpha",)}
    assert list_projects(catalog, first) == {INDEX: ("alpha", "zope-interface")}
    assert list_projects(catalog, 0) == {}
