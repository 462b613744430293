"""The form of the page: its fields as a body of a request, a body as its fields, a request of before as a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.http.bodies import ResolveBody, make_body
from resolver.errors import InputError
from resolver.file_kinds import file_kind
from resolver.interpreters import NEWEST_PATCHES, series

__all__ = ["EMPTY", "Parts", "body_of_parts", "body_of_request", "values_of_body"]

#: (name, text, file name or "") of each field, as a browser sends them.
Parts = Sequence[tuple[str, str, str]]

#: Fields with one entry a line, by member of the body.
_LISTS = (
    "overrides",
    "excludes",
    "as_of",
    "prerelease",
    "build_providers",
    "build_as_of",
    "no_build",
    "no_binary",
)
_TEXTS = ("requirements", "constraints")
_WORDS = ("prefer", "resolution", "snapshot")
_SEVERAL = ("python", "platforms")
_FIELDS = frozenset(
    (*_LISTS, *_TEXTS, *_WORDS, *_SEVERAL, "exact", "date", "order", "providers", "file", "hashes", "rev", "sha256")
)
#: A form that nobody has filled in.
EMPTY = ResolveBody()


def body_of_parts(parts: Parts) -> ResolveBody:
    """Return what a form asks for.

    :raises InputError: ``invalid-body`` where a field is none of the form's, or holds too much.
    """
    given: dict[str, list[str]] = {}
    uploads: list[tuple[str, str]] = []
    for name, text, filename in parts:
        if name not in _FIELDS:
            raise InputError(
                "invalid-body", f"the form has no field {name[:60]!r}", hint="use the form at /, or POST /resolve"
            )
        if name == "file":
            if filename or text.strip():
                uploads.append((filename or "requirements.txt", text))
        else:
            # a browser sends CR LF
            given.setdefault(name, []).append(text.replace("\r\n", "\n"))
    members: dict[str, Any] = {name: _lines(given.get(name, [])) for name in _LISTS}
    members |= {name: given.get(name, [""])[-1] for name in _TEXTS}
    members |= {name: given[name][-1].strip() for name in _WORDS if given.get(name, [""])[-1].strip()}
    members |= {name: [text for text in given.get(name, []) if text] for name in _SEVERAL}
    members["python"] += _split(given.get("exact", []))
    members["as_of"] = [*_split(given.get("date", [])), *members["as_of"]]
    order = given.get("order", [""])[-1].strip()
    members["providers"] = [*([order] if order else []), *_lines(given.get("providers", []))]
    members["require_hashes"] = "hashes" in given
    rev, sha256 = (given.get(name, [""])[-1].strip() for name in ("rev", "sha256"))
    if rev or sha256:
        members["nixpkgs"] = {"rev": rev, "sha256": sha256}
    return make_body({**members, **_uploaded(uploads, members["requirements"])})


def _uploaded(uploads: Sequence[tuple[str, str]], text: str) -> dict[str, Any]:
    """Return the members that hold files; a requirements file goes where people type them, where that is empty."""
    files: dict[str, str] = {}
    for filename, content in uploads:
        if not text.strip() and file_kind(filename) == "requirements":
            text = content
        else:
            name = filename if filename != "requirements.txt" else "uploaded/requirements.txt"
            files[name] = content
    return {"requirements": text, "files": files}


def _lines(texts: Sequence[str]) -> list[str]:
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def _split(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.replace(",", " ").split()]


def body_of_request(
    request: Mapping[str, Any], snapshot: str | None = None, nixpkgs: Mapping[str, str] | None = None
) -> ResolveBody:
    """Return the body that asks for *request* again.

    :param request: the normalised request of a resolution, as locks have it.
    """
    return make_body(
        {
            "requirements": "".join(f"{line}\n" for line in request["requirements"]),
            "constraints": "".join(f"{line}\n" for line in request["constraints"]),
            "python": [_shortest(python) for python in request["pythons"]],
            "platforms": request["systems"],
            "providers": _entries(request["providers"], ","),
            "prefer": request["prefer"],
            "prerelease": _entries(request["prerelease"]),
            "resolution": request["resolution"],
            "as_of": _entries(request["as-of"]),
            "build_providers": _entries(request["build-providers"], ","),
            "build_as_of": _entries(request["build-as-of"]),
            "overrides": request["overrides"],
            "excludes": request["excludes"],
            "require_hashes": request["require-hashes"],
            "snapshot": snapshot,
            "nixpkgs": None if nixpkgs is None else dict(nixpkgs),
        }
    )


def _entries(values: Mapping[str, Any], joint: str = "") -> list[str]:
    """Return ``VALUE`` for the default and ``NAME=VALUE`` for each project."""
    texts = {name: joint.join(value) if joint else value for name, value in values.items()}
    return [text if name == "_default" else f"{name}={text}" for name, text in sorted(texts.items())]


def _shortest(python: str) -> str:
    """Return X.Y where that asks for the same interpreter."""
    short = series(python)
    return short if NEWEST_PATCHES.get(short) == python else python


def values_of_body(body: ResolveBody) -> dict[str, Any]:
    """Return what the form shows for *body*: field -> text, or list of chosen values."""
    pythons = [body.python] if isinstance(body.python, str) else list(body.python)
    as_of = [body.as_of] if isinstance(body.as_of, str) else list(body.as_of)
    build_as_of = [body.build_as_of] if isinstance(body.build_as_of, str) else list(body.build_as_of)
    orders = [text for text in body.providers if "=" not in text]
    date = next((text for text in as_of if "=" not in text), "")
    values: dict[str, Any] = {
        "requirements": _joined(body.requirements),
        "constraints": _joined(body.constraints),
        "python": [text for text in pythons if text in NEWEST_PATCHES],
        "exact": ", ".join(text for text in pythons if text not in NEWEST_PATCHES),
        "platforms": list(body.platforms),
        "order": orders[-1] if orders else "",
        "providers": "\n".join(text for text in body.providers if "=" in text),
        "prefer": body.prefer,
        "resolution": body.resolution,
        "snapshot": body.snapshot or "",
        "date": date,
        "hashes": body.require_hashes,
        "rev": body.nixpkgs.rev if body.nixpkgs else "",
        "sha256": body.nixpkgs.sha256 if body.nixpkgs else "",
    }
    lists = {name: getattr(body, name) for name in _LISTS}
    lists |= {"as_of": [text for text in as_of if text != date], "build_as_of": build_as_of}
    return values | {name: "\n".join(lines) for name, lines in lists.items()}


def _joined(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(f"{line}\n" for line in lines)
