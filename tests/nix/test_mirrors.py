"""Mirrors: folders and servers with the files of an archive, what is taken from which, and what they cannot do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.nar import dump_nar, hash_nar
from nix.lib import fetch_checkout
from resolver.lock import Lock, LockedCheckout, LockedPath, Nixpkgs
from tests.nix.locks import lock_of, write_expression
from tests.support.dists import make_sdist, make_wheel
from tests.support.nix import NixStore
from tests.support.repositories import Repository, file_server

LIBRARY = Path(fetch_checkout.__file__).parent / "mirrors.nix"
REV = "0123456789abcdef0123456789abcdef01234567"
STATES = "sha256:" + "0" * 64

Ask = Callable[[str, str], object]


@pytest.fixture
def ask(nix_store: NixStore, tmp_path: Path) -> Ask:
    """Return what evaluates an expression on the part of the library, for some mirrors."""

    def ask(mirrors: str, expression: str) -> object:
        probe = tmp_path / "probe.nix"
        probe.write_text(f"let mirror = import {LIBRARY} {{ mirrors = {mirrors}; }}; in {expression}")
        return json.loads(nix_store.call("nix-instantiate", "--eval", "--strict", "--json", probe).stdout)

    return ask


def with_artifact(lock: Lock, artifact: object) -> Lock:
    """Return *lock* with another artifact for its only pin."""
    (target,) = lock.targets
    (pin,) = target.pins
    return replace(lock, targets=(replace(target, pins=(replace(pin, artifact=artifact),)),))  # type: ignore[arg-type]


# ---- finding


@pytest.mark.parametrize("digest", ["00" * 32, "ff" * 32, "0123456789abcdef" * 4, "f0" * 31 + "07"])
def test_hashes_are_turned_into_names(ask: Ask, digest: str) -> None:
    from crawler.nar import to_sri

    assert ask("[ ]", f'mirror.toHexadecimal "{to_sri(digest)}"') == digest


@pytest.mark.parametrize("name", ["plain", "with space", "with%20percent", "ä", "a#b?c", "${x}", 'quo"te', "a'b\\c"])
def test_a_folder_is_found_by_path_and_by_url(ask: Ask, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / ("a" * 64)).write_text("x")
    text = str(folder).replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    found = f'(let place = mirror.find "{"a" * 64}"; in if place == null then null else toString place)'
    assert ask(f'[ (/. + "{text}") ]', found) == f"{folder}/{'a' * 64}"
    if name != "ä":
        assert ask(f'[ "{folder.as_uri()}/" ]', found) == f"{folder}/{'a' * 64}"
    assert ask(f'[ (/. + "{text}") ]', 'mirror.find "0000"') is None


def test_folders_go_before_servers_and_both_in_order(ask: Ask, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "abc").write_text(name)
    mirrors = f'[ "https://a.example/x/" {tmp_path}/two "file://{tmp_path}/one" "http://b.example" ]'
    assert ask(mirrors, 'toString (mirror.find "abc")') == f"{tmp_path}/two/abc"
    assert ask(mirrors, 'mirror.served "abc"') == ["https://a.example/x/abc", "http://b.example/abc"]
    assert ask(mirrors, 'mirror.urls "abc"') == [
        "https://a.example/x/abc",
        f"file://{tmp_path}/one/abc",
        "http://b.example/abc",
    ]


@pytest.mark.parametrize("mirror", ["archive", "/srv/archive", "ftp://a.example", "file://host/x", "--option", ""])
def test_what_is_no_mirror_is_refused_by_name(nix_store: NixStore, tmp_path: Path, mirror: str) -> None:
    expression = write_expression(tmp_path, lock_of(nix_store, make_wheel("plain", "1.0")))
    outcome = nix_store.try_build(expression, "env", {"mirrors": f'[ "{mirror}" ]'})
    assert outcome.returncode == 1
    assert f'mach: the mirror "{mirror}" is neither a path nor a URL' in outcome.stderr


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "A", ".hidden"])
def test_a_name_that_is_no_hash_is_no_path(nix_store: NixStore, tmp_path: Path, name: str) -> None:
    probe = tmp_path / "probe.nix"
    probe.write_text(f'(import {LIBRARY} {{ mirrors = [ /etc ]; }}).find "{name}"')
    outcome = nix_store.run("nix-instantiate", "--eval", probe)
    assert f'mach: "{name}" is not the name of a file of an archive' in outcome.stderr


# ---- files


def test_a_folder_that_no_build_could_read_is_enough(nix_store: NixStore, tmp_path: Path) -> None:
    """tmp_path is not among the sandbox's paths."""
    wheel = make_wheel("hidden", "1.0", files={"hidden.py": f"# {tmp_path}\n"})
    lock = lock_of(nix_store, wheel)
    expression = write_expression(tmp_path, lock)
    plain = nix_store.instantiate(expression, "packages.hidden")
    archive = tmp_path / "my archive"
    archive.mkdir(mode=0o700)
    shutil.move(nix_store.files / wheel.sha256 / wheel.filename, archive / wheel.sha256)
    built = nix_store.build(expression, "packages.hidden", {"mirrors": f'[ (/. + "{archive}") ]'})
    assert nix_store.call("nix-store", "--query", "--outputs", plain).paths == (built,)


