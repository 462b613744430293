"""The command line that asks for what a page shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from api.http.bodies import ResolveBody
from resolver.policy import DEFAULT_PROVIDERS

from .fields import body_of_request

__all__ = ["command_of", "files_of"]

#: More requirements are easier to read in a file.
_MOST_ARGUMENTS = 4


def files_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that :func:`command_of` names, by name; empty where everything stands in the line."""
    files = {}
    if not _fits(request):
        files["requirements.txt"] = "".join(f"{line}\n" for line in request["requirements"])
    if request["constraints"]:
        files["constraints.txt"] = "".join(f"{line}\n" for line in request["constraints"])
    return files


def _fits(request: Mapping[str, Any]) -> bool:
    lines = request["requirements"]
    return len(lines) <= _MOST_ARGUMENTS and not any(" --hash=" in line or line.startswith("-") for line in lines)


def command_of(
    request: Mapping[str, Any], snapshot: str | None = None, nixpkgs: Mapping[str, str] | None = None
) -> str:
    """Return ``mach lock …`` for *request*, quoted for a shell (POSIX), in one line.

    :param request: the normalised request, as locks have it.
    """
    body = body_of_request(request, snapshot, nixpkgs)
    files = files_of(request)
    words = ["mach", "lock", *(["-r", "requirements.txt"] if "requirements.txt" in files else request["requirements"])]
    if "constraints.txt" in files:
        words += ["-c", "constraints.txt"]
    for option, values in _options(body):
        for value in values:
            words += [option, value]
    words += ["--require-hashes"] if body.require_hashes else []
    return shlex.join(words)


def _options(body: ResolveBody) -> list[tuple[str, list[str]]]:
    """Return option -> values, without those that say what is so anyway."""
    default = ",".join(DEFAULT_PROVIDERS)
    options = [
        ("--python", list(body.python)),
        ("--platform", body.platforms),
        ("--providers", [text for text in body.providers if text != default]),
        ("--prefer", [body.prefer] if body.prefer != "provider" else []),
        ("--prerelease", [text for text in body.prerelease if text != "if-necessary"]),
        ("--resolution", [body.resolution] if body.resolution != "highest" else []),
        ("--as-of", list(body.as_of)),
        ("--build-providers", body.build_providers),
        ("--build-as-of", list(body.build_as_of)),
        ("--override", body.overrides),
        ("--exclude", body.excludes),
        ("--snapshot", [body.snapshot] if body.snapshot else []),
    ]
    if body.nixpkgs is not None:
        options += [("--nixpkgs", [body.nixpkgs.rev]), ("--nixpkgs-sha256", [body.nixpkgs.sha256])]
    return options
