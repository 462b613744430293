"""The service: ``POST /resolve`` and ``GET /healthz``."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.asking import ask
from api.notices import Notices
from api.service import CatalogChoices, lock_request, render_nix
from crawler.settings import IndexSettings, read_index_settings
from resolver import __version__
from resolver.errors import InputError, MachError, NoSolution, printable
from resolver.statistics import Statistics

from .bodies import ResolveBody, read_body
from .negotiation import MEDIA_TYPES, choose_format
from .problems import PROBLEM_RESPONSES, problem, problem_of
from .settings import ServiceSettings

__all__ = ["make_app"]

_LOG = logging.getLogger("mach.http")
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A lock, or a Nix expression.", "content": {kind: {} for kind in MEDIA_TYPES.values()}}
}
_BODY_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "requests>=2\nnumpy<2\n"},
            "application/json": {"schema": ResolveBody.model_json_schema()},
        },
    }
}


def make_app(settings: ServiceSettings) -> FastAPI:
    """Return the application.

    :raises InputError: ``invalid-index-url``, ``no-index`` where the settings name no usable index.
    """
    indexes = read_index_settings(
        index_url=settings.index_url,
        extra_index_urls=settings.extra_index_urls or None,
        keyring_provider=settings.keyring_provider,
        crates_url=settings.crates_url,
    )
    app = FastAPI(title="mach", version=__version__, docs_url=None, redoc_url=None)

    @app.get("/healthz", responses={200: {"description": "The process answers."}})
    async def healthz() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok", "version": __version__}

    @app.post(
        "/resolve",
        response_class=Response,
        responses={**_ANSWERS, **PROBLEM_RESPONSES},
        openapi_extra=_BODY_DOCS,
    )
    async def resolve(
        request: Request, form: Annotated[str | None, Query(alias="format", max_length=20)] = None
    ) -> Response:
        """Resolve a requirements.txt; answer with the lock, or by Accept or ?format=nix with the expression."""
        kind = choose_format(form, request.headers.get("accept", ""))
        data = await _read_limited(request, settings.largest_body)
        body = read_body(data, request.headers.get("content-type", ""))
        statistics = Statistics()
        response: Response
        try:
            text = await run_in_threadpool(_resolve, body, settings, indexes, kind, statistics)
            response = Response(text, media_type=MEDIA_TYPES[kind], headers={"Vary": "Accept"})
        except NoSolution as error:
            response = problem_of(error)
        response.headers["Mach-Statistics"] = _as_dictionary(statistics)
        return response

    _handle_errors(app)
    return app


async def _read_limited(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise InputError("body-too-large", f"the body is larger than {limit} bytes", hint="ask for less at once")
    return bytes(data)


def _as_dictionary(statistics: Statistics) -> str:
    """Return what a resolution did as a header's value (RFC 8941, "Dictionaries")."""
    return ", ".join(f"{name.replace('_', '-')}={value}" for name, value in statistics.to_json().items())


def _resolve(
    body: ResolveBody, settings: ServiceSettings, indexes: IndexSettings, kind: str, statistics: Statistics
) -> str:
    asked = ask(
        texts=body.texts(),
        constraint_texts=body.constraint_texts(),
        choices=body.choices(),
        read=None,
        environ={},
        settings=indexes,
        most=settings.most_requirements,
    )
    if len(asked.request.systems) > settings.most_targets:
        raise InputError("too-many-targets", f"at most {settings.most_targets} platforms at once")
    choices = CatalogChoices(db=settings.db, snapshot=body.snapshot, offline=settings.offline)
    locked = lock_request(asked, choices, Notices(warn=_log_line), statistics=statistics)
    return locked.text if kind == "lock" else render_nix(locked.lock)


def _log_line(text: str) -> None:
    # requests and metadata are strangers' texts: a log is read on terminals
    _LOG.info("%s", printable(text))


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(MachError)
    async def _(_: Request, error: MachError) -> Response:
        if error.code.startswith("catalog-"):
            _LOG.error("%s", error)
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> Response:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
        return problem(400, "invalid-parameters", "the parameters do not have the expected form", context=lines)

    @app.exception_handler(HTTPException)
    async def _(_: Request, error: HTTPException) -> Response:
        status, text = error.status_code, str(error.detail)
        if status == 404:
            response = problem(status, "not-found", text)
        elif status == 405:
            response = problem(status, "method-not-allowed", text)
        else:
            response = problem(status, "http-error", text)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ClientDisconnect)
    async def _(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(OSError)
    async def _(_: Request, error: OSError) -> Response:
        _LOG.error("the system refused something", exc_info=error)
        hint = "ask again later; the service's log tells its operator more"
        return problem(503, "system-error", error.strerror or "the system refused something", hint=hint)

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> Response:
        _LOG.error("a request failed by a bug", exc_info=error)
        return problem(500, "bug", "the service has a bug; its log tells more")
