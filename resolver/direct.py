"""Direct references: URLs, version control addresses and local paths that provide a project instead of an index."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from .catalog import EXTRACTOR, SDIST, WHEEL, Page
from .crates import Crate
from .names import NormalizedName, normalize_project
from .unversioned import UNVERSIONED

__all__ = [
    "DIRECT",
    "LOCAL_ID",
    "InvalidReference",
    "LocalBuild",
    "LocalSource",
    "Locate",
    "Reference",
    "archive_project",
    "is_direct",
    "is_fixed",
    "is_same_place",
    "make_local_page",
    "parse_reference",
    "source_archive_ending",
    "url_filename",
]

#: What the identity of a reference begins with where facts are keyed by index; the reference follows.
DIRECT = "direct:"
#: File id of a local source: it is in no catalog.
LOCAL_ID = -1

#: Transports of ``git+…``; each fetch is restricted to the one that the user named.
_TRANSPORTS = ("https", "http", "ssh", "file")
#: The characters of RFC 3986 without brackets: what the Nix library fetches.
_PLAIN_URL = re.compile(r"[-A-Za-z0-9._~:/?#@!$&'()*+,;=%]{1,4000}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_REVISION = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_./+]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,63}")
_SDIST_ENDINGS = (".tar.gz", ".zip")


class InvalidReference(ValueError):
    """Not a reference that mach takes; the text is a clause that quotes no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a project comes from that no index provides; as text, its normal form."""

    kind: str
    """``url`` (a wheel or an sdist), ``vcs`` (a git repository) or ``path`` (a folder, wheel or sdist here)."""
    location: str
    """The URL without userinfo and fragment, that of the repository, or a plain path: absolute, or
    relative to the folder of the lock and beginning with ``./`` or ``../``."""
    revision: str = ""
    """Of a repository: commit, tag or branch as it was written; empty for its default branch."""
    subdirectory: str = ""
    """Of a repository: the project's folder in it."""
    sha256: str | None = None
    """Of a URL: the hash that was given with it."""
    editable: bool = False
    """Of a folder: a shell uses the working tree."""

    @property
    def commit(self) -> str | None:
        """The commit, where the reference names one in full: what it means can never change then."""
        return self.revision if _COMMIT.fullmatch(self.revision) else None

    def __str__(self) -> str:
        """Return the normal form: equal for references that mean the same; :func:`parse_reference` reads it."""
        from urllib.parse import quote

        options = {
            "editable": "true" if self.editable else "",
            "sha256": self.sha256 or "",
            "subdirectory": quote(self.subdirectory, safe="/"),
        }
        tail = "&".join(f"{key}={value}" for key, value in options.items() if value)
        if self.kind == "vcs":
            text = f"git+{self.location}" + (f"@{self.revision}" if self.revision else "")
        elif self.kind == "path":
            path = quote(self.location, safe="/")
            text = f"file://{path}" if path.startswith("/") else path
        else:
            text = self.location
        return f"{text}#{tail}" if tail else text


def is_direct(index: str) -> bool:
    """Return whether *index* is the identity of a direct reference, not of an index."""
    return index.startswith(DIRECT)


def is_fixed(index: str) -> bool:
    """Return whether what the reference with the identity *index* means can never change: a hash or commit names it."""
    reference = parse_reference(index.removeprefix(DIRECT))
    return reference.sha256 is not None or reference.commit is not None


def archive_project(filename: str) -> tuple[NormalizedName, str]:
    """Return project and version that the name of a wheel or sdist states (PEP 427, PEP 625).

    :raises InvalidReference: where it is no such name.
    """
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
            return normalize_project(name), str(version)
        if filename.endswith(_SDIST_ENDINGS):
            name, version = parse_sdist_filename(filename)
            return normalize_project(name), str(version)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        pass
    raise InvalidReference(
        "its last part is not the file name of a wheel (NAME-VERSION-…-….whl) "
        "or of an sdist (NAME-VERSION.tar.gz or .zip)"
    )


def source_archive_ending(url: str) -> str | None:
    """Return the ending of an archive at *url* whose name states neither project nor version, as forges make them.

    None where it is a wheel or an sdist, or of another kind.
    """
    filename = url_filename(url)
    try:
        archive_project(filename)
    except InvalidReference:
        return next((ending for ending in _SDIST_ENDINGS if filename.endswith(ending)), None)
    return None


def url_filename(url: str) -> str:
    """Return the last part of the path of *url*."""
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path.rpartition("/")[2])


