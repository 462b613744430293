"""What to tell where facts are missing and nothing, or nobody, can fetch them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from db.catalog import Reader
from resolver.catalog import BuildNeed, MetadataNeed, PageNeed
from resolver.direct import DIRECT, is_direct
from resolver.errors import DataError
from resolver.nixpkgs_index import is_nixpkgs_index, parse_nixpkgs_index
from resolver.reading import Need

__all__ = ["not_covered", "refuse_unknown_nixpkgs"]


def refuse_unknown_nixpkgs(needs: Iterable[Need]) -> None:
    """Raise where one of *needs* is about a nixpkgs: no index has it, only its user.

    :raises DataError: ``nixpkgs-not-crawled``.
    """
    for need in needs:
        if isinstance(need, PageNeed) and is_nixpkgs_index(need.index):
            raise _unknown_nixpkgs(need.index)


def _unknown_nixpkgs(index: str) -> DataError:
    found = parse_nixpkgs_index(index)
    assert found is not None, "the resolver asks for a nixpkgs by its identity alone"
    sha256, system, python = found
    version = f"3.{python.removeprefix('python3')}"
    from crawler.nar import to_sri

    return DataError(
        "nixpkgs-not-crawled",
        f"the catalog does not know what the pinned nixpkgs has for Python {version} on {system}",
        context=[f"its hash is {to_sri(sha256)}"],
        hint=f"run `mach crawl nixpkgs PATH --python {version} --platform {system}` with a checkout of that commit",
    )


def _place(need: PageNeed) -> str:
    """Return what a page is called in messages."""
    if is_direct(need.index):
        return f"{need.project} from {need.index.removeprefix(DIRECT)}"
    return f"the page of {need.project} on {need.index}"


def not_covered(needs: Sequence[Need], reader: Reader) -> DataError:
    """Return the error that names the missing facts, and the command that gets them."""
    pages = [need for need in needs if isinstance(need, PageNeed)]
    metadata = [need for need in needs if isinstance(need, MetadataNeed)]
    builds = [need for need in needs if isinstance(need, BuildNeed)]
    files = reader.file_facts(need.file_id for need in metadata)
    lines = [_place(need) for need in pages]
    lines += [f"the metadata of {files[need.file_id].filename}" for need in metadata]
    lines += [
        f"what the build backend of {' '.join(filter(None, (need.project, need.version)))} says on Python {need.python}"
        for need in builds
    ]
    shown = lines[:10]
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown)} more")
    names = sorted({need.project for need in needs if not is_direct(need.index)})
    few = " ".join(names[:8]) + (" …" if len(names) > 8 else "")
    return DataError(
        "not-covered",
        f"the catalog does not have {len(lines)} fact{'s' if len(lines) > 1 else ''} that the answer takes",
        context=[f"missing: {line}" for line in shown],
        hint="run the command once without --offline and --snapshot"
        + (f", or `mach crawl {few}` first" if few and not builds else ""),
        details={
            "pages": [{"index": n.index, "project": n.project} for n in pages],
            "metadata": [
                {"index": n.index, "project": n.project, "filename": files[n.file_id].filename} for n in metadata
            ],
            "builds": [
                {"index": n.index, "project": n.project, "version": n.version, "python": n.python, "step": n.step}
                for n in builds
            ],
        },
    )
