"""The graph as a picture: well-formed, complete, and inert whatever a publisher wrote."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from api.web.drawing import draw
from tests.resolver.locks import pin, target
from tests.support.hostile import HOSTILE_TEXTS

SVG = "{http://www.w3.org/2000/svg}"
#: What a picture may hold; no script, style, link or foreign content.
ELEMENTS = {"svg", "defs", "marker", "path", "rect", "g", "text", "title"}


def parsed(text: str) -> ET.Element:
    root = ET.fromstring(text)  # our own text; that it parses is the point
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert not [element for element in root.iter() if "style" in element.attrib], "a strict CSP lets no style through"
    return root


def test_every_pin_and_edge_is_drawn() -> None:
    pins = [pin("a==1.0", "b", "c"), pin("b==2.0", "c"), pin("c==3.0", "a")]
    root = parsed(draw(target(*pins, roots={"a": ("a",)})))
    nodes = [g for g in root.iter(f"{SVG}g") if "node" in g.attrib["class"]]
    assert {g.attrib["data-name"] for g in nodes} == {"a", "b", "c"}
    assert [g.attrib["data-name"] for g in nodes if "root" in g.attrib["class"].split()] == ["a"]
    edges = [(p.attrib["data-from"], p.attrib["data-to"]) for p in root.iter(f"{SVG}path") if p.get("class") == "edge"]
    assert sorted(edges) == [("a", "b"), ("a", "c"), ("b", "c"), ("c", "a")]


def test_a_provider_is_told_in_words_and_not_by_colour_alone() -> None:
    root = parsed(draw(target(pin("a==1.0"), roots={"a": ("a",)})))
    assert "wheel" in " ".join(text.text or "" for text in root.iter(f"{SVG}text"))


@pytest.mark.parametrize(
    "text", [*HOSTILE_TEXTS.values(), '"><script>alert(1)</script>', "a]]>b", "&lt;x>'\"", "\x00\ud800"]
)
def test_what_strangers_wrote_stays_text(text: str) -> None:
    hostile = replace(pin("a==1.0"), version=text, provider=text, dependencies={"b": (text,)})
    drawn = draw(target(hostile, pin("b==1.0"), roots={"a": (text,)}))
    root = parsed(drawn)
    assert len(list(root.iter(f"{SVG}g"))) == 2
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    drawn.encode()


def test_nothing_to_draw_is_a_picture_as_well() -> None:
    parsed(draw(target(roots={})))
