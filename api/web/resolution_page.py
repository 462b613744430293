"""The page at a permanent link: what a request was resolved to, or why it has no solution."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from markupsafe import Markup

from api.http.problems import problem_of
from api.http.state import State
from api.http.telling import for_clients
from api.service import target_of
from api.serving.resolution import Resolution
from resolver.lock import LockTarget
from resolver.lock_reader import read_lock

from .changes import fixes_of
from .command import command_of, files_of
from .rendering import render_page
from .views import view_target

__all__ = ["resolution_page"]

#: Texts (bytes) and graphs (pins) that are larger are linked and not shown.
_LARGEST_TEXT, _LARGEST_GRAPH = 200_000, 600


async def resolution_page(
    request: Request, state: State, found: Resolution, system: str | None = None, python: str | None = None
) -> Response:
    """Return the page of *found*.

    :param system: with *python*, which target of the lock is shown; its first by default.
    :raises InputError: ``not-in-lock``.
    :raises Unavailable: where no worker can write the forms that are shown.
    """
    told = await asyncio.to_thread(_told_of_all, found)
    if found.failure is not None:
        response = problem_of(found.failure)
        return render_page(
            "conflict.html",
            status=response.status_code,
            problem=for_clients(found.failure).to_json(),
            fixes=fixes_of(found.problem or {}),
            **told,
        )
    assert found.lock is not None, "a resolution has a lock or a problem"
    lock_text = found.lock
    lock = await asyncio.to_thread(read_lock, lock_text)
    target = target_of(lock, system, python)
    nix = await state.answers.form(found, "nix")
    picture = await _picture(state, found, target)
    return await asyncio.to_thread(
        lambda: render_page(
            "resolution.html",
            request=request,
            view=view_target(target),
            query=_query(target),
            targets=[(each, _query(each)) for each in lock.targets],
            origin=str(request.base_url).rstrip("/"),
            picture=picture,
            nix=_shown(nix),
            lock_text=_shown(lock_text.encode()),
            **told,
        )
    )


def _told_of_all(found: Resolution) -> dict[str, Any]:
    """Return what the pages of answers with and without a solution have in common."""
    return {
        "found": found,
        "asked": found.request,
        "link": f"/resolutions/{found.id}",
        "command": command_of(found.request, found.snapshot, found.nixpkgs),
        "files": files_of(found.request),
    }


def _query(target: LockTarget) -> str:
    """Return the query of the page, and of the forms, that are about *target*."""
    return f"?{urlencode({'platform': target.system, 'python': target.python})}"


async def _picture(state: State, found: Resolution, target: LockTarget) -> Markup | None:
    if len(target.pins) > _LARGEST_GRAPH:
        return None
    text = (await state.answers.form(found, "svg", target.system, target.python)).decode()
    return Markup(text)  # noqa: S704 - our own picture, in which draw() escapes what strangers wrote


def _shown(data: bytes) -> str | None:
    return None if len(data) > _LARGEST_TEXT else data.decode()
