"""Project pages of the simple API (PEP 503, 592, 629, 658, 691, 700, 714) as facts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage, Link

from db.facts import AbsenceFact, FileFact, PageFact, UnchangedFact, check_text
from resolver.errors import Unavailable, printable
from resolver.names import NormalizedName, normalize_project

from .anchors import read_anchors
from .client import REFUSALS, Answer, Client, unavailable
from .urls import join_url

__all__ = ["ProjectAnswer", "SkippedRow", "fetch_page", "read_page"]

JSON_TYPES = frozenset({"application/vnd.pypi.simple.v1+json", "application/json"})
HTML_TYPES = frozenset({"application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml", ""})
_OTHER_MAJOR = re.compile(r"application/vnd\.pypi\.simple\.v(?!1\+)\d+\+(json|html)")
_FILE_ENDING = re.compile(r"\.(whl|tar\.gz|tgz|zip|tar\.bz2|tbz|tar\.xz|tar\.Z|tar|egg|exe|msi|rpm|deb|dmg)$", re.I)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\s*(\d{1,4})(\.\d{1,4})*\s*")
_HINT = "name another index with --index-url, or report it to those who run this one"
_LONGEST_TEXT = 16384
#: What SQL's integers hold.
_LARGEST = (1 << 63) - 1


class _BadRow(Exception):
    """A row of a page that no file can be made of; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row of a project page that was left out, and why."""

    index: str
    project: NormalizedName
    row: str
    """The file name as the row gives it, at most 200 characters; ``row N`` where it gives none."""
    reason: str

    def __str__(self) -> str:
        return printable(f"{self.row!r} on the page of {self.project} is left out: {self.reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectAnswer:
    """What an index answered for one project."""

    fact: PageFact | AbsenceFact | UnchangedFact
    skipped: tuple[SkippedRow, ...] = ()


def fetch_page(
    client: Client,
    index: str,
    project: NormalizedName,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    last_serial: int | None = None,
) -> ProjectAnswer:
    """Ask *index* for the page of *project*.

    :param index: identity of the index, with a trailing slash.
    :param etag: validator of the page that is known, sent as If-None-Match (RFC 9110).
    :param last_modified: validator of the page that is known, sent as If-Modified-Since.
    :param last_serial: serial of the page that is known, or that the root page promised; an
        older page comes from a stale cache, is asked for once more, and then refused.
    :raises Unavailable: ``index-unreachable``, ``index-refused``, ``index-error``, ``index-garbage``, ``index-stale``.
    """
    url = f"{index}{project}/"
    what = f"the page of {project}"
    headers = {"Accept": ACCEPT_JSON_PREFERRED}
    conditions = {}
    if etag is not None:
        conditions["If-None-Match"] = etag
    if last_modified is not None:
        conditions["If-Modified-Since"] = last_modified
    serial: int | None = None
    for fresh in ({}, {"Cache-Control": "no-cache"}):
        answer = client.get(url, what=what, limit=client.limits.page, headers={**headers, **conditions, **fresh})
        checked_at = int(time.time())
        if answer.status == 304 and conditions:
            return ProjectAnswer(fact=UnchangedFact(index=index, project=project, checked_at=checked_at))
        if answer.status in (404, 410):
            return ProjectAnswer(fact=AbsenceFact(index=index, project=project, checked_at=checked_at))
        if answer.status != 200:
            raise _refused(client, url, answer, what)
        page = read_page(answer, index, project, checked_at)
        assert isinstance(page.fact, PageFact)
        serial = page.fact.last_serial
        if last_serial is None or serial is None or serial >= last_serial:
            return page
    raise unavailable(
        "index-stale",
        f"the index answers with serial {serial} for {what}, older than {last_serial}, which is known",
        url=url,
        hint="try again later: a cache between you and the index is behind",
    )


def _refused(client: Client, url: str, answer: Answer, what: str) -> Unavailable:
    if answer.status in REFUSALS:
        return client.refusal(url, answer.status, what=what, answered=answer.url)
    return unavailable(
        "index-error",
        f"the index answers {answer.status} for {what}",
        url=answer.url,
        hint="check the URL of the index",
    )


def read_page(answer: Answer, index: str, project: NormalizedName, checked_at: int) -> ProjectAnswer:
    """Return the page that *answer* holds; rows that no file can be made of are left out with a reason.

    :param checked_at: UTC seconds since 1970.
    :raises Unavailable: ``index-garbage`` where it is no project page, or of a version (PEP 629) above 1.
    """
    serial: object = answer.headers.get("X-PyPI-Last-Serial")
    if answer.content_type in JSON_TYPES:
        data = _read_json(answer, project)
        meta = data.get("meta")
        if isinstance(meta, dict) and "_last-serial" in meta:
            serial = meta["_last-serial"]
        rows: Iterable[Mapping[str, object] | Link] = data["files"]  # type: ignore[assignment]
        base = answer.url
    elif answer.content_type in HTML_TYPES:
        rows, base = _read_html(answer, project)
    else:
        reason = f"its Content-Type is {answer.content_type[:100]!r}"
        if _OTHER_MAJOR.fullmatch(answer.content_type):
            reason = "it speaks a version of the simple API that this version of mach does not read"
        raise _garbage(answer, project, reason)
    files: dict[str, FileFact] = {}
    skipped = []
    count = 0
    for count, row in enumerate(rows, 1):
        name = f"row {count}"
        try:
            if isinstance(row, Link):
                name = row.text or name
                file = _file_of_link(row, base)
            else:
                if not isinstance(row, dict):
                    raise _BadRow("it is no object")
                given = row.get("filename")
                name = given if isinstance(given, str) else name
                file = _file_of_row(row, base)
            if file.filename in files:
                raise _BadRow("it is listed twice")
            files[file.filename] = file
        except _BadRow as error:
            skipped.append(SkippedRow(index=index, project=project, row=name[:200], reason=str(error)))
    if count and not files:
        first = skipped[0]
        raise _garbage(answer, project, f"none of its {count} rows is a file", f"{first.row!r}: {first.reason}")
    fact = PageFact(
        index=index,
        project=project,
        files=tuple(files.values()),
        checked_at=checked_at,
        etag=_validator(answer.headers.get("ETag")),
        last_modified=_validator(answer.headers.get("Last-Modified")),
        last_serial=read_serial(serial),
    )
    return ProjectAnswer(fact=fact, skipped=tuple(skipped))


def _garbage(answer: Answer, project: NormalizedName, *reasons: str) -> Unavailable:
    return unavailable(
        "index-garbage",
        f"the index answers with something that is not the page of {project}",
        url=answer.url,
        context=reasons,
        hint=_HINT,
    )


def _validator(text: str | None) -> str | None:
    return text if text is not None and text.isprintable() and 0 < len(text) <= 1024 else None


def read_serial(value: object) -> int | None:
    """Return the serial number that a header or a JSON value gives; None where it gives none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return value
    return None


