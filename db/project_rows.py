"""From two states of a project to the rows and events that lead from one to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

import sqlalchemy as sa

from resolver.catalog import encode_page

from . import schema
from .digest import depset_body, depset_digest, facts_digest
from .facts import FileFact
from .filenames import Candidate, classify
from .load import StoredState
from .page import build_page
from .rowbatch import RowBatch
from .state import BUILD_COLUMNS, FileKey, FileState, Metadata, ProjectState
from .urls import split_url

__all__ = ["write_state"]

_Key = TypeVar("_Key")


def write_state(rows: RowBatch, generation: int, project_id: int, stored: StoredState, after: ProjectState) -> None:
    """Gather the rows by which *stored* becomes *after* in *generation*, its digest and page included."""
    _ProjectRows(rows, generation, project_id, stored, after).write()


class _ProjectRows:
    def __init__(
        self, rows: RowBatch, generation: int, project_id: int, stored: StoredState, after: ProjectState
    ) -> None:
        self._rows = rows
        self._generation = generation
        self._project = project_id
        self._before = stored.state
        self._after = after
        self._file_ids = dict(stored.file_ids)
        self._listing_ids = stored.listing_ids

    def write(self) -> None:
        before, after = self._before, self._after
        if before.absent != after.absent:
            self._write_absence()
        new = [key for key in after.files if key not in before.files]
        relisted = [
            key
            for key, file in after.files.items()
            if key not in before.files
            or file.live != before.files[key].live
            or file.listing != before.files[key].listing
        ]
        linked = [
            key
            for key, file in after.files.items()
            if file.metadata != (before.files[key].metadata if key in before.files else None)
        ]
        self._write_files(new)
        self._write_listings(relisted)
        self._write_links(linked)
        self._write_built()
        self._rows.insert(
            schema.project_state, project_id=self._project, generation=self._generation, digest=facts_digest(after)
        )
        self._rows.insert(
            schema.page,
            project_id=self._project,
            generation=self._generation,
            body=encode_page(build_page(after, self._file_ids)),
        )

    def _event(self, kind: str, file_id: int | None = None, detail: str | None = None) -> None:
        self._rows.insert(
            schema.event,
            id=self._rows.next_id(schema.event),
            generation=self._generation,
            project_id=self._project,
            file_id=file_id,
            kind=kind,
            detail=detail,
        )

    def _write_absence(self) -> None:
        if self._after.absent:
            self._rows.insert(
                schema.absence,
                project_id=self._project,
                first_generation=self._generation,
                gone_generation=None,
            )
            if self._before.files:
                self._event("absent")
            return
        table = schema.absence
        first = self._rows.connection.scalar(
            sa.select(table.c.first_generation).where(
                table.c.project_id == self._project, table.c.gone_generation.is_(None)
            )
        )
        assert first is not None
        self._rows.end(table, self._generation, project_id=self._project, first_generation=first)
        self._event("present")

    def _write_files(self, keys: list[FileKey]) -> None:
        what = {key: classify(key[0], self._after.project, self._after.index) for key in keys}
        usable = {key: found for key, found in what.items() if isinstance(found, Candidate)}
        tags = self._rows.intern(schema.tagset, {u.tags for u in usable.values() if u.tags is not None})
        releases = self._releases({str(u.version) for u in usable.values()})
        for key in keys:
            candidate = usable.get(key)
            number = self._rows.next_id(schema.file)
            self._file_ids[key] = number
            self._rows.insert(
                schema.file,
                id=number,
                project_id=self._project,
                release_id=None if candidate is None else releases[str(candidate.version)],
                tagset_id=None if candidate is None or candidate.tags is None else tags[candidate.tags],
                filename=key[0],
            )

    def _releases(self, versions: set[str]) -> Mapping[str, int]:
        if not versions:
            return {}
        table = schema.release
        known: dict[str, int] = {}
        if self._before.files:
            found = self._rows.connection.execute(
                sa.select(table.c.version, table.c.id).where(table.c.project_id == self._project)
            )
            known = {row.version: row.id for row in found}
        for version in sorted(versions - known.keys()):
            known[version] = self._rows.next_id(table)
            self._rows.insert(table, id=known[version], project_id=self._project, version=version)
        return known

    def _write_listings(self, keys: list[FileKey]) -> None:
        files = [(key, self._after.files[key]) for key in keys]
        pythons = self._rows.intern(
            schema.requires_python,
            {f.listing.requires_python for _, f in files if f.listing.requires_python is not None},
        )
        splits = {key: split_url(f.listing.url, f.listing.filename) for key, f in files}
        bases = self._rows.intern(schema.url_base, {split[0] for split in splits.values() if split is not None})
        for key, file in files:
            before = self._before.files.get(key)
            if before is not None:
                if before.live:
                    self._rows.end(schema.listing, self._generation, id=self._listing_ids[key])
                self._relisting_event(key, before, file)
                if before.live and not file.live and before.listing == file.listing:
                    continue
            self._insert_listing(key, file, pythons, bases, splits[key])

    def _insert_listing(
        self,
        key: FileKey,
        file: FileState,
        pythons: Mapping[str, int],
        bases: Mapping[str, int],
        split: tuple[str, bytes] | None,
    ) -> None:
        listing = file.listing
        number = self._rows.next_id(schema.listing)
        self._rows.insert(
            schema.listing,
            id=number,
            file_id=self._file_ids[key],
            size=listing.size,
            upload_time=listing.upload_time,
            requires_python_id=None if listing.requires_python is None else pythons[listing.requires_python],
            yanked=int(listing.yanked),
            yanked_reason=listing.yanked_reason,
            has_metadata=int(listing.has_metadata),
            first_generation=self._generation,
            gone_generation=None if file.live else self._generation,
        )
        self._rows.insert(
            schema.listing_hash,
            listing_id=number,
            sha256=_digest_bytes(listing.sha256),
            metadata_sha256=_digest_bytes(listing.metadata_sha256),
            url_base_id=None if split is None else bases[split[0]],
            url_digest=None if split is None else split[1],
            url=listing.url if split is None else None,
        )

    def _relisting_event(self, key: FileKey, before: FileState, after: FileState) -> None:
        number = self._file_ids[key]
        if before.live and not after.live:
            self._event("removed", number)
        elif after.live and not before.live:
            self._event("returned", number)
        if before.listing.yanked != after.listing.yanked:
            self._event("yanked" if after.listing.yanked else "unyanked", number, after.listing.yanked_reason)
        changed = _changed_fields(before.listing, after.listing)
        if changed:
            self._event("listing-changed", number, json.dumps(changed))

    def _write_links(self, keys: list[FileKey]) -> None:
        table = schema.metadata_link
        ended = [key for key in keys if key in self._before.files and self._before.files[key].metadata is not None]
        if ended:
            firsts = self._open_links()
            for key in ended:
                number = self._file_ids[key]
                self._rows.end(table, self._generation, file_id=number, first_generation=firsts[number])
                self._event("metadata-changed", number)
        known = {key: metadata for key in keys if (metadata := self._after.files[key].metadata) is not None}
        depsets = self._intern_depsets(known)
        for key, metadata in known.items():
            self._rows.insert(
                table,
                file_id=self._file_ids[key],
                first_generation=self._generation,
                gone_generation=None,
                depset_id=depsets[key],
                source=metadata.source,
                sha256=_digest_bytes(metadata.sha256),
            )

    def _intern_depsets(self, known: Mapping[_Key, Metadata]) -> dict[_Key, int]:
        bodies = {key: depset_body(metadata) for key, metadata in known.items()}
        digests = {body: depset_digest(body) for body in set(bodies.values())}
        ids = self._rows.intern_by(
            schema.depset,
            schema.depset.c.digest,
            {digest: {"digest": digest, "body": body} for body, digest in digests.items()},
        )
        return {key: ids[digests[body]] for key, body in bodies.items()}

    def _write_built(self) -> None:
        before = {(key, place): said for key, file in self._before.files.items() for place, said in file.built.items()}
        after = {(key, place): said for key, file in self._after.files.items() for place, said in file.built.items()}
        ended = [which for which, said in before.items() if after.get(which) != said]
        table = schema.built_link
        if ended:
            firsts = self._open_built()
            for key, place in ended:
                number = self._file_ids[key]
                columns = dict(zip(BUILD_COLUMNS, place, strict=True))
                first = firsts[number, *place]
                self._rows.end(table, self._generation, file_id=number, **columns, first_generation=first)
                self._event("built-changed", number, json.dumps(columns))
        new = {which: said for which, said in after.items() if before.get(which) != said}
        depsets = self._intern_depsets(new)
        for (key, place), said in new.items():
            self._rows.insert(
                table,
                file_id=self._file_ids[key],
                **dict(zip(BUILD_COLUMNS, place, strict=True)),
                first_generation=self._generation,
                gone_generation=None,
                depset_id=depsets[key, place],
                source=said.source,
            )

    def _open_built(self) -> dict[tuple[int, str, str, str, str], int]:
        found = self._rows.reading.rows(
            "SELECT b.file_id, b.python, b.system, b.step, b.closure, b.first_generation"
            " FROM built_link b JOIN file f ON f.id = b.file_id WHERE f.project_id = ? AND b.gone_generation IS NULL",
            (self._project,),
        )
        return {(number, *place): first for number, *place, first in found}

    def _open_links(self) -> dict[int, int]:
        found = self._rows.reading.rows(
            "SELECT m.file_id, m.first_generation FROM metadata_link m JOIN file f ON f.id = m.file_id"
            " WHERE f.project_id = ? AND m.gone_generation IS NULL",
            (self._project,),
        )
        return dict(found)


def _changed_fields(before: FileFact, after: FileFact) -> list[str]:
    """Return the names of what changed, yanks left out: they have events of their own."""
    names = [f.name for f in fields(FileFact) if f.name not in ("yanked", "yanked_reason")]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _digest_bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)
