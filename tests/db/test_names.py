"""Names that may be meant by a misspelt one, from what a catalog knows."""

from db.catalog import CatalogHandle
from db.writer import publish
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