def test_a_damaged_file_in_a_folder_stops_with_its_path(nix_store: NixStore, tmp_path: Path) -> None:
    wheel = make_wheel("spoiled", "1.0", files={"spoiled.py": f"# {tmp_path}\n"})
    expression = write_expression(tmp_path, lock_of(nix_store, wheel))
    (tmp_path / wheel.sha256).write_bytes(b"something else")
    outcome = nix_store.try_build(expression, "env", {"mirrors": f"[ {tmp_path} ]"})
    assert outcome.returncode == 1
    assert f"{tmp_path}/{wheel.sha256}" in outcome.stderr


@pytest.mark.parametrize("form", ["folder", "server"])
def test_a_wheel_beside_the_lock_that_is_gone(nix_store: NixStore, tmp_path: Path, form: str) -> None:
    wheel = make_wheel("beside", "1.0", files={"beside.py": f"# {tmp_path}\n"})
    lock = lock_of(nix_store, wheel)
    artifact = LockedPath(path=f"./{wheel.filename}", states=STATES, filename=wheel.filename, sha256=wheel.sha256)
    expression = write_expression(tmp_path, with_artifact(lock, artifact))
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / wheel.sha256).write_bytes(wheel.content)
    gone = nix_store.try_build(expression, "env", {"mirrors": f"[ {tmp_path}/nothing ]"})
    assert f'"./{wheel.filename}" is not there' in gone.stderr
    with file_server(archive) as url:
        mirrors = f"[ {archive} ]" if form == "folder" else f'[ "{url}" ]'
        mirrored = nix_store.build(expression, "packages.beside", {"mirrors": mirrors})
    (tmp_path / wheel.filename).write_bytes(wheel.content)
    assert nix_store.build(expression, "packages.beside") == mirrored


