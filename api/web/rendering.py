"""HTML from templates: everything is escaped, and what could hide itself in a text is made visible."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.http.conditions import has_already
from resolver import __version__
from resolver.errors import printable

from .assets import asset_path

__all__ = ["render", "render_page"]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "exact": _exact,
        "count": _count,
        "short": _short,
        "link": _link,
        "urlencode": _urlencode,
        "sentence": _sentence,
        "paragraphs": _paragraphs,
        "prose": _prose,
    }
    environment.globals |= {"asset": asset_path, "version": __version__}
    return environment


def _finalize(value: Any) -> Any:
    # Markup is escaped already; a stranger's text may hold characters that turn or hide what is around them
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _exact(text: str) -> Markup:
    """Return *text* as it is: for what people copy or edit, where a changed character would be wrong."""
    return escape(text)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _link(url: object) -> str:
    """Return *url* where a browser may follow it, else nothing: a fact may hold any."""
    return url if isinstance(url, str) and re.match(r"https?://[^\s\\]+\Z", url) else ""


def _sentence(text: str) -> str:
    """Return a message as a sentence; one that begins with a name keeps its first letter."""
    first, space, rest = text.partition(" ")
    if first in ("a", "an", "it", "neither", "no", "nothing", "only", "some", "that", "the", "there", "this"):
        first = first.capitalize()
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{first}{space}{rest}{end}"


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]


def _prose(text: str) -> Markup:
    """Return a text of ours, in which ``code`` stands between backticks."""
    parts = re.split(r"(`+)(.+?)\1", text)
    told = Markup()
    for place in range(0, len(parts), 3):
        told += escape(printable(parts[place]))
        if place + 2 < len(parts):
            told += Markup("<code>{}</code>").format(printable(parts[place + 2]))
    return told


def _urlencode(text: str) -> str:
    """Return *text* as one segment of a path or one value of a query (RFC 3986)."""
    return quote(printable(text), safe="")


def render(template: str, **values: Any) -> str:
    """Return the text of a template."""
    return _environment().get_template(template).render(values)


def render_page(template: str, *, status: int = 200, request: Request | None = None, **values: Any) -> Response:
    """Return a page; with *request*, the short answer where the browser has it already.

    What the same link gives to programs differs by Accept, so caches are told.
    """
    body = render(template, **values).encode("utf-8", "backslashreplace")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept"}
    if status == 200 and request is not None and has_already(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, status_code=status, media_type="text/html", headers=headers)