def parse_reference(text: str) -> Reference:
    """Return the reference that *text* states, in normal form or as a user or a publisher wrote it.

    :raises InvalidReference: where mach does not take it.
    """
    from urllib.parse import unquote

    if not text.isprintable() or " " in text:
        raise InvalidReference("it holds spaces or control characters")
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme in ("", "file"):
        body, _, fragment = text.partition("#")
        path = unquote(body[len("file:") :] if scheme else body)
        if path.startswith("//"):
            host, slash, rest = path[2:].partition("/")
            if host not in ("", "localhost"):
                raise InvalidReference("a file: URL names no other machine")
            path = f"{slash}{rest}"
        return _make_path(path, _options(fragment, {"editable", "sha256", "egg"}))
    if scheme in ("http", "https"):
        body, _, fragment = text.partition("#")
        options = _options(fragment, {"sha256", "egg"})
        return Reference(kind="url", location=_clean(body), sha256=options.get("sha256"))
    if scheme.startswith("git+"):
        return _make_checkout(text[len("git+") :])
    if scheme.partition("+")[0] in ("git", "hg", "svn", "bzr"):
        raise InvalidReference("of version control mach takes git alone, as git+https://, git+ssh:// or git+file://")
    raise InvalidReference(f"mach does not take {scheme}: URLs")


def _make_path(path: str, options: Mapping[str, str]) -> Reference:
    if not path or "\0" in path or not path.isprintable():
        raise InvalidReference("it is no path")
    clean = posixpath.normpath(path)
    if clean.startswith("//"):
        clean = clean[1:]
    if not clean.startswith(("/", "../")) and clean != "..":
        clean = "." if clean == "." else f"./{clean}"
    return Reference(
        kind="path",
        location=clean,
        sha256=options.get("sha256"),
        editable=options.get("editable") == "true",
    )


def _make_checkout(text: str) -> Reference:
    body, _, fragment = text.partition("#")
    options = _options(fragment, {"egg", "subdirectory"})
    scheme, separator, rest = body.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _TRANSPORTS:
        raise InvalidReference("git takes https, http, ssh and file, as in git+https://host/repository@REVISION")
    authority, slash, path = rest.partition("/")
    path, at, revision = path.rpartition("@") if "@" in path else (path, "", "")
    if at and (not _REVISION.fullmatch(revision) or ".." in revision or revision.endswith((".lock", "/", "."))):
        raise InvalidReference("what follows the last @ is no commit, tag or branch")
    if scheme == "file":
        if authority not in ("", "localhost") or not path:
            raise InvalidReference("a git+file: URL names a folder of this machine")
        location = f"file:///{path}"
    else:
        location = _clean(f"{scheme}://{authority}{slash}{path}")
    if not _PLAIN_URL.fullmatch(location):
        raise InvalidReference("it holds characters that no URL has")
    return Reference(
        kind="vcs", location=location, revision=revision, subdirectory=_clean_folder(options.get("subdirectory", ""))
    )


def _clean_folder(text: str) -> str:
    clean = posixpath.normpath(text) if text else ""
    if clean in ("", "."):
        return ""
    if clean.startswith(("/", "-")) or ".." in clean.split("/") or not clean.isprintable() or "\\" in clean:
        raise InvalidReference("its subdirectory leaves the repository")
    return clean


