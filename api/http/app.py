"""The application: its routes, its errors, and what it holds while it runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from api.serving.lifeline import SECONDS_TO_END, end_with_parent
from api.web import pages
from api.web.problem_page import as_page
from resolver import __version__
from resolver.errors import InputError, MachError

from . import catalog, exporting, health, resolving
from .access import Access
from .admission import Admission
from .description import describe
from .metrics import Meter
from .problems import problem, problem_of
from .routing import all_routes, allowed_methods
from .settings import SETTINGS_VARIABLE, ServiceSettings
from .state import open_state
from .telling import is_of_the_operator
from .tokens import read_tokens

__all__ = ["make_app", "make_configured_app"]

_LOG = logging.getLogger("mach.http")
#: One request makes some thousand values, most of which are gone with it.
_VALUES_BETWEEN_COLLECTIONS = 20_000
#: That wait for the catalog.
_THREADS = 8


class _Application(FastAPI):
    """The application, with what surrounds its answers to failures as well."""

    def build_middleware_stack(self) -> ASGIApp:
        return Access(super().build_middleware_stack(), meter=self.state.meter, private=self.state.private)


def make_configured_app() -> FastAPI:
    """Return the application with the settings that the environment has (:data:`.settings.SETTINGS_VARIABLE`)."""
    # the server ends what it has begun, and lets go of the address, when who watches over it is killed
    end_with_parent(_end)
    app = make_app(ServiceSettings.model_validate_json(os.environ[SETTINGS_VARIABLE]))
    # what is there now stays: it need not be looked at again and again
    gc.freeze()
    gc.set_threshold(_VALUES_BETWEEN_COLLECTIONS)
    return app


def _end() -> None:
    """Have the server end as it does by itself, and end it where that takes too long."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END + 5)
    os._exit(1)


def make_app(settings: ServiceSettings) -> FastAPI:
    """Return the application; it opens its catalog and starts its workers when it starts up.

    :raises InputError: ``invalid-index-url``, ``no-index`` where the settings name no usable index;
        ``invalid-token-file``.
    """
    settings.indexes()
    tokens = None if settings.tokens is None else read_tokens(settings.tokens)
    meter = Meter()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # each thread has a connection to the catalog: these are the pool of them, and more threads answer no faster
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "reader"))
        with open_state(settings) as state:
            app.state.mach = state
            yield

    app = _Application(title="mach", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.meter, app.state.private = meter, settings.require_token
    app.add_middleware(
        Admission,
        tokens=tokens,
        required=settings.require_token,
        most_requests=settings.requests_per_minute,
        hosts=settings.hosts,
        meter=meter,
    )
    routers = [part.router for part in (pages, resolving, catalog, exporting, health)]
    app.state.routes = all_routes(app, routers)
    for router in routers:
        app.include_router(router)
    _handle_errors(app)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(MachError)
    async def _(request: Request, error: MachError) -> Response:
        if is_of_the_operator(error):
            _LOG.error("%s", error)
        return as_page(request, problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
        hint = "/docs tells what the parameters of each path mean"
        told = InputError(
            "invalid-parameters", "the parameters do not have the expected form", context=lines, hint=hint
        )
        return as_page(request, problem_of(told))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        status, headers = error.status_code, error.headers or {}
        if status == 404:
            title, hint = "there is nothing at this address", "/docs lists what the service has"
            response = problem(status, "not-found", title, hint=hint)
        elif status == 405:
            headers = {**headers, "Allow": ", ".join(allowed_methods(app.state.routes, request.scope))}
            hint = f"what is allowed: {headers['Allow']}; see /docs"
            response = problem(status, "method-not-allowed", "this address does not take that method", hint=hint)
        else:
            response = problem(status, "http-error", str(error.detail))
        response.headers.update(headers)
        return as_page(request, response)

    @app.exception_handler(ClientDisconnect)
    async def _(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(OSError)
    async def _(request: Request, error: OSError) -> Response:
        _LOG.error("the system refused something", exc_info=error)
        hint = "ask again later; the service's log tells its operator more"
        return as_page(
            request, problem(503, "system-error", error.strerror or "the system refused something", hint=hint)
        )

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> Response:
        _LOG.error("a request failed by a bug", exc_info=error)
        return as_page(request, problem(500, "bug", "the service has a bug; its log tells more"))
