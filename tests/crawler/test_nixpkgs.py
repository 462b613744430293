"""From the modules of a nixpkgs to facts: names, versions, closures, and what is left out."""

from __future__ import annotations

import pytest

from crawler.nixpkgs import IndexedSet, index_set, project_of
from db.facts import FileFact, MetadataFact, PageFact
from resolver.nixpkgs_index import TREE, index_of_nixpkgs
from resolver.nixpkgs_modules import ModuleIdentity, PythonModule

INDEX = index_of_nixpkgs("sha256-" + "A" * 43 + "=", "x86_64-linux", "3.11.9")


def known(pname: str, version: str = "1.0", urls: tuple[str, ...] = ()) -> ModuleIdentity:
    return ModuleIdentity(pname=pname, version=version, urls=urls)


def made(name: str, version: str = "1.0", pname: str | None = None, **more) -> PythonModule:
    return PythonModule(name=name, identity=known(pname or name, version), **more)


def index(*modules: PythonModule) -> IndexedSet:
    return index_set(
        modules,
        index=INDEX,
        interpreter="python311",
        version="3.11.9",
        glibc="2.40-66",
        darwin=None,
        committed_at=1_700_000_000,
        now=1_800_000_000,
    )


def files(indexed: IndexedSet) -> dict[str, list[FileFact]]:
    return {fact.project: list(fact.files) for fact in indexed.facts if isinstance(fact, PageFact)}


def metadata(indexed: IndexedSet, project: str) -> MetadataFact:
    (found,) = [f for f in indexed.facts if isinstance(f, MetadataFact) and f.project == project]
    return found


@pytest.mark.parametrize(
    ("attribute", "identity", "project"),
    [
        ("requests", known("requests"), "requests"),
        ("ruamel_yaml", known("ruamel.yaml"), "ruamel-yaml"),
        # the address of the source goes before what nixpkgs calls it
        ("pyyaml_5", known("yaml", urls=("mirror://pypi/P/PyYAML/PyYAML-5.4.tar.gz",)), "pyyaml"),
        (
            "attrs",
            known("python-attrs", urls=("https://files.index.example/packages/source/a/attrs/attrs-1.0.tar.gz",)),
            "attrs",
        ),
        (
            "attrs",
            known("x", urls=("https://files.index.example/packages/py3/a/attrs/attrs-1.0-py3-none-any.whl",)),
            "attrs",
        ),
        # an archive of a repository names no project of an index
        ("flask", known("flask", urls=("https://code.example/pallets/werkzeug/archive/1.0.tar.gz",)), "flask"),
        ("torch-bin", known("torch"), "torch"),
        ("opencv4", known("opencv"), "opencv-python"),
        ("z3-solver", known("z3"), "z3-solver"),
        (None, known("z3"), "z3-solver"),
        ("good", known("two words"), "good"),
        ("_bad_", known("two words"), None),
    ],
)
def test_a_module_is_known_by_the_table_its_source_its_pname_its_attribute(attribute, identity, project) -> None:
    assert project_of(attribute, identity) == project


def test_a_release_requires_the_very_modules_that_it_was_built_with() -> None:
    built = made("a", dependencies=(known("b", "2.0"),), extras={"More_Of": (known("c", "3.0"),), 'x"y': (known("b"),)})
    indexed = index(built, made("b", "2.0"), made("c", "3.0"))
    fact = metadata(indexed, "a")
    assert fact.requires_dist == ("b==2.0", 'c==3.0; extra == "more-of"')
    assert fact.provides_extra == ("more-of",)
    assert (indexed.projects, indexed.releases, indexed.variants, indexed.unusable) == (3, 3, (), ())


def test_what_it_was_built_with_has_to_be_in_the_set() -> None:
    indexed = index(
        made("a", dependencies=(known("gone"),)),
        made("b", dependencies=(known("odd", "unstable-2024"),)),
        made("odd", "unstable-2024"),
        made("c", extras={"x": (known("gone"),)}),
    )
    assert metadata(indexed, "a").failure == "it was built with gone 1.0, which is no attribute of the same set"
    assert metadata(indexed, "b").failure == "it was built with odd unstable-2024, whose version is not one of PEP 440"
    assert (metadata(indexed, "c").failure, metadata(indexed, "c").provides_extra) == (None, ())
    assert [name for name, _ in indexed.unusable] == ["a", "b"]


def test_of_attributes_that_are_one_release_the_one_with_its_name_is_listed() -> None:
    indexed = index(made("mortar_2", pname="mortar"), made("mortar"), made("mortar_1", "0.9", pname="mortar"))
    assert [f.filename for f in files(indexed)["mortar"]] == ["mortar@1.0.nixpkgs", "mortar_1@0.9.nixpkgs"]
    assert indexed.variants == ("mortar_2",)


def test_what_nixpkgs_refuses_counts_as_yanked_with_its_reason() -> None:
    (file,) = files(index(made("a", marks=("broken", "insecure"))))["a"]
    assert (file.yanked, file.yanked_reason) == (True, "nixpkgs marks it as broken and insecure")
    assert file.upload_time == 1_700_000_000
    assert file.url == f"{INDEX}#a"


def test_the_set_itself_is_told_of() -> None:
    assert [f.filename for f in files(index())[TREE]] == ["python311@3.11.9.nixpkgs", "glibc@2.40.nixpkgs"]


def test_hostile_names_become_no_facts() -> None:
    indexed = index(made("a", "1.0/../../x"), made("b", "1.0\nx"), made("c", "1.0 "), made("d"))
    assert set(files(indexed)) == {TREE, "d"}
    assert [name for name, _ in indexed.unusable] == ["a", "b", "c"]
