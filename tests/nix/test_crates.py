"""Rust sdists: the crates that a lock names are all that cargo sees."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nix.expression import render_directory
from nix.lib import unpack_sdist
from resolver.lock import render_lock
from tests.nix.locks import lock_of, publish
from tests.support.dists import Dist, make_sdist
from tests.support.nix import NixStore
from tests.support.rust import MANIFEST, cargo_lock, make_crate
from tests.support.sources import IN_TREE_BACKEND


def vendored(folder: Path, *crates: Dist) -> Path:
    """Unpack crates as a build does and return cargo's home."""
    entries = []
    for number, dist in enumerate(crates):
        path = folder / f"{number}.crate"
        path.write_bytes(dist.content)
        entries.append({"name": dist.project, "version": dist.version, "sha256": dist.sha256, "path": str(path)})
    unpack_sdist.vendor(entries, folder / "cargo")
    return folder / "cargo"


@pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo")
def test_cargo_builds_from_the_crates_of_the_lock_alone(tmp_path: Path) -> None:
    leaf = make_crate()
    home = vendored(tmp_path, leaf)
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "Cargo.toml").write_text(
        MANIFEST.format(name="root", version="1.0.0") + '\n[dependencies]\nleaf = "0.1"\n'
    )
    (project / "src/main.rs").write_text('fn main() { println!("{}", leaf::answer()); }\n')
    locked = cargo_lock([leaf])
    (project / "Cargo.lock").write_text(locked)
    run = ["cargo", "run", "--quiet", "--locked"]
    environ = {**os.environ, "CARGO_HOME": str(home)}
    done = subprocess.run(run, cwd=project, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42\n"
    # a crate that is another one than the Cargo.lock has
    (project / "Cargo.lock").write_text(locked.replace(leaf.sha256, "0" * 64))
    refused = subprocess.run(run, cwd=project, env=environ, capture_output=True, text=True)
    assert "checksum for `leaf v0.1.0` changed" in refused.stderr


@pytest.mark.parametrize(
    ("crates", "reason"),
    [
        ([make_crate(), make_crate()], "the crate 'leaf-0.1.0' has no plain name, or is there twice"),
        ([make_crate("../leaf")], "has no plain name"),
        ([make_crate("leaf", "x")], "has no plain name"),
        ([make_crate(folder="other-0.1.0")], "the crate 'leaf-0.1.0': at its top there is not exactly one folder"),
        ([Dist(filename="x", project="leaf", version="1.0", content=b"no tar", metadata=None)], "the crate 'leaf-1.0'"),
    ],
)
def test_what_is_no_crate_is_refused(tmp_path: Path, crates: list[Dist], reason: str) -> None:
    with pytest.raises(unpack_sdist.Refused) as caught:
        vendored(tmp_path, *crates)
    assert reason in str(caught.value)


@pytest.mark.nix
def test_crates_of_a_pin_reach_its_build(nix_store: NixStore, tmp_path: Path) -> None:
    looking = IN_TREE_BACKEND.replace(
        "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):",
        "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n"
        "    import os\n\n"
        "    home = Path(os.environ['CARGO_HOME'])\n"
        "    seen = sorted(str(path.relative_to(home)) for path in home.rglob('*') if path.is_file())\n"
        "    Path('seen.py').write_text(f'SEEN = {seen!r}\\n')",
    )
    metadata = "Metadata-Version: 2.1\nName: seen\nVersion: 1.0\n"
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["_backend"]\n'
    files = {"_backend/backend.py": looking, "_backend/METADATA": metadata}
    lock = lock_of(nix_store, make_sdist("seen", "1.0", backend=None, pyproject=table, files=files), build_with=[])
    leaf = make_crate()
    told = {"name": "leaf", "version": "0.1.0", "sha256": leaf.sha256, "url": publish(nix_store, leaf).url}
    document = json.loads(render_lock(lock))
    document["targets"][0]["pins"][0]["crates"] = [told]
    for name, text in {**render_directory(lock), "mach.lock": json.dumps(document)}.items():
        (tmp_path / name).write_text(text)
    env = nix_store.build(tmp_path / "default.nix", "env")
    seen = nix_store.call(env / "bin/python", "-c", "import seen; print(*seen.SEEN)").stdout.split()
    assert seen == [
        "config.toml",
        "crates/leaf-0.1.0/.cargo-checksum.json",
        "crates/leaf-0.1.0/Cargo.toml",
        "crates/leaf-0.1.0/src/lib.rs",
    ]
    sources = nix_store.call("nix-build", "--no-out-link", tmp_path / "default.nix", "-A", "sources").paths
    assert any(path.name.endswith("leaf-0.1.0.crate") for path in sources)
