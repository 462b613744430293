"""What sdists of real shapes tell without being built, and what is said of those that tell something wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest
from packaging.version import Version

from crawler.static_sdist import NOTHING, StaticSdist, read_static_sdist
from db.facts import BuildSystem
from resolver.catalog import TAKES_A_BUILD
from resolver.names import normalize_project
from tests.support.dists import make_sdist

LEGACY = BuildSystem(requires=("setuptools>=40.8.0",))
STATIC = "Metadata-Version: 2.2\nName: demo\nVersion: 1.0\nRequires-Dist: from-pkg-info\n"
OLD = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: what-setup-py-said-there\n"
PROJECT = '[project]\nname = "Demo"\nversion = "1.0.0"\ndependencies = ["six>=1"]\nrequires-python = ">=3.8"\n'
EXTRAS = "[project.optional-dependencies]\nX = [\"tomli; python_version < '3.11'\"]\n"


def table(requires: list[str], backend: str) -> str:
    return f'[build-system]\nrequires = {json.dumps(requires)}\nbuild-backend = "{backend}"\n'


FLIT = table(["flit_core >=3.2,<4"], "flit_core.buildapi")


def tell(files: Mapping[str, str], suffix: str = ".tar.gz", **options: object) -> StaticSdist:
    """Return what the sdist of demo 1.0 with these *files* tells."""
    options = {"backend": None, "pkg_info_version": None, **options}
    dist = make_sdist("demo", "1.0", files=files, suffix=suffix, **options)  # type: ignore[arg-type]
    return read_static_sdist(
        io.BytesIO(dist.content),
        filename=dist.filename,
        project=normalize_project("demo"),
        version=Version("1.0"),
        limit=1 << 16,
    )


# ---- golden shapes


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_flit(suffix: str):
    assert tell({"pyproject.toml": FLIT + PROJECT + EXTRAS}, suffix) == StaticSdist(
        build=BuildSystem(requires=("flit_core >=3.2,<4",), backend="flit_core.buildapi"),
        source="pyproject",
        requires_dist=("six>=1", 'tomli ; (python_version < "3.11") and extra == "x"'),
        provides_extra=("x",),
        requires_python=">=3.8",
    )


def test_hatchling_with_a_version_from_its_history():
    text = table(["hatchling", "hatch-vcs"], "hatchling.build")
    text += '[project]\nname = "demo"\ndynamic = ["version"]\ndependencies = ["six"]\n'
    build = BuildSystem(requires=("hatchling", "hatch-vcs"), backend="hatchling.build")
    # the version is that of the sdist's name, and what [project] states besides is static
    assert tell({"pyproject.toml": text}) == StaticSdist(build=build, source="pyproject", requires_dist=("six",))
    told = tell({"pyproject.toml": text, "PKG-INFO": STATIC})
    assert told == StaticSdist(build=build, source="pkg-info", requires_dist=("from-pkg-info",))


@pytest.mark.parametrize("project", ["", '[project]\nname = "demo"\nversion = "1.0"\n'], ids=["old", "new"])
def test_poetry_with_dependencies_of_its_own(project: str):
    text = table(["poetry-core>=1.0.0"], "poetry.core.masonry.api") + project
    text += '[tool.poetry]\nname = "demo"\nversion = "1.0"\n[tool.poetry.dependencies]\npython = "^3.8"\nsix = "^1.0"\n'
    told = tell({"pyproject.toml": text, "PKG-INFO": OLD, "setup.py": "raise SystemExit"})
    build = BuildSystem(requires=("poetry-core>=1.0.0",), backend="poetry.core.masonry.api")
    assert told == StaticSdist(build=build, source="pkg-info", failure=TAKES_A_BUILD)


def test_setuptools_with_a_setup_cfg():
    text = (
        '[build-system]\nrequires = ["setuptools>=42", "wheel", "setuptools_scm[toml]>=3.4"]\n[tool.setuptools_scm]\n'
    )
    told = tell({"pyproject.toml": text, "setup.cfg": "[metadata]\nname = demo\n", "PKG-INFO": OLD})
    build = BuildSystem(requires=("setuptools>=42", "wheel", "setuptools_scm[toml]>=3.4"))
    assert told == StaticSdist(build=build, source="pkg-info", failure=TAKES_A_BUILD)


@pytest.mark.parametrize("files", [{}, {"pyproject.toml": "[tool.black]\nline-length = 100\n"}], ids=["none", "tools"])
def test_setup_py_alone_is_built_by_setuptools(files: Mapping[str, str]):
    told = tell({"setup.py": "raise SystemExit", "PKG-INFO": OLD, **files})
    assert told == StaticSdist(build=LEGACY, source="pkg-info", failure=TAKES_A_BUILD)


def test_a_backend_of_its_own():
    text = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["in-tree"]\n'
    told = tell({"pyproject.toml": text})
    assert told.build == BuildSystem(requires=(), backend="backend", backend_path=("in-tree",))


def test_requirements_are_kept_raw():
    told = tell({"pyproject.toml": table([" a>=1 ", "no requirement"], "x") + PROJECT})
    assert told.build.requires == (" a>=1 ", "no requirement")
    assert told.failure is None


# ---- which one counts


@pytest.mark.parametrize(
    ("info", "source", "requires"),
    [
        (STATIC, "pkg-info", ("from-pkg-info",)),
        (OLD, "pyproject", ("six>=1",)),
        (STATIC.replace("2.2", "2.4"), "pkg-info", ("from-pkg-info",)),
        (STATIC.replace("Requires-Dist: from-pkg-info", "Dynamic: Requires-Dist"), "pyproject", ("six>=1",)),
        (STATIC.replace("Requires-Dist: from-pkg-info", "Dynamic: License"), "pkg-info", ()),
    ],
    ids=["static", "old", "newer", "dynamic", "dynamic-otherwise"],
)
def test_pkg_info_goes_before_pyproject_where_it_is_static(info: str, source: str, requires: tuple[str, ...]):
    told = tell({"pyproject.toml": FLIT + PROJECT, "PKG-INFO": info})
    assert (told.source, told.requires_dist, told.failure) == (source, requires, None)


@pytest.mark.parametrize("version", ['version = "1.0"', ""], ids=["version", "version-missing"])
@pytest.mark.parametrize("key", ["dependencies", "optional-dependencies", "requires-python"])
def test_a_dynamic_project_takes_a_build(key: str, version: str):
    dynamic = f'"{key}"' if version else f'"version", "{key}"'
    text = f'[project]\nname = "demo"\ndynamic = [{dynamic}]\n{version}\n'
    assert tell({"pyproject.toml": FLIT + text}).failure == TAKES_A_BUILD


def test_a_version_that_is_neither_stated_nor_dynamic_takes_a_build():
    assert (
        tell({"pyproject.toml": FLIT + '[project]\nname = "demo"\ndependencies = ["six"]\n'}).failure == TAKES_A_BUILD
    )


def test_a_dynamic_version_of_another_project_is_refused():
    told = tell({"pyproject.toml": FLIT + '[project]\nname = "other"\ndynamic = ["version"]\n'})
    assert told.failure == "its pyproject.toml is that of 'other'"


COMPLETE = PROJECT + EXTRAS


@pytest.mark.parametrize("backend", ["", 'build-backend = "setuptools.build_meta"\n'], ids=["legacy", "named"])
@pytest.mark.parametrize(
    ("project", "static"),
    [
        (COMPLETE, True),
        (COMPLETE.replace('dependencies = ["six>=1"]', ""), False),
        (PROJECT, False),
        (COMPLETE.replace('requires-python = ">=3.8"', ""), False),
    ],
    ids=["whole", "dependencies", "extras", "python"],
)
def test_what_a_project_leaves_out_may_be_in_its_setup_py(backend: str, project: str, static: bool):
    """As setuptools before 69 has it."""
    text = f'[build-system]\nrequires = ["setuptools"]\n{backend}{project}'
    told = tell({"pyproject.toml": text, "setup.py": "setup(install_requires=['more'])"})
    assert told.failure == (None if static else TAKES_A_BUILD)
    # without a setup.py, and for other backends, what is left out is not there
    assert tell({"pyproject.toml": text}).failure is None
    assert tell({"pyproject.toml": FLIT + project, "setup.py": "raise SystemExit"}).failure is None


def test_a_dynamic_description_does_not():
    told = tell({"pyproject.toml": FLIT + PROJECT.replace("dependencies", 'dynamic = ["readme"]\ndependencies')})
    assert (told.failure, told.requires_dist) == (None, ("six>=1",))


# ---- what is wrong


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"README": ""}, "its source has no build backend: there is no pyproject.toml and no setup.py"),
        (
            {"README": "", "PKG-INFO": STATIC},
            "its source has no build backend: there is no pyproject.toml and no setup.py",
        ),
        ({"pyproject.toml": "[[["}, "its pyproject.toml does not parse (TOMLDecodeError)"),
        ({"pyproject.toml": "[build-system]\n"}, "its pyproject.toml has a build-system without requires (PEP 518)"),
        ({"pyproject.toml": "build-system = 1\n"}, "its pyproject.toml has a build-system that is not a table"),
        (
            {"pyproject.toml": '[build-system]\nrequires = "setuptools"\n'},
            "its pyproject.toml has a build-system.requires that is not a list of texts",
        ),
        (
            {"pyproject.toml": table([], "../evil")},
            "its pyproject.toml has a build-backend that names no Python object",
        ),
        (
            {"pyproject.toml": table([], "x") + 'backend-path = ["../x"]\n'},
            "its pyproject.toml has a backend-path that leaves the source",
        ),
    ],
    ids=range(8),
)
def test_an_sdist_that_cannot_be_built_has_no_build_system(files: Mapping[str, str], reason: str):
    """Not even where its metadata is static: it would be taken, and never built."""
    told = tell({"PKG-INFO": STATIC, **files})
    assert (told.build, told.failure, told.requires_dist) == (NOTHING, reason, ())


def test_a_pyproject_that_is_a_link_is_not_followed():
    told = tell({"PKG-INFO": STATIC}, links={"pyproject.toml": "/etc/passwd"})
    assert (told.build, told.failure) == (NOTHING, "its pyproject.toml is not a plain file")


def test_a_pkg_info_that_is_a_link_is_none():
    told = tell({"pyproject.toml": FLIT + PROJECT}, links={"PKG-INFO": "demo.egg-info/PKG-INFO"})
    assert (told.source, told.requires_dist) == ("pyproject", ("six>=1",))


def test_an_archive_that_is_none_has_no_build_system():
    told = read_static_sdist(
        io.BytesIO(b"<html>"), filename="demo-1.0.zip", project=normalize_project("demo"), version=Version("1"), limit=9
    )
    assert (told.build, told.failure) == (NOTHING, "it is not a whole zip archive (BadZipFile)")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"PKG-INFO": STATIC.replace("demo", "other")}, "its metadata is that of 'other'"),
        ({"PKG-INFO": OLD.replace("1.0", "9")}, "its metadata is that of version '9'"),
        ({"pyproject.toml": FLIT + PROJECT.replace("Demo", "other")}, "its pyproject.toml is that of 'other'"),
        ({"pyproject.toml": FLIT + PROJECT.replace("1.0.0", "9")}, "its pyproject.toml is that of version '9'"),
        (
            {"pyproject.toml": FLIT + PROJECT.replace("six>=1", "=six")},
            "its pyproject.toml has a [project] that does not parse: ",
        ),
    ],
    ids=range(5),
)
def test_metadata_that_lies_is_not_used(files: Mapping[str, str], reason: str):
    told = tell({"pyproject.toml": FLIT, **files})
    assert told.failure is not None
    assert told.failure.startswith(reason)
    assert (told.build.backend, told.requires_dist) == ("flit_core.buildapi", ())
