"""Crafted crates and Cargo.lock files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.support.archives import tar_gz
from tests.support.dists import Dist

#: How every Cargo.lock names the public registry.
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
MANIFEST = '[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
MATURIN = '[build-system]\nrequires = ["maturin>=1,<2"]\nbuild-backend = "maturin"\n'


def make_crate(
    name: str = "leaf",
    version: str = "0.1.0",
    *,
    folder: str | None = None,
    more: str = "",
    files: Mapping[str, str] | None = None,
) -> Dist:
    """Return a crate as a registry has it: a library with ``answer() -> i32``.

    :param folder: its top, by default what a registry demands.
    :param more: lines after its manifest.
    :param files: files in place of its source, by path below the top.
    """
    top = folder or f"{name}-{version}"
    sources = {"src/lib.rs": "pub fn answer() -> i32 { 42 }\n"} if files is None else files
    members = {
        f"{top}/Cargo.toml": MANIFEST.format(name=name, version=version).encode() + more.encode(),
        **{f"{top}/{path}": text.encode() for path, text in sources.items()},
    }
    content = tar_gz(members, {}, {})
    return Dist(filename=f"{name}-{version}.crate", project=name, version=version, content=content, metadata=None)


def locked(
    name: str, version: str, *, source: str | None = REGISTRY, checksum: str | None = None, more: str = ""
) -> str:
    """Return an entry of a Cargo.lock."""
    lines = ["[[package]]", f'name = "{name}"', f'version = "{version}"']
    lines += [f'source = "{source}"'] if source is not None else []
    lines += [f'checksum = "{checksum}"'] if checksum is not None else []
    return "\n".join(lines) + "\n" + more + "\n"


def cargo_lock(crates: Iterable[Dist], *, root: str = "root", format: int = 3) -> str:
    """Return the Cargo.lock of the project *root*, which requires each of *crates*."""
    crates = list(crates)
    names = "".join(f' "{crate.project}",\n' for crate in crates)
    entries = [locked(crate.project, crate.version, checksum=crate.sha256) for crate in crates]
    own = locked(root, "1.0.0", source=None, more=f"dependencies = [\n{names}]\n")
    return f"version = {format}\n\n" + "\n".join([*entries, own])
