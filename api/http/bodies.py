"""The bodies of ``POST /resolve``: a requirements.txt as text, or a JSON document."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.asking import Choices
from resolver.errors import InputError

__all__ = ["ResolveBody", "read_body"]

_Word = Annotated[str, StringConstraints(max_length=200)]


class ResolveBody(BaseModel):
    """What a client asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requirements: str | list[Annotated[str, StringConstraints(max_length=100_000)]] = ""
    """The text of a requirements.txt, or its lines."""
    constraints: str | list[Annotated[str, StringConstraints(max_length=100_000)]] = ""
    python: _Word | list[_Word] = Field(default_factory=list)
    platforms: list[_Word] = Field(default_factory=list)
    """Nix system names; by default the server's own."""
    providers: list[_Word] = Field(default_factory=list)
    prefer: _Word = "provider"
    pre: bool = False
    prerelease: list[_Word] = Field(default_factory=list)
    """``MODE`` or ``NAME=MODE``."""
    resolution: _Word = "highest"
    as_of: _Word | list[_Word] = Field(default_factory=list)
    build_as_of: _Word | list[_Word] = Field(default_factory=list)
    build_providers: list[_Word] = Field(default_factory=list)
    """``DATE`` or ``NAME=DATE``."""
    overrides: list[Annotated[str, StringConstraints(max_length=10_000)]] = Field(default_factory=list)
    excludes: list[_Word] = Field(default_factory=list)
    no_build: list[_Word] = Field(default_factory=list)
    no_binary: list[_Word] = Field(default_factory=list)
    require_hashes: bool = False
    files: dict[_Word, Annotated[str, StringConstraints(max_length=1_000_000)]] = Field(default_factory=dict)
    """More files of the request by name, which tells their kind: ``pyproject.toml``, ``uv.lock``, ``script.py``."""
    extras: list[_Word] = Field(default_factory=list)
    """Extras of the projects in *files*."""
    all_extras: bool = False
    groups: list[_Word] = Field(default_factory=list)
    """Dependency groups of the projects in *files*."""
    snapshot: _Word | None = None

    def texts(self) -> dict[str, str]:
        """Return the files of the request as texts, by the names that messages show."""
        text = _joined(self.requirements)
        return {"requirements.txt": text, **self.files} if text.strip() else {**self.files}

    def constraint_texts(self) -> dict[str, str]:
        """Return the constraints as a file's text, by the name that messages show; empty where there are none."""
        text = _joined(self.constraints)
        return {"constraints.txt": text} if text.strip() else {}

    def choices(self) -> Choices:
        """Return the options that the body gives."""
        return Choices(
            pythons=_several(self.python),
            systems=tuple(self.platforms),
            providers=tuple(self.providers),
            prefer=self.prefer,
            pre=self.pre,
            prerelease=tuple(self.prerelease),
            resolution=self.resolution,
            as_of=_several(self.as_of),
            build_as_of=_several(self.build_as_of),
            build_providers=tuple(self.build_providers),
            overrides=tuple(self.overrides),
            excludes=tuple(self.excludes),
            no_build=tuple(self.no_build),
            no_binary=tuple(self.no_binary),
            require_hashes=self.require_hashes,
            extras=tuple(self.extras),
            all_extras=self.all_extras,
            groups=tuple(self.groups),
        )


def _several(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _joined(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(f"{line}\n" for line in lines)


def read_body(data: bytes, content_type: str) -> ResolveBody:
    """Return what *data* asks for.

    :param content_type: the request's Content-Type; text/plain and application/json are read.
    :raises InputError: ``unsupported-media-type``, ``invalid-body``.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("text/plain", "application/json", ""):
        raise InputError(
            "unsupported-media-type",
            f"a body of type {kind[:80]!r} cannot be read",
            hint="send a requirements.txt as text/plain, or application/json",
        )
    try:
        text = data.decode()
        if kind != "application/json":
            return ResolveBody(requirements=text)
        return ResolveBody.model_validate(json.loads(text))
    except UnicodeDecodeError as error:
        raise InputError("invalid-body", "the body is not UTF-8 text", context=[str(error)]) from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:10]]
        raise InputError(
            "invalid-body", "the body does not have the expected form", context=lines, hint="see /openapi.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError("invalid-body", "the body is not JSON", context=[str(error)[:200]]) from error
