"""Sdists of strangers are unpacked without harm, or refused with a sentence, and nothing stays."""

from __future__ import annotations

import errno
import gzip
import io
import os
import resource
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.hook_failures import FailureClass, Refused
from crawler.sandbox_limits import Limits
from crawler.unpacked_sdist import unpack_sdist
from resolver.errors import Unavailable
from tests.support.dists import make_sdist

SMALL = Limits(unpacked_bytes=1 << 20, unpacked_members=100)
Member = tuple[str, bytes] | tarfile.TarInfo


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, of which none is left at the end of the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def tarred(*members: Member, mode: str = "w:gz") -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file


def zipped(*members: tuple[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def refuse(file: io.BytesIO, filename: str = "a-1.tar.gz", limits: Limits = SMALL) -> tuple[str, str]:
    """Return the class and the sentence with which an archive is refused."""
    with pytest.raises(Refused) as caught, unpack_sdist(file, filename=filename, limits=limits):
        pass
    failure = caught.value.failure
    assert failure.reason.isprintable()
    return failure.kind, failure.reason


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_sdist_is_unpacked_and_gone_afterwards(suffix: str, scratch: Path):
    dist = make_sdist("demo", "1.0", files={"demo.py": "x = 1\n", "a/b": b"\0"}, executable=["demo.py"], suffix=suffix)
    with unpack_sdist(io.BytesIO(dist.content), filename=dist.filename) as source:
        assert source.folder.name == "demo-1.0"
        assert (source.folder / "a/b").read_bytes() == b"\0"
        assert (source.folder / "demo.py").stat().st_mode & 0o777 == 0o755
        assert (source.folder / "a/b").stat().st_mode & 0o777 == 0o644
    assert not source.folder.exists()


def test_owners_and_modes_of_the_archive_are_not_taken(scratch: Path):
    file, folder = special("a/file", tarfile.REGTYPE), special("a", tarfile.DIRTYPE)
    for info in (file, folder):
        info.uid, info.gid, info.uname, info.mode, info.mtime = 1, 2, "daemon", 0o6777, 1_000_000_000
    with unpack_sdist(tarred(folder, file), filename="a-1.tar.gz") as source:
        status = (source.folder / "file").stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (os.geteuid(), os.getegid(), 0o755)
        assert status.st_mtime == 1_000_000_000
        assert source.folder.stat().st_mode & 0o7777 == 0o755


def test_links_inside_are_kept(scratch: Path):
    members = [
        special("a/dir/up", tarfile.SYMTYPE, "../file"),
        special("a/loop", tarfile.SYMTYPE, "loop"),
        special("a/hard", tarfile.LNKTYPE, "a/file"),
        ("a/file", b"x"),
        special("a/hard2", tarfile.LNKTYPE, "a/file"),
    ]
    with unpack_sdist(tarred(*members), filename="a-1.tar.gz") as source:
        assert (source.folder / "dir/up").readlink() == Path("../file")
        assert (source.folder / "dir/up").read_bytes() == (source.folder / "hard2").read_bytes() == b"x"
        assert (source.folder / "hard").samefile(source.folder / "file")


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"x")],
        [("a/../../evil", b"x")],
        [("/tmp/evil", b"x")],
        [("a/" * 101 + "deep", b"x")],
        [special("a/link", tarfile.SYMTYPE, "/etc/passwd")],
        [special("a/link", tarfile.SYMTYPE, "../evil")],
        [special("a/link", tarfile.SYMTYPE, "x/../../evil")],
        [special("a/link", tarfile.SYMTYPE, "")],
        [special("link", tarfile.SYMTYPE, "a")],
        [("a/file", b""), special("a/link", tarfile.LNKTYPE, "../evil")],
        [("a/file", b""), special("a/link", tarfile.LNKTYPE, "/etc/passwd")],
        [("a/file", b""), special("a/link", tarfile.LNKTYPE, "a/absent")],
        [special("a/here", tarfile.SYMTYPE, "."), special("a/link", tarfile.LNKTYPE, "a/here")],
        [special("a/device", tarfile.CHRTYPE)],
        [special("a/device", tarfile.BLKTYPE)],
        [special("a/pipe", tarfile.FIFOTYPE)],
        # a link whose name is a folder of later members: written through, they would be outside
        [special("a/out", tarfile.SYMTYPE, "b"), ("a/out/evil", b"x")],
    ],
)
def test_members_that_lead_out_are_refused(members: list[Member], scratch: Path, tmp_path: Path):
    kind, reason = refuse(tarred(*members))
    assert kind == FailureClass.UNSAFE_ARCHIVE
    assert reason.startswith("its archive holds ")
    assert not (tmp_path / "evil").exists()
    assert not (scratch / "evil").exists()


