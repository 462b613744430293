"""The pages that only people ask for: the form, what it answers, the description of the interface; and the assets."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.asking import this_system
from api.http.asked import take_question
from api.http.bodies import ResolveBody, make_body, read_parts
from api.http.clients import client_of
from api.http.problems import problem_of
from api.http.resolving import answer, find_resolution, read_limited
from api.http.state import State, state_of
from db.snapshot import recent_snapshots
from resolver.errors import InputError, MachError
from resolver.interpreters import DEFAULT_PYTHON, NEWEST_PATCHES
from resolver.lock_request import request_to_json
from resolver.names import normalize_project
from resolver.policy import DEFAULT_PROVIDERS, PREFERENCES, RESOLUTIONS
from resolver.target import SYSTEMS

from .assets import asset_path, assets
from .changes import change_request
from .command import command_of
from .fields import EMPTY, Parts, body_of_parts, body_of_request, values_of_body
from .interface import operations_of
from .problem_page import KINDS
from .rendering import render_page

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

#: The orders of providers that the form offers.
_ORDERS = (
    ",".join(DEFAULT_PROVIDERS),
    "sdist,wheel",
    "wheel",
    "sdist",
    "wheel,sdist,nixpkgs",
    "nixpkgs,wheel,sdist",
    "nixpkgs",
)
_GAVE_UP = "The search was given up"
#: Snapshots that the form offers beside those with names.
_OFFERED = 5
_Text = Annotated[str | None, Query(max_length=20_000)]
_Word = Annotated[str | None, Query(max_length=200)]


@router.get("/")
async def form(
    request: Request,
    requirements: _Text = None,
    snapshot: _Word = None,
    of: Annotated[_Word, Query(alias="from")] = None,
) -> Response:
    """Show the form: empty, or with what a query or a resolution (``?from=ID``) asks for."""
    state = state_of(request)
    if of is not None:
        found, _ = await find_resolution(state, of, "lock", "")
        body = body_of_request(found.request, found.snapshot, found.nixpkgs)
    else:
        body = make_body({"requirements": requirements or "", "snapshot": snapshot or None})
    return await _form_page(state, body)


@router.post("/")
async def ask(request: Request) -> Response:
    """Resolve what the form, or the button of a fix, asks for, and lead to the permanent link of the answer."""
    state = state_of(request)
    body, command = EMPTY, ""
    try:
        body = await _read(request, state)
        question, known = await asyncio.to_thread(take_question, body, state, client_of(request))
        command = command_of(request_to_json(question.request), question.snapshot, body.model_dump()["nixpkgs"])
        answered = await answer(state, question, known)
    except MachError as error:
        # what was typed is not lost
        return await _form_page(state, body, error, command)
    found = answered.resolution
    if found.problem is not None and found.problem["code"] == "gave-up":
        # the next search may find more: there is no permanent link
        return await _form_page(state, body, found.failure, command)
    return RedirectResponse(f"/resolutions/{found.id}", status_code=303, headers={"Mach-Answer": answered.how})


async def _read(request: Request, state: State) -> ResolveBody:
    data = await read_limited(request, state.settings.largest_body)
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise InputError(
            "unsupported-media-type",
            "only the form of the page is read here",
            hint="programs use POST /resolve",
        )
    try:
        parts = await read_parts(data, kind)
    except UnicodeDecodeError as error:
        raise InputError("invalid-body", "what was sent is not UTF-8 text", context=[str(error)]) from error
    return await _changed(state, parts) or body_of_parts(parts)


async def _changed(state: State, parts: Parts) -> ResolveBody | None:
    """Return what the button of a fix asks for (``from`` and ``fix``), None where none was pressed."""
    given = {name: text for name, text, _ in parts}
    if set(given) != {"from", "fix"}:
        return None
    found, _ = await find_resolution(state, given["from"].strip(), "lock", "")
    number = int(given["fix"]) if given["fix"].isascii() and given["fix"].isdigit() and len(given["fix"]) < 4 else -1
    changed = change_request(found.request, found.problem or {}, number)
    return body_of_request(changed, found.snapshot, found.nixpkgs)


async def _form_page(state: State, body: ResolveBody, error: MachError | None = None, command: str = "") -> Response:
    values = values_of_body(body)
    offered, problem, status = await asyncio.to_thread(_offered, state), None, 200
    if error is not None:
        answered = problem_of(error)
        told = json.loads(bytes(answered.body))
        status, problem = answered.status_code, {**told, "message": told["title"]}
    page = render_page(
        "form.html",
        status=status,
        values=values,
        problem=problem,
        command=command,
        kind=_GAVE_UP if problem and problem["code"] == "gave-up" else KINDS.get(status, ""),
        pythons=list(NEWEST_PATCHES),
        default_python=DEFAULT_PYTHON,
        systems=SYSTEMS,
        default_system=this_system(),
        orders=_ORDERS if values["order"] in (*_ORDERS, "") else (*_ORDERS, values["order"]),
        preferences=PREFERENCES,
        resolutions=RESOLUTIONS,
        offered=offered,
        fill=state.settings.fill,
    )
    if error is not None:
        for name in ("retry-after", "www-authenticate", "mach-problem"):
            if name in answered.headers:
                page.headers[name] = answered.headers[name]
    return page


def _offered(state: State) -> list[tuple[str, str]]:
    """Return (what to write, what it is) of snapshots to suggest; none where the catalog is out of reach."""
    try:
        found = recent_snapshots(state.catalog, _OFFERED)
    except MachError:
        return []
    names = [(name, f"generation {each.generation}") for each in found for name in each.names]
    return names + [(each.id, f"generation {each.generation}") for each in found[:_OFFERED]]


@router.get("/projects")
async def find_project(name: Annotated[str, Query(max_length=200)] = "", snapshot: _Word = None) -> Response:
    """Lead to the page of a project."""
    try:
        project = quote(normalize_project(name.strip()), safe="")
    except ValueError as error:
        raise InputError(
            "not-found", f"{name[:100]!r} is no name of a project", hint="it has letters, digits, -, _ and ."
        ) from error
    query = f"?{urlencode({'snapshot': snapshot})}" if snapshot else ""
    return RedirectResponse(f"/projects/{project}{query}", status_code=303)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Describe the interface for programs: the OpenAPI document as a page."""
    document, origin = request.app.openapi(), str(request.base_url).rstrip("/")
    return await asyncio.to_thread(
        lambda: render_page(
            "interface.html", request=request, document=document, operations=operations_of(document), origin=origin
        )
    )


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Give a stylesheet, a script or a picture; its name changes with its content."""
    found = assets().get(name)
    if found is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(found.content, media_type=found.media_type, headers=headers)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Lead to the picture that browsers show in a tab."""
    return RedirectResponse(asset_path("icon.svg"), status_code=301)
