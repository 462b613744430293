"""The source tree that a build backend is asked of: an sdist unpacked, a commit checked out, a folder copied."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.facts import FileFact
from resolver.direct import Reference, is_direct, parse_reference
from resolver.errors import Unavailable

from .build_jobs import BuildJob, refuse_file
from .client import Client
from .git_checkout import checked_out
from .kept_files import has_hash, keep_file
from .nar import hash_nar
from .sandbox_limits import Limits
from .sandbox_user import give_to_sandbox
from .unpacked_sdist import UnpackedSdist, unpack_sdist

__all__ = ["open_source"]

#: What tools leave in a working tree: the build in Nix does not have it either (nix/lib/source.nix).
_LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "__pycache__", ".mypy_cache", ".ruff_cache"),
    *(".pytest_cache", ".direnv", "node_modules", "result", "result-*", "*.pyc", "*.egg-info"),
)


@contextmanager
def open_source(
    client: Client, job: BuildJob, folder: Path, *, source: Path | None = None, limits: Limits | None = None
) -> Iterator[tuple[UnpackedSdist, str]]:
    """Yield the source tree of *job*, gone at the end, and the project's folder in it, relative.

    :param folder: where downloads are kept, see :mod:`crawler.kept_files`.
    :param source: an sdist or a source tree of this machine in place of the job's file.
    :raises BuildFailed: ``no-hash``.
    :raises Refused: what unpacking raises.
    :raises Unavailable: what fetching raises; ``hash-mismatch`` for a commit as well.
    :raises OSError: where *source* cannot be read.
    """
    if source is not None and source.is_dir():
        with _copied(source) as tree:
            yield UnpackedSdist(folder=tree, filename=job.file.filename), ""
        return
    if source is None and not has_hash(job.file):
        raise refuse_file(job.file)
    if source is None and is_direct(job.index) and job.file.url.startswith("git+"):
        reference = parse_reference(job.file.url)
        with _checked_out(reference, job.file) as tree:
            yield UnpackedSdist(folder=tree, filename=job.file.filename), reference.subdirectory
        return
    path = source or keep_file(client, job.file, folder)
    with unpack_sdist(path, filename=source.name if source else job.file.filename, limits=limits) as unpacked:
        yield unpacked, ""


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Yield a copy of the user's own *folder*: the sandbox's user gets the copy."""
    with tempfile.TemporaryDirectory(prefix="mach-tree-") as scratch:
        copy = Path(scratch, "source")
        try:
            shutil.copytree(folder, copy, symlinks=True, ignore=_LEFT_OUT)
        except shutil.Error as error:
            raise OSError(f"{folder} cannot be copied: {error.args[0][0][2]}") from error
        give_to_sandbox(Path(scratch), copied=True)
        yield copy


@contextmanager
def _checked_out(reference: Reference, file: FileFact) -> Iterator[Path]:
    """Yield the commit that *reference* names, which must still be what the catalog has."""
    with checked_out(reference, reference.commit or "") as folder:
        found = hash_nar(folder)
        if found != file.sha256:
            raise Unavailable(
                "hash-mismatch",
                f"the commit of {file.filename} is not what it was",
                context=[f"the catalog has NAR sha256 {file.sha256}", f"the checkout has       {found}"],
                hint="find out who changed the repository, or what differs in this machine's git",
            )
        give_to_sandbox(folder)
        yield folder
