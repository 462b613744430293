"""The metadata of one file: from its sidecar, by range requests, from the whole wheel, or from an sdist's PKG-INFO."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from db.facts import FileFact, MetadataFact
from resolver.errors import Unavailable
from resolver.names import NormalizedName, normalize_project

from .archives import UnusableArchive, read_pkg_info, read_wheel_metadata
from .client import BrokenBody, Client
from .core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from .remote_file import NoRanges, RemoteFile, refused_file
from .urls import describe_url

__all__ = ["TAKES_A_BUILD", "fetch_metadata", "version_in_name"]

#: 2020-10-27, when PEP 643 was accepted: no sdist from before can have static metadata, so none is downloaded.
_STATIC_SINCE = 1_603_756_800
TAKES_A_BUILD = "its metadata takes a build, which this version of mach does not do"
_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".zip")


def version_in_name(filename: str, project: NormalizedName) -> Version | None:
    """Return the version that the name of a wheel or an sdist of *project* gives; None where it gives none."""
    if filename.endswith(".whl"):
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except (InvalidWheelFilename, ValueError):
            return None
        return version if name == project else None
    ending = next((e for e in _ARCHIVES if filename.lower().endswith(e)), "")
    stem = filename[: len(filename) - len(ending)] if ending else ""
    # old names hold any number of hyphens on either side of the one that counts
    for at in (i for i, c in enumerate(stem) if c == "-"):
        try:
            if normalize_project(stem[:at]) == project:
                return Version(stem[at + 1 :])
        except (InvalidVersion, ValueError):
            continue
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    client: Client
    file: FileFact
    index: str
    project: NormalizedName
    version: Version

    @property
    def what(self) -> str:
        return f"the metadata of {self.file.filename}"

    def fact(self, source: str, metadata: CoreMetadata, *, sha256: str | None = None) -> MetadataFact:
        return MetadataFact(
            index=self.index,
            project=self.project,
            filename=self.file.filename,
            source=source,
            requires_dist=metadata.requires_dist,
            provides_extra=metadata.provides_extra,
            requires_python=metadata.requires_python,
            sha256=sha256,
        )

    def failure(self, source: str, reason: str, *, sha256: str | None = None) -> MetadataFact:
        return MetadataFact(
            index=self.index,
            project=self.project,
            filename=self.file.filename,
            source=source,
            failure=reason,
            sha256=sha256,
        )

    def parse(self, data: bytes) -> CoreMetadata:
        return parse_core_metadata(data, project=self.project, version=self.version)


def fetch_metadata(
    client: Client, file: FileFact, index: str, project: NormalizedName, *, whole: bool = False
) -> MetadataFact:
    """Return the core metadata of *file*, or the reason why it cannot be had.

    A wheel's comes from its sidecar (PEP 658, 714) where the page offers one, else by range
    requests into the wheel, else from the whole wheel; an sdist's from a static PKG-INFO
    (PEP 643).  What a server answers is checked against every digest that the page gives.

    :param whole: download the whole file, to learn its sha256 where the page gives none.
    :raises Unavailable: ``index-unreachable``, ``index-error``, ``index-garbage``;
        ``hash-mismatch``, which names both values, where a file or a sidecar is not what the page says.
    """
    source = "sidecar" if file.filename.endswith(".whl") else "pkg-info"
    version = version_in_name(file.filename, project)
    if version is None:
        return MetadataFact(
            index=index,
            project=project,
            filename=file.filename,
            source=source,
            failure=f"its file name gives no version of {project}",
        )
    job = _Job(client=client, file=file, index=index, project=project, version=version)
    if not file.filename.endswith(".whl"):
        if not whole and file.upload_time is not None and file.upload_time < _STATIC_SINCE:
            return MetadataFact(
                index=index, project=project, filename=file.filename, source=source, failure=TAKES_A_BUILD
            )
        return _from_sdist(job)
    fact = None
    if not whole:
        fact = (_from_sidecar(job) if file.has_metadata else None) or _from_ranges(job)
    return fact or _from_wheel(job)


def check_digest(url: str, title: str, stated: str | None, found: str) -> None:
    """Compare the sha256 that a page states with the one that was found.

    :raises Unavailable: ``hash-mismatch``, naming both values.
    """
    if stated is not None and stated != found:
        raise Unavailable(
            "hash-mismatch",
            f"{title} is not what the index says it is",
            context=[f"at {describe_url(url)}", f"the index says sha256 {stated}", f"the answer has   {found}"],
            hint="do not use this file; try again with --refresh, and report it to those who run the index",
        )


def sidecar_url(url: str) -> str:
    """Return where the METADATA beside the file at *url* lies (PEP 658)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}.metadata"))


