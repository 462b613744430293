"""The text of the expressions: the same bytes for the same lock, and nothing but literals from strangers."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from nix.check import check_syntax
from nix.expression import SCRIPTS, render_directory, render_expression
from resolver.errors import DataError, MachError
from resolver.lock import (
    BuildClosure,
    Lock,
    LockedArtifact,
    LockTarget,
    Nixpkgs,
    Pin,
    digest_closure,
    lock_to_json,
    parse_lock,
    render_lock,
)
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.nix import NixStore

REV = "8c7a1f0b2d3e4f5061728394a5b6c7d8e9f00112"


def artifact(name: str = "plain-1.0-py3-none-any.whl") -> LockedArtifact:
    return LockedArtifact(filename=name, url=f"https://files.index.example/{name}", sha256="ab" * 32, size=10)


def example(**changes: object) -> Lock:
    tool = Pin(name="plain", version="1.0", provider="wheel", artifact=artifact())
    closure = BuildClosure(pins=(tool,))
    digest = digest_closure(closure)
    plain = replace(tool, dependencies={"other": ("other>=1",)})
    built = Pin(name="other", version="2", provider="sdist", artifact=artifact("other-2.tar.gz"), build=digest)
    target = LockTarget(
        system="x86_64-linux",
        python="3.11.9",
        python_interval=("3.11.0", "3.12"),
        glibc="2.17",
        roots={"plain": ("plain",)},
        pins=(built, plain),
    )
    fields: dict[str, object] = {
        "request": {"requirements": ["plain"]},
        "policy": {},
        "facts": "sha256:" + "0" * 64,
        "targets": (target,),
        "tools": {
            "installer": artifact("installer-1.1.0-py3-none-any.whl"),
            "pyproject-hooks": artifact("pyproject_hooks-1.2-py3-none-any.whl"),
        },
        "build_closures": {digest: closure},
    }
    return Lock(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_same_lock_gives_the_same_bytes() -> None:
    again = example(targets=example().targets, build_closures=dict(reversed(example().build_closures.items())))
    assert render_expression(example()) == render_expression(again)
    assert render_expression(example()) == render_expression(parse_lock(render_lock(example())))


def test_the_folder_depends_on_no_content_of_the_lock() -> None:
    other = example(facts="sha256:" + "1" * 64, nixpkgs=Nixpkgs(rev=REV, sha256="a" * 52), targets=())
    assert render_directory(example()) == render_directory(other)
    assert set(render_directory(example())) == {"default.nix", "shell.nix"}


@pytest.mark.nix
def test_everything_parses() -> None:
    assert check_syntax(render_expression(example()))
    assert check_syntax(render_expression(example(nixpkgs=Nixpkgs(rev=REV, sha256="a" * 52), snapshot="ab12")))
    for text in render_directory(example()).values():
        assert check_syntax(text)


@pytest.mark.nix
def test_a_mistake_in_generated_text_is_shown_with_its_place() -> None:
    with pytest.raises(MachError, match="does not parse") as caught:
        check_syntax("{\n  a = ;\n}\n")
    assert caught.value.code == "generated-nix-invalid"
    assert any(":2:7" in line for line in caught.value.context)


def test_without_nix_nothing_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_syntax("this is not Nix }") is False


def test_the_header_says_what_it_was_made_from() -> None:
    head = render_expression(example(snapshot="5f3e")).partition("{\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for said in ("facts: sha256:000", "snapshot: 5f3e", "x86_64-linux, Python 3.11.9", "nix-build FILE -A env"):
        assert said in head


def test_an_unpinned_nixpkgs_is_said_and_a_pinned_one_is_fetched_by_hash() -> None:
    assert "pkgs ? import <nixpkgs> { }, # not pinned" in render_expression(example())
    pinned = render_expression(example(nixpkgs=Nixpkgs(rev=REV, sha256="sha256-" + "A" * 43 + "=")))
    assert f"pkgs ? null, # null: nixpkgs {REV}" in pinned
    assert f'nixpkgs = {{\n      rev = "{REV}";\n      sha256 = "sha256-{"A" * 43}=";' in pinned


@pytest.mark.nix
def test_a_pinned_nixpkgs_is_the_default(nix_store: NixStore, tmp_path: Path) -> None:
    lock = example(nixpkgs=Nixpkgs(rev=REV, sha256="0" * 52))
    for name, text in {"one.nix": render_expression(lock), **render_directory(lock)}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mach.lock").write_text(render_lock(lock))
    for name in ("one.nix", "default.nix"):
        # the archive is not there to be fetched: that it is asked for by this URL is what shows it
        outcome = nix_store.run(
            "nix-instantiate", "--option", "connect-timeout", "1", "--option", "download-attempts", "1",
            tmp_path / name, "-A", "env",
        )  # fmt: skip
        assert outcome.returncode == 1
        assert f"archive/{REV}.tar.gz" in outcome.stderr


@pytest.mark.nix
@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_text_anywhere_in_a_lock_is_read_back_as_text(nix_store: NixStore, tmp_path: Path, name: str) -> None:
    text = HOSTILE_TEXTS[name]
    pin = Pin(
        name=text,
        version=text,
        provider=text,
        extras=(text,),
        artifact=LockedArtifact(filename=text, url=text, sha256="ab" * 32),
        dependencies={text: (text,)},
        build=text,
        passed_over=text,
    )
    target = replace(example().targets[0], pins=(pin,), roots={text: (text,)})
    lock = example(targets=(target,), build_closures={text: BuildClosure(pins=(pin,))})
    source = render_expression(lock)
    assert check_syntax(source)
    # the lock that the file holds, as Nix reads it
    probe = tmp_path / "probe.nix"
    probe.write_text(
        source.replace("parts.assemble {", "parts.assemble or (x: x) {", 1).replace("\nin\n", "\nin\nx: ", 1)
    )
    body = source[source.index("let\n") : source.rindex("\nin\n")]
    probe.write_text(body + "\nin\nlock\n")
    written = nix_store.call("nix-instantiate", "--eval", "--strict", "--json", probe).stdout
    expected = lock_to_json(lock)
    assert json.loads(written) == {key: expected[key] for key in ("build-closures", "nixpkgs", "targets", "tools")}


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": "x\n}; builtins.abort"},
        {"snapshot": "x\r# y"},
        {"snapshot": "sha256:1 2"},
        {"nixpkgs": Nixpkgs(rev="../evil", sha256="a" * 52)},
        {"nixpkgs": Nixpkgs(rev=REV, sha256='"; x')},
        {"tools": {}},
        {"targets": (replace(example().targets[0], system="x\n"),)},
        {"targets": (replace(example().targets[0], python="3.11\n"),)},
        {"tools": {**example().tools, "installer": replace(artifact(), sha256="AB")}},
        {"tools": {**example().tools, "installer": replace(artifact(), filename="a\0b")}},
    ],
)
def test_what_would_stand_outside_of_a_literal_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        render_expression(example(**changes))
    assert caught.value.code == "lock-invalid"


def test_scripts_stand_in_the_file_as_they_are() -> None:
    text = render_expression(example())
    for name in SCRIPTS:
        lines = files("nix.lib").joinpath(name).read_text("utf-8").splitlines()
        assert all(f"      {line}\n" in text for line in lines if line), name


def test_the_folder_of_the_lock_is_text_and_nothing_more() -> None:
    assert "\n  root ? ./.,\n" in render_expression(example())
    assert '\n  root ? ./. + "/../x",\n' in render_expression(example(), root="../x")
    for text in HOSTILE_TEXTS:
        if "\0" not in text and text.isprintable():
            check_syntax(render_expression(example(), root=f"/{text}"))
    hostile = '/a"; builtins.abort "${x}'
    assert '\n  root ? /. + "/a\\"; builtins.abort \\"\\${x}",\n' in render_expression(example(), root=hostile)