# ---- checkouts


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "site/tool")
    source = make_sdist("tool", "1.0", files={"tool.py": f"# {tmp_path}\n"}, backend="in-tree")
    shutil.unpack_archive(_written(tmp_path / source.filename, source.content), tmp_path / "unpacked")
    (tree,) = (tmp_path / "unpacked").iterdir()
    shutil.copytree(tree, made.folder, dirs_exist_ok=True)
    (made.folder / "run").write_text("#!/bin/sh\n")
    (made.folder / "run").chmod(0o755)
    (made.folder / "link").symlink_to("run")
    made.commit()
    return made


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def checkout_of(repository: Repository, url: str, tmp_path: Path) -> tuple[LockedCheckout, Path]:
    """Return the identity of the newest commit, and its files."""
    tree = tmp_path / "checkout"
    repository.git("worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
    (tree / ".git").unlink()
    return LockedCheckout(url=url, commit=repository.git("rev-parse", "HEAD"), nar_sha256=hash_nar(tree)), tree


def test_a_commit_comes_from_a_mirror_or_from_git_with_one_output(
    nix_store: NixStore, repository: Repository, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    lock = lock_of(nix_store, make_sdist("tool", "1.0", backend="in-tree"))
    outputs = set()
    with file_server(tmp_path / "site") as site, file_server(archive) as served:
        artifact, tree = checkout_of(repository, f"{site}/tool/.git", tmp_path)
        expression = write_expression(tmp_path, with_artifact(lock, artifact))
        nar = archive / artifact.nar_sha256

        def build(mirrors: str) -> None:
            attribute = "packages.tool.source"
            found = nix_store.build(expression, attribute, {"mirrors": mirrors})
            assert hash_nar(found) == artifact.nar_sha256
            nix_store.call("nix-store", "--delete", found)
            drv = nix_store.instantiate(expression, "packages.tool", {"mirrors": mirrors})
            outputs.add(nix_store.call("nix-store", "--query", "--outputs", drv).stdout)

        build("[ ]")
        build(f'[ "{served}" ]')  # which does not have it: git does
        nar.write_bytes(b"".join(dump_nar(tree)))
        shutil.move(tmp_path / "site/tool", tmp_path / "gone")
        build(f'[ "{served}/nothing" "{served}" ]')
        build(f"[ {archive} ]")
        nar.write_bytes(b"damaged")
        outcome = nix_store.try_build(expression, "packages.tool.source", {"mirrors": f'[ "{served}" ]'})
    assert len(outputs) == 1
    assert outcome.returncode != 0
    assert f"and the lock says {artifact.nar_sha256}" in outcome.stderr


def test_a_commit_of_this_machine_has_the_same_output(
    nix_store: NixStore, repository: Repository, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    artifact, tree = checkout_of(repository, f"file://{repository.folder}", tmp_path)
    lock = lock_of(nix_store, make_sdist("tool", "1.0", backend="in-tree"))
    expression = write_expression(tmp_path, with_artifact(lock, artifact))
    own = nix_store.build(expression, "packages.tool")
    with file_server(archive) as served:
        (archive / artifact.nar_sha256).write_bytes(b"".join(dump_nar(tree)))
        shutil.rmtree(repository.folder)
        for mirrors in (f"[ {archive} ]", f'[ "{served}" ]'):
            drv = nix_store.instantiate(expression, "packages.tool", {"mirrors": mirrors})
            assert nix_store.call("nix-store", "--query", "--outputs", drv).paths == (own,)


# ---- nixpkgs


@pytest.mark.parametrize(
    ("mirrors", "asked"),
    [
        ("[ {folder} ]", "Unrecognized archive format"),
        ('[ "http://127.0.0.1:9/first" {folder} ]', "Unrecognized archive format"),
        (
            '[ "http://127.0.0.1:9/first/" "http://127.0.0.1:9/second" ]',
            "http://127.0.0.1:9/first/nixpkgs-{rev}.tar.gz",
        ),
        ("[ {folder}/empty ]", "/archive/{rev}.tar.gz"),
    ],
)
def test_a_pinned_nixpkgs_is_looked_for_in_mirrors(
    nix_store: NixStore, tmp_path: Path, mirrors: str, asked: str
) -> None:
    lock = replace(lock_of(nix_store, make_wheel("plain", "1.0")), nixpkgs=Nixpkgs(rev=REV, sha256="0" * 52))
    (tmp_path / f"nixpkgs-{REV}.tar.gz").write_bytes(b"no tarball")
    outcome = nix_store.run(
        "nix-instantiate", "--option", "connect-timeout", "1", "--option", "download-attempts", "1",
        write_expression(tmp_path, lock), "-A", "env", "--arg", "mirrors", mirrors.format(folder=tmp_path),
    )  # fmt: skip
    assert outcome.returncode == 1
    assert asked.format(folder=tmp_path, rev=REV) in outcome.stderr


# ---- the script that unpacks


def frame(*texts: bytes) -> bytes:
    return b"".join(len(t).to_bytes(8, "little") + t + bytes(-len(t) % 8) for t in texts)


def entry(name: bytes, *node: bytes) -> bytes:
    return frame(
        b"nix-archive-1", b"(", b"type", b"directory", b"entry", b"(", b"name", name, b"node", *node, b")", b")"
    )


PLAIN = (b"(", b"type", b"regular", b"contents", b"x", b")")
HOSTILE = {
    "climbs": entry(b"..", *PLAIN),
    "slash": entry(b"../evil", *PLAIN),
    "empty": entry(b"", *PLAIN),
    "nul": entry(b"a\0b", *PLAIN),
    "cut": entry(b"a", *PLAIN)[:-40],
    "more": entry(b"a", *PLAIN) + b"x",
    "kind": frame(b"nix-archive-1", b"(", b"type", b"socket", b")"),
    "page": b"<html>not here</html>",
    "long name": frame(b"nix-archive-1", b"(", b"type") + (1 << 40).to_bytes(8, "little"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "nar").write_bytes(HOSTILE[name])
    with pytest.raises(fetch_checkout.Refused):
        fetch_checkout.unpack(tmp_path / "nar", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"nar", "out"}


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "nar").write_bytes(b"".join(dump_nar(repository.folder)))
    fetch_checkout.unpack(tmp_path / "nar", tmp_path / "out")
    assert hash_nar(tmp_path / "out") == hash_nar(repository.folder)
