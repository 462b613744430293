"""What strangers wrote, in every page: it is read, and never becomes markup, an attribute or an address."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.web.catalog_pages import project_page
from api.web.command import command_of
from api.web.rendering import render
from api.web.views import view_target
from resolver.errors import printable
from resolver.graph_forms import render_dot
from resolver.lock import Lock
from tests.api.web.pages import Page
from tests.api.web.test_changes import REQUESTS
from tests.resolver.locks import lock, pin, target
from tests.support.hostile import HOSTILE_TEXTS, HOSTILE_URLS

TEXTS = [
    *HOSTILE_TEXTS.values(),
    '"><script>alert(1)</script><p title="',
    "' onmouseover='alert(1)",
    "</textarea></pre></title><img src=x onerror=alert(1)>",
    "<!-- --!> <svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "&#60;b&#62;",
    "a\ud800b",
]


def read(text: str) -> Page:
    """Return a page as a browser reads it, which must hold no element or attribute that came from a text."""
    page = Page(
        httpx.Response(200, content=text.encode("utf-8", "backslashreplace"), headers={"content-type": "text/html"})
    )
    for element in page.elements:
        assert element.tag not in ("img", "iframe", "object", "b")
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert element.attributes.get(name, "/").startswith(("/", "#", "?", "http://", "https://"))
    assert len(page.all("script")) == 1
    for character in "\u202e\x1b\x07":
        assert character not in text
    return page


class Found:
    """What a template reads of a resolution."""

    def __init__(self, text: str) -> None:
        self.id, self.snapshot, self.warnings = "0" * 64, text, (text,)
        self.nixpkgs = {"rev": text, "sha256": text}


def shared(text: str) -> dict[str, Any]:
    asked = {**REQUESTS[3], "requirements": [text], "constraints": [text], "overrides": [text], "systems": [text]}
    return {
        "found": Found(text),
        "asked": {**asked, "providers": {"_default": [text], text: [text]}, "as-of": {text: text}},
        "link": "/resolutions/0",
        "command": printable(command_of(REQUESTS[0], printable(text))),
        "files": {"requirements.txt": printable(text)},
    }


def hostile_lock(text: str) -> Lock:
    evil = replace(
        pin("evil==1.0"),
        name=text,
        version=text,
        extras=(text,),
        dependencies={"good": (text,)},
        fallback=text,
        passed_over=text,
        direct=text,
        provider=text,
    )
    return lock(target(evil, pin("good==1.0"), roots={text: (text,)}))


@pytest.mark.parametrize("text", TEXTS)
def test_in_the_page_of_a_resolution(text: str) -> None:
    (locked,) = hostile_lock(text).targets
    page = read(
        render(
            "resolution.html",
            view=view_target(locked),
            query="?x",
            targets=[(locked, "?x"), (locked, "?y")],
            origin="https://service.example",
            picture=None,
            nix=printable(text),
            lock_text=printable(text),
            **shared(text),
        )
    )
    assert printable(text) in page.text
    (nix,) = page.all("pre", id="text-nix")
    assert nix.text == printable(text)


@pytest.mark.parametrize("text", TEXTS)
def test_in_the_page_of_a_conflict(text: str) -> None:
    fix = {"kind": "relax", "text": text, "origin": text, "from": text, "to": text, "takes": {text: text}}
    details = {
        "target": {"python": text, "system": text},
        "project": text,
        "near": [text],
        "core": [{"kind": "requirement", "requirement": text, "project": text, "origin": text}],
        "steps": [{"text": text}] * 14,
        "filtered": {text: {text: 3}},
        "minimal": True,
    }
    for code in ("conflict", "unknown-project", "no-such-version", "nothing-for-target"):
        told = {"code": code, "message": text, "context": [text], "hint": text, "details": details}
        page = read(render("conflict.html", problem=told, fixes=[fix, {**fix, "kind": "drop"}], **shared(text)))
        assert printable(text) in page.text
        assert {form.attributes["action"] for form in page.forms} == {"/"}


@pytest.mark.parametrize("text", TEXTS)
def test_in_the_page_of_an_error(text: str) -> None:
    told = {"title": text, "code": text, "context": [text], "hint": text, "details": {"near": [text]}}
    assert printable(text) in read(render("problem.html", kind="x", problem=told)).text


@pytest.mark.parametrize("text", [*TEXTS, *HOSTILE_URLS])
def test_in_the_page_of_a_project(text: str) -> None:
    artifact = {
        "provider": "wheel",
        "filename": text,
        "url": text,
        "sha256": None,
        "size": 3,
        "uploaded-at": None,
        "requires-python": text,
        "yanked": text,
    }
    told = {
        "project": text,
        "index": text,
        "releases": [{"version": text, "artifacts": [artifact]}],
        "unusable": [{"filename": text, "reason": text}],
    }
    answer = project_page(None, told, text, every=False)  # type: ignore[arg-type]  # no browser has it already
    page = read(bytes(answer.body).decode())
    assert printable(text) in page.text
    for link in page.all("a"):
        assert not link.attributes["href"].lower().startswith(("javascript", "file", "data"))


@pytest.mark.parametrize("text", TEXTS)
def test_in_the_form(text: str) -> None:
    """What was typed comes back to the one who typed it, as it was."""
    values = dict.fromkeys(
        ("requirements", "constraints", "overrides", "excludes", "as_of", "prerelease", "providers", "build_providers",
         "build_as_of", "no_build", "no_binary", "exact", "order", "prefer", "resolution", "snapshot", "date", "rev",
         "sha256"),
        printable(text),
    )  # fmt: skip
    problem = {"code": text, "message": text, "context": [text], "hint": text}
    page = read(
        render(
            "form.html",
            values={**values, "python": [text], "platforms": [text], "hashes": False},
            problem=problem,
            command=printable(text),
            kind="x",
            pythons=["3.13"],
            default_python="3.13",
            systems=["x86_64-linux"],
            default_system="x86_64-linux",
            orders=["wheel", printable(text)],
            preferences=["newest"],
            resolutions=["highest"],
            offered=[(text, text)],
            fill="off",
        )
    )
    (form,) = page.forms
    fields = dict(form.fields)
    assert fields["requirements"] == fields["snapshot"] == fields["order"] == printable(text)


@pytest.mark.parametrize("text", TEXTS)
def test_in_dot(text: str) -> None:
    """Every quote and backslash of a stranger's is escaped: between bare quotes, none ends a string."""
    told = render_dot(hostile_lock(text).targets[0])
    bare = told.replace("\\\\", "").replace('\\"', "")
    assert bare.count('"') % 2 == 0
    outside = "".join(bare.split('"')[::2])
    assert set(outside.replace("->", "")) <= set("digraph{}rankdir=LR;node[shape=box]labelstyle=bold,tooltip \n")


def test_json_in_a_page_is_never_code() -> None:
    assert "&lt;" in render("problem.html", kind="</title><script>", problem={"title": json.dumps("<"), "code": "x"})
