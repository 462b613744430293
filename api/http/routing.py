"""The routes of the service at a path, whatever the method: for the log, and for what is allowed there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, FastAPI
from starlette.routing import Match, Route
from starlette.types import Scope

__all__ = ["all_routes", "allowed_methods", "routes_at"]


def all_routes(app: FastAPI, routers: Iterable[APIRouter]) -> list[Route]:
    """Return the routes of *app* itself, and those of *routers*, which it includes as they are."""
    found = [*app.router.routes, *(route for router in routers for route in router.routes)]
    return [route for route in found if isinstance(route, Route)]


def routes_at(routes: Sequence[Route], scope: Scope) -> list[Route]:
    """Return those of *routes* that have the path of *scope*."""
    return [route for route in routes if route.matches(scope)[0] is not Match.NONE]


def allowed_methods(routes: Sequence[Route], scope: Scope) -> list[str]:
    """Return the methods that the path of *scope* takes, sorted."""
    found = {method for route in routes_at(routes, scope) for method in route.methods or ()}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
