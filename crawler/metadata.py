"""The metadata of one file: from its sidecar, by range requests, or from the whole wheel or sdist."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from db.facts import FileFact, MetadataFact
from resolver.catalog import TAKES_A_BUILD
from resolver.names import NormalizedName, normalize_project

from .archives import UnusableArchive, read_wheel_metadata
from .client import Client
from .core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from .kept_files import keep_content
from .remote_file import NoRanges, RemoteFile
from .static_sdist import NOTHING, read_static_sdist
from .whole_file import check_digest, download_file

__all__ = ["fetch_metadata", "version_in_name"]

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
    keep: Path | None

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
    client: Client,
    file: FileFact,
    index: str,
    project: NormalizedName,
    *,
    whole: bool = False,
    keep: Path | None = None,
) -> MetadataFact:
    """Return the core metadata of *file*, or the reason why it cannot be had.

    A wheel's comes from its sidecar (PEP 658, 714) where the page offers one, else by range
    requests into the wheel, else from the whole wheel; an sdist's from the whole sdist, as
    :func:`crawler.static_sdist.read_static_sdist` has it, with its build system: one that cannot be
    built has an empty one.  What a server answers is checked against every digest that the page gives.

    :param whole: download the whole file, to learn its sha256 where the page gives none.
    :param keep: a folder (:mod:`crawler.kept_files`) to keep an sdist in that can be built: its backend is asked next.
    :raises Unavailable: ``index-unreachable``, ``index-error``, ``index-garbage``;
        ``hash-mismatch``, which names both values, where a file or a sidecar is not what the page says.
    """
    is_wheel = file.filename.endswith(".whl")
    version = version_in_name(file.filename, project)
    if version is None:
        return MetadataFact(
            index=index,
            project=project,
            filename=file.filename,
            source="sidecar" if is_wheel else "pkg-info",
            failure=f"its file name gives no version of {project}",
            build=None if is_wheel else NOTHING,
        )
    job = _Job(client=client, file=file, index=index, project=project, version=version, keep=keep)
    if not is_wheel:
        return _from_sdist(job)
    fact = None
    if not whole:
        fact = (_from_sidecar(job) if file.has_metadata else None) or _from_ranges(job)
    return fact or _from_wheel(job)


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
    with tempfile.TemporaryFile(prefix="mach-") as content:
        room = f"free space in {tempfile.gettempdir()}, or name another folder with TMPDIR"
        found = download_file(job.client, job.file, content, what=job.what, room=room)
        yield content, found


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
        told = read_static_sdist(
            content,
            filename=job.file.filename,
            project=job.project,
            version=job.version,
            limit=job.client.limits.metadata,
        )
        if job.keep is not None and told.failure in (None, TAKES_A_BUILD):
            keep_content(content, found, job.keep)
    return MetadataFact(
        index=job.index,
        project=job.project,
        filename=job.file.filename,
        source=told.source,
        requires_dist=told.requires_dist,
        provides_extra=told.provides_extra,
        requires_python=told.requires_python,
        failure=told.failure,
        sha256=None if job.file.sha256 is not None else found,
        build=told.build,
    )
