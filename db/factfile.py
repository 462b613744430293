"""The file in which facts travel: its form, written canonically and read with suspicion.

A fact file is gzip over lines of canonical JSON (:func:`db.digest.canonical_json`),
each ended by a newline:

1. the header ``{"format": "mach-facts", "kind": …, "snapshot": …, "version": 2}``; the
   kind is ``snapshot`` (a whole state; its id beside it) or ``facts`` (a part of one,
   null beside it);
2. one line for each project, ascending by (index, project):
   ``{"absent": …, "depsets": […], "files": […], "index": …, "project": …}``.  A depset is
   ``[requires_dist, provides_extra, requires_python, failure]``, with a fifth item
   ``[requires, backend, backend_path, extractor]`` where a build system is known (sdists), which
   has a fifth item where crates are known, ``[name, version, sha256]`` of each, ascending, or null
   before a sixth, the version of a source tree where a backend told it; they are sorted by
   digest.  A file is ``[filename, sha256, live, url, size, upload_time, requires_python,
   yanked, yanked_reason, has_metadata, metadata_sha256, metadata, built]``, ascending by name
   and SHA-256; ``metadata`` is null or ``[position of the depset, SHA-256 that only a download
   told]``; ``built`` lists what the build backend of an sdist said,
   ``[python, system, step, closure, position of the depset, which has a fifth item]``,
   ascending by the first four;
3. the trailer ``{"sha256": …}`` over all bytes before it.

The same content gives the same lines, and with the same zlib the same bytes.  Version 1,
in which depsets have four items and files have no ``built``, is still read.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

from resolver.crates import Crate, check_crate, check_crates
from resolver.errors import InputError
from resolver.unversioned import check_version

from .addresses import check_file_address, check_project
from .digest import canonical_json, depset_body, depset_digest, sorted_built
from .facts import BuildSystem, FileFact, check_text
from .state import BuildKey, FileKey, FileState, Metadata, ProjectState, check_build_key

__all__ = ["Header", "read_header", "read_states", "write_states"]

FORMAT, VERSION = "mach-facts", 2
#: Longest line in bytes; the largest real project (30,000 files) needs about 12 MB.
MAX_LINE = 32 * 2**20
#: Most bytes a file may unpack to.
MAX_TOTAL = 64 * 2**30

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a fact file."""

    kind: str
    """``snapshot`` or ``facts``."""
    snapshot: str | None
    """The id of the state that a ``snapshot`` holds."""


def write_states(stream: IO[bytes], header: Header, states: Iterable[ProjectState]) -> None:
    """Write a fact file to *stream*; *states* must ascend by (index, project)."""
    sha256 = hashlib.sha256()
    # No name and no time in it, so that equal content gives equal bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6) as packed:

        def write(value: Any) -> None:
            line = canonical_json(value) + b"\n"
            sha256.update(line)
            packed.write(line)

        write({"format": FORMAT, "kind": header.kind, "snapshot": header.snapshot, "version": VERSION})
        for state in states:
            write(_record(state))
        write({"sha256": sha256.hexdigest()})


def _record(state: ProjectState) -> dict[str, Any]:
    bodies = {key: depset_body(f.metadata) for key, f in state.files.items() if f.metadata is not None}
    builds = {key: [(place, depset_body(said)) for place, said in sorted_built(f)] for key, f in state.files.items()}
    said = {body for built in builds.values() for _, body in built}
    ordered = sorted(said.union(bodies.values()), key=depset_digest)
    position = {body: number for number, body in enumerate(ordered)}
    files: list[list[Any]] = []
    for key in sorted(state.files, key=_order):
        f, metadata = state.files[key].listing, state.files[key].metadata
        files.append(
            [
                f.filename,
                f.sha256,
                state.files[key].live,
                f.url,
                f.size,
                f.upload_time,
                f.requires_python,
                f.yanked,
                f.yanked_reason,
                f.has_metadata,
                f.metadata_sha256,
                None if metadata is None else [position[bodies[key]], metadata.sha256],
                [[*place, position[body]] for place, body in builds[key]],
            ]
        )
    return {
        "index": state.index,
        "project": state.project,
        "absent": state.absent,
        "depsets": [json.loads(body) for body in ordered],
        "files": files,
    }


def _order(key: FileKey) -> tuple[str, str]:
    return key[0], key[1] or ""


