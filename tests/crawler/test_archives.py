"""METADATA and PKG-INFO are found in archives, and hostile archives cost little."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import archives
from crawler.archives import UnusableArchive, read_pkg_info, read_wheel_metadata
from resolver.names import normalize_project
from tests.support.dists import make_sdist, make_wheel

PROJECT = normalize_project("some-project")
LIMIT = 1 << 16


def name_parameter(value: object) -> str:
    """Archives hold the time they were made at, and the name of a test must be the same in every process."""
    return value if isinstance(value, str) else "archive"


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def tarred(*members: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w:gz", **options: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **options) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def of_wheel(data: bytes) -> bytes:
    return read_wheel_metadata(io.BytesIO(data), project=PROJECT, limit=LIMIT)


def of_sdist(data: bytes, filename: str = "some_project-1.0.tar.gz") -> bytes:
    return read_pkg_info(io.BytesIO(data), filename=filename, limit=LIMIT)


@pytest.mark.parametrize("name", ["some_project-1.0", "Some.Project-1.0", "some_project-1"])
def test_metadata_is_found_by_the_projects_name(name: str):
    data = zipped((f"{name}.dist-info/METADATA", b"yes"), ("vendored-1.0.dist-info/METADATA", b"no"))
    assert of_wheel(data) == b"yes"


def test_a_real_wheel():
    wheel = make_wheel("some-project", "1.0", requires=["a"])
    assert of_wheel(wheel.content) == wheel.metadata


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a whole zip"),
        (b"PK\x05\x06" + b"\xff" * 18, "zip"),
        (make_wheel("some-project", "1.0").content[:-30], "not a whole zip"),
        (make_wheel("some-project", "1.0", omit=["METADATA"]).content, "no METADATA"),
        (make_wheel("other", "1.0").content, "no METADATA"),
        (zipped(("x/some_project-1.dist-info/METADATA", b"")), "no METADATA"),
        (
            zipped(("some_project-1.dist-info/METADATA", b"1"), ("Some_Project-1.dist-info/METADATA", b"2")),
            "several METADATA",
        ),
        (zipped(("some_project-1.dist-info/METADATA", b"\0" * (LIMIT + 1))), "larger than"),
    ],
    ids=name_parameter,
)
def test_a_wheel_that_has_no_metadata_says_why(data: bytes, reason: str):
    with pytest.raises(UnusableArchive, match=reason):
        of_wheel(data)


def test_two_entries_of_one_name_are_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped(("some_project-1.dist-info/METADATA", b"1"), ("some_project-1.dist-info/METADATA", b"2"))
    with pytest.raises(UnusableArchive, match="several"):
        of_wheel(data)


def test_a_zip_that_states_wrong_sizes_costs_nothing():
    data = bytearray(zipped(("some_project-1.dist-info/METADATA", b"x" * 500)))
    at = data.index(b"PK\x01\x02") + 24
    struct.pack_into("<I", data, at, 1 << 31)
    assert of_wheel(bytes(data)) == b"x" * 500
    struct.pack_into("<I", data, at, 3)
    with pytest.raises(UnusableArchive, match="not a whole zip"):
        of_wheel(bytes(data))


def test_a_large_zip_directory_is_not_read(monkeypatch: pytest.MonkeyPatch):
    data = zipped(*((f"{n}.py", b"") for n in range(200)), ("some_project-1.dist-info/METADATA", b""))
    assert of_wheel(data) == b""
    monkeypatch.setattr(archives, "LARGEST_DIRECTORY", 1000)
    with pytest.raises(UnusableArchive, match="directory is larger"):
        of_wheel(data)


@pytest.mark.parametrize(
    ("suffix", "mode"), [(".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.bz2", "w:bz2"), (".zip", "")]
)
def test_pkg_info_is_the_one_at_the_top(suffix: str, mode: str):
    members = (("some-1/egg-info/PKG-INFO", b"no"), ("PKG-INFO", b"no"), ("some-1/PKG-INFO", b"yes"))
    data = tarred(*members, mode=mode) if mode else zipped(*members)
    assert of_sdist(data, f"some_project-1{suffix}") == b"yes"


def test_real_sdists():
    for last in (False, True):
        sdist = make_sdist("some-project", "1.0", requires=["a"], pkg_info_last=last)
        assert of_sdist(sdist.content) == sdist.metadata


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("some-1/PKG-INFO")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "tar archive|no PKG-INFO"),
        (b"not gzip", "tar archive"),
        (gzip.compress(b"not tar" * 200), "tar archive"),
        (tarred(("a/x", b"1" * 5000))[:-40], "tar archive"),
        (tarred(("some-1/setup.py", b"")), "no PKG-INFO"),
        (tarred(link(tarfile.SYMTYPE)), "no PKG-INFO"),
        (tarred(link(tarfile.LNKTYPE)), "no PKG-INFO"),
        (tarred(("../PKG-INFO", b"")), "no PKG-INFO"),
        (tarred(("/PKG-INFO", b"")), "no PKG-INFO"),
        (tarred(("some-1/PKG-INFO", b"x" * (LIMIT + 1))), "larger than"),
    ],
    ids=name_parameter,
)
def test_an_sdist_that_has_no_pkg_info_says_why(data: bytes, reason: str):
    with pytest.raises(UnusableArchive, match=reason):
        of_sdist(data)


def test_an_archive_of_another_kind_is_named():
    with pytest.raises(UnusableArchive, match="kind"):
        of_sdist(b"", "some_project-1.0.tar.xz")


def test_a_long_tar_header_is_not_read_into_memory():
    data = tarred(("some-1/PKG-INFO", b""), format=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * (2 << 20)})
    with pytest.raises(UnusableArchive, match="tar header larger"):
        of_sdist(data)


def test_a_tar_that_unpacks_to_much_is_given_up(monkeypatch: pytest.MonkeyPatch):
    data = tarred(("some-1/zeros", b"\0" * 2_000_000), ("some-1/PKG-INFO", b"yes"))
    assert of_sdist(data) == b"yes"
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1_000_000)
    with pytest.raises(UnusableArchive, match="unpacks to more"):
        of_sdist(data)


def test_a_tar_with_many_members_is_given_up(monkeypatch: pytest.MonkeyPatch):
    data = tarred(*((f"some-1/{n}", b"") for n in range(60)), ("some-1/PKG-INFO", b"yes"))
    assert of_sdist(data) == b"yes"
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    with pytest.raises(UnusableArchive, match="more than 50 members"):
        of_sdist(data)


def test_a_chain_of_long_names_is_no_deep_recursion():
    block = tarfile.TarInfo("x")
    block.type, block.size = tarfile.GNUTYPE_LONGNAME, 512
    data = gzip.compress((block.tobuf(tarfile.GNU_FORMAT) + b"x" * 512) * 5000)
    with pytest.raises(UnusableArchive):
        of_sdist(data)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    data = bytearray(whole)
    for at, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        data[at] = value
    return bytes(data[draw(st.integers(0, 20)) : len(data) - draw(st.integers(0, 20))])


@given(damaged(make_wheel("some-project", "1.0").content))
def test_no_damaged_wheel_raises_anything_else(data: bytes):
    with suppress(UnusableArchive):
        of_wheel(data)


@given(damaged(gzip.decompress(make_sdist("some-project", "1.0").content)))
def test_no_damaged_tar_raises_anything_else(data: bytes):
    with suppress(UnusableArchive):
        of_sdist(gzip.compress(data, 0))


@given(damaged(make_sdist("some-project", "1.0").content))
def test_no_damaged_gzip_raises_anything_else(data: bytes):
    with suppress(UnusableArchive):
        of_sdist(data)
