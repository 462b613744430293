"""Publishing facts: one transaction, at most one new generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from resolver.errors import DataError
from resolver.names import NormalizedName

from . import schema
from .engine import begin
from .facts import AbsenceFact, BuiltFact, Fact, MetadataFact, PageFact, UnchangedFact, check_text
from .load import StoredState, load_state
from .project_rows import write_state
from .rowbatch import RowBatch
from .state import ProjectState, apply_absence, apply_built, apply_metadata, apply_page, refuse

if TYPE_CHECKING:
    from .catalog import CatalogHandle

__all__ = ["Change", "Checked", "Publication", "note_serial", "publish"]

#: How a project's state changes.
Change = Callable[[ProjectState], ProjectState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """When an index was asked for a page, and the validators it gave; no fact."""

    checked_at: int
    """UTC seconds since 1970."""
    etag: str | None = None
    last_modified: str | None = None
    last_serial: int | None = None
    unchanged: bool = False
    """The index answered 304: validators and serial stay as they are."""


def publish(catalog: CatalogHandle, facts: Iterable[Fact]) -> int:
    """Store *facts* and return the newest generation's number (0: nothing was ever learned).

    All or nothing: either every fact is visible afterwards, in one new generation, or
    none.  Facts of one project apply in the order given, but metadata after pages and
    what backends said after both.  Where nothing was learned (unchanged or equal pages)
    only freshness is noted and no generation is made.

    :raises DataError: ``invalid-fact``, ``unknown-file``, ``unknown-page``,
        ``hash-mismatch``; nothing is stored then.
    :raises Unavailable: where the catalog cannot be written.
    """
    projects: dict[tuple[str, NormalizedName], list[Fact]] = {}
    for fact in facts:
        projects.setdefault((fact.index, fact.project), []).append(fact)
    with begin(catalog.engine, catalog.location) as connection:
        publication = Publication(connection)
        for (index, project), group in sorted(projects.items()):
            group.sort(key=lambda fact: (isinstance(fact, BuiltFact), isinstance(fact, MetadataFact)))
            publication.write(index, project, _change_of(group), _checked_of(group))
        return publication.finish()


def note_serial(catalog: CatalogHandle, index: str, last_serial: int) -> None:
    """Keep that the changes of *index* were followed up to *last_serial*; no fact, no generation.

    Call it after the facts of those changes were published: a crawl that is killed in
    between follows them again.
    """
    with begin(catalog.engine, catalog.location) as connection:
        rows = RowBatch(connection)
        index_id = rows.intern(schema.index_url, [index])[index]
        rows.flush()
        table = schema.index_serial
        connection.execute(table.delete().where(table.c.index_id == index_id))
        connection.execute(table.insert().values(index_id=index_id, last_serial=last_serial))


def _change_of(facts: list[Fact]) -> Change | None:
    if all(isinstance(fact, UnchangedFact) for fact in facts):
        return None

    def change(state: ProjectState) -> ProjectState:
        for fact in facts:
            if isinstance(fact, PageFact):
                state = apply_page(state, fact)
            elif isinstance(fact, AbsenceFact):
                state = apply_absence(state)
            elif isinstance(fact, MetadataFact):
                state = apply_metadata(state, fact)
            elif isinstance(fact, BuiltFact):
                state = apply_built(state, fact)
        return state

    return change


def _checked_of(facts: list[Fact]) -> Checked | None:
    checked: Checked | None = None
    for fact in facts:
        if isinstance(fact, PageFact):
            checked = Checked(
                checked_at=fact.checked_at,
                etag=fact.etag,
                last_modified=fact.last_modified,
                last_serial=fact.last_serial,
            )
        elif isinstance(fact, AbsenceFact):
            checked = Checked(checked_at=fact.checked_at)
        elif isinstance(fact, UnchangedFact):
            known = Checked(checked_at=0, unchanged=True) if checked is None else checked
            checked = replace(known, checked_at=fact.checked_at)
    return checked


def _check(index: str, project: NormalizedName, checked: Checked | None) -> None:
    """Refuse keys and validators that one of the engines cannot keep."""
    texts, numbers = [index, project], []
    if checked is not None:
        texts += [text for text in (checked.etag, checked.last_modified) if text is not None]
        numbers = [n for n in (checked.checked_at, checked.last_serial) if n is not None]
    try:
        for text in texts:
            check_text(text)
    except ValueError as error:
        raise refuse(index, project, str(error)) from error
    if not all(0 <= number < 2**63 for number in numbers):
        raise refuse(index, project, "a time or serial is out of range")


class Publication:
    """One write transaction; it makes a generation when the first thing is learned."""

    def __init__(self, connection: sa.Connection) -> None:
        self._rows = RowBatch(connection)
        self._newest: int = connection.scalar(sa.select(sa.func.max(schema.generation.c.number))) or 0
        self._number: int | None = None

    def finish(self) -> int:
        """Send what is left and return the newest generation's number."""
        self._rows.flush()
        return self._newest if self._number is None else self._number

    def write(self, index: str, project: NormalizedName, change: Change | None, checked: Checked | None) -> bool:
        """Change the state of a project and note its freshness; return whether anything was learned."""
        _check(index, project, checked)
        index_id = self._rows.intern(schema.index_url, [index])[index]
        table = schema.project
        project_id = self._rows.connection.scalar(
            sa.select(table.c.id).where(table.c.index_id == index_id, table.c.name == project)
        )
        learned = False
        if change is not None:
            if project_id is None:
                stored = StoredState(state=ProjectState(index=index, project=project, known=False))
            else:
                stored = load_state(self._rows.reading, project_id, index, project, self._newest)
            after = change(stored.state)
            if after != stored.state:
                learned = True
                generation = self._begin_generation()
                if project_id is None:
                    project_id = self._rows.next_id(table)
                    self._rows.insert(table, id=project_id, index_id=index_id, name=project)
                write_state(self._rows, generation, project_id, stored, after)
        if checked is not None:
            if project_id is None:
                raise DataError(
                    "unknown-page",
                    f"the page of {project!r} cannot be unchanged: no page of it is known",
                    context=[f"index {index}"],
                    hint="fetch the project's page again (--refresh)",
                )
            self._note(project_id, checked)
        self._rows.flush_if_large()
        return learned

    def forget_freshness(self, index: str, project: NormalizedName) -> None:
        """Drop the validators of a page whose listing did not come from its index."""
        table, index_url = schema.project, schema.index_url
        mine = (
            sa.select(table.c.id)
            .join(index_url, index_url.c.id == table.c.index_id)
            .where(index_url.c.text == index, table.c.name == project)
        )
        self._rows.connection.execute(schema.freshness.delete().where(schema.freshness.c.project_id.in_(mine)))

    def _begin_generation(self) -> int:
        if self._number is None:
            self._number = self._newest + 1
            self._rows.insert(schema.generation, number=self._number, created_at=int(time.time()), snapshot=None)
        return self._number

    def _note(self, project_id: int, checked: Checked) -> None:
        table = schema.freshness
        mine = table.c.project_id == project_id
        connection = self._rows.connection
        if checked.unchanged:
            connection.execute(table.update().where(mine).values(checked_at=checked.checked_at))
            return
        connection.execute(table.delete().where(mine))
        self._rows.insert(
            table,
            project_id=project_id,
            checked_at=checked.checked_at,
            etag=checked.etag,
            last_modified=checked.last_modified,
            last_serial=checked.last_serial,
        )