def read_header(stream: IO[bytes], name: str) -> Header:
    """Return the header of the fact file *stream*, called *name* in messages.

    :raises InputError: ``invalid-fact-file``, ``fact-file-too-new``.
    """
    return _header(next(_lines(stream, name), b""), name)[0]


def read_states(stream: IO[bytes], name: str, *, allow_file_urls: bool = False) -> Iterator[ProjectState]:
    """Yield the projects of a fact file in its order, checking everything.

    The trailer is checked last: what was yielded counts only once the iterator has
    ended without an error.

    :raises InputError: ``invalid-fact-file`` where anything is not as the module's
        docstring says, is too large, or its URLs are not http(s) (or file, where
        allowed) or carry user names; ``fact-file-too-new``.
    """
    sha256 = hashlib.sha256()
    lines = _lines(stream, name)
    first = next(lines, b"")
    _, version = _header(first, name)
    sha256.update(first)
    last: tuple[str, str] | None = None
    ended = False
    for number, line in enumerate(lines, start=2):
        if ended:
            raise _invalid(name, number, "something follows the trailer")
        value = _parse(line, name, number)
        if isinstance(value, dict) and value.keys() == {"sha256"}:
            if value["sha256"] != sha256.hexdigest():
                raise _invalid(
                    name, number, f"its content has SHA-256 {sha256.hexdigest()}, the trailer says otherwise"
                )
            ended = True
            continue
        sha256.update(line)
        try:
            state = _state(value, version, allow_file_urls)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise _invalid(name, number, str(error) or type(error).__name__) from error
        if last is not None and (state.index, state.project) <= last:
            raise _invalid(name, number, "the projects do not ascend")
        last = state.index, state.project
        yield state
    if not ended:
        raise _invalid(name, None, "it ends before its trailer: the file was cut off")


def _lines(stream: IO[bytes], name: str) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as packed:
            while line := packed.readline(MAX_LINE + 1):
                total += len(line)
                if len(line) > MAX_LINE or total > MAX_TOTAL:
                    raise _invalid(name, None, "it unpacks to more than any fact file holds")
                if not line.endswith(b"\n"):
                    raise _invalid(name, None, "its last line has no end: the file was cut off")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise _invalid(name, None, f"it cannot be unpacked: {error}") from error


def _invalid(name: str, line: int | None, why: str) -> InputError:
    where = name if line is None else f"{name}, line {line}"
    return InputError(
        "invalid-fact-file",
        f"{where}: not a file of facts that mach wrote: {why[:300]}",
        context=["nothing was imported"],
        hint="export it again with `mach db export`, or fetch it again if it was damaged on its way",
    )


def _parse(line: bytes, name: str, number: int) -> Any:
    try:
        value = json.loads(line)
        # Refuses repeated keys, odd numbers, lone surrogates, and any other second spelling.
        if canonical_json(value) + b"\n" != line:
            raise ValueError("a line is not canonical JSON")
    except (ValueError, RecursionError) as error:
        raise _invalid(name, number, str(error)) from error
    return value


def _header(line: bytes, name: str) -> tuple[Header, int]:
    value = _parse(line, name, 1)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise _invalid(name, 1, "it has another header")
    version = value.get("version")
    if type(version) is not int or version < 1:
        raise _invalid(name, 1, "its version is not a number")
    if version > VERSION:
        raise InputError(
            "fact-file-too-new",
            f"{name} has version {version} of the form; this mach reads up to {VERSION}",
            hint="install a newer mach",
        )
    kind, snapshot = value.get("kind"), value.get("snapshot")
    whole = isinstance(snapshot, str) and _SHA256.fullmatch(snapshot) is not None
    if not ((kind == "snapshot" and whole) or (kind == "facts" and snapshot is None)) or len(value) != 4:
        raise _invalid(name, 1, "its header names neither a snapshot nor facts")
    assert kind is not None
    return Header(kind=kind, snapshot=snapshot), version


