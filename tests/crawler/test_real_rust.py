"""maturin and setuptools-rust, as the index has them, ask for nothing that brings Rust along."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, ask_backend
from tests.support.build_backends import sandboxed
from tests.support.dists import make_sdist
from tests.support.rust import MANIFEST, MATURIN

pytestmark = [pytest.mark.index, sandboxed]
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\n'
SETUPTOOLS_RUST = (
    '[build-system]\nrequires = ["setuptools-rust"]\nbuild-backend = "setuptools.build_meta"\n'
    + PROJECT
    + '[[tool.setuptools-rust.ext-modules]]\ntarget = "demo._demo"\n'
)


@pytest.mark.parametrize(
    ("wanted", "pyproject"),
    [("maturin>=1.9,<2", MATURIN + PROJECT), ("setuptools-rust>=1.12 setuptools>=77", SETUPTOOLS_RUST)],
    ids=["maturin", "setuptools-rust"],
)
def test_its_answer_is_that_of_a_machine_with_cargo(wanted: str, pyproject: str, tmp_path: Path) -> None:
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(tmp_path)]
    subprocess.run([*download, *wanted.split()], check=True)
    files = {"Cargo.toml": MANIFEST.format(name="demo", version="1.0.0"), "src/lib.rs": "", "demo/__init__.py": ""}
    dist = make_sdist("demo", "1.0", backend=None, pyproject=pyproject, files=files)
    with BuildEnvironment(Path(sys.executable), sorted(tmp_path.glob("*.whl"))) as environment:
        answer = ask_backend(io.BytesIO(dist.content), filename=dist.filename, environment=environment, step="requires")
    assert answer == BuildRequires(requires=())
