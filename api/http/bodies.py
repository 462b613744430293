"""The bodies of ``POST /resolve``: a requirements.txt as text, a form, or a JSON document."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.asking import Choices
from resolver.errors import InputError
from resolver.lock import Nixpkgs
from resolver.nixpkgs_pin import make_nixpkgs

__all__ = ["DiffBody", "ResolveBody", "make_body", "read_body", "read_document", "read_parts"]

_Model = TypeVar("_Model", bound=BaseModel)

#: Members of a list of choices.
_MANY = 2_000
_Word = Annotated[str, StringConstraints(max_length=200)]
_Words = Annotated[list[_Word], Field(max_length=_MANY)]


class PinnedNixpkgs(BaseModel):
    """A nixpkgs by revision and hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rev: _Word
    """Git commit."""
    sha256: _Word
    """Of the unpacked archive, SRI or Nix' base 32."""


class DiffBody(BaseModel):
    """Two locks, each as the text of a mach.lock or as the id of a resolution."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    before: Annotated[str, StringConstraints(min_length=1)]
    """Text of a mach.lock, or id of a resolution."""
    after: Annotated[str, StringConstraints(min_length=1)]
    """Likewise."""


class ResolveBody(BaseModel):
    """What a client asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    requirements: str | list[Annotated[str, StringConstraints(max_length=100_000)]] = ""
    """The text of a requirements.txt, or its lines."""
    constraints: str | list[Annotated[str, StringConstraints(max_length=100_000)]] = ""
    """Likewise; binds a project only where something else asks for it."""
    python: _Word | _Words = Field(default_factory=list)
    """``3.12`` or ``3.12.4``."""
    platforms: _Words = Field(default_factory=list)
    """Nix system names; by default the server's own."""
    providers: _Words = Field(default_factory=list)
    """``wheel,sdist`` or ``NAME=wheel``."""
    prefer: _Word = "provider"
    """``provider``, ``newest`` or ``balanced``."""
    pre: bool = False
    """Pre-releases count like stable releases."""
    prerelease: _Words = Field(default_factory=list)
    """``MODE`` or ``NAME=MODE``."""
    resolution: _Word = "highest"
    """``highest``, ``lowest`` or ``lowest-direct``."""
    as_of: _Word | _Words = Field(default_factory=list)
    """Only files uploaded before ``DATE``; ``NAME=DATE`` for one project."""
    build_as_of: _Word | _Words = Field(default_factory=list)
    """The same for what sdists are built in."""
    build_providers: _Words = Field(default_factory=list)
    """The same as providers for what sdists are built in."""
    overrides: Annotated[list[Annotated[str, StringConstraints(max_length=10_000)]], Field(max_length=_MANY)] = Field(
        default_factory=list
    )
    """``REQUIREMENT`` or ``PARENT:REQUIREMENT``: replaces what others require."""
    excludes: _Words = Field(default_factory=list)
    """Projects that are left out everywhere."""
    no_build: _Words = Field(default_factory=list)
    """Projects that may not come from an sdist; ``:all:``."""
    no_binary: _Words = Field(default_factory=list)
    """Projects that may not come from a wheel; ``:all:``."""
    require_hashes: bool = False
    """Every requirement needs a ``--hash``."""
    files: dict[_Word, Annotated[str, StringConstraints(max_length=1_000_000)]] = Field(
        default_factory=dict, max_length=100
    )
    """More files of the request by name, which tells their kind: ``pyproject.toml``, ``uv.lock``, ``script.py``."""
    extras: _Words = Field(default_factory=list)
    """Extras of the projects in *files*."""
    all_extras: bool = False
    """All of them."""
    groups: _Words = Field(default_factory=list)
    """Dependency groups of the projects in *files*."""
    nixpkgs: PinnedNixpkgs | None = None
    """The nixpkgs to pin; in a form, the JSON text of it."""
    snapshot: _Word | None = None
    """Id, unambiguous prefix or name; nothing is fetched then."""

    def texts(self) -> dict[str, str]:
        """Return the files of the request as texts, by the names that messages show."""
        text = _joined(self.requirements)
        return {"requirements.txt": text, **self.files} if text.strip() else {**self.files}

    def constraint_texts(self) -> dict[str, str]:
        """Return the constraints as a file's text, by the name that messages show; empty where there are none."""
        text = _joined(self.constraints)
        return {"constraints.txt": text} if text.strip() else {}

    def pinned_nixpkgs(self) -> Nixpkgs | None:
        """Return the nixpkgs that the body pins.

        :raises InputError: ``invalid-nixpkgs``.
        """
        return None if self.nixpkgs is None else make_nixpkgs(self.nixpkgs.rev, self.nixpkgs.sha256)

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


