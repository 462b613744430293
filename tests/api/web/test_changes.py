"""Fixes made in a request, requests and forms: what goes in one way comes out the other."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from api.asking import ask
from api.http.bodies import ResolveBody
from api.web.changes import change_request
from api.web.command import command_of, files_of
from api.web.fields import body_of_parts, body_of_request, values_of_body
from crawler.settings import IndexSettings, read_index_settings
from resolver.errors import InputError
from resolver.lock_request import request_to_json

SETTINGS: IndexSettings = read_index_settings(index_url="https://index.example/simple/", environ={})
HASH = "sha256:" + "0" * 64


def request_of(**members: Any) -> dict[str, Any]:
    """Return the normalised request that a body asks for."""
    body = ResolveBody(**{"platforms": ["x86_64-linux"], **members})
    asked = ask(
        texts=body.texts(),
        constraint_texts=body.constraint_texts(),
        choices=body.choices(),
        read=None,
        environ={},
        settings=SETTINGS,
    )
    return request_to_json(asked.request)


REQUESTS = [
    request_of(requirements="b\na[x,y]<2 ; python_version > '3.10'\n"),
    request_of(requirements="a", python=["3.11.4", "3.13"], platforms=["aarch64-darwin", "x86_64-linux"]),
    request_of(requirements=f"a==1 --hash={HASH}\n", require_hashes=True, prefer="newest", resolution="lowest"),
    request_of(requirements="a", constraints="b<3", overrides=["c:b<2", "d==1"], excludes=["e"]),
    request_of(requirements="a", providers=["sdist,wheel", "b=wheel"], prerelease=["allow", "b=disallow"]),
    request_of(requirements="a", as_of=["2024-05-01", "b=2023-01-01"], build_as_of=["2022-01-01"]),
    request_of(requirements="a", build_providers=["wheel", "b=sdist"], no_build=["c"], no_binary=["d"]),
    request_of(requirements="\n".join(f"project-{i}" for i in range(20))),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_comes_back_from_its_form(request_: Mapping[str, Any]) -> None:
    body = body_of_request(request_)
    values = values_of_body(body)
    parts = []
    for name, value in values.items():
        if name == "hashes":
            parts += [(name, "yes", "")] if value else []
        else:
            parts += [(name, text.replace("\n", "\r\n"), "") for text in ([value] if isinstance(value, str) else value)]
    sent = body_of_parts(parts)
    assert request_of(**sent.model_dump(exclude={"nixpkgs"})) == request_


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_command_is_words_for_a_shell(request_: Mapping[str, Any]) -> None:
    words = shlex.split(command_of(request_, "monday", {"rev": "0" * 40, "sha256": "sha256-x"}))
    assert words[:2] == ["mach", "lock"]
    assert words[words.index("--snapshot") + 1] == "monday"
    assert words[words.index("--nixpkgs") + 1] == "0" * 40
    for name in files_of(request_):
        assert name in words


@pytest.mark.parametrize("text", ["a; touch mach-was-here", "$(touch x)", "`x`", "it's", "a\nb", "-r /etc/passwd"])
def test_nothing_in_a_command_becomes_another_one(text: str) -> None:
    request = {**REQUESTS[0], "requirements": [text], "overrides": [text]}
    command = command_of(request)
    words = shlex.split(command)
    assert words[:2] == ["mach", "lock"]
    assert words[words.index("--override") + 1] == text
    assert files_of(request).get("requirements.txt", words[2]).strip() == text.strip()


def problem(core: list[dict[str, str]], **fix: str | None) -> dict[str, Any]:
    fixes = [{"kind": "relax", "text": "", "origin": None, "from": None, "to": None, "takes": {}, **fix}]
    return {"details": {"core": core, "fixes": fixes, "target": {"python": "3.11.4", "system": "x86_64-linux"}}}


def demand(kind: str, text: str, origin: str) -> dict[str, str]:
    return {"kind": kind, "requirement": text, "project": "a", "origin": origin}


def test_a_requirement_is_relaxed_and_keeps_its_marker() -> None:
    asked = [demand("requirement", "a[x,y]<2", "r:2")]
    changed = change_request(REQUESTS[0], problem(asked, **{"from": "a[x,y]<2", "to": "a[x,y]<3", "origin": "r:2"}), 0)
    assert changed["requirements"] == ['a[x,y]<3; python_version > "3.10"', "b"]


def test_a_requirement_is_dropped() -> None:
    changed = change_request(REQUESTS[0], problem([], kind="drop", **{"from": "b", "origin": "r:1"}), 0)
    assert changed["requirements"] == ['a[x,y]<2; python_version > "3.10"']


def test_a_constraint_and_an_override_are_changed_where_they_stand() -> None:
    limits = [demand("constraint", "b<3", "c:1")]
    changed = change_request(REQUESTS[3], problem(limits, **{"from": "b<3", "to": "b<4", "origin": "c:1"}), 0)
    assert (changed["constraints"], changed["requirements"]) == (["b<4"], ["a"])
    changed = change_request(REQUESTS[3], problem([], kind="drop", **{"from": "c:b<2", "origin": "o"}), 0)
    assert changed["overrides"] == ["d==1"]


@pytest.mark.parametrize(
    ("option", "member", "value"),
    [
        ("--python 3.12", "pythons", ["3.12.12", "3.13.11"]),
        ("--prerelease b=allow", "prerelease", {"_default": "if-necessary", "b": "allow"}),
        ("--providers b=wheel,sdist", "providers", {"_default": ["wheel", "sdist"], "b": ["wheel", "sdist"]}),
        ("", "as-of", {}),
    ],
)
def test_an_option_is_set(option: str, member: str, value: object) -> None:
    changed = change_request(REQUESTS[1], problem([], kind="option", to=option), 0)
    assert changed[member] == value
    again = {**REQUESTS[1], member: value}
    assert {k: v for k, v in changed.items() if k != "digest"} == {k: v for k, v in again.items() if k != "digest"}


def test_a_fix_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        change_request(REQUESTS[0], {"code": "gave-up"}, 0)
    assert refused.value.code == "not-found"


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        body_of_parts([("files", "x", "")])
    assert refused.value.code == "invalid-body"
