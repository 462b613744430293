"""Whether a client has an answer already (``If-None-Match``, RFC 9110, 13.1.2)."""

from __future__ import annotations

import re

from fastapi import Request

__all__ = ["has_already"]

#: One entity tag of a list, without what makes it a weak one.
_TAG = re.compile(r'(?:\A|,)[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")(?=[ \t]*(?:,|\Z))')


def has_already(request: Request, etag: str) -> bool:
    """Return whether *request* names the answer that it would get, alone, among others, or as ``*``.

    :param etag: of that answer, strong. Tags are compared weakly: a proxy that compresses makes weak ones of strong.
    """
    shown = ", ".join(request.headers.getlist("if-none-match")).strip()
    return shown == "*" or etag in _TAG.findall(shown)
