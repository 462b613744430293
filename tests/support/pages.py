"""What a fake index writes: project pages and root pages as JSON (PEP 691, 700) and HTML (PEP 503)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Literal
from urllib.parse import quote

from .dists import Dist
from .serving import Answer, Asked

__all__ = ["HTML", "JSON", "Listed", "answer_page", "choose_form", "render_page", "render_root"]

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"

Sidecar = Literal["digest", "bare", "silent", "none"]
SidecarKeys = Literal["both", "new", "old"]

_NEW = {JSON: ["core-metadata"], HTML: ["data-core-metadata"]}
_OLD = {JSON: ["dist-info-metadata"], HTML: ["data-dist-info-metadata"]}
#: "both" has what a real index writes into JSON: the new key and, by an old mistake, HTML's old one.
_KEYS = {
    "new": _NEW,
    "old": _OLD,
    "both": {JSON: [*_NEW[JSON], *_OLD[HTML]], HTML: [*_NEW[HTML], *_OLD[HTML]]},
}

#: When a fake index is said to have begun; every change is one second later (Last-Modified).
FIRST_CHANGE = 1735689600


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file as a page lists it, which may differ from the file that is served."""

    dist: Dist
    path: str
    """Path of the file on the server, not quoted."""
    upload_time: int | None
    """UTC seconds."""
    yanked: bool | str
    """True, or the reason (an empty one in HTML and JSON alike is True)."""
    requires_python: str | None
    sha256: str | None
    """The digest that the page states; None where it states none."""
    size: int | None
    sidecar: Sidecar
    """``digest``: advertised with its digest; ``bare``: advertised without; ``silent``: served
    but not advertised; ``none``: neither."""
    sidecar_sha256: str | None
    """The digest that the page states for the sidecar."""
    url: str | None
    """A URL to write in place of the real one."""
    content: bytes
    """What is served as the file."""
    sidecar_content: bytes | None
    """What is served as the sidecar."""


def choose_form(accept: str | None, offered: Iterable[str]) -> str | None:
    """Return the media type of *offered* (best first) that *accept* likes best; None for 406.

    RFC 9110, 12.5.1: a type's quality is that of the most specific range that matches it.
    """
    if not accept:
        return next(iter(offered))
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        quality = parameters.strip().removeprefix("q=")
        ranges[name.strip()] = float(quality) if quality and quality != parameters.strip() else 1.0
    best, best_quality = None, 0.0
    for form in offered:
        for wanted in (form, form.split("/")[0] + "/*", "*/*"):
            if wanted in ranges:
                if ranges[wanted] > best_quality:
                    best, best_quality = form, ranges[wanted]
                break
    return best


def render_page(
    form: str,
    project: str,
    files: Iterable[Listed],
    *,
    base: str,
    serial: int | None,
    api_version: str,
    mirror: bool,
    sidecar_keys: SidecarKeys,
) -> bytes:
    """Return a project's page in *form*.

    :param base: what a file's quoted path is appended to: ``http://127.0.0.1:1`` or ``../..``.
    :param mirror: HTML with data-upload-time and without sidecar attributes.
    """
    files = list(files)
    if form == JSON:
        return _json_page(project, files, base, serial, api_version, sidecar_keys)
    return _html_page(project, files, base, api_version, mirror, sidecar_keys)


def render_root(form: str, projects: Mapping[str, int], *, serial: int | None, api_version: str) -> bytes:
    """Return the root page, which lists *projects* with their last serials."""
    if form == JSON:
        meta: dict[str, object] = {"api-version": api_version}
        listed: list[dict[str, object]] = [{"name": name} for name in sorted(projects)]
        if serial is not None:
            meta["_last-serial"] = serial
            listed = [{"_last-serial": projects[name], "name": name} for name in sorted(projects)]
        return json.dumps({"meta": meta, "projects": listed}).encode()
    links = [f'    <a href="{quote(name)}/">{escape(name)}</a><br/>' for name in sorted(projects)]
    return _html("Simple index", links, api_version)


