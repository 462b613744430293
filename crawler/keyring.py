"""The user's keyring, asked through its program or its library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable

from resolver.errors import Unavailable

from .urls import Credentials, describe_url

__all__ = ["ask_keyring"]

#: Seconds; a keyring that is locked asks its owner first.
_PATIENCE = 120

Ask = Callable[[str, str | None], Credentials | None]


def ask_keyring(provider: str, services: tuple[str, ...], user: str | None) -> Credentials | None:
    """Return what the user's keyring holds for the first of *services* that it knows.

    :param provider: one of :data:`KEYRING_PROVIDERS`; ``auto``: the library where it is there, else the program,
        else nothing, as with pip.
    :param services: names of entries: the URL of an index, its host.
    :param user: whose password; None: whatever user the entry has.
    :raises Unavailable: ``keyring-unavailable`` where the provider is not on this machine, ``keyring-failed``.
    """
    ask = _choose(provider)
    if ask is None:
        return None
    for service in services:
        found = ask(service, user)
        if found is not None:
            return found
    return None


def _choose(provider: str) -> Ask | None:
    if provider in ("import", "auto"):
        from importlib.util import find_spec

        if find_spec("keyring") is not None:
            return _ask_library
        if provider == "import":
            raise Unavailable(
                "keyring-unavailable",
                "the keyring provider is `import`, and the library keyring is not installed beside mach",
                hint="install it there (pipx inject mach-resolver keyring), or use --keyring-provider subprocess",
            )
    if provider in ("subprocess", "auto"):
        program = shutil.which("keyring")
        if program is not None:
            return lambda service, user: _ask_program(program, service, user)
        if provider == "subprocess":
            raise Unavailable(
                "keyring-unavailable",
                "the keyring provider is `subprocess`, and there is no program keyring on the PATH",
                hint="install it (pipx install keyring), or put the password into ~/.netrc",
            )
    return None


def _ask_program(program: str, service: str, user: str | None) -> Credentials | None:
    """Ask the program, which ends with a status other than 0 where it has no such entry."""
    words = ["get", service, user] if user is not None else ["--mode=creds", "--output=json", "get", service]
    if user is not None and user.startswith("-"):
        return None  # it would be taken for an option
    try:
        done = subprocess.run(
            [program, *words],
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,  # what a strange program says beside its answer may hold anything
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise _failed(service, f"it gave no answer within {_PATIENCE} seconds") from None
    except OSError as error:
        raise _failed(service, error.strerror or "it cannot be run") from None
    if done.returncode != 0:
        return None
    try:
        text = done.stdout.decode()
        if user is not None:
            return Credentials(user, text.removesuffix("\n").removesuffix("\r"))
        answer = json.loads(text)
        return Credentials(str(answer["username"]), str(answer["password"]))
    except (ValueError, LookupError, TypeError):
        raise _failed(service, "its answer is not understood") from None


def _ask_library(service: str, user: str | None) -> Credentials | None:
    import importlib

    try:
        # by name: the library is no dependency, and its backends may raise anything
        entry = importlib.import_module("keyring").get_credential(service, user)
        return None if entry is None else Credentials(entry.username, entry.password)
    except Exception as error:
        raise _failed(service, f"it raised {type(error).__name__}") from None


def _failed(service: str, reason: str) -> Unavailable:
    return Unavailable(
        "keyring-failed",
        f"the keyring cannot be asked for the password of {describe_url(service)}",
        context=[reason],
        hint=f"try it yourself: keyring get {service} USER",
    )
