"""The pinned nixpkgs, from the files where people already have it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import InputError
from resolver.lock import Nixpkgs
from resolver.nixpkgs_pin import (
    is_nix_sha256,
    make_nixpkgs,
    nixpkgs_from_flake_lock,
    nixpkgs_from_npins,
)

REV = "057f9aecfb71c4437d2b27d3323df7f93c010b7e"
SRI = "sha256-MxCVrXY6v4QmfTwIysjjaX0XUhqBbxTWWB4HXtDYsdk="
BASE32 = "1ndiv385w1qyb3b18vw13991fzb9wg4cl21wglk89grsfsnra41k"
OTHER = "1" * 40

FLAKE: dict[str, Any] = {
    "nodes": {
        "nixpkgs": {
            "locked": {
                "lastModified": 1701436327,
                "narHash": SRI,
                "owner": "NixOS",
                "repo": "nixpkgs",
                "rev": REV,
                "type": "github",
            },
            "original": {"owner": "NixOS", "ref": "nixos-unstable", "repo": "nixpkgs", "type": "github"},
        },
        "nixpkgs_2": {"locked": {"narHash": SRI, "owner": "nixos", "repo": "nixpkgs", "rev": OTHER, "type": "github"}},
        "utils": {
            "inputs": {"nixpkgs": ["tools", "nixpkgs"]},
            "locked": {"type": "git", "url": "https://git.example/utils", "rev": OTHER, "narHash": SRI},
        },
        "tools": {"inputs": {"nixpkgs": "nixpkgs_2"}, "locked": {"type": "path", "path": "/x", "narHash": SRI}},
        "root": {"inputs": {"nixpkgs": "nixpkgs", "utils": "utils", "tools": "tools", "own": ["utils", "nixpkgs"]}},
    },
    "root": "root",
    "version": 7,
}
NPINS: dict[str, Any] = {
    "pins": {
        "nixpkgs": {
            "type": "Git",
            "repository": {"type": "GitHub", "owner": "NixOS", "repo": "nixpkgs"},
            "branch": "nixos-24.05",
            "submodules": False,
            "revision": REV,
            "url": f"https://git.example/NixOS/nixpkgs/archive/{REV}.tar.gz",
            "hash": BASE32,
        },
        "channel": {"type": "Channel", "name": "nixpkgs-unstable", "url": "https://x.example/n.tar.xz", "hash": BASE32},
        "mine": {
            "type": "Git",
            "repository": {"type": "GitHub", "owner": "me", "repo": "nixpkgs"},
            "revision": REV,
            "hash": BASE32,
        },
    },
    "version": 3,
}


def changed(value: dict[str, Any], path: str, to: object) -> str:
    copied = copy.deepcopy(value)
    *steps, last = path.split("/")
    at = copied
    for step in steps:
        at = at[step]
    at[last] = to
    return json.dumps(copied)


def test_a_flake_lock_gives_the_commit_and_its_hash() -> None:
    assert nixpkgs_from_flake_lock(json.dumps(FLAKE)) == Nixpkgs(rev=REV, sha256=SRI)


def test_an_input_of_a_flake_may_follow_others() -> None:
    assert nixpkgs_from_flake_lock(json.dumps(FLAKE), node="own") == Nixpkgs(rev=OTHER, sha256=SRI)


def test_npins_sources_give_the_commit_and_its_hash() -> None:
    assert nixpkgs_from_npins(json.dumps(NPINS)) == Nixpkgs(rev=REV, sha256=BASE32)
    newer = changed({**NPINS, "version": 7}, "pins/nixpkgs/hash", SRI)
    assert nixpkgs_from_npins(newer) == Nixpkgs(rev=REV, sha256=SRI)


@pytest.mark.parametrize(
    ("text", "node", "message"),
    [
        (json.dumps(FLAKE), "utils", "flake.lock: nodes.utils.locked: 'utils' is git, not the nixpkgs of github"),
        (json.dumps(FLAKE), "missing", "no input named 'missing' (its inputs: nixpkgs, own, tools, utils)"),
        (changed(FLAKE, "nodes/nixpkgs/locked/owner", "me"), None, "'nixpkgs' is github me/nixpkgs, not the nixpkgs"),
        (changed(FLAKE, "nodes/nixpkgs/locked/repo", "nixpkgs-fork"), None, "'nixpkgs' is github NixOS/nixpkgs-fork"),
        (changed(FLAKE, "nodes/nixpkgs/locked/rev", "abc"), None, "nodes.nixpkgs.locked.rev: 'abc' is not a commit"),
        (changed(FLAKE, "nodes/nixpkgs/locked/narHash", "x"), None, "nodes.nixpkgs.locked.narHash: 'x' is not a SHA-"),
        (changed(FLAKE, "nodes/nixpkgs", {}), None, "nodes.nixpkgs.locked: it must be an object"),
        (changed(FLAKE, "nodes/root/inputs/nixpkgs", "gone"), None, "nodes.gone: it must be an object"),
        (changed(FLAKE, "nodes/root/inputs/nixpkgs", ["nixpkgs"]), None, "follow each other without an end"),
        (changed(FLAKE, "nodes/root/inputs/nixpkgs", ["utils", "x"]), None, "nodes.utils.inputs: it has no input"),
        (changed(FLAKE, "nodes/root/inputs/nixpkgs", [1]), None, "follow each other without an end"),
        (changed(FLAKE, "version", 99), None, "it is not a flake.lock of version 5, 6 or 7"),
        ("{", None, "flake.lock: it is not JSON: "),
        ("[]", None, "it does not hold a JSON object"),
        ("[" * 100_000, None, "it is nested too deeply"),
    ],
)
def test_a_flake_lock_without_nixpkgs_is_refused_by_name(text: str, node: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        nixpkgs_from_flake_lock(text, node=node)
    assert caught.value.code == "invalid-nixpkgs"
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "pin", "message"),
    [
        (json.dumps(NPINS), "mine", "pins.mine.repository: 'mine' is GitHub me/nixpkgs, not the nixpkgs of github"),
        (json.dumps(NPINS), "channel", "pins.channel is the channel 'nixpkgs-unstable'"),
        (json.dumps(NPINS), "other", "it has no pin named 'other' (its pins: channel, mine, nixpkgs)"),
        (changed(NPINS, "pins/nixpkgs/submodules", True), "nixpkgs", "fetched with submodules"),
        (changed(NPINS, "pins/nixpkgs/revision", "main"), "nixpkgs", "pins.nixpkgs.revision: 'main' is not a commit"),
        (changed(NPINS, "pins/nixpkgs/hash", None), "nixpkgs", "pins.nixpkgs.hash: 'None' is not a SHA-256"),
        (changed(NPINS, "version", 2), "nixpkgs", "not npins' sources.json of version 3 to 7"),
        (json.dumps(FLAKE), "nixpkgs", "it is not npins' sources.json"),
    ],
)
def test_npins_sources_without_nixpkgs_are_refused_by_name(text: str, pin: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        nixpkgs_from_npins(text, pin=pin)
    assert caught.value.code == "invalid-nixpkgs"
    assert message in caught.value.message


def test_options_take_every_form_in_which_nix_prints_a_hash() -> None:
    assert make_nixpkgs(None, None) is None
    assert make_nixpkgs(REV.upper(), SRI) == Nixpkgs(rev=REV, sha256=SRI)
    assert make_nixpkgs(REV, BASE32) == Nixpkgs(rev=REV, sha256=BASE32)
    assert make_nixpkgs(REV, f"sha256:{BASE32}") == Nixpkgs(rev=REV, sha256=BASE32)
    assert make_nixpkgs(REV, "331095ad763abf84267d3c08cac8e3697d17521a816f14d6581e075ed0d8b1d9") == (
        Nixpkgs(rev=REV, sha256=SRI)
    )


@pytest.mark.parametrize(
    ("rev", "sha256", "message"),
    [
        (REV, None, "--nixpkgs is given without --nixpkgs-sha256"),
        (None, SRI, "--nixpkgs-sha256 is given without --nixpkgs"),
        ("nixos-unstable", SRI, "--nixpkgs: 'nixos-unstable' is not a commit"),
        (REV[:39], SRI, "is not a commit"),
        (REV + "\n", SRI, "is not a commit"),
        (REV, "", "--nixpkgs-sha256: '' is not a SHA-256"),
        (REV, SRI[:-1], "is not a SHA-256"),
        (REV, "sha512-" + "A" * 86 + "==", "is not a SHA-256"),
        (REV, "2" + "0" * 51, "is not a SHA-256"),
        (REV, "sha256-" + "A" * 42 + "B=", "is not a SHA-256"),
    ],
)
def test_options_that_pin_nothing_are_refused(rev: str | None, sha256: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_nixpkgs(rev, sha256)
    assert caught.value.code == "invalid-nixpkgs"
    assert message in caught.value.message


@given(st.text(max_size=60) | st.from_regex(r"\Asha256-.{44}\Z"))
def test_any_text_is_a_hash_or_not(text: str) -> None:
    if is_nix_sha256(text):
        assert len(text) in (51, 52)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["nodes", "root", "inputs", "nixpkgs", "locked", "version", "pins"]), inner, max_size=5
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    for read in (nixpkgs_from_flake_lock, nixpkgs_from_npins):
        for version in (3, 7):
            text = json.dumps({**value, "version": version} if isinstance(value, dict) else value)
            with pytest.raises(InputError):
                read(text)
