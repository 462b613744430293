"""``mach tree`` and ``mach why``: what a lock holds, and who asked for it."""

from __future__ import annotations

import click

from .console import Console
from .options import LOCK_NAME, output_options, read_lock_or_refuse

__all__ = ["tree", "why"]

_LOCK = click.option(
    "--lock", "lock_file", default=LOCK_NAME, show_default=True, metavar="FILE", help="The lock to read."
)
_PLATFORM = click.option("--platform", "system", metavar="SYSTEM", help="One of the lock's.  [default: its first]")


@click.command(epilog="Example: mach tree --invert")
@_LOCK
@_PLATFORM
@click.option("--invert", is_flag=True, help="From what nothing else requires… up to what you asked for.")
@output_options(json=True)
def tree(lock_file: str, system: str | None, invert: bool, as_json: bool) -> None:
    """Show the projects of a lock as a tree, with the requirement that leads to each."""
    from api.service import target_of
    from resolver.graph import render_tree, tree_to_json

    target = target_of(read_lock_or_refuse(lock_file), system)
    if as_json:
        Console.current().result(tree_to_json(target))
    else:
        click.echo(render_tree(target, invert=invert), nl=False)


@click.command(epilog="Example: mach why urllib3")
@click.argument("name", metavar="NAME")
@_LOCK
@_PLATFORM
@output_options(json=True)
def why(name: str, lock_file: str, system: str | None, as_json: bool) -> None:
    """Tell why a project is in a lock: who requires it, and the way from your own requirements."""
    from api.service import target_of
    from resolver.graph import render_why
    from resolver.graph import why as explain

    answer = explain(target_of(read_lock_or_refuse(lock_file), system), name)
    if as_json:
        Console.current().result(answer.to_json())
    else:
        click.echo(render_why(answer), nl=False)
