"""``GET /snapshots/{name}/facts``: a whole snapshot as a file, for catalogs on other machines."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.service import find_snapshot
from resolver.errors import InputError

from .conditions import has_already
from .heads import is_head
from .problems import PROBLEM_RESPONSES
from .queries import KNOWN_PARAMETERS
from .state import State, state_of
from .telling import Missing

__all__ = ["router"]

router = APIRouter(dependencies=KNOWN_PARAMETERS)

_MEDIA_TYPE = "application/gzip"


@router.get(
    "/snapshots/{name}/facts",
    response_class=FileResponse,
    responses={
        200: {"description": "A fact file.", "content": {_MEDIA_TYPE: {}}},
        304: {"description": "It is what the client has."},
        **{status: PROBLEM_RESPONSES[status] for status in (400, 404, 503)},
    },
    summary="A whole snapshot as a file",
)
async def facts(request: Request, name: str) -> Response:
    """Give a snapshot (id, unambiguous prefix, name, or ``newest``) as the file that ``mach db import`` reads."""
    state = state_of(request)
    generation, snapshot = await asyncio.to_thread(_find, state, name)
    headers = {"ETag": f'"{snapshot}"', "Mach-Snapshot": snapshot}
    if has_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    filename = f"{snapshot[:12]}.mach"
    if is_head(request):
        # how long the file is takes as much work as the file
        headers |= {"Accept-Ranges": "bytes", "Content-Disposition": f'attachment; filename="{filename}"'}
        answer = Response(media_type=_MEDIA_TYPE, headers=headers)
        del answer.headers["content-length"]
        return answer
    file = await state.exports.file(generation, snapshot)
    return FileResponse(file, media_type=_MEDIA_TYPE, filename=filename, headers=headers)


def _find(state: State, name: str) -> tuple[int, str]:
    """Return generation and id of a snapshot.

    :raises InputError: ``unknown-snapshot``, ``ambiguous-snapshot``.
    """
    if name == "newest":
        from db.snapshot import snapshot_id

        newest = state.catalog.generation()
        return newest, snapshot_id(state.catalog, newest)
    try:
        generation, snapshot = find_snapshot(state.catalog, name)
    except InputError as error:
        raise Missing.of(error) from None
    assert generation is not None
    assert snapshot is not None
    return generation, snapshot
