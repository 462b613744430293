"""What the catalog holds: its snapshots and projects; and what differs between two locks."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.catalog_view import snapshot_to_json, snapshots_to_json, view_project
from api.service import find_snapshot
from api.spelling import nearest_names
from api.web.catalog_pages import project_page, snapshot_page, snapshots_page
from resolver.difference import compare_locks
from resolver.errors import InputError
from resolver.lock_reader import read_lock
from resolver.names import normalize_project

from .bodies import DiffBody, read_document
from .description import reference
from .documents import Difference, Project, Snapshot, Snapshots
from .negotiation import wants_page
from .problems import PROBLEM_RESPONSES
from .queries import KNOWN_PARAMETERS
from .resolving import find_resolution, read_limited
from .state import State, state_of
from .telling import Missing

__all__ = ["router"]

router = APIRouter(dependencies=KNOWN_PARAMETERS)

#: Browsers get pages from the same paths.
_VARYING = {"Vary": "Accept"}


@router.get(
    "/snapshots", response_model=Snapshots, responses={status: PROBLEM_RESPONSES[status] for status in (400, 503)}
)
async def list_snapshots(
    request: Request, most: Annotated[int, Query(ge=1, le=1000, description="The newest so many.")] = 100
) -> Response:
    """List the states of the catalog, the newest first: ids, names, and when they were learned."""
    listed = await asyncio.to_thread(snapshots_to_json, state_of(request).catalog, most)
    return snapshots_page(request, listed) if wants_page(request) else JSONResponse(listed, headers=_VARYING)


@router.get(
    "/snapshots/{name}",
    response_model=Snapshot,
    responses={status: PROBLEM_RESPONSES[status] for status in (400, 404, 503)},
)
async def show_snapshot(request: Request, name: str) -> Response:
    """Show a snapshot (id, unambiguous prefix, or name): how much it holds, and what was new in it."""
    try:
        shown = await asyncio.to_thread(snapshot_to_json, state_of(request).catalog, name)
    except InputError as error:
        raise Missing.of(error) from None
    return snapshot_page(request, shown) if wants_page(request) else JSONResponse(shown, headers=_VARYING)


@router.get(
    "/projects/{name}",
    response_model=Project,
    responses={status: PROBLEM_RESPONSES[status] for status in (400, 404, 503)},
)
async def show_project(
    request: Request,
    name: str,
    snapshot: Annotated[str | None, Query(max_length=200, description="Id, prefix or name.")] = None,
) -> Response:
    """Show the releases of a project that the catalog knows, with the artifacts of each by provider."""
    state = state_of(request)
    shown = await asyncio.to_thread(_project, state, name, snapshot)
    if wants_page(request):
        every = request.query_params.get("every") == "true"
        return await asyncio.to_thread(lambda: project_page(request, shown, snapshot, every=every))
    return JSONResponse(shown, headers=_VARYING)


def _project(state: State, name: str, snapshot: str | None) -> dict[str, Any]:
    generation, _ = find_snapshot(state.catalog, snapshot)
    reader = state.catalog.reader(generation)
    try:
        found = view_project(reader, state.indexes.indexes, normalize_project(name))
    except ValueError:
        found = None
    if found is None:
        raise InputError(
            "not-found",
            f"the catalog does not know {name[:100]!r}",
            hint="a project is fetched once it is asked for, or by `mach crawl`",
            details={"near": nearest_names(reader, state.indexes.indexes, name[:100].lower())},
        )
    return found


@router.post(
    "/diff",
    response_model=Difference,
    responses={status: PROBLEM_RESPONSES[status] for status in (400, 404, 408, 413, 415, 422, 424, 503)},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": reference(DiffBody)}}}},
)
async def diff(request: Request) -> Response:
    """Tell what differs between two locks, each given as its text or by the id of a resolution."""
    state = state_of(request)
    data = await read_limited(request, 16 * state.settings.largest_body)
    body = read_document(DiffBody, data, request.headers.get("content-type", ""))
    before, after = [await _lock_text(state, given) for given in (body.before, body.after)]
    return JSONResponse(
        await asyncio.to_thread(lambda: compare_locks(read_lock(before, "before"), read_lock(after, "after")).to_json())
    )


async def _lock_text(state: State, given: str) -> str:
    if given.lstrip().startswith("{"):
        return given
    found, _ = await find_resolution(state, given.strip(), "lock", "")
    if found.failure is not None:
        raise found.failure
    assert found.lock is not None, "a resolution has a lock or a problem"
    return found.lock
