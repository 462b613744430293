"""``mach lock``: requirements to ``mach.lock``, or a check of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from .asking import Asking, asking_options
from .console import Console
from .options import (
    catalog_options,
    output_options,
    read_lock_file,
    read_lock_or_refuse,
    write_output,
)


@click.command(epilog="Example: mach lock -r requirements.txt --upgrade-package requests")
@asking_options
@click.option("-o", "--output", metavar="FILE", help="The lock.  [default: mach.lock beside the first -r FILE]")
@click.option("--check", is_flag=True, help="Only check that the lock satisfies the request; exit 1 where not.")
@click.option("--upgrade", is_flag=True, help="Do not keep the pins of the existing lock.")
@click.option("--upgrade-package", "upgrades", multiple=True, metavar="NAME", help="Do not keep this project's pin.")
@catalog_options()
@output_options(json=True)
def lock(
    output: str | None, check: bool, upgrade: bool, upgrades: tuple[str, ...], as_json: bool, **values: Any
) -> None:
    """Resolve requirements and write mach.lock; the pins of an existing lock are kept where they fit."""
    from api.service import Upgrade, problems_of_asked
    from resolver.errors import InputError, LockOutdated
    from resolver.names import normalize_project

    from .locks import lock_asked, note_result

    asking = Asking.take(values, folder=None if output in (None, "-") else Path(output).parent)
    path = Path(output) if output is not None else asking.lock_path
    console = Console.current()
    if check:
        if upgrade or upgrades:
            raise click.UsageError("--check writes nothing, so there is nothing to --upgrade")
        problems = problems_of_asked(read_lock_or_refuse(str(path)), asking.asked, asking.nixpkgs)
        if problems:
            raise LockOutdated(
                "lock-outdated",
                f"{path} does not satisfy the request",
                context=problems[:20],
                hint="run `mach lock` without --check to bring it up to date",
                details={"problems": problems},
            )
        console.note(f"{path} satisfies the request")
        if as_json:
            console.result({"lock": str(path), "satisfied": True})
        return
    try:
        projects = frozenset(normalize_project(name) for name in upgrades)
    except ValueError as error:
        raise InputError("invalid-name", str(error), hint="--upgrade-package takes the name of a project") from error
    # what is no plain file (/dev/stdout) is written to, not read
    old = read_lock_file(path) if os.path.isfile(path) and output != "-" else None  # noqa: PTH113  it never raises
    pinned = set() if old is None else {pin.name for target in old.targets for pin in target.pins}
    for name in sorted(projects - pinned):
        console.warn(f"--upgrade-package {name} changes nothing: {path} does not pin it")
    locked = lock_asked(asking, old, Upgrade(everything=upgrade, projects=projects))
    text = locked.text
    wanted = output == "-" or old is None or text != path.read_text(encoding="utf-8")
    if wanted:
        write_output(text, output if output == "-" else str(path))
    note_result(locked)
    if output == "-":
        return
    console.note(f"wrote {path}" if wanted else f"{path} is up to date")
    if as_json:
        console.result({"lock": str(path), "reused": locked.reused, "statistics": locked.statistics.to_json()})
