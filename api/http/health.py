"""Whether the service lives and can answer, what it is, and its figures."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from db.connection import SCHEMA_VERSION
from resolver import __version__
from resolver.lock import LOCK_VERSION, RESOLVER_VERSION

from .documents import Health, Readiness, Versions
from .metrics import make_registry
from .problems import PROBLEM_RESPONSES
from .queries import KNOWN_PARAMETERS
from .state import state_of

__all__ = ["router"]

router = APIRouter()


@router.get("/healthz", response_model=Health, responses={200: {"description": "The process answers."}})
async def healthz() -> Response:
    """Tell that the process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


@router.get("/readyz", response_model=Readiness, responses={503: PROBLEM_RESPONSES[503]})
async def readyz(request: Request) -> Response:
    """Tell that the catalog can be read, and what its newest state is."""
    state = state_of(request)
    generation = await asyncio.to_thread(state.catalog.generation)
    return JSONResponse({"status": "ready", "generation": generation, "workers": state.answers.pool.workers})


@router.get("/version", response_model=Versions, dependencies=KNOWN_PARAMETERS, responses={400: PROBLEM_RESPONSES[400]})
async def version() -> Response:
    """Tell the versions that answers depend on."""
    return JSONResponse(
        {
            "mach": __version__,
            "resolver-version": RESOLVER_VERSION,
            "lock-version": LOCK_VERSION,
            "schema-version": SCHEMA_VERSION,
        }
    )


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=KNOWN_PARAMETERS,
    responses={200: {"content": {"text/plain": {}}}, 400: PROBLEM_RESPONSES[400]},
)
async def metrics(request: Request) -> Response:
    """Give the figures of this process in Prometheus' text format."""
    meter = request.app.state.meter
    now = await asyncio.to_thread(lambda: generate_latest(make_registry(state_of(request), meter)))
    return Response(generate_latest(meter.registry) + now, media_type=CONTENT_TYPE_LATEST)