async def read_body(data: bytes, content_type: str, encoding: str = "") -> ResolveBody:
    """Return what *data* asks for.

    :param content_type: the request's Content-Type: text/plain, application/json or multipart/form-data.
    :param encoding: the request's Content-Encoding: a body that would have to be unpacked is refused.
    :raises InputError: ``unsupported-media-type``, ``invalid-body``.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("text/plain", "application/json", "multipart/form-data", "") or encoding not in ("", "identity"):
        wrong = f"type {kind[:80]!r}" if encoding in ("", "identity") else f"encoding {encoding[:80]!r}"
        raise InputError(
            "unsupported-media-type",
            f"a body of {wrong} cannot be read",
            hint="send a requirements.txt as text/plain or multipart/form-data, or application/json, as it is",
        )
    if kind == "application/json":
        return read_document(ResolveBody, data, content_type)
    try:
        if kind == "multipart/form-data":
            return _validate(ResolveBody, await _read_form(data, content_type))
        return ResolveBody(requirements=data.decode())
    except UnicodeDecodeError as error:
        raise _no_text(error) from error


def read_document(model: type[_Model], data: bytes, content_type: str) -> _Model:
    """Return the JSON document *data* as a value of *model*.

    :param content_type: the request's Content-Type, which must be application/json.
    :raises InputError: ``unsupported-media-type``, ``invalid-body``.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InputError(
            "unsupported-media-type", f"a body of type {kind[:80]!r} cannot be read", hint="send application/json"
        )
    try:
        return _validate(model, json.loads(data.decode()))
    except UnicodeDecodeError as error:
        raise _no_text(error) from error
    except (ValueError, RecursionError) as error:
        raise InputError("invalid-body", "the body is not JSON", context=[str(error)[:200]]) from error


def make_body(members: Mapping[str, Any]) -> ResolveBody:
    """Return what *members* ask for.

    :raises InputError: ``invalid-body``.
    """
    return _validate(ResolveBody, dict(members))


def _validate(model: type[_Model], value: object) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:10]]
        raise InputError(
            "invalid-body", "the body does not have the expected form", context=lines, hint="see /openapi.json"
        ) from error


def _no_text(error: UnicodeDecodeError) -> InputError:
    return InputError("invalid-body", "the body is not UTF-8 text", context=[str(error)])


async def _read_form(data: bytes, content_type: str) -> dict[str, Any]:
    """Return the members of a form: files and texts; where a member is a list, it may be given several times.

    :raises UnicodeDecodeError: where a part is not UTF-8.
    :raises InputError: ``invalid-body``.
    """
    given: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for name, text, filename in await read_parts(data, content_type):
        if name == "files" and filename:
            files[filename] = text
        else:
            given.setdefault(name, []).append(text)
    members: dict[str, Any] = {"files": files} if files else {}
    for name, texts in given.items():
        field = ResolveBody.model_fields.get(name)
        several = field is not None and get_origin(field.annotation) is list
        members[name] = texts if several or len(texts) > 1 else texts[0]
    if isinstance(members.get("nixpkgs"), str):
        members["nixpkgs"] = _read_nixpkgs(members["nixpkgs"])
    return members


def _read_nixpkgs(text: str) -> object:
    """Return the JSON value of the part of a form that pins a nixpkgs.

    :raises InputError: ``invalid-body``.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "invalid-body",
            "nixpkgs is not JSON",
            context=[str(error)[:200]],
            hint='write it as {"rev": COMMIT, "sha256": HASH}',
        ) from error


async def read_parts(data: bytes, content_type: str) -> list[tuple[str, str, str]]:
    """Return (name, text, file name or "") of each part of a form (multipart/form-data).

    :raises UnicodeDecodeError: where a part is not UTF-8.
    :raises InputError: ``invalid-body``.
    """
    from starlette.datastructures import Headers
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def stream() -> AsyncGenerator[bytes, None]:
        yield data

    parser = MultiPartParser(
        Headers({"content-type": content_type}), stream(), max_files=20, max_fields=1_000, max_part_size=len(data) + 1
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        told = error.message if isinstance(error, MultiPartException) else "it names no boundary"
        raise InputError("invalid-body", "the body is not multipart/form-data", context=[told[:200]]) from error
    try:
        return [
            (name, part, "") if isinstance(part, str) else (name, (await part.read()).decode(), part.filename or "")
            for name, part in form.multi_items()
        ]
    finally:
        await form.close()