def answer_page(
    asked: Asked, form: str, body: bytes, serial: int, *, etags: bool, last_modified: bool, serials: bool
) -> Answer:
    """Return 200 with *body* in *form*, or 304 where *asked* holds a validator that is still good."""
    content_type = form if form == JSON else f"{form}; charset=utf-8"
    headers = {"Content-Type": content_type, "Vary": "Accept", "Cache-Control": "max-age=600, public"}
    if serials:
        headers["X-PyPI-Last-Serial"] = str(serial)
    if etags:
        headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    changed = format_datetime(datetime.fromtimestamp(FIRST_CHANGE + serial, UTC), usegmt=True)
    if last_modified:
        headers["Last-Modified"] = changed
    given = asked.headers.get("if-none-match")
    if given is not None and etags:
        known = [tag.strip().removeprefix("W/") for tag in given.split(",")]
        fresh = headers["ETag"] in known or "*" in known
    else:
        fresh = last_modified and asked.headers.get("if-modified-since") == changed
    if fresh:
        return Answer(status=304, headers={k: v for k, v in headers.items() if k != "Content-Type"})
    return Answer(status=200, headers=headers, body=body)


def file_url(listed: Listed, base: str) -> str:
    """Return the URL that a page states for *listed*, without a fragment."""
    return listed.url if listed.url is not None else base + quote(listed.path)


def _json_page(
    project: str, files: list[Listed], base: str, serial: int | None, api_version: str, sidecar_keys: SidecarKeys
) -> bytes:
    meta: dict[str, object] = {"api-version": api_version}
    if serial is not None:
        meta["_last-serial"] = serial
    entries = []
    for listed in files:
        entry: dict[str, object] = {
            "filename": listed.dist.filename,
            "url": file_url(listed, base),
            "hashes": {} if listed.sha256 is None else {"sha256": listed.sha256},
            "requires-python": listed.requires_python,
            "yanked": listed.yanked,
        }
        if listed.size is not None:
            entry["size"] = listed.size
        if listed.upload_time is not None:
            moment = datetime.fromtimestamp(listed.upload_time, UTC).replace(tzinfo=None)
            entry["upload-time"] = moment.isoformat(timespec="microseconds") + "Z"
        stated = _stated_sidecar(listed)
        if stated is not None:
            value: object = True if stated == "" else {"sha256": stated}
            entry |= dict.fromkeys(_KEYS[sidecar_keys][JSON], value)
        entries.append(entry)
    versions = list(dict.fromkeys(listed.dist.version for listed in files))
    body = {"meta": meta, "name": project, "versions": versions, "files": entries}
    return json.dumps(body).encode()


def _html_page(
    project: str, files: list[Listed], base: str, api_version: str, mirror: bool, sidecar_keys: SidecarKeys
) -> bytes:
    links = []
    for listed in files:
        fragment = "" if listed.sha256 is None else f"#sha256={listed.sha256}"
        attributes = {"href": file_url(listed, base) + fragment}
        if listed.requires_python is not None:
            attributes["data-requires-python"] = listed.requires_python
        if listed.yanked is not False:
            attributes["data-yanked"] = "" if listed.yanked is True else listed.yanked
        stated = _stated_sidecar(listed)
        if stated is not None and not mirror:
            value = "true" if stated == "" else f"sha256={stated}"
            attributes |= dict.fromkeys(_KEYS[sidecar_keys][HTML], value)
        if mirror and listed.upload_time is not None:
            moment = datetime.fromtimestamp(listed.upload_time, UTC).replace(tzinfo=None)
            attributes["data-upload-time"] = moment.isoformat(timespec="microseconds") + "Z"
        written = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
        links.append(f"    <a {written}>{escape(listed.dist.filename)}</a><br/>")
    return _html(f"Links for {project}", links, api_version)


def _stated_sidecar(listed: Listed) -> str | None:
    """Return the digest that the page states, an empty one where it states none, None for no sidecar."""
    if listed.sidecar == "digest":
        return listed.sidecar_sha256
    return "" if listed.sidecar == "bare" else None


def _html(title: str, links: list[str], api_version: str) -> bytes:
    lines = [
        "<!DOCTYPE html>",
        "<html>",
        "  <head>",
        f'    <meta name="pypi:repository-version" content="{escape(api_version)}">',
        f"    <title>{escape(title)}</title>",
        "  </head>",
        "  <body>",
        f"    <h1>{escape(title)}</h1>",
        *links,
        "  </body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode("utf-8", "surrogatepass")
