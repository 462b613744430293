"""Facts of direct references: what the artifact at a URL, or a commit of a git repository, says of itself."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from db.facts import BuildSystem, Fact, FileFact, MetadataFact, PageFact, UnchangedFact
from resolver.catalog import TAKES_A_BUILD
from resolver.direct import DIRECT, Reference, archive_project, parse_reference, source_archive_ending, url_filename
from resolver.errors import InputError, Unavailable
from resolver.names import NormalizedName
from resolver.requirements_options import redact
from resolver.unversioned import TAKES_A_VERSION, UNVERSIONED

from .client import Client
from .core_metadata import UnusableMetadata
from .git_checkout import checked_out, find_commit
from .hook_failures import Refused
from .kept_files import keep_content
from .metadata import fetch_metadata
from .nar import hash_nar
from .source_tree import SourceMetadata, read_tree
from .unpacked_sdist import unpack_sdist
from .whole_file import download_file

__all__ = ["fetch_direct", "mismatch", "refuse_source", "what_takes_a_build"]


def fetch_direct(
    client: Client,
    index: str,
    project: NormalizedName,
    *,
    now: int,
    known: FileFact | None = None,
    etag: str | None = None,
    keep: Path | None = None,
) -> list[Fact]:
    """Return the facts of one reference: its page, which lists one file, and that file's metadata.

    A checkout is listed as a file as well: its URL names the commit, its SHA-256 is that of its NAR.

    :param index: identity of the reference: ``direct:`` and its normal form; a URL or a repository.
    :param project: the project that it has to provide.
    :param now: UTC seconds since 1970.
    :param known: the file that the catalog lists for it; where it is still that one, only freshness is answered.
    :param etag: the validator that its server gave with that file.
    :param keep: a folder for sdists that can be built, see :func:`crawler.metadata.fetch_metadata`.
    :raises Unavailable: ``reference-unreachable``, ``hash-mismatch``, and what :mod:`crawler.git_checkout` raises.
    :raises InputError: ``unknown-revision``, ``reference-mismatch``.
    """
    reference = parse_reference(index.removeprefix(DIRECT))
    if reference.kind == "vcs":
        return _from_repository(reference, index, project, now, known)
    return _from_url(client, reference, index, project, now, known, etag, keep)


def _from_url(
    client: Client,
    reference: Reference,
    index: str,
    project: NormalizedName,
    now: int,
    known: FileFact | None,
    etag: str | None,
    keep: Path | None,
) -> list[Fact]:
    filename = url_filename(reference.location)
    ending = source_archive_ending(reference.location)
    if ending is None and (stated := archive_project(filename)[0]) != project:
        raise mismatch(project, stated, reference)
    file = FileFact(filename=filename, url=reference.location, sha256=reference.sha256)
    try:
        found = _find_etag(client, reference.location, filename)
        if known is not None and etag is not None and found == etag:
            return [UnchangedFact(index=index, project=project, checked_at=now)]
        if ending is not None:
            file, metadata = _from_archive(client, reference, index, project, file, ending, keep)
        else:
            metadata = fetch_metadata(client, file, index, project, whole=True, keep=keep)
            file = replace(file, sha256=reference.sha256 or metadata.sha256)
    except Unavailable as error:
        raise _unreachable(project, reference, error) from error
    return [
        PageFact(index=index, project=project, files=(file,), checked_at=now, etag=found),
        replace(metadata, sha256=None),
    ]


def _from_archive(
    client: Client,
    reference: Reference,
    index: str,
    project: NormalizedName,
    file: FileFact,
    ending: str,
    keep: Path | None,
) -> tuple[FileFact, MetadataFact]:
    """Return the archive of a source tree under the name of an sdist, and what the tree in it states."""
    with tempfile.TemporaryFile(prefix="mach-") as content:
        room = f"free space in {tempfile.gettempdir()}, or name another folder with TMPDIR"
        sha256 = download_file(client, file, content, what=file.filename, room=room)
        try:
            with unpack_sdist(content, filename=file.filename) as unpacked:
                found, build = read_tree(unpacked.folder)
        except Refused as refused:
            raise refuse_source(project, reference, refused.failure.reason) from refused
        except UnusableMetadata as error:
            raise refuse_source(project, reference, str(error)) from error
        if found.project is not None and found.project != project:
            raise mismatch(project, found.project, reference)
        if keep is not None:
            keep_content(content, sha256, keep)
    file = replace(file, filename=f"{_source_name(project, found)}{ending}", sha256=sha256)
    return file, _tree_metadata(index, project, file, found, build)


def _find_etag(client: Client, url: str, filename: str) -> str | None:
    """Return the validator of the file at *url* without reading the file; None where its server gives none."""
    with client.stream(url, what=filename, headers={"Accept-Encoding": "identity"}) as response:
        tag = response.headers.get("ETag", "")
    return tag if response.status_code == 200 and tag.startswith('"') and tag.isprintable() else None


def _unreachable(project: NormalizedName, reference: Reference, error: Unavailable) -> Unavailable:
    if error.code == "hash-mismatch":
        return Unavailable(
            "hash-mismatch",
            f"the file that {project} is asked for from does not have the hash that was given",
            context=[f"at {redact(str(reference))}", *error.context[1:]],
            hint="find out which of the two is right before you change the hash",
        )
    if error.code == "no-temporary-space":
        return error
    return Unavailable(
        "reference-unreachable",
        f"{project} cannot be fetched from {redact(reference.location)}",
        context=[error.message.replace("the index", "its server"), *error.context[1:]],
        hint="check the URL and the network; what was fetched once is known with --offline",
    )


def _from_repository(
    reference: Reference, index: str, project: NormalizedName, now: int, known: FileFact | None
) -> list[Fact]:
    commit = find_commit(reference)
    url = str(replace(reference, revision=commit))
    if known is not None and known.url == url:
        return [UnchangedFact(index=index, project=project, checked_at=now)]
    with checked_out(reference, commit) as folder:
        try:
            nar_hash = hash_nar(folder)
            found, build = read_tree(_below(folder, reference))
        except UnusableMetadata as error:
            raise refuse_source(project, reference, str(error)) from error
        except (OSError, ValueError) as error:
            raise refuse_source(project, reference, f"it cannot be read: {error}") from error
    if found.project is not None and found.project != project:
        raise mismatch(project, found.project, reference)
    file = FileFact(filename=f"{_source_name(project, found)}.tar.gz", url=url, sha256=nar_hash)
    metadata = _tree_metadata(index, project, file, found, build)
    return [PageFact(index=index, project=project, files=(file,), checked_at=now), metadata]


def _tree_metadata(
    index: str, project: NormalizedName, file: FileFact, found: SourceMetadata, build: BuildSystem
) -> MetadataFact:
    """Return the fact of what a source tree states."""
    return MetadataFact(
        index=index,
        project=project,
        filename=file.filename,
        source="pyproject",
        requires_dist=found.requires_dist,
        provides_extra=found.provides_extra,
        requires_python=found.requires_python,
        failure=what_takes_a_build(found),
        build=build,
    )


def what_takes_a_build(found: SourceMetadata) -> str | None:
    """Return the failure of the metadata of a source tree whose build backend has to be asked; None where it need not.

    That is :data:`resolver.unversioned.TAKES_A_VERSION` or :data:`resolver.catalog.TAKES_A_BUILD`.
    """
    if found.version is None:
        return TAKES_A_VERSION
    return TAKES_A_BUILD if found.takes_a_build else None


def _below(folder: Path, reference: Reference) -> Path:
    """Return the project's folder in a checkout, which no link may lead out of."""
    path = folder
    for part in filter(None, reference.subdirectory.split("/")):
        path = path / part
        if path.is_symlink() or not path.is_dir():
            raise UnusableMetadata(f"it has no folder {reference.subdirectory!r}")
    return path


def _source_name(project: NormalizedName, found: SourceMetadata) -> str:
    """Return the name, without its ending, of the sdist that stands for a source tree (PEP 625)."""
    return f"{project.replace('-', '_')}-{found.version or UNVERSIONED}"


def mismatch(project: str, found: str, reference: Reference) -> InputError:
    """Return the error for a reference that provides another project than it is named for."""
    return InputError(
        "reference-mismatch",
        f"{project} is asked for from {redact(str(reference))}, and that is {found}",
        hint=f"write {found} @ … , or check the address",
    )


def refuse_source(project: str, reference: Reference, reason: str) -> InputError:
    """Return the error for a source tree that states nothing usable; *reason* is a sentence."""
    return InputError(
        "unusable-reference",
        f"{project} from {redact(str(reference))} cannot be used: {reason}",
        hint="check the address, its revision and its #subdirectory=",
    )
