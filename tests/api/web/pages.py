"""A browser without scripts, for tests: it reads pages, follows links and sends forms as browsers do."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

__all__ = ["ACCEPT", "Page", "Reader"]

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
_VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "use", "path", "rect", "circle"})


@dataclass
class Element:
    """One element as it was written."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Form:
    """A form with its fields as they would be sent."""

    attributes: dict[str, str]
    fields: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What a browser makes of HTML.

    :ivar elements: all, in their order.
    :ivar forms: with what they hold.
    :ivar text: what one reads.
    """

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.answer = answer
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self.text = ""
        self._open: list[Element] = []
        self._select: dict[str, Any] = {}
        self.feed(answer.text)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements called *tag* that have these attributes (``class_`` holds the word among others)."""
        word = attributes.pop("class_", None)
        return [
            element
            for element in self.elements
            if element.tag == tag
            and attributes.items() <= element.attributes.items()
            and (word is None or word in element.attributes.get("class", "").split())
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        element = Element(tag, given)
        self.elements.append(element)
        if tag == "form":
            self.forms.append(Form(given))
        if tag == "input" and self.forms and "name" in given:
            kind = given.get("type", "text")
            if kind != "file" and (kind not in ("checkbox", "radio") or "checked" in given):
                self.forms[-1].fields.append((given["name"], given.get("value", "")))
        if tag == "select":
            self._select = {"name": given["name"], "value": None}
        if tag == "option" and self._select and (self._select["value"] is None or "selected" in given):
            self._select["value"] = given["value"]
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        element = self._open.pop()
        assert element.tag == tag, f"</{tag}> closes <{element.tag}>"
        if tag == "textarea":
            # a browser drops the first line end
            self.forms[-1].fields.append((element.attributes["name"], element.text.removeprefix("\n")))
        if tag == "select":
            self.forms[-1].fields.append((self._select["name"], self._select["value"] or ""))
            self._select = {}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data
        for element in self._open:
            element.text += data


class Reader:
    """Asks as a browser does."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> Page:
        """Return the page at *path*."""
        answer = self.client.get(path, headers={"Accept": ACCEPT}, follow_redirects=True)
        return self._page(answer, status)

    def send(self, form: Form, status: int = 200, **changed: str | list[str]) -> Page:
        """Send a form, some fields of which were *changed*, and return the page that it leads to."""
        fields = [(name, value) for name, value in form.fields if name not in changed]
        for name, given in changed.items():
            fields += [(name, value) for value in ([given] if isinstance(given, str) else given)]
        assert form.attributes["enctype"] == "multipart/form-data"
        parts = [(name, (None, value.replace("\n", "\r\n").encode())) for name, value in fields]
        answer = self.client.request(
            form.attributes["method"].upper(),
            form.attributes["action"],
            files=parts,
            headers={"Accept": ACCEPT},
            follow_redirects=True,
        )
        return self._page(answer, status)

    def ask(self, requirements: str, status: int = 200, **fields: str | list[str]) -> Page:
        """Fill in the form of the first page and return where that leads to."""
        (form,) = self.get("/").forms
        return self.send(form, status, requirements=requirements, **fields)

    @staticmethod
    def _page(answer: httpx.Response, status: int) -> Page:
        assert answer.status_code == status, answer.text[:2000]
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return Page(answer)
