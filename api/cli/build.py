"""``mach build``: an environment, built by Nix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import asking_options
from .expressions import expression_file
from .fixing import take_fixes
from .locks import fetch_private, lock_for
from .options import catalog_options, output_options


@click.command(epilog="Example: mach build -r requirements.txt && result/bin/python -c 'import requests'")
@asking_options
@click.option("--lock", "lock_file", metavar="FILE", help="Build this lock; nothing is resolved.")
@click.option("-o", "--output", default="result", show_default=True, metavar="LINK", help="The link to the result.")
@click.option("--attr", "attribute", default="env", show_default=True, metavar="NAME", help="env or packages.NAME.")
@catalog_options()
@output_options()
def build(lock_file: str | None, output: str, attribute: str, **values: Any) -> None:
    """Build the environment with Nix and link it; prints the store path. Nix's exit code is passed on."""
    from nix import runner

    runner.find_program("nix-build")
    keyring_provider = values["keyring_provider"]
    locked = lock_for(lock_file, values)
    fixes = take_fixes(values, lock_file)
    fetch_private(locked, keyring_provider)
    with expression_file(locked, fixes) as path:
        click.echo(str(runner.build(path, attribute=attribute, out_link=Path(output))))
