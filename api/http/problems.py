"""Errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response

from resolver.errors import HTTP_STATUS, MachError

from .telling import Missing, for_clients

__all__ = ["PROBLEM_RESPONSES", "problem", "problem_of"]

MEDIA_TYPE = "application/problem+json"

#: Statuses that differ from their family's.
_STATUS_OF_CODE = {
    "unsupported-media-type": 415,
    "body-too-large": 413,
    "body-too-slow": 408,
    "not-found": 404,
    "not-acceptable": 406,
    "invalid-token": 401,
    "token-required": 401,
    "rate-limited": 429,
    "cross-site": 403,
    "wrong-host": 421,
}
#: Seconds after which it is worth while to ask again, where the error does not tell it itself.
_RETRY_AFTER = {"service-busy": 2, "service-ending": 5}
#: RFC 6750, 3: without a token, no reason is given.
_CHALLENGES = {"invalid-token": 'Bearer realm="mach", error="invalid_token"', "token-required": 'Bearer realm="mach"'}

#: For the OpenAPI document.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "code", "context", "hint", "details"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "code": {"type": "string"},
                        "context": {"type": "array", "items": {"type": "string"}},
                        "hint": {"type": ["string", "null"]},
                        "details": {"type": "object"},
                    },
                }
            }
        },
    }
    for status, text in {
        400: "The request is wrong.",
        401: "A token is required, or the one that was shown is wrong.",
        403: "The page of another site asks.",
        404: "There is no such thing here.",
        406: "The answer cannot be given in a form that is accepted.",
        408: "The body came too slowly.",
        413: "The body is too large.",
        415: "The body's type cannot be read.",
        421: "The service is not called by this name.",
        422: "There is no solution; the details hold the conflict.",
        424: "The catalog does not cover the request.",
        429: "There were too many requests from you; Retry-After says when the next one may come.",
        503: "An index or the database cannot be used now.",
    }.items()
}


def problem(status: int, code: str, title: str, **members: Any) -> Response:
    """Return a problem document; ``type`` is a URN with the stable code.

    It is ASCII: what a stranger wrote must not steer the terminal on which a client shows it.

    :param members: ``context``, ``hint`` and ``details``, where there are any.
    """
    told = {"type": f"urn:mach:error:{code}", "title": title, "status": status, "code": code}
    body = {**told, "context": [], "hint": None, "details": {}, **members}
    return Response(json.dumps(body), status_code=status, media_type=MEDIA_TYPE, headers={"Mach-Problem": code})


def problem_of(error: MachError) -> Response:
    """Return *error*, as clients are told it, as a problem document with the status of its family."""
    family = next((status for kind, status in HTTP_STATUS.items() if isinstance(error, kind)), 500)
    status = _STATUS_OF_CODE.get(error.code, family)
    if error.code.startswith("catalog-"):
        status = 503
    if isinstance(error, Missing):
        status = 404
    told = for_clients(error)
    response = problem(
        status,
        told.code,
        told.message,
        context=list(told.context),
        hint=told.hint,
        details=dict(told.details),
    )
    wait = error.details.get("retry-after", _RETRY_AFTER.get(error.code))
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    if error.code in _CHALLENGES:
        response.headers["WWW-Authenticate"] = _CHALLENGES[error.code]
    return response
