"""``mach gen``: requirements or a lock to one self-contained Nix file."""

from __future__ import annotations

from typing import Any

import click

from .asking import asking_options
from .fixing import take_fixes
from .options import catalog_options, output_options, write_output


@click.command(epilog="Example: mach gen -r requirements.txt -o python.nix && nix-build python.nix -A env")
@asking_options
@click.option("--lock", "lock_file", metavar="FILE", help="Write the expression of this lock; nothing is resolved.")
@click.option("-o", "--output", metavar="FILE", help="Where to write the expression.  [default: stdout]")
@catalog_options()
@output_options()
def gen(lock_file: str | None, output: str | None, **values: Any) -> None:
    """Write a self-contained Nix expression of the environment.

    Requirements come from -r FILE, from arguments, or both. A mach.lock beside the file is
    used where it satisfies the request; otherwise its pins are preferences.
    """
    from api.service import render_nix

    from .expressions import root_of
    from .locks import lock_for

    locked = lock_for(lock_file, values)
    root = root_of(locked, None if output in (None, "-") else output)
    text = render_nix(locked.lock, check=True, root=root, fixes=take_fixes(values, lock_file))
    write_output(text, output)
