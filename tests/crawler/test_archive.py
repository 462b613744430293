"""An archive: files get their names when they are whole and right, wherever they come from and whatever breaks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.archive_fetch import Fetching, parse_archive
from crawler.archive_folder import ArchiveFolder
from crawler.archive_index import read_index, write_index
from crawler.client import Client, Limits
from crawler.nar import hash_nar
from crawler.settings import read_index_settings
from resolver.errors import DataError, InputError, MachError, Unavailable
from resolver.lock import LockedArtifact, LockedCheckout, LockedPath, Nixpkgs
from resolver.sources import Origin, Source
from tests.crawler.conftest import SOON
from tests.crawler.test_tarball import member, pack
from tests.support.dists import Dist, make_wheel
from tests.support.index import FakeIndex
from tests.support.repositories import DEMO, Repository, file_server

ROOT = Path(__file__).resolve().parents[2]
STATES = "sha256:" + "0" * 64


def source(*origins: Origin, name: str) -> Source:
    return Source(name=name, origins=origins)


def published(index: FakeIndex, dist: Dist, **changes: object) -> Source:
    index.add(dist)
    artifact = LockedArtifact(filename=dist.filename, url=index.file_url(dist), sha256=dist.sha256)
    origin = replace(artifact, **changes)  # type: ignore[arg-type]
    return source(origin, name=dist.sha256)


def text_source(text: bytes, url: str = "https://files.index.example/x-1.0-py3-none-any.whl") -> Source:
    digest = hashlib.sha256(text).hexdigest()
    return source(LockedArtifact(filename="x-1.0-py3-none-any.whl", url=url, sha256=digest), name=digest)


@pytest.fixture
def folder(tmp_path: Path) -> ArchiveFolder:
    made = ArchiveFolder(tmp_path / "archive")
    made.create()
    return made


@pytest.fixture
def wheel(fake_index: FakeIndex) -> Source:
    return published(fake_index, make_wheel("x", "1.0", files={"x.py": "# " + "x" * 50_000}))


def left(folder: ArchiveFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def refusal(fetching: Fetching, wanted: Source) -> MachError:
    with pytest.raises(MachError) as caught:
        fetching.save(wanted)
    return caught.value


# ---- what has its name is whole


def test_a_file_is_saved_under_its_hash(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source
) -> None:
    size = Fetching(folder, client, root=folder.path).save(wheel)
    assert left(folder) == {wheel.name}
    assert hashlib.sha256((folder.path / wheel.name).read_bytes()).hexdigest() == wheel.name
    assert size == (folder.path / wheel.name).stat().st_size
    assert folder.state_of(wheel) == "intact"


def test_nothing_is_left_of_what_breaks_off(folder: ArchiveFolder) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        assert not (folder.path / wanted.name).exists()
        raise Unavailable("source-unreachable", "it broke off")

    wanted = text_source(b"half and half")
    with pytest.raises(Unavailable, match="broke off"):
        folder.save(wanted, pieces(), origin="here")
    assert left(folder) == set()


def test_after_a_crash_no_file_has_its_name_and_the_rest_goes_a_day_later(folder: ArchiveFolder) -> None:
    code = """if 1:
        import os, signal, sys
        from pathlib import Path
        from crawler.archive_folder import ArchiveFolder
        from tests.crawler.test_archive import text_source

        def pieces():
            yield b"x" * 5_000_000
            os.kill(os.getpid(), signal.SIGKILL)

        ArchiveFolder(Path(sys.argv[1])).save(text_source(b"whole"), pieces(), origin="here")
    """
    done = subprocess.run([sys.executable, "-c", code, folder.path], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    (partial,) = folder.path.iterdir()
    assert partial.name.startswith(".mach-")
    assert partial.name.endswith(".part")
    folder.create()
    assert partial.exists(), "another run may be writing it"
    os.utime(partial, (time.time() - 90_000,) * 2)
    (folder.path / "notes.txt").write_text("mine")
    folder.create()
    assert left(folder) == {"notes.txt"}


def test_a_full_disk_is_told_and_leaves_nothing_half(folder: ArchiveFolder) -> None:
    code = """if 1:
        import resource, sys
        from pathlib import Path
        from crawler.archive_folder import ArchiveFolder
        from resolver.errors import Unavailable
        from tests.crawler.test_archive import text_source

        folder = ArchiveFolder(Path(sys.argv[1]))
        folder.save(text_source(b"small"), [b"small"], origin="here")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            folder.save(text_source(b"x" * 9_000_000), iter([b"x" * 1_000_000] * 9), origin="here")
        except Unavailable as error:
            print(error.code, error.message, error.hint, sep="|")
    """
    done = subprocess.run([sys.executable, "-c", code, folder.path], cwd=ROOT, capture_output=True, text=True)
    code, message, hint = done.stdout.strip().split("|")
    assert code == "output-unwritable"
    assert message == f"{folder.path} cannot be written: File too large"
    assert "make room" in hint
    assert left(folder) == {text_source(b"small").name}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written: Not a directory") as caught:
        ArchiveFolder(tmp_path / "file/archive").create()
    assert caught.value.code == "output-unwritable"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a" * 63, "A" * 64, "nixpkgs-x.tar.gz", "", "index.json"])
def test_only_a_hash_becomes_a_path(folder: ArchiveFolder, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file of an archive"):
        folder.save(source(LockedArtifact(filename="x", url="", sha256=name), name=name), [b"x"], origin="here")
    assert left(folder) == set()


def test_file_names_of_strangers_name_no_file(client: Client, fake_index: FakeIndex, folder: ArchiveFolder) -> None:
    wanted = published(fake_index, make_wheel("x", "1.0"), filename="../../\x1b[31mevil")
    Fetching(folder, client, root=folder.path).save(wanted)
    write_index(folder, [wanted])
    assert left(folder) == {wanted.name, "index.json"}
    assert "\x1b" not in (folder.path / "index.json").read_text()


# ---- what does not have its hash


def test_another_content_names_both_hashes_and_is_not_kept(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source
) -> None:
    fake_index.behave(fake_index.file_path(fake_index.dists("x")[0]), body=b"something else")
    error = refusal(Fetching(folder, client, root=folder.path), wheel)
    assert error.code == "hash-mismatch"
    assert f"in the lock: sha256:{wheel.name}" in error.context
    assert any(line.endswith(f"sha256:{hashlib.sha256(b'something else').hexdigest()}") for line in error.context)
    assert left(folder) == set()


def test_more_than_the_lock_says_is_not_read(client: Client, fake_index: FakeIndex, folder: ArchiveFolder) -> None:
    wanted = published(fake_index, make_wheel("x", "1.0", files={"x.py": "x" * 100_000}), size=100)
    error = refusal(Fetching(folder, client, root=folder.path), wanted)
    assert "longer than 100 bytes" in str(error)


def test_damage_is_noticed(folder: ArchiveFolder) -> None:
    wanted = text_source(b"right")
    assert folder.state_of(wanted) == "missing"
    (folder.path / wanted.name).write_bytes(b"wrong")
    assert folder.state_of(wanted) == "damaged"
    folder.save(wanted, [b"ri", b"ght"], origin="here")
    assert folder.state_of(wanted) == "intact"


# ---- servers


def test_an_answer_that_breaks_off_is_asked_for_again(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source
) -> None:
    path = fake_index.file_path(fake_index.dists("x")[0])
    fake_index.behave(path, times=2, truncate=100)
    Fetching(folder, client, root=folder.path).save(wheel)
    assert fake_index.count(path) == 3
    fake_index.behave(path, truncate=100)
    error = refusal(Fetching(folder, client, root=folder.path), wheel)
    assert error.code == "source-unreachable"
    assert "breaks off after 100 bytes" in str(error)


@pytest.mark.parametrize("status", [404, 500])
def test_a_file_that_its_server_does_not_have(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source, status: int
) -> None:
    fake_index.behave(fake_index.file_path(fake_index.dists("x")[0]), status=status)
    error = refusal(Fetching(folder, client, root=folder.path), wheel)
    assert error.code == "source-unreachable"
    assert f"its server answers {status} for x-1.0-py3-none-any.whl" in error.context
    assert "--from" in (error.hint or "")


def test_a_server_that_is_gone_is_not_asked_for_ever(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder
) -> None:
    wanted = [published(fake_index, make_wheel("x", f"1.{n}")) for n in range(5)]
    fake_index.server.stop()
    fetching = Fetching(folder, client, root=folder.path)
    said = [str(refusal(fetching, one)) for one in wanted]
    assert ["not tried" in text for text in said] == [False, False, False, True, True]


def test_passwords_are_those_of_the_index(fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source) -> None:
    fake_index.password = ("me", "secret")
    for url, works in ((fake_index.url, False), (fake_index.url_with("me", "secret"), True)):
        with Client(read_index_settings(index_url=url, environ={}), SOON, Limits(seconds=20)) as client:
            fetching = Fetching(folder, client, root=folder.path)
            if works:
                fetching.save(wheel)
            else:
                error = refusal(fetching, wheel)
                assert error.code == "index-refused"
                assert "secret" not in str(error)
    assert left(folder) == {wheel.name}


# ---- other places


def test_other_archives_are_asked_first(
    client: Client, fake_index: FakeIndex, folder: ArchiveFolder, wheel: Source, tmp_path: Path
) -> None:
    content = fake_index.dists("x")[0].content
    other, served = tmp_path / "other", tmp_path / "served"
    for one in (other, served):
        one.mkdir()
    fake_index.forget()
    with file_server(served) as url:
        archives = [parse_archive(str(other)), parse_archive(f"{url}/")]
        fetching = Fetching(folder, client, archives=archives, root=tmp_path)
        (served / wheel.name).write_bytes(content)
        fetching.save(wheel)
        (served / wheel.name).unlink()
        (other / wheel.name).write_bytes(content)
        fetching.save(wheel)
        assert fake_index.count() == 0
        # one that is damaged there is passed over
        (other / wheel.name).write_bytes(b"damaged")
        fetching.save(wheel)
        assert fake_index.count() == 1
    assert folder.state_of(wheel) == "intact"


@pytest.mark.parametrize(
    "text",
    [
        *("/nowhere/at/all", "ftp://archive.example/", "https://", "file:///srv"),
        *("https://me:secret@archive.example/", "https://archive.example/?token=secret"),
    ],
)
def test_what_is_no_archive_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_archive(text)
    assert caught.value.code == "no-archive"
    assert "secret" not in str(caught.value)


def test_a_commit_is_kept_as_its_nar(client: Client, folder: ArchiveFolder, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "site/tool")
    first = repository.commit(DEMO)
    (tmp_path / "site/tool/run").write_text("#!/bin/sh\n")
    (tmp_path / "site/tool/run").chmod(0o755)
    (tmp_path / "site/tool/link").symlink_to("run")
    commit = repository.commit({})
    tree = tmp_path / "tree"
    repository.git("worktree", "add", "--quiet", "--detach", str(tree), commit)
    (tree / ".git").unlink()
    with file_server(tmp_path / "site") as url:
        origin = LockedCheckout(url=f"{url}/tool/.git", commit=commit, nar_sha256=hash_nar(tree))
        wanted = source(origin, name=origin.nar_sha256)
        fetching = Fetching(folder, client, root=tmp_path)
        fetching.save(wanted)
        other = replace(origin, commit=first)
        error = refusal(fetching, source(other, name=origin.nar_sha256))
        assert error.code == "hash-mismatch"
        assert any(line.startswith(f"in the lock: sha256:{origin.nar_sha256}") for line in error.context)
        gone = replace(origin, commit="0" * 40)
        assert refusal(fetching, source(gone, name=gone.nar_sha256)).code == "unknown-revision"
    assert folder.state_of(wanted) == "intact"


def test_nixpkgs_is_kept_as_a_tarball_that_unpacks_to_its_hash(
    client: Client, folder: ArchiveFolder, tmp_path: Path
) -> None:
    rev = "0123456789abcdef0123456789abcdef01234567"
    name = f"nixpkgs-{rev}.tar.gz"
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/default.nix").write_bytes(b"{ }: { }\n")
    other = tmp_path / "other"
    other.mkdir()
    pack(other / name, member(f"nixpkgs-{rev}/default.nix", b"{ }: { }\n"))
    wanted = source(Nixpkgs(rev=rev, sha256=_sri(hash_nar(tmp_path / "tree"))), name=name)
    Fetching(folder, client, archives=[other], root=tmp_path).save(wanted)
    assert left(folder) == {name}
    assert folder.state_of(wanted) == "intact"
    for content, reason in ((b"{ }: { x = 1; }", "sha256-"), (None, "cannot be used: it does not hold just one")):
        members = [] if content is None else [member("top/default.nix", content)]
        pack(folder.path / name, *members)
        assert folder.state_of(wanted) == "damaged"
        with pytest.raises(Unavailable, match="nixpkgs 0123456789ab is not what the lock names") as caught:
            folder.save(wanted, [(folder.path / name).read_bytes()], origin="here")
        assert any(
            line.startswith(f"in the lock: {_sri(hash_nar(tmp_path / 'tree'))}") for line in caught.value.context
        )
        assert any(reason in line for line in caught.value.context if line.startswith("from here"))


def _sri(digest: str) -> str:
    from crawler.nar import to_sri

    return to_sri(digest)


def test_a_wheel_beside_the_lock_is_kept_as_well(client: Client, folder: ArchiveFolder, tmp_path: Path) -> None:
    wheel = make_wheel("near", "1.0")
    origin = LockedPath(path=f"./{wheel.filename}", states=STATES, filename=wheel.filename, sha256=wheel.sha256)
    wanted = source(origin, name=wheel.sha256)
    fetching = Fetching(folder, client, root=tmp_path)
    assert refusal(fetching, wanted).code == "unreadable-file"
    (tmp_path / wheel.filename).write_bytes(b"changed since")
    assert refusal(fetching, wanted).code == "hash-mismatch"
    (tmp_path / wheel.filename).write_bytes(wheel.content)
    fetching.save(wanted)
    assert folder.state_of(wanted) == "intact"


@pytest.mark.parametrize("path", ["/dev/zero", "./pipe", "."])
def test_what_would_be_read_for_ever_is_refused(
    client: Client, folder: ArchiveFolder, tmp_path: Path, path: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    origin = LockedPath(path=path, states=STATES, filename="x-1.0-py3-none-any.whl", sha256="a" * 64)
    error = refusal(Fetching(folder, client, root=tmp_path), source(origin, name="a" * 64))
    assert "is not a plain file" in str(error)


def test_file_urls_are_read_where_that_is_allowed(client: Client, folder: ArchiveFolder, tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"here")
    wanted = text_source(b"here", (tmp_path / "a b").as_uri())
    error = refusal(Fetching(folder, client, root=tmp_path), wanted)
    assert error.code == "file-url-refused"
    Fetching(folder, client, root=tmp_path, local_urls=True).save(wanted)
    assert left(folder) == {wanted.name}


# ---- the index


def test_the_index_is_the_same_whatever_the_order_and_keeps_what_other_locks_brought(folder: ArchiveFolder) -> None:
    one, two, three = (text_source(text) for text in (b"one", b"two", b"three"))
    for wanted, text in ((one, b"one"), (two, b"two"), (three, b"three")):
        folder.save(wanted, [text], origin="here")
    write_index(folder, [one, three])
    write_index(folder, [two])
    first = (folder.path / "index.json").read_bytes()
    (folder.path / "index.json").unlink()
    write_index(folder, [two, three])
    write_index(folder, [one, two])
    assert (folder.path / "index.json").read_bytes() == first
    assert [entry["size"] for entry in read_index(folder)] == [
        len(t) for t in sorted((b"one", b"two", b"three"), key=_hash)
    ]
    (folder.path / two.name).unlink()
    write_index(folder, [one])
    assert {entry["name"] for entry in read_index(folder)} == {one.name, three.name}


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "{", '{"archive-version": 2, "files": []}', '{"archive-version": 1, "files": [1]}', "[" * 10**5],
)
def test_an_index_of_something_else_is_not_overwritten(folder: ArchiveFolder, text: str) -> None:
    (folder.path / "index.json").write_text(text)
    with pytest.raises(DataError, match="is not the index of an archive") as caught:
        write_index(folder, [])
    assert caught.value.code == "archive-index-invalid"
    assert (folder.path / "index.json").read_text() == text


def test_names_in_an_index_lead_nowhere(folder: ArchiveFolder, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    entry = {"name": "../outside", "filename": "x", "url": "https://files.index.example/x"}
    (folder.path / "index.json").write_text(json.dumps({"archive-version": 1, "files": [entry]}))
    write_index(folder, [])
    assert read_index(folder) == ()
