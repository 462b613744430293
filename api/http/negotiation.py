"""Which form an answer has, a page among them: the query says it, else the Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re

from fastapi import Request

from api.serving.forms import FORMS
from resolver.errors import InputError

__all__ = ["MEDIA_TYPES", "choose_form", "wants_page"]

#: Media type -> the form that it means where several have it; the first is given where a client likes several as much.
MEDIA_TYPES: dict[str, str] = {}
for _name, _form in FORMS.items():
    MEDIA_TYPES.setdefault(_form.media_type, _name)

_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def choose_form(asked: str | None, accept: str) -> str:
    """Return the form of :data:`api.serving.forms.FORMS` that a client wants.

    :param asked: the value of ``?format=``, which goes before *accept*.
    :param accept: the Accept header, empty where there is none.
    :raises InputError: ``not-acceptable``.
    """
    if asked is not None:
        if asked not in FORMS:
            raise InputError("not-acceptable", f"{asked!r} is no format", hint=f"use {', '.join(FORMS)}")
        return asked
    ranges = _parse_ranges(accept) or {"*/*": 1.0}
    liked = {kind: _quality_of(kind, ranges) for kind in MEDIA_TYPES}
    best = max(liked, key=lambda kind: liked[kind])
    if liked[best] == 0:
        raise InputError(
            "not-acceptable",
            f"nothing in Accept: {accept[:200]!r} can be given",
            hint=f"accept {', '.join(MEDIA_TYPES)}",
        )
    return MEDIA_TYPES[best]


def wants_page(request: Request) -> bool:
    """Return whether a client asks for HTML by name, as browsers do.

    Who accepts anything (``*/*``) is a program, and gets what programs get.
    """
    ranges = _parse_ranges(request.headers.get("accept", ""))
    html = ranges.pop("text/html", 0.0)
    others = (quality for kind, quality in ranges.items() if "*" not in kind and kind != "application/xhtml+xml")
    return html > 0 and html >= max(others, default=0.0)


def _parse_ranges(accept: str) -> dict[str, float]:
    """Return media range -> quality; a quality that is none counts as 1, parameters of types are ignored."""
    ranges = {}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        if kind:
            given = [match for word in parameters if (match := _QUALITY.fullmatch(word))]
            ranges[kind] = float(given[0][1]) if given else 1.0
    return ranges


def _quality_of(kind: str, ranges: dict[str, float]) -> float:
    """Return the quality of the most specific range that holds *kind*, 0 where none does."""
    for candidate in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0