def _from_sidecar(job: _Job) -> MetadataFact | None:
    url = sidecar_url(job.file.url)
    answer = job.client.get(url, what=job.what, limit=job.client.limits.metadata)
    if answer.status != 200:
        return None
    check_digest(
        url, f"the METADATA of {job.file.filename}", job.file.metadata_sha256, hashlib.sha256(answer.body).hexdigest()
    )
    try:
        return job.fact("sidecar", job.parse(answer.body))
    except UnusableMetadata as error:
        # Without a digest it may be a server's page that says "not found" in its own way.
        return job.failure("sidecar", str(error)) if job.file.metadata_sha256 is not None else None


def _from_ranges(job: _Job) -> MetadataFact | None:
    limit = job.client.limits.metadata
    try:
        remote = RemoteFile(job.client, job.file.url, what=job.what, size=job.file.size)
        data = read_wheel_metadata(remote, project=job.project, limit=limit)
        metadata = job.parse(data)
    except (NoRanges, UnusableArchive, UnusableMetadata):
        # A verdict needs the whole file, checked against its digest.
        return None
    learned = None
    if remote.content is not None:
        learned = hashlib.sha256(remote.content).hexdigest()
        check_digest(job.file.url, job.file.filename, job.file.sha256, learned)
    return job.fact("range", metadata, sha256=None if job.file.sha256 is not None else learned)


@contextmanager
def _downloaded(job: _Job) -> Iterator[tuple[IO[bytes], str]]:
    """Yield the whole file, checked, and its sha256."""
    client, file = job.client, job.file
    with tempfile.TemporaryFile(prefix="mach-") as content:
        for attempt in range(client.manners.attempts):
            content.seek(0)
            content.truncate()
            try:
                found = _download(job, content)
                break
            except BrokenBody:
                if attempt + 1 == client.manners.attempts:
                    raise
        check_digest(file.url, file.filename, file.sha256, found)
        content.seek(0)
        yield content, found


def _download(job: _Job, content: IO[bytes]) -> str:
    """Write the file to *content*; return its sha256."""
    client, url = job.client, job.file.url
    digest = hashlib.sha256()
    with client.stream(url, what=job.what, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code != 200:
            raise refused_file(client, url, job.what, response)
        for piece in client.read_body(response, what=job.what, limit=client.limits.file):
            digest.update(piece)
            try:
                content.write(piece)
            except OSError as error:
                raise Unavailable(
                    "no-temporary-space",
                    f"{job.file.filename} cannot be written to a temporary file: {error.strerror}",
                    hint=f"free space in {tempfile.gettempdir()}, or name another folder with TMPDIR",
                ) from error
    return digest.hexdigest()


def _from_wheel(job: _Job) -> MetadataFact:
    with _downloaded(job) as (content, found):
        learned = None if job.file.sha256 is not None else found
        try:
            data = read_wheel_metadata(content, project=job.project, limit=job.client.limits.metadata)
            return job.fact("wheel", job.parse(data), sha256=learned)
        except (UnusableArchive, UnusableMetadata) as error:
            return job.failure("wheel", str(error), sha256=learned)


def _from_sdist(job: _Job) -> MetadataFact:
    with _downloaded(job) as (content, found):
        learned = None if job.file.sha256 is not None else found
        try:
            data = read_pkg_info(content, filename=job.file.filename, limit=job.client.limits.metadata)
            metadata = job.parse(data)
        except (UnusableArchive, UnusableMetadata) as error:
            return job.failure("pkg-info", str(error), sha256=learned)
        if not metadata.is_static:
            return job.failure("pkg-info", TAKES_A_BUILD, sha256=learned)
        return job.fact("pkg-info", metadata, sha256=learned)
