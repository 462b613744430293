"""Records facts and the pins of mach, uv and pip on one day: ``.venv/bin/python -m tests.oracle.record``.

Run by hand on x86_64-linux, from the checkout, with the index reachable; a minute. It

1. resolves the four request sets with a fresh catalog, under ``--prefer newest`` and in the
   default provider order, and has uv and pip resolve them for the same interpreter, platform
   and index;
2. reduces the facts that mach read (:mod:`tests.oracle.reduction` says what is left out) and
   checks that a new catalog with nothing else gives the same pins and files;
3. writes ``tests/cases/oracle/facts.jsonl.gz`` and ``pins.json``, and the tables in
   ``docs/explanation/differences.md``.

Afterwards each new difference takes a reason in ``tests/cases/oracle/reasons.toml``; run
``--tables`` then, which writes the tables again and needs no index.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from db.catalog import CatalogHandle, open_catalog
from db.factfile import Header, write_states
from db.load import load_state
from db.state import ProjectState
from db.transfer import import_file
from resolver.lock import Lock
from resolver.locking import make_lock
from resolver.target import make_target

from .recording import FACTS, Recording, make_set_record, read_recording, write_recording
from .reduction import INDEX, Wanted, reduce_state
from .request_sets import REQUEST_SETS
from .resolvers import Setting, ask_for, lock_with_mach, run_pip, run_uv
from .tables import write_tables

_PROJECT = """
    SELECT p.id FROM project p JOIN index_url i ON i.id = p.index_id WHERE i.text = ? AND p.name = ?
"""


def read_wanted(catalog: CatalogHandle, setting: Setting) -> Wanted:
    """Return what the resolutions of all sets read, in both orders."""
    wanted = Wanted()
    reader = catalog.reader()
    for requirements in REQUEST_SETS.values():
        for prefer in ("newest", "provider"):
            run = make_lock(ask_for(requirements, setting, prefer).request, reader)
            asked = [number for _, _, number in run.reading.metadata_asked()]
            wanted.add(run, {number: file.filename for number, file in reader.file_facts(asked).items()})
    return wanted


def reduce_facts(catalog: CatalogHandle, setting: Setting) -> bytes:
    """Return the reduced facts as a fact file."""
    wanted = read_wanted(catalog, setting)
    target = make_target(setting.system, setting.python)
    generation = catalog.generation()
    states: list[ProjectState] = []
    for project in sorted(wanted.pages):
        ((row,),) = catalog.connection.rows(_PROJECT, (setting.index, project))
        whole = load_state(catalog.connection, row, setting.index, project, generation).state
        states.append(reduce_state(whole, target, wanted))
    stream = io.BytesIO()
    write_states(stream, Header(kind="facts", snapshot=None), states)
    return stream.getvalue()


def _chosen(lock: Lock) -> list[tuple[str, str, str, str]]:
    (target,) = lock.targets
    return [(pin.name, pin.version, pin.artifact.filename, pin.artifact.sha256) for pin in target.pins]


def record(folder: Path) -> Recording:
    """Resolve everything live, write the reduced facts, and return the recording.

    :raises RuntimeError: where uv or pip fails, or the reduced facts give another answer.
    """
    setting = Setting.here()
    if setting.system != "x86_64-linux":
        raise RuntimeError(f"recordings are made on x86_64-linux, this is {setting.system}")
    carried = replace(setting, index=INDEX)
    db = folder / "live.sqlite3"
    locks: dict[tuple[str, str], Lock] = {}
    sets = {}
    for name, requirements in REQUEST_SETS.items():
        for prefer in ("newest", "provider"):
            locks[name, prefer] = lock_with_mach(requirements, setting, db, prefer=prefer)
        sets[name] = make_set_record(
            requirements,
            locks[name, "newest"],
            locks[name, "provider"],
            run_uv(requirements, setting, folder / "uv"),
            run_pip(requirements, setting, folder / "pip"),
        )
        print(f"{name}: {len(sets[name].newest)} pins", file=sys.stderr)
    with open_catalog(str(db)) as catalog:
        facts = reduce_facts(catalog, setting)
    FACTS.parent.mkdir(parents=True, exist_ok=True)
    FACTS.write_bytes(facts)
    again = folder / "again.sqlite3"
    with open_catalog(str(again)) as catalog:
        import_file(catalog, FACTS)
    for (name, prefer), lock in locks.items():
        replayed = lock_with_mach(REQUEST_SETS[name], carried, again, prefer=prefer, offline=True)
        if _chosen(replayed) != _chosen(lock):
            raise RuntimeError(f"the reduced facts give another answer for {name!r}, --prefer {prefer}")
    tools = {tool: version(tool) for tool in ("uv", "pip")}
    return Recording(setting=carried, day=datetime.now(UTC).date().isoformat(), tools=tools, sets=sets)


def main(arguments: Sequence[str]) -> None:
    """Record, or with ``--tables`` only write the tables of what is recorded."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.record", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="only write the tables again")
    options = parser.parse_args(arguments)
    if not options.tables:
        with tempfile.TemporaryDirectory() as folder:
            write_recording(record(Path(folder)))
        print(f"{FACTS.name}: {FACTS.stat().st_size} bytes", file=sys.stderr)
    write_tables(read_recording())


if __name__ == "__main__":
    main(sys.argv[1:])
