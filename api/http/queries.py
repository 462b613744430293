"""The query of a request to the interface: every parameter is one that the path has, and is given once."""

from __future__ import annotations

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from resolver.errors import InputError

from .negotiation import wants_page

__all__ = ["KNOWN_PARAMETERS"]

#: Parameters that a message names.
_MOST = 5


async def _refuse_unknown(request: Request) -> None:
    """Refuse what would be passed over: who asked for it would take the answer for what it is not.

    It waits for nothing, but FastAPI would run it in another thread if it were no coroutine.

    :raises InputError: ``invalid-parameters``.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute), "this is a dependency of routes"
    known = [field.alias for field in route.dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    there_are = f"the parameters here are {', '.join(known)}" if known else "there are no parameters here"
    # links to pages get parameters on their way, of those who count visitors
    if unknown := [] if wants_page(request) else [name for name in dict.fromkeys(given) if name not in known]:
        shown = ", ".join(repr(name[:60]) for name in unknown[:_MOST])
        raise InputError(
            "invalid-parameters",
            f"{request.url.path[:200]} has no parameter {shown}",
            hint=f"{there_are}; /docs tells what they mean",
        )
    if twice := [name for name in known if given.count(name) > 1]:
        raise InputError(
            "invalid-parameters", f"{', '.join(twice)} is given more than once", hint="give each parameter once"
        )


#: What every route of the interface depends on, for ``dependencies=``.
KNOWN_PARAMETERS = [Depends(_refuse_unknown)]
