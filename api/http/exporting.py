"""``GET /snapshots/{name}/facts``: a whole snapshot as a file, for catalogs on other machines."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.service import find_snapshot

from .problems import PROBLEM_RESPONSES
from .state import State, state_of

__all__ = ["router"]

router = APIRouter()

_MEDIA_TYPE = "application/gzip"


@router.get(
    "/snapshots/{name}/facts",
    response_class=FileResponse,
    responses={
        200: {"description": "A fact file.", "content": {_MEDIA_TYPE: {}}},
        304: {"description": "It is what the client has."},
        **{status: PROBLEM_RESPONSES[status] for status in (400, 503)},
    },
    summary="A whole snapshot as a file",
)
async def facts(request: Request, name: str) -> Response:
    """Give a snapshot (id, unambiguous prefix, name, or ``newest``) as the file that ``mach db import`` reads."""
    state = state_of(request)
    file, snapshot = await asyncio.to_thread(_export, state, name)
    headers = {"ETag": f'"{snapshot}"', "Mach-Snapshot": snapshot}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(file, media_type=_MEDIA_TYPE, filename=f"{snapshot[:12]}.mach", headers=headers)


def _export(state: State, name: str) -> tuple[Path, str]:
    if name == "newest":
        from db.snapshot import snapshot_id

        generation: int | None = state.catalog.generation()
        snapshot: str | None = snapshot_id(state.catalog, generation)
    else:
        generation, snapshot = find_snapshot(state.catalog, name)
    assert generation is not None
    assert snapshot is not None
    return state.exports.file(generation, snapshot), snapshot
