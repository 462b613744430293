"""``POST /resolve`` and the permanent links of what it answered."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from itertools import product
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from api.service import places_of
from api.serving.answers import Answered
from api.serving.forms import FORMS
from api.serving.question import Question
from api.serving.resolution import Resolution
from api.web.resolution_page import resolution_page
from db.wanted import Wanted, want
from resolver.errors import DataError, InputError, MachError

from .asked import take_question
from .bodies import ResolveBody, read_body
from .clients import client_of
from .conditions import has_already
from .description import reference
from .negotiation import MEDIA_TYPES, choose_form, wants_page
from .problems import PROBLEM_RESPONSES, problem_of
from .queries import KNOWN_PARAMETERS
from .state import State, state_of
from .telling import with_hint

__all__ = ["router"]

router = APIRouter(dependencies=KNOWN_PARAMETERS)

_LOG = logging.getLogger("mach.http")
#: Seconds in which a body has to arrive.
_LONGEST_BODY = 60
_ID = re.compile(r"([0-9a-f]{64})((?:\.[a-z]+){0,2})")
_SUFFIXES = {form.suffix: name for name, form in FORMS.items()}
#: What a permanent link gives never changes (RFC 8246).
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_OPERATOR = "the operator of this service can have them fetched; the command line fetches for itself"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer, in the form that was asked for.", "content": {kind: {} for kind in MEDIA_TYPES}}
}
_BODY_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "requests>=2\nnumpy<2\n"},
            "application/json": {"schema": reference(ResolveBody)},
            "multipart/form-data": {"schema": {"type": "object", "additionalProperties": True}},
        },
    }
}
_Form = Annotated[
    str | None,
    Query(
        alias="format",
        max_length=20,
        description=f"One of {', '.join(FORMS)}.",
        json_schema_extra={"enum": [*FORMS]},
    ),
]
_System = Annotated[
    str | None,
    Query(
        alias="platform",
        max_length=40,
        pattern=r"^[a-z0-9_]+-[a-z0-9_]+$",
        description="Which of the lock's; by default all of them where a form holds several, else the first.",
    ),
]
_Python = Annotated[
    str | None,
    Query(
        alias="python",
        max_length=20,
        pattern=r"^[0-9]+(\.[0-9]+){1,2}$",
        description="Which of the lock's, X.Y or X.Y.Z; of the targets that fit, all where a form holds several, "
        "else the first. Which Python to resolve for stands in the body.",
    ),
]


@router.post(
    "/resolve",
    response_class=Response,
    responses={**_ANSWERS, **PROBLEM_RESPONSES},
    openapi_extra=_BODY_DOCS,
    summary="Resolve a requirements.txt",
)
async def resolve(request: Request, form: _Form = None, system: _System = None, python: _Python = None) -> Response:
    """Resolve a requirements.txt; answer with the lock, or by Accept or ?format= with another form of it."""
    state = state_of(request)
    kind = choose_form(form, request.headers.get("accept", ""))
    data = await read_limited(request, state.settings.largest_body)
    headers = request.headers
    body = await read_body(data, headers.get("content-type", ""), headers.get("content-encoding", "").strip().lower())
    question, known = await asyncio.to_thread(take_question, body, state, client_of(request))
    answered = await answer(state, question, known)
    response = await _respond(state, answered.resolution, kind, system, python)
    response.headers["Vary"] = "Accept"
    if _is_permanent(answered.resolution):
        response.headers["Content-Location"] = _path(answered.resolution, kind, system, python)
    response.headers["Mach-Answer"] = answered.how
    if answered.statistics:
        response.headers["Mach-Statistics"] = _as_dictionary(answered)
    return response


async def answer(state: State, question: Question, known: Resolution | None) -> Answered:
    """Return the answer to *question*; what the catalog lacks for it is queued, where the operator wants that.

    :param known: what was answered to it before.
    :raises MachError: as :meth:`api.serving.answers.Answers.answer`.
    """
    try:
        return await state.answers.answer(question, known)
    except DataError as error:
        if question.fill and not question.builds and error.details.get("builds"):
            hint = "show a token of this service's operator: build backends of sdists are asked for nobody else"
            raise DataError(
                "not-covered", error.message, context=error.context, hint=hint, details=error.details
            ) from error
        if error.code != "not-covered":
            raise
        if question.snapshot is not None:
            raise with_hint(error, "leave the snapshot out, or name a newer one: /snapshots lists them") from error
        error = with_hint(error, _ASK_OPERATOR)
        if state.settings.fill != "queue":
            raise error from None
        raise await asyncio.to_thread(_queue, state, error) from None


def _queue(state: State, error: DataError) -> DataError:
    """Queue what the crawler can fetch of what the catalog lacks, and return *error* with the news."""
    pages: Any = error.details.get("pages", [])
    metadata: Any = error.details.get("metadata", [])
    wishes = [
        Wanted(index=need["index"], project=need["project"], filename=need.get("filename", ""))
        for need in (*pages, *metadata)
        if need["index"] in state.indexes.indexes
    ]
    if not wishes:
        return error
    try:
        want(state.catalog, wishes)
    except MachError as failed:
        _LOG.warning("%s wanted facts are not queued: %s", len(wishes), failed.message)
        return error
    return with_hint(error, "the crawler was told what is missing: ask again in a while")


@router.get(
    "/resolutions/{name}",
    response_class=Response,
    responses={
        200: _ANSWERS[200],
        304: {"description": "It is what the client has."},
        **{status: PROBLEM_RESPONSES[status] for status in (400, 404, 406, 422, 503)},
    },
    summary="What was answered, for ever",
)
async def resolution(
    request: Request, name: str, form: _Form = None, system: _System = None, python: _Python = None
) -> Response:
    """Give a resolution again: its id, or its id with the suffix of a form: ``.nix``, ``.lock``, ``.pylock.toml``…

    A browser that asks for HTML gets the page of the id alone.
    """
    state = state_of(request)
    page = form is None and "." not in name and wants_page(request)
    found, kind = await find_resolution(state, name, form, "" if page else request.headers.get("accept", ""))
    if page:
        return await resolution_page(request, state, found, system, python)
    response = await _respond(state, found, kind, system, python)
    response.headers["Vary"] = "Accept"
    # who has a problem already is told it again: conditions are for answers of 2xx (RFC 9110, 13.2.1)
    if response.status_code == 200 and has_already(request, response.headers["etag"]):
        kept = {key: response.headers[key] for key in ("etag", "cache-control", "vary")}
        return Response(status_code=304, headers=kept)
    return response


async def find_resolution(state: State, name: str, form: str | None, accept: str) -> tuple[Resolution, str]:
    """Return the resolution that the last part of a path names, and the form that it asks for.

    :raises InputError: ``not-found``, ``not-acceptable``.
    """
    match = _ID.fullmatch(name)
    if match is None or (match[2] and match[2] not in _SUFFIXES):
        suffixes = ", ".join(_SUFFIXES)
        raise InputError(
            "not-found", f"{name[:100]!r} is no resolution", hint=f"it is 64 digits, and one of {suffixes}"
        )
    kind = _SUFFIXES[match[2]] if match[2] else choose_form(form, accept)
    found = await asyncio.to_thread(state.answers.memory.load, match[1])
    if found is None:
        raise InputError(
            "not-found",
            f"the resolution {match[1]} is not known here",
            hint="POST the request again: the same request on the same facts gets the same id",
        )
    return found, kind


async def _respond(state: State, found: Resolution, kind: str, system: str | None, python: str | None) -> Response:
    """Return *found* in a form; where it has no lock, the problem.

    :raises InputError: ``not-in-lock``, also for a form that holds every target: who names one that is none of them
        meant something else.
    """
    if found.failure is not None:
        response = problem_of(found.failure)
    else:
        if not FORMS[kind].by_target:
            places_of(list(product(found.request["systems"], found.request["pythons"])), system, python)
            system = python = None
        body = await state.answers.form(found, kind, system, python)
        response = Response(body, media_type=FORMS[kind].media_type)
    if _is_permanent(found):
        response.headers["ETag"] = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
        response.headers["Cache-Control"] = _FOR_EVER
    response.headers["Mach-Resolution"] = found.id
    return response


def _is_permanent(found: Resolution) -> bool:
    """Return whether there is a link to *found*: the next search may find more than one that was given up."""
    return found.problem is None or found.problem["code"] != "gave-up"


def _path(found: Resolution, kind: str, system: str | None, python: str | None) -> str:
    if found.lock is None:
        return f"/resolutions/{found.id}"
    named = {"platform": system, "python": python} if FORMS[kind].by_target else {}
    query = urlencode({name: value for name, value in named.items() if value is not None})
    return f"/resolutions/{found.id}{FORMS[kind].suffix}{'?' if query else ''}{query}"


async def read_limited(request: Request, limit: int) -> bytes:
    """Return the body of *request*.

    :param limit: bytes that it may have.
    :raises InputError: ``body-too-large``, ``body-too-slow``.
    """
    data = bytearray()
    try:
        async with asyncio.timeout(_LONGEST_BODY):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise InputError(
                        "body-too-large", f"the body is larger than {limit} bytes", hint="ask for less at once"
                    )
    except TimeoutError as error:
        raise InputError(
            "body-too-slow", f"the body did not arrive within {_LONGEST_BODY} seconds", hint="send it again"
        ) from error
    return bytes(data)


def _as_dictionary(answered: Answered) -> str:
    """Return what a resolution did as a header's value (RFC 8941, "Dictionaries")."""
    return ", ".join(f"{name.replace('_', '-')}={value}" for name, value in answered.statistics.items())