def test_a_link_is_not_written_through_whatever_its_order(scratch: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_text("kept")
    # the second member replaces the link; what it leads to stays as it is
    link = special("a/link", tarfile.SYMTYPE, "target")
    with unpack_sdist(tarred(("a/target", b"1"), link, ("a/link", b"2")), filename="a-1.tar.gz") as source:
        assert (source.folder / "target").read_bytes() == b"1"
        assert (source.folder / "link").read_bytes() == b"2"
        assert not (source.folder / "link").is_symlink()
    # chains of links that are fine one by one
    chain = [
        ("a/b/c/file", b"x"),
        special("a/up", tarfile.SYMTYPE, "b/c"),
        special("a/b/c/back", tarfile.SYMTYPE, "../.."),
        special("a/far", tarfile.SYMTYPE, "up/../../.."),
    ]
    assert refuse(tarred(*chain))[0] == FailureClass.UNSAFE_ARCHIVE
    assert outside.read_text() == "kept"


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil"])
def test_zip_members_that_lead_out_are_refused(name: str, scratch: Path):
    assert refuse(zipped((name, b"x")), "a-1.zip")[0] == FailureClass.UNSAFE_ARCHIVE


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = special(name, kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def packed(*blocks: bytes, times: int = 1) -> io.BytesIO:
    """Return a .tar.gz of the blocks, again and again: a gzip file may be several in a row."""
    return io.BytesIO(b"".join(gzip.compress(block) for block in blocks) * times)


@pytest.fixture
def written(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that were on disk when an unpacked folder was removed."""
    found: list[int] = []
    remove = shutil.rmtree

    def measure(folder: Path) -> None:
        found.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
        remove(folder)

    monkeypatch.setattr(shutil, "rmtree", measure)
    return found


ZEROS = bytes(1 << 20)
LIMIT = 3 << 20
TAR_BOMBS = {
    "one member of 10 GB": lambda: packed(header("a/0", 10_000 << 20), *[ZEROS] * 30),
    "10,000 members of 1 MB": lambda: packed(*(header(f"a/{n}", 1 << 20) + ZEROS for n in range(50)), times=200),
}


@pytest.mark.parametrize("name", TAR_BOMBS)
def test_a_tar_bomb_is_refused_after_as_much_as_is_admitted(name: str, written: list[int]):
    file = TAR_BOMBS[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kind, reason = refuse(file, limits=Limits(unpacked_bytes=LIMIT))
    assert (kind, reason) == (FailureClass.TOO_LARGE, f"its archive unpacks to more than {LIMIT} bytes")
    assert written[0] <= LIMIT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_zip_bomb_is_refused_after_as_much_as_is_admitted(written: list[int]):
    file = zipped(*((f"a/{n}", ZEROS) for n in range(20)))
    assert refuse(file, "a-1.zip", Limits(unpacked_bytes=LIMIT))[0] == FailureClass.TOO_LARGE
    assert written[0] <= LIMIT
    # a member that is larger than it says is cut off, and broken
    lying = file.getvalue().replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert refuse(io.BytesIO(lying), "a-1.zip", Limits(unpacked_bytes=LIMIT))[0] == FailureClass.BROKEN_ARCHIVE
    assert written[1] <= LIMIT


def test_hard_links_count_what_they_are_a_copy_of(scratch: Path):
    links: list[Member] = [special(f"a/{n}", tarfile.LNKTYPE, "a/file") for n in range(9)]
    assert refuse(tarred(("a/file", bytes(1 << 18)), *links))[0] == FailureClass.TOO_LARGE


@pytest.mark.parametrize(
    ("name", "kind"), [("a/0", tarfile.REGTYPE), ("./", tarfile.DIRTYPE), ("a/d/", tarfile.REGTYPE)]
)
def test_a_million_members_are_refused_early(name: str, kind: bytes, written: list[int]):
    file = packed(header(name, 0, kind) * 1000, times=1000)
    kind, reason = refuse(file)
    assert (kind, reason) == (FailureClass.TOO_MANY_FILES, "its archive has more than 100 members")
    assert file.tell() < len(file.getvalue()) / 2


def test_a_zip_of_many_members_is_refused_before_any_is_unpacked(written: list[int]):
    file = zipped(*((f"a/{n}", b"") for n in range(101)))
    assert refuse(file, "a-1.zip") == (FailureClass.TOO_MANY_FILES, "its archive has more than 100 members")


def test_headers_are_of_a_bounded_size(scratch: Path):
    kind, reason = refuse(packed(header("a/0", 10_000 << 20, tarfile.XHDTYPE), *[ZEROS] * 30))
    assert kind == FailureClass.TOO_LARGE
    assert "tar header larger than" in reason


@pytest.mark.parametrize(
    ("data", "filename"),
    [
        (b"", "a-1.tar.gz"),
        (b"no archive", "a-1.tar.gz"),
        (b"no archive", "a-1.zip"),
        (b"no archive", "a-1.tar.bz2"),
        (b"no archive", "a-1.exe"),
        (tarred(("a/file", os.urandom(5000))).getvalue()[:2000], "a-1.tar.gz"),
        (tarred(("a", b"x")).getvalue(), "a-1.tar.gz"),
        (tarred(("a/x", b"x"), ("b/x", b"x")).getvalue(), "a-1.tar.gz"),
        (tarred(("a/x", b"x"), ("a/x/y", b"x")).getvalue(), "a-1.tar.gz"),
        (tarred(("a/" + "x" * 300, b"x")).getvalue(), "a-1.tar.gz"),
    ],
    ids=["empty", "gz", "zip", "bz2", "exe", "cut off", "no folder", "two folders", "file as folder", "long name"],
)
def test_what_is_no_whole_archive_is_told(data: bytes, filename: str, scratch: Path):
    assert refuse(io.BytesIO(data), filename)[0] == FailureClass.BROKEN_ARCHIVE


def test_a_full_disk_is_not_the_sdists_fault(scratch: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full)
    with (
        pytest.raises(Unavailable, match="No space left") as caught,
        unpack_sdist(tarred(("a/file", b"x")), filename="a-1.tar.gz"),
    ):
        pass
    assert caught.value.code == "no-temporary-space"


#: Names and targets of which some lead out, alone or together.
PATHS = st.lists(st.sampled_from(["a", "b", "..", ".", "", "/", "c"]), min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(PATHS, KINDS, PATHS), max_size=8))
def test_no_archive_reaches_outside(members: list[tuple[str, bytes, str]]):
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "outside").write_text("kept")
        (top / "scratch").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(top / "scratch"))
            file = tarred(*(special(path or "x", kind, target) for path, kind, target in members), mode="w")
            with (
                suppress(Refused),
                unpack_sdist(io.BytesIO(gzip.compress(file.getvalue())), filename="a.tgz") as source,
            ):
                tree = source.folder.resolve()
                for path in tree.rglob("*"):
                    if path.is_symlink():
                        # link by link; a chain of them may lead out, and is never followed outside a sandbox
                        assert not path.readlink().is_absolute()
                    else:
                        assert path.resolve().is_relative_to(tree)
        assert sorted(path.name for path in top.rglob("*")) == ["outside", "scratch"]
