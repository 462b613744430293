"""What surrounds every request: its id, its line in the log, its time in the figures, the headers of its answer."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.serving.journal import write_event

from .clients import SCOPE_KEY, Client, address_of
from .headers import protect
from .heads import as_get, without_content
from .metrics import Meter
from .routing import routes_at

__all__ = ["Access"]

_LOG = logging.getLogger("mach.access")
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


class Access:
    """ASGI middleware around all others.

    A line holds the template of the path and never the path, the query, a header of the client's or a body: a log
    is read by more people than a request is meant for.

    :param meter: observes how long answers take.
    :param private: answers are for those who show a token.
    """

    def __init__(self, app: ASGIApp, *, meter: Meter, private: bool) -> None:
        self._app = app
        self._meter = meter
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        asked = Headers(scope=scope).getlist("x-request-id")
        request_id = asked[0] if len(asked) == 1 and _SANE_ID.fullmatch(asked[0]) else secrets.token_hex(8)
        told: dict[str, Any] = {"status": None}
        ended = False
        # a copy for HEAD: the server, which has this one, must not take it for GET
        inner = as_get(scope)

        async def answer(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                protect(headers, private=self._private)
                told.update(
                    status=message["status"], how=headers.get("mach-answer"), problem=headers.get("mach-problem")
                )
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                ended = True
            await send(message if inner is scope else without_content(message))

        try:
            await self._app(inner, receive, answer)
        except Exception:
            # it was written to the log where it was answered; the server would write its text as well
            if not ended:
                raise
        finally:
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            path = _template(inner)
            client: Client = inner.get(SCOPE_KEY) or Client(name=address_of(scope))
            self._meter.observe(method, path, told["status"] or 0, seconds)
            write_event(
                _LOG,
                "request",
                id=request_id,
                client=client.name,
                method=method,
                path=path,
                status=told["status"],
                ms=round(seconds * 1000, 1),
                how=told.get("how"),
                problem=told.get("problem"),
            )


def _template(scope: Scope) -> str | None:
    """Return the path as the routes have it, ``/projects/{name}``; None where no route has it.

    Who is sent away at the door comes to no route, and not every kind of route leaves its name in the scope.
    """
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path
    return next((route.path for route in routes_at(scope["app"].state.routes, scope)), None)
