"""``mach db``: the catalog's state, its snapshots, and carrying facts elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from .console import Console
from .options import catalog_options, output_options, read_lock_or_refuse


@click.group()
def db() -> None:
    """Look at the catalog, name its snapshots, carry facts to another one."""


@db.command(epilog="Example: mach db status --json")
@catalog_options(fetching=False)
@output_options(json=True)
def status(db: str | None, as_json: bool) -> None:
    """Show what the catalog holds and the id of its newest state."""
    from db.catalog import open_catalog
    from db.verification import status as read_status

    with open_catalog(db) as handle:
        found = asdict(read_status(handle))
    if as_json:
        Console.current().result(found)
        return
    for name, value in found.items():
        click.echo(f"{name.replace('_', ' '):<15} {value}")


@db.command(epilog="Example: mach db snapshots")
@catalog_options(fetching=False)
@output_options(json=True)
def snapshots(db: str | None, as_json: bool) -> None:
    """List the states that this catalog has had, oldest first, with their names."""
    from db.catalog import open_catalog
    from db.snapshot import snapshots as list_snapshots
    from resolver.lock_request import render_time

    with open_catalog(db) as handle:
        found = list_snapshots(handle)
    if as_json:
        Console.current().result([{**asdict(s), "created_at": render_time(s.created_at)} for s in found])
        return
    for snapshot in found:
        names = f"  {', '.join(snapshot.names)}" if snapshot.names else ""
        click.echo(f"{snapshot.id}  {render_time(snapshot.created_at)}{names}")


@db.command(epilog="Example: mach db projects --snapshot release-2026-11")
@click.option("--snapshot", metavar="ID", help="Of this state.  [default: the newest]")
@catalog_options(fetching=False)
@output_options(json=True)
def projects(snapshot: str | None, db: str | None, as_json: bool) -> None:
    """List the names of the projects that the catalog has, sorted; with --json, index by index."""
    from db.catalog import open_catalog
    from db.project_names import list_projects
    from db.snapshot import resolve_snapshot

    with open_catalog(db, create=False, readonly=True) as handle:
        found = list_projects(handle, None if snapshot is None else resolve_snapshot(handle, snapshot))
    if as_json:
        Console.current().result(found)
        return
    for name in sorted({name for names in found.values() for name in names}):
        click.echo(name)


@db.command(epilog="Example: mach db pin release-2026-11")
@click.argument("name", metavar="NAME")
@click.option("--snapshot", metavar="ID", help="Which one.  [default: the newest state]")
@click.option("--replace", is_flag=True, help="Take the name away from the snapshot that has it.")
@catalog_options(fetching=False)
@output_options(json=True)
def pin(name: str, snapshot: str | None, replace: bool, db: str | None, as_json: bool) -> None:
    """Give a name to a snapshot; it can be used wherever an id can."""
    from db.catalog import open_catalog
    from db.snapshot import pin as pin_snapshot

    with open_catalog(db) as handle:
        identity = pin_snapshot(handle, name, snapshot, replace=replace)
    if as_json:
        Console.current().result({"name": name, "snapshot": identity})
    else:
        click.echo(identity)


@db.command(epilog="Example: mach db verify --lock mach.lock --snapshot release-2026-11")
@click.option(
    "--lock", "lock_file", metavar="LOCK", help="Make this lock again from its facts; exit 1 where it differs."
)
@click.option("--snapshot", metavar="ID", help="With --lock: from this state.  [default: the newest]")
@catalog_options(fetching=False)
@output_options(json=True)
def verify(lock_file: str | None, snapshot: str | None, db: str | None, as_json: bool) -> None:
    """Compute every digest and page again from the facts, and report what differs.

    With --lock, make a lock again instead, from its own request and the facts that it names, and compare all bytes.
    """
    from db.catalog import open_catalog
    from db.verification import verify as find_differences
    from resolver.errors import DataError

    if lock_file is not None:
        _verify_lock(lock_file, snapshot, db, as_json)
        return
    if snapshot is not None:
        raise click.UsageError("--snapshot goes with --lock LOCK: it says from which state the lock is made again")
    with open_catalog(db, create=False, readonly=True) as handle:
        differences = find_differences(handle)
    if as_json and not differences:
        Console.current().result({"intact": True})
    if differences:
        raise DataError(
            "catalog-corrupt",
            f"the catalog differs from its own facts in {len(differences)} places",
            context=[f"{d.where}: {d.what}" for d in differences[:20]],
            hint="import a good copy into a new file with `mach db import`",
            details={"differences": [asdict(d) for d in differences]},
        )
    Console.current().note("the catalog is intact")


def _verify_lock(lock_file: str, snapshot: str | None, db: str | None, as_json: bool) -> None:
    from api.catalog_service import verify_lock
    from db.catalog import open_catalog
    from db.snapshot import resolve_snapshot

    console = Console.current()
    lock, path = read_lock_or_refuse(lock_file), Path(lock_file)
    text = path.read_bytes().decode()
    with open_catalog(db, create=False, readonly=True) as handle:
        generation = None if snapshot is None else resolve_snapshot(handle, snapshot)
        verify_lock(handle, lock, text, generation, folder=path.parent, notices=console.notices())
    console.note(f"{lock_file} is what its request gives on the facts that it names, byte for byte")
    if as_json:
        console.result({"lock": lock_file, "repeated": True})


@db.command(epilog="Example: mach db export --lock mach.lock facts.mach")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--lock", "lock_file", metavar="LOCK", help="Only the facts that this lock was made from.")
@click.option("--snapshot", metavar="ID", help="Of this state.  [default: the newest]")
@catalog_options(fetching=False)
@output_options()
def export(file: Path, lock_file: str | None, snapshot: str | None, db: str | None) -> None:
    """Write facts to a file that `mach db import` reads, on any machine and for either engine."""
    from api.catalog_service import export_lock_facts
    from db.catalog import open_catalog
    from db.snapshot import resolve_snapshot
    from db.transfer import export_snapshot

    console = Console.current()
    with open_catalog(db, create=False, readonly=True) as handle:
        generation = None if snapshot is None else resolve_snapshot(handle, snapshot)
        if lock_file is not None:
            lock = read_lock_or_refuse(lock_file)
            folder = Path(lock_file).parent
            export_lock_facts(handle, lock, file, generation, folder=folder, notices=console.notices())
            console.note(f"wrote the facts of {lock_file} to {file}")
        else:
            console.note(f"wrote snapshot {export_snapshot(handle, file, generation)} to {file}")


@db.command("import", epilog="Example: mach db import facts.mach")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Where the catalog knows another listing of a project, take the file's.")
@catalog_options(fetching=False)
@output_options(json=True)
def import_(file: Path, replace: bool, db: str | None, as_json: bool) -> None:
    """Add the facts of a file to the catalog, all or none."""
    from db.catalog import open_catalog
    from db.transfer import import_file

    with open_catalog(db) as handle:
        done = import_file(handle, file, replace_listings=replace)
    console = Console.current()
    if as_json:
        console.result(asdict(done))
    else:
        console.note(f"{done.projects} projects read, {done.learned} of them new or changed")


@db.command(epilog="Example: mach db pull https://mach.example/ --snapshot 1f0c… --db ci.sqlite3")
@click.argument("service", metavar="URL")
@click.option(
    "--snapshot", default="newest", metavar="ID", help="Id, prefix or name at the service.  [default: its newest]"
)
@click.option("--name", metavar="NAME", help="Name the snapshot here.")
@click.option(
    "--replace", is_flag=True, help="Where the catalog knows another listing of a project, take the snapshot's."
)
@catalog_options(fetching=False)
@output_options(json=True)
def pull(service: str, snapshot: str, name: str | None, replace: bool, db: str | None, as_json: bool) -> None:
    """Fetch a snapshot from a service of mach (`mach serve`) into the catalog.

    A catalog of its own (--db FILE) then has exactly this state, and --snapshot ID resolves on it anywhere, offline.
    A token that the service wants to be shown is read from MACH_TOKEN.
    """
    import os

    from api.catalog_service import pull as pull_snapshot
    from crawler.settings import read_index_settings
    from db.catalog import open_catalog
    from resolver.errors import InputError

    console = Console.current()
    try:
        settings = read_index_settings(index_url=service, extra_index_urls=[], environ={"PIP_CONFIG_FILE": os.devnull})
    except InputError as error:
        raise InputError(
            "invalid-service-url",
            error.message.replace("no URL of an index", "no URL of a service"),
            hint="give the address of a running `mach serve`, such as https://mach.example/",
        ) from error
    with open_catalog(db) as handle:
        done = pull_snapshot(
            handle,
            settings,
            console.notices(),
            snapshot=snapshot,
            name=name,
            replace_listings=replace,
            token=os.environ.get("MACH_TOKEN"),
        )
    if as_json:
        console.result(asdict(done))
        return
    console.note(f"{done.learned} projects are new or changed" if done.learned else "the catalog had it already")
    if not done.is_state:
        console.warn(
            "the catalog held other facts as well: --db FILE keeps a snapshot by itself, to be named by its id"
        )
    click.echo(done.snapshot)
