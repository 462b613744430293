"""METADATA, PKG-INFO and pyproject.toml are found in archives, and hostile archives cost little."""

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
from crawler.archives import SdistFiles, UnusableArchive, read_sdist, read_wheel_metadata
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


def of_sdist(data: bytes, filename: str = "some_project-1.0.tar.gz") -> SdistFiles:
    return read_sdist(io.BytesIO(data), filename=filename, limit=LIMIT)


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


KINDS = pytest.mark.parametrize(
    ("suffix", "mode"), [(".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.bz2", "w:bz2"), (".zip", "")]
)


def packed(mode: str, *members: tuple[str, bytes]) -> bytes:
    return tarred(*members, mode=mode) if mode else zipped(*members)


@KINDS
def test_the_files_of_an_sdist_are_those_at_its_top(suffix: str, mode: str):
    data = packed(
        mode,
        ("some-1/some.egg-info/PKG-INFO", b"no"),
        ("some-1/vendored/pyproject.toml", b"no"),
        ("./some-1//PKG-INFO", b"yes"),
        ("some-1/setup.py", b"x" * (LIMIT + 1)),
        ("some-1/pyproject.toml", b"toml"),
        ("some-1/last", b""),
    )
    assert of_sdist(data, f"some_project-1{suffix}") == SdistFiles(
        pkg_info=b"yes", pyproject=b"toml", pyproject_is_plain=True, has_setup_script=True
    )


@KINDS
def test_an_sdist_may_have_none_of_them(suffix: str, mode: str):
    data = packed(mode, ("some-1/README", b""))
    assert of_sdist(data, f"some_project-1{suffix}") == SdistFiles(
        pkg_info=None, pyproject=None, pyproject_is_plain=True, has_setup_script=False
    )


@KINDS
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("a/PKG-INFO", b"1"), ("a/PKG-INFO", b"1")], "it holds several PKG-INFO"),
        ([("a/pyproject.toml", b"1"), ("a/./pyproject.toml", b"2")], r"it holds several pyproject\.toml"),
        ([("a/PKG-INFO", b"1"), ("b/PKG-INFO", b"1")], "exactly one folder at its top"),
        ([("a/PKG-INFO", b"1"), ("README", b"1")], "exactly one folder at its top"),
        ([("PKG-INFO", b"")], "exactly one folder at its top"),
        ([("a/PKG-INFO", b""), ("../x", b"")], r"a file with the path '\.\./x'"),
        ([("a/PKG-INFO", b""), ("a/../../x", b"")], "a file with the path"),
        ([("/PKG-INFO", b"")], "a file with the path '/PKG-INFO'"),
        ([("a/PKG-INFO", b"x" * (LIMIT + 1))], "its PKG-INFO is larger than 65536 bytes"),
        ([("a/pyproject.toml", b"x" * (LIMIT + 1))], r"its pyproject\.toml is larger than 65536 bytes"),
    ],
    ids=range(10),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_sdist_that_is_not_told_apart_says_why(
    suffix: str, mode: str, members: list[tuple[str, bytes]], reason: str
):
    with pytest.raises(UnusableArchive, match=reason):
        of_sdist(packed(mode, *members), f"some_project-1{suffix}")


def test_real_sdists():
    for last in (False, True):
        sdist = make_sdist("some-project", "1.0", requires=["a"], pkg_info_last=last)
        found = of_sdist(sdist.content)
        assert found.pkg_info == sdist.metadata
        assert b"setuptools.build_meta" in (found.pyproject or b"")


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_plain_file_is_not_read(kind: bytes):
    found = of_sdist(tarred(link("some-1/PKG-INFO", kind), link("some-1/pyproject.toml", kind)))
    assert (found.pkg_info, found.pyproject, found.pyproject_is_plain) == (None, None, False)


def test_a_link_in_a_zip_is_not_read():
    info = zipfile.ZipInfo("some-1/pyproject.toml")
    info.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    found = of_sdist(file.getvalue(), "some-1.zip")
    assert (found.pyproject, found.pyproject_is_plain) == (None, False)


@pytest.mark.parametrize(
    "data",
    [b"", b"not gzip", gzip.compress(b"not tar" * 200), tarred(("a/x", b"1" * 5000))[:-40]],
    ids=["empty", "no-gzip", "no-tar", "cut-off"],
)
def test_what_is_no_archive_says_so(data: bytes):
    with pytest.raises(UnusableArchive, match="it is not a whole tar archive"):
        of_sdist(data)
    with pytest.raises(UnusableArchive, match="it is not a whole zip archive"):
        of_sdist(data, "some-1.zip")


def test_an_empty_archive_is_no_sdist():
    with pytest.raises(UnusableArchive, match="exactly one folder"):
        of_sdist(tarred())


def test_an_archive_of_another_kind_is_named():
    with pytest.raises(UnusableArchive, match="kind"):
        of_sdist(b"", "some_project-1.0.tar.xz")


def test_a_long_tar_header_is_not_read_into_memory():
    data = tarred(("some-1/PKG-INFO", b""), format=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * (2 << 20)})
    with pytest.raises(UnusableArchive, match="tar header larger"):
        of_sdist(data)


def test_a_tar_that_unpacks_to_much_is_given_up(monkeypatch: pytest.MonkeyPatch):
    data = tarred(("some-1/zeros", b"\0" * 2_000_000), ("some-1/PKG-INFO", b"yes"))
    assert of_sdist(data).pkg_info == b"yes"
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1_000_000)
    with pytest.raises(UnusableArchive, match="unpacks to more"):
        of_sdist(data)


def test_a_tar_with_many_members_is_given_up(monkeypatch: pytest.MonkeyPatch):
    data = tarred(*((f"some-1/{n}", b"") for n in range(60)), ("some-1/PKG-INFO", b"yes"))
    assert of_sdist(data).pkg_info == b"yes"
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
