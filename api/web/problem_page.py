"""Errors as pages: the same problem that programs get, told to a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from api.http.negotiation import wants_page

from .rendering import render_page

__all__ = ["KINDS", "as_page"]

#: What a page says above an error, by status.
KINDS: Mapping[int, str] = {
    400: "That is not a request that mach understands",
    401: "This service wants to know who asks",
    404: "There is nothing here",
    405: "That cannot be done here",
    413: "That is too much at once",
    422: "There is no solution",
    424: "This service does not know enough yet",
    429: "Too many requests",
    500: "mach has a bug",
    503: "The service cannot answer right now",
}


def as_page(request: Request, answer: Response) -> Response:
    """Return *answer*, a problem document, as a page where *request* is a browser's.

    Who posts to the interface for programs gets what programs get, whatever it accepts.
    """
    if not wants_page(request) or (request.method == "POST" and request.url.path != "/"):
        return answer
    problem: dict[str, Any] = json.loads(bytes(answer.body))
    page = render_page(
        "problem.html",
        status=answer.status_code,
        problem=problem,
        kind=KINDS.get(answer.status_code, "That did not work"),
    )
    for name, value in answer.headers.items():
        if name not in ("content-type", "content-length", "vary", "cache-control"):
            page.headers[name] = value
    return page
