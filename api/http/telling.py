"""Errors as a service tells them to its clients, who have neither the options of the command line nor its catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from resolver.errors import InputError, MachError, Unavailable
from resolver.interpreters import DEFAULT_PYTHON

__all__ = ["Missing", "for_clients", "is_of_the_operator", "with_hint"]

_Error = TypeVar("_Error", bound=MachError)

#: What to do, by code.
_HINTS: Mapping[str, str] = {
    "unknown-snapshot": "/snapshots lists the ids and names that there are",
    "ambiguous-snapshot": "give more digits; /snapshots lists whole ids",
    "unknown-generation": "ask again",
    "export-unwritable": "ask again later; the service's log tells its operator more",
    "unknown-project": "check the spelling; if it is a project of your own, the operator of this service can name the "
    "index that has it",
    "tool-not-found": "the operator of this service can name an index that has it",
    "no-such-version": "ask for a version that exists",
    "nothing-for-target": "choose another Python, platform or provider, or ask for another version",
    "unsupported-python": f"take another version, for example {DEFAULT_PYTHON}",
    "unknown-platform": "platforms have Nix system names, for example x86_64-linux",
    "empty-request": "name at least one project, one a line, or give a file that does",
    "not-in-lock": "name one that it has, or resolve again for that platform and that Python: POST /resolve takes both",
    "nixpkgs-not-crawled": "the operator of this service can have it crawled: `mach crawl nixpkgs`",
}
#: Messages, and no facts beside them, where those of the command line name files of the operator's.
_MESSAGES: Mapping[str, str] = {
    "unknown-generation": "the state of the catalog on which the answer was begun is gone",
    "export-unwritable": "the service cannot write the file of the snapshot now",
}


class Missing(InputError):
    """What the path of a request names is not there: 404, whatever the code."""

    @classmethod
    def of(cls, error: InputError) -> InputError:
        """Return *error* as one about what a path names; one about several things of a name stays as it is."""
        if error.code != "unknown-snapshot":
            return error
        return cls(error.code, error.message, context=error.context, hint=error.hint, details=error.details)


def is_of_the_operator(error: MachError) -> bool:
    """Return whether only the log tells all of *error*."""
    return error.code.startswith("catalog-") or error.code in _MESSAGES


def for_clients(error: MachError) -> MachError:
    """Return *error* without what is the operator's affair, and with a hint that leads somewhere."""
    if error.code.startswith("catalog-"):
        # where the catalog lies and what is wrong with it is the operator's affair
        return type(error)(error.code, "the service's catalog cannot be used now", hint="try again later")
    bare = error.code in _MESSAGES or error.code == "unknown-snapshot"
    hint = error.hint if error.details.get("fixes") else _HINTS.get(error.code, error.hint)
    if isinstance(error, Unavailable) and error.code.startswith("index-"):
        hint = "ask again later; the operator of this service, whose index it is, can name another"
    return type(error)(
        error.code,
        _MESSAGES.get(error.code, error.message),
        context=() if bare else error.context,
        hint=hint,
        details=error.details,
    )


def with_hint(error: _Error, hint: str) -> _Error:
    """Return *error* with another hint."""
    return type(error)(error.code, error.message, context=error.context, hint=hint, details=error.details)
