"""``mach shell``: a shell in which an environment's Python and programs are found."""

from __future__ import annotations

from typing import Any

import click

from .asking import asking_options
from .expressions import expression_file
from .fixing import take_fixes
from .locks import fetch_private, lock_for
from .options import catalog_options, output_options


@click.command(epilog="Example: mach shell requests --run 'python -c \"import requests\"'")
@asking_options
@click.option("--lock", "lock_file", metavar="FILE", help="Take this lock; nothing is resolved.")
@click.option("--pure", is_flag=True, help="Leave out the environment that mach was called from.")
@click.option("--run", "command", metavar="CMD", help="Run this shell command and exit with its code.")
@catalog_options()
@output_options()
def shell(lock_file: str | None, pure: bool, command: str | None, **values: Any) -> int:
    """Open a shell with the environment, or run one command in it."""
    from nix import runner

    runner.find_program("nix-shell")
    keyring_provider = values["keyring_provider"]
    locked = lock_for(lock_file, values)
    fixes = take_fixes(values, lock_file)
    fetch_private(locked, keyring_provider)
    with expression_file(locked, fixes) as path:
        return runner.shell(path, pure=pure, command=command)
