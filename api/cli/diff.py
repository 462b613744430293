"""``mach diff``: what differs between two locks."""

from __future__ import annotations

import click

from .console import Console
from .options import output_options, read_lock_or_refuse

__all__ = ["diff"]


@click.command(epilog="Example: git show HEAD~1:mach.lock > old.lock; mach diff old.lock mach.lock")
@click.argument("before", metavar="A.lock")
@click.argument("after", metavar="B.lock")
@output_options(json=True)
def diff(before: str, after: str, as_json: bool) -> None:
    """Show what differs from one lock to another: pins by target, and the request.

    Nothing is printed where nothing differs. The exit code is 0 in either case.
    """
    from resolver.difference import compare_locks, render_difference

    difference = compare_locks(read_lock_or_refuse(before), read_lock_or_refuse(after))
    if as_json:
        Console.current().result(difference.to_json())
    elif difference.is_empty:
        Console.current().note("the locks do not differ in pins, tools or request")
    else:
        click.echo(render_difference(difference), nl=False)