def _clean(url: str) -> str:
    """Return an absolute http(s) or ssh URL with its host in lower case; only ssh has a user, and none a password."""
    from urllib.parse import urlsplit, urlunsplit

    if not _PLAIN_URL.fullmatch(url):
        raise InvalidReference("it holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidReference("it is not a URL") from None
    host = parts.hostname
    if not host or "%" in host or host.startswith("-") or not parts.path.strip("/"):
        raise InvalidReference("it names no host, or nothing on it")
    netloc = host if port is None or (parts.scheme, port) in (("http", 80), ("https", 443)) else f"{host}:{port}"
    if "@" in parts.netloc:
        if parts.password is not None or parts.scheme != "ssh":
            raise InvalidReference("it holds a user name or password, which a lock would keep; put them into ~/.netrc")
        if not _USER.fullmatch(parts.username or ""):
            raise InvalidReference("it holds a user name that is none")
        netloc = f"{parts.username}@{netloc}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def _options(fragment: str, known: set[str]) -> dict[str, str]:
    """Return what a fragment states, ``KEY=VALUE&…``; refuse what would be dropped in silence."""
    from urllib.parse import unquote

    answer: dict[str, str] = {}
    for part in filter(None, fragment.split("&")):
        key, equals, value = part.partition("=")
        if key in ("md5", "sha1", "sha224", "sha384", "sha512"):
            raise InvalidReference(f"mach checks sha256 and cannot check {key}")
        if not equals or key not in known or key in answer:
            raise InvalidReference(f"after # it may have {', '.join(sorted(known))} once each, as in #sha256=…")
        answer[key] = unquote(value)
    if "sha256" in answer and not _SHA256.fullmatch(answer["sha256"]):
        raise InvalidReference("its sha256 is not 64 hexadecimal digits")
    return answer


def is_same_place(stated: str, other: str) -> bool:
    """Return whether *other*, which a publisher's metadata names, is the place that the user *stated*.

    A hash may stand on either side, but not contradict. A path of the user's is no business of metadata.
    """
    if stated == other:
        return parse_reference(stated).kind != "path"
    ours, theirs = parse_reference(stated), parse_reference(other)
    if ours.kind == "path" or None not in (ours.sha256, theirs.sha256):
        return False
    return replace(ours, sha256=None) == replace(theirs, sha256=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBuild:
    """What the build backend of a local source said in one step; see :attr:`Page.builds`."""

    python: str
    system: str
    step: str
    closure: str
    project: NormalizedName | None = None
    """In the step ``metadata``, as are the next four: whose metadata it is."""
    version: str | None = None
    """Where the source states none."""
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    """The requirements that it added."""
    failure: str | None = None

    def to_depset(self) -> tuple[Any, ...]:
        """Return an entry of :attr:`Page.depsets`."""
        said = (self.requires_dist, self.provides_extra, self.requires_python, self.failure)
        build: tuple[Any, ...] = (self.requires, None, (), EXTRACTOR)
        if self.version is not None:
            build = (*build, None, self.version)
        text = json.dumps([*said, build], separators=(",", ":"), ensure_ascii=True)
        return (hashlib.sha256(text.encode()).hexdigest(), *said, build)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSource:
    """What a local folder, wheel or sdist says of itself, read by whoever made the request.

    It is part of a request like the requirements file that names it, and no fact of a catalog.
    """

    project: NormalizedName | None
    """None where only its build backend can tell."""
    version: str | None
    """None where only its build backend can tell."""
    filename: str
    """Of a wheel or an sdist; empty for a folder."""
    sha256: str | None = None
    """Of a wheel or an sdist."""
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    failure: str | None = None
    """A sentence where its metadata cannot be had."""
    build_requires: tuple[str, ...] = ("setuptools>=40.8.0",)
    """What its build system requires (PEP 518)."""
    crates: tuple[Crate, ...] | None = None
    """What its Rust parts are built with, sorted; None where it has none that show."""
    told_by: str | None = None
    """SHA-256 of the files that a build backend reads first, where it has to be asked what the source states."""
    builds: tuple[LocalBuild, ...] = ()
    """What its build backend said, as far as it was asked for this request."""

    @property
    def digest(self) -> str:
        """``sha256:…`` over all that it states: what a lock keeps to notice a change."""
        values = [
            self.project,
            self.version,
            self.filename,
            self.sha256,
            list(self.requires_dist),
            list(self.provides_extra),
            self.requires_python,
            self.failure,
            list(self.build_requires),
            *([] if self.crates is None else [_crate_values(self.crates)]),
            *([] if self.told_by is None else [self.told_by]),
        ]
        text = json.dumps(values, separators=(",", ":"), ensure_ascii=True)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


#: Takes a reference to a path, as written, and the origin that names it; returns the reference as the
#: lock spells it and the project that is there, None where only its build backend can tell that. Raises
#: InputError where nothing usable is.
Locate = Callable[[Reference, str], tuple[Reference, NormalizedName | None]]


def _crate_values(crates: tuple[Crate, ...]) -> list[list[str]]:
    return [[crate.name, crate.version, crate.sha256] for crate in crates]


def make_local_page(reference: str, source: LocalSource, project: NormalizedName) -> Page:
    """Return the page of a local source, asked for as *project*: one file, with its metadata."""
    is_wheel = source.filename.endswith(".whl")
    tags = ["-".join(source.filename.removesuffix(".whl").rsplit("-", 3)[1:])] if is_wheel else []
    build: tuple[Any, ...] = (source.build_requires, None, (), EXTRACTOR)
    if source.crates is not None:
        build = (*build, _crate_values(source.crates))
    depset = (
        source.digest.removeprefix("sha256:"),
        source.requires_dist,
        source.provides_extra,
        source.requires_python,
        source.failure,
        None if is_wheel else build,
    )
    return Page(
        index=DIRECT + reference,
        project=project,
        digest=source.digest.removeprefix("sha256:"),
        versions=[source.version or UNVERSIONED],
        tags=tags,
        depsets=[depset, *(build.to_depset() for build in source.builds)],
        builds=[(0, b.python, b.system, b.step, b.closure, at) for at, b in enumerate(source.builds, 1)],
        files=[(LOCAL_ID, 0, WHEEL if is_wheel else SDIST, 0 if is_wheel else -1, -1, -1, 0, 0)],
    )