def _check_version(answer: Answer, project: NormalizedName, version: object) -> None:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise _garbage(answer, project, "it does not give the version of the simple API that it speaks")
    if int(match[1]) > 1:
        raise _garbage(
            answer, project, f"it speaks version {match[0].strip()} of the simple API, this version of mach reads 1.x"
        )


def _read_json(answer: Answer, project: NormalizedName) -> dict[str, object]:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise _garbage(answer, project, "it is no JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("files"), list):
        raise _garbage(answer, project, "it lists no files")
    meta = data.get("meta")
    _check_version(answer, project, meta.get("api-version") if isinstance(meta, dict) else None)
    name = data.get("name")
    try:
        same = isinstance(name, str) and normalize_project(name) == project
    except ValueError:
        same = False
    if not same:
        shown = repr(name[:100]) if isinstance(name, str) else "no project"
        raise _garbage(answer, project, f"it is the page of {shown}")
    return data


def _read_html(answer: Answer, project: NormalizedName) -> tuple[list[Link], str]:
    content_type = answer.headers.get("Content-Type", "")
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", content_type, re.I)
    page = read_anchors(answer.body, charset[1] if charset else None)
    if not page.is_html:
        raise _garbage(answer, project, "it is empty" if not answer.body.strip() else "it is no HTML")
    # An answer that ends with the connection looks the same whole and torn.
    if not page.ended and not answer.is_framed:
        raise _garbage(answer, project, "it ends before its </html>")
    if page.version is not None:
        _check_version(answer, project, page.version)
    elif page.is_interactive and not page.links:
        # taken for the page of a project without files, it would be believed and kept
        raise _garbage(answer, project, "it has no links and wants something else: a login or a network's own page")
    base = answer.url
    if page.base is not None:
        try:
            base = join_url(base, page.base)
        except ValueError as error:
            raise _garbage(answer, project, f"its base cannot be used: {error}") from error
    return page.links, base


def _file_of_link(link: Link, base: str) -> FileFact:
    """Return the file that an anchor offers (PEP 503): by its text, else by the last part of its URL."""
    if not _FILE_ENDING.search(link.text):
        link = Link(text=unquote(urlsplit_path(link.url).rpartition("/")[2]), url=link.url, attrs=link.attrs)
    if not _FILE_ENDING.search(link.text):
        raise _BadRow("it is no file of a project")
    # PEP 714: the old name counts where the new one is missing
    if "data-core-metadata" not in link.attrs and "data-dist-info-metadata" in link.attrs:
        link.attrs["data-core-metadata"] = link.attrs["data-dist-info-metadata"]
    check_name(link.text)
    url, _, _ = link.url.partition("#")
    try:
        row = DistributionPackage.from_link(link)
    except ValueError:
        raise _BadRow("its URL is not a URL") from None
    # The specification has upload times in JSON only; some mirrors give them in HTML.
    return _file(row, url, base, link.attrs.get("data-upload-time"))


def _file_of_row(row: Mapping[str, object], base: str) -> FileFact:
    """Return the file that an object of a JSON page offers (PEP 691, 700)."""
    read = {key: row.get(key) for key in ("filename", "url", "hashes", "requires-python", "size")}
    read["yanked"] = row.get("yanked", False)
    read["core-metadata"] = row.get("core-metadata", row.get("dist-info-metadata"))
    if isinstance(read["filename"], str):
        check_name(read["filename"])
    try:
        parsed = DistributionPackage.from_json_data(read)
    except (ValidationError, ValueError) as error:
        places = [str(e["loc"][0]) for e in error.errors()] if isinstance(error, ValidationError) else []
        raise _BadRow(f"it has no good {', '.join(sorted(set(places))) or 'content'}") from None
    return _file(parsed, parsed.url.partition("#")[0], base, row.get("upload-time"))


def urlsplit_path(url: str) -> str:
    """Return the path of *url*, empty where it does not parse."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def check_name(name: str) -> None:
    """Raise where *name* is not the plain name of a file.

    :raises _BadRow: with the reason.
    """
    if not name or len(name.encode("utf-8", "replace")) > 255:
        raise _BadRow("its file name is empty or longer than 255 bytes")
    if (
        not name.isprintable()
        or "\ufffd" in name
        or any(c in name for c in "/\\:*?\"<>|$`'")
        or name.startswith((".", "-"))
    ):
        raise _BadRow("its file name holds characters that no file of a project has")


def _file(row: DistributionPackage, reference: str, base: str, uploaded: object) -> FileFact:
    try:
        url = join_url(base, reference)
    except ValueError as error:
        raise _BadRow(f"its URL cannot be used: {error}") from None
    sha256 = row.digests.get("sha256")
    if sha256 is not None:
        sha256 = sha256.lower()
        if not _SHA256.fullmatch(sha256):
            raise _BadRow("its sha256 is not 64 hexadecimal digits")
    for text in (url, row.requires_python, row.yanked_reason):
        if text is not None:
            try:
                check_text(text)
            except ValueError as error:
                raise _BadRow(f"it holds {error}") from None
            if len(text) > _LONGEST_TEXT:
                raise _BadRow(f"it holds a text longer than {_LONGEST_TEXT} characters")
    metadata = None if row.metadata_digests is None else row.metadata_digests.get("sha256")
    has_metadata = bool(row.has_metadata)
    if metadata is not None:
        metadata = metadata.lower()
        # a digest that is none verifies nothing: the wheel itself is read then
        if not _SHA256.fullmatch(metadata):
            has_metadata, metadata = False, None
    return FileFact(
        filename=row.filename,
        url=url,
        sha256=sha256,
        size=row.size if row.size is not None and 0 <= row.size <= _LARGEST else None,
        upload_time=read_time(uploaded),
        requires_python=row.requires_python or None,
        yanked=row.is_yanked,
        yanked_reason=row.yanked_reason or None,
        has_metadata=has_metadata,
        metadata_sha256=metadata,
    )


def read_time(value: object) -> int | None:
    """Return an ISO 8601 time (PEP 700) in whole UTC seconds since 1970; None where it is none, or before 1970."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        return None
    return int(seconds) if seconds >= 0 else None