def _state(value: Any, version: int, allow_file_urls: bool) -> ProjectState:
    if not isinstance(value, dict) or value.keys() != {"index", "project", "absent", "depsets", "files"}:
        raise ValueError("a line is neither a project nor the trailer")
    index = _text(value["index"])
    project = check_project(index, _text(value["project"]), allow_file_urls=allow_file_urls)
    absent = _flag(value["absent"])
    depsets = [_depset(item, version) for item in _list(value["depsets"])]
    digests = [depset_digest(depset_body(d)) for d in depsets]
    if digests != sorted(set(digests)):
        raise ValueError("the dependency sets are not sorted by digest")
    files: dict[FileKey, FileState] = {}
    live: set[str] = set()
    used: set[int] = set()
    last: tuple[str, str] | None = None
    for item in _list(value["files"]):
        record = _list(item)
        built = _built(record.pop(), depsets, used) if version > 1 else {}
        file = _file(record, depsets, used)
        check_file_address(index, file.listing.filename, file.listing.url, allow_file_urls=allow_file_urls)
        key = (file.listing.filename, file.listing.sha256)
        if last is not None and _order(key) <= last:
            raise ValueError("the files do not ascend")
        last = _order(key)
        if file.live:
            if absent or file.listing.filename in live:
                raise ValueError(f"{file.listing.filename!r} cannot be listed here")
            live.add(file.listing.filename)
        files[key] = replace(file, built=built)
    if len(used) != len(depsets):
        raise ValueError("a dependency set belongs to no file")
    return ProjectState(index=index, project=project, absent=absent, files=files)


def _depset(item: Any, version: int) -> Metadata:
    requires_dist, provides_extra, requires_python, failure, *more = _list(item)
    if len(more) > (1 if version > 1 else 0):
        raise ValueError("a dependency set has too many items")
    return Metadata(
        requires_dist=tuple(_text(t) for t in _list(requires_dist)),
        provides_extra=tuple(_text(t) for t in _list(provides_extra)),
        requires_python=_optional(requires_python),
        failure=_optional(failure),
        build=_build(more[0]) if more else None,
        source="import",
    )


def _build(item: Any) -> BuildSystem:
    requires, backend, backend_path, extractor, *more = _list(item)
    if len(more) > 2:
        raise ValueError("a build system has too many items")
    return BuildSystem(
        requires=tuple(_text(t) for t in _list(requires)),
        backend=_optional(backend),
        backend_path=tuple(_text(t) for t in _list(backend_path)),
        extractor=_number(extractor),
        crates=None if not more or (more[0] is None and len(more) > 1) else _crates(more[0]),
        version=None if len(more) < 2 else check_version(_text(more[1])),
    )


def _crates(items: Any) -> tuple[Crate, ...]:
    crates = []
    for item in _list(items):
        name, version, sha256 = _list(item)
        crates.append(check_crate(Crate(name=_text(name), version=_text(version), sha256=_text(sha256))))
    return check_crates(crates)


def _built(items: Any, depsets: list[Metadata], used: set[int]) -> dict[BuildKey, Metadata]:
    built: dict[BuildKey, Metadata] = {}
    last: BuildKey | None = None
    for item in _list(items):
        python, system, step, closure, position = _list(item)
        key = check_build_key((_text(python), _text(system), _text(step), _text(closure)))
        if last is not None and key <= last:
            raise ValueError("what build backends said does not ascend")
        last = key
        used.add(_number(position))
        if depsets[position].build is None:
            raise ValueError("what a build backend said has no build system")
        built[key] = depsets[position]
    return built


def _file(item: list[Any], depsets: list[Metadata], used: set[int]) -> FileState:
    filename, sha256, live, url, size, upload, python, yanked, reason, offered, sidecar, link = item
    if (reason is not None and yanked is not True) or reason == "":
        raise ValueError("a reason for a yank stands where none can")
    metadata: Metadata | None = None
    if link is not None:
        position, downloaded = _list(link)
        used.add(_number(position))
        chosen = depsets[position]
        if downloaded is not None and sha256 is not None:
            raise ValueError("a digest is told twice")
        metadata = replace(chosen, sha256=_digest(downloaded))
    listing = FileFact(
        filename=_text(filename),
        url=_text(url),
        sha256=_digest(sha256),
        size=None if size is None else _number(size),
        upload_time=None if upload is None else _number(upload),
        requires_python=_optional(python),
        yanked=_flag(yanked),
        yanked_reason=_optional(reason),
        has_metadata=_flag(offered),
        metadata_sha256=_digest(sidecar),
    )
    return FileState(listing=listing, live=_flag(live), metadata=metadata)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("a list is missing")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("a text is missing")
    return check_text(value)


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("a yes or no is missing")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("a number is missing or out of range")
    return value


def _digest(value: Any) -> str | None:
    if value is not None and not _SHA256.fullmatch(_text(value)):
        raise ValueError("a SHA-256 is not 64 hexadecimal digits")
    return None if value is None else str(value)
