"""The hash of what a tarball unpacks to is that of the unpacked folder, and hostile tarballs are only refused."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler import tarball
from crawler.nar import hash_nar
from crawler.tarball import UnusableTarball, hash_unpacked

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **changes: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def pack(path: Path, *members: Member, compress: bool = True) -> Path:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for info, content in members:
            packed.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(raw.getvalue()) if compress else raw.getvalue())
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with everything that a NAR tells apart, and names that tar and NAR sort differently."""
    root = tmp_path / "nixpkgs-abc"
    for name in ("a/inner", "a.b", "a-c", "Ä", "empty-file"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if "empty" in name else name.encode() * 1000)
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("../outside/./x//y")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_bytes(b"no UTF-8")
    return root


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_it_is_the_hash_of_the_unpacked_folder(tree: Path, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "packed"
    with tarfile.open(path, mode, errors="surrogateescape") as packed:  # type: ignore[call-overload]
        packed.add(tree, tree.name)
    assert hash_unpacked(path) == hash_nar(tree)


def test_folders_need_no_members_and_the_last_of_a_name_counts(tmp_path: Path) -> None:
    (tmp_path / "top/below").mkdir(parents=True)
    (tmp_path / "top/below/file").write_bytes(b"second")
    packed = pack(tmp_path / "x.tar.gz", member("./top/below/file", b"first"), member("top//below/file", b"second"))
    assert hash_unpacked(packed) == hash_nar(tmp_path / "top")


REFUSED: dict[str, tuple[list[Member], str]] = {
    "climbs": ([member("top/../../evil", b"x")], "with the path"),
    "absolute": ([member("/top/evil", b"x")], "with the path"),
    "below a link": ([member("top/l", type=tarfile.SYMTYPE, linkname="/"), member("top/l/x", b"x")], "no folder"),
    "hard link": ([member("top/a", b"x"), member("top/b", type=tarfile.LNKTYPE, linkname="top/a")], "neither folder"),
    "device": ([member("top/null", type=tarfile.CHRTYPE)], "neither folder"),
    "pipe": ([member("top/pipe", type=tarfile.FIFOTYPE)], "neither folder"),
    "two folders": ([member("top/a"), member("other/b")], "just one folder"),
    "a file": ([member("alone")], "just one folder"),
    "nothing": ([], "just one folder"),
    "deep": ([member("d/" * 3000 + "x")], "deep"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_folder_of_plain_files_is_refused(tmp_path: Path, name: str) -> None:
    members, reason = REFUSED[name]
    packed = pack(tmp_path / "x.tar.gz", *members)
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises(UnusableTarball, match=reason):
        hash_unpacked(packed)
    assert set(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:50] + b"\0" * 9 + data[59:],
        lambda _: b"<html>",
        lambda _: b"",
    ],
    ids=["cut", "flipped", "a page", "empty"],
)
def test_damaged_data_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    packed = pack(tmp_path / "x.tar.gz", member("top/file", os.urandom(5000)))
    packed.write_bytes(spoil(packed.read_bytes()))
    with pytest.raises(UnusableTarball):
        hash_unpacked(packed)


def test_a_plain_tar_that_is_cut_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path / "x.tar", member("top/file", b"x" * 5000), compress=False)
    packed.write_bytes(packed.read_bytes()[:2000])
    with pytest.raises(UnusableTarball, match=r"breaks off|can be read"):
        hash_unpacked(packed)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball, "_LARGEST", 8 << 20)
    monkeypatch.setattr(tarball, "_MOST_MEMBERS", 100)
    with pytest.raises(UnusableTarball, match="GiB"):
        hash_unpacked(pack(tmp_path / "x.tar.gz", member("top/zeros", b"\0" * (9 << 20))))
    with pytest.raises(UnusableTarball, match="header"):
        hash_unpacked(pack(tmp_path / "z.tar.gz", member("top/" + "x" * (2 << 20))))
    with pytest.raises(UnusableTarball, match="more than 100 members"):
        hash_unpacked(pack(tmp_path / "y.tar.gz", *(member(f"top/{n}") for n in range(101))))
