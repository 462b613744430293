"""HEAD wherever there is GET (RFC 9110, 9.3.2): asked and answered as GET is, and nothing but the headers is sent."""

from __future__ import annotations

from fastapi import Request
from starlette.types import Message, Scope

__all__ = ["as_get", "is_head", "without_content"]

#: Key of the ASGI scope that tells whether the headers alone are wanted.
_KEY = "mach.head"


def as_get(scope: Scope) -> Scope:
    """Return what GET would ask where *scope* asks by HEAD, else *scope* itself.

    Parts of a file (``Range``) can be asked for by GET alone.
    """
    if scope["method"] != "HEAD":
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"range"]
    return {**scope, "method": "GET", "headers": headers, _KEY: True}


def is_head(request: Request) -> bool:
    """Return whether *request*, which looks like GET, wants the headers alone: what is costly need not be made."""
    return bool(request.scope.get(_KEY))


def without_content(message: Message) -> Message:
    """Return what is sent in place of *message*, a part of the answer to GET, where the headers alone are wanted."""
    if message["type"] == "http.response.start":
        return message
    return {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
