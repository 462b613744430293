"""What a fake index writes: project pages and root pages as JSON (PEP 691, 700) and HTML (PEP 503)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Literal
from urllib.parse import quote

from .dists import Dist

__all__ = ["HTML", "JSON", "Listed", "choose_form", "render_page", "render_root"]

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"

Sidecar = Literal["digest", "bare", "silent", "none"]


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
) -> bytes:
    """Return a project's page in *form*.

    :param base: what a file's quoted path is appended to: ``http://127.0.0.1:1`` or ``../..``.
    :param mirror: HTML with data-upload-time and without sidecar attributes.
    """
    files = list(files)
    if form == JSON:
        return _json_page(project, files, base, serial, api_version)
    return _html_page(project, files, base, api_version, mirror)


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


def file_url(listed: Listed, base: str) -> str:
    """Return the URL that a page states for *listed*, without a fragment."""
    return listed.url if listed.url is not None else base + quote(listed.path)


def _json_page(project: str, files: list[Listed], base: str, serial: int | None, api_version: str) -> bytes:
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
            entry["core-metadata"] = entry["data-dist-info-metadata"] = value
        entries.append(entry)
    versions = list(dict.fromkeys(listed.dist.version for listed in files))
    body = {"meta": meta, "name": project, "versions": versions, "files": entries}
    return json.dumps(body).encode()


def _html_page(project: str, files: list[Listed], base: str, api_version: str, mirror: bool) -> bytes:
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
            attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = value
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
