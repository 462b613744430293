"""``mach tree`` and ``mach why``: what a lock holds, who asked for it, and why it does not hold something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .console import Console
from .options import LOCK_NAME, catalog_options, output_options, read_lock_or_refuse, target_options, the_target

if TYPE_CHECKING:
    from resolver.requirement import Requirement

__all__ = ["tree", "why"]

_LOCK = click.option(
    "--lock", "lock_file", default=LOCK_NAME, show_default=True, metavar="FILE", help="The lock to read."
)


@click.command(epilog="Example: mach tree --invert")
@_LOCK
@target_options()
@click.option("--invert", is_flag=True, help="From what nothing else requires… up to what you asked for.")
@output_options(json=True)
def tree(lock_file: str, system: str | None, python: str | None, invert: bool, as_json: bool) -> None:
    """Show the projects of a lock as a tree, with the requirement that leads to each."""
    from resolver.graph import render_tree, tree_to_json

    target = the_target(read_lock_or_refuse(lock_file), system, python)
    if as_json:
        Console.current().result(tree_to_json(target))
    else:
        click.echo(render_tree(target, invert=invert), nl=False)


@click.command(epilog="Example: mach why urllib3; mach why 'urllib3==1.26.0'")
@click.argument("requirement", metavar="NAME[==VERSION]")
@_LOCK
@target_options()
@catalog_options(fetching=False)
@output_options(json=True)
def why(
    requirement: str, lock_file: str, system: str | None, python: str | None, db: str | None, as_json: bool
) -> None:
    """Tell why a project is in a lock, or why it is not.

    For what is in the lock: who requires it, and the way from your own requirements. For a project or a version
    that is not: what stands against it, or what it would change, by what the catalog knows; nothing is fetched.
    """
    from resolver.errors import DataError, InputError, Unavailable
    from resolver.graph import render_why
    from resolver.graph import why as explain

    lock = read_lock_or_refuse(lock_file)
    target = the_target(lock, system, python)
    asked = _parse_asked(requirement)
    pin = next((pin for pin in target.pins if asked is not None and pin.name == asked.project), None)
    if asked is None or (pin is not None and asked.specifier.contains(pin.version, prereleases=True)):
        answer = explain(target, requirement if asked is None else asked.project)
        if as_json:
            Console.current().result(answer.to_json())
        else:
            click.echo(render_why(answer), nl=False)
        return
    from api.why_not import render_why_not, why_not

    try:
        missing = why_not(lock, target, asked, db, Console.current().notices())
    except (DataError, Unavailable) as error:
        if pin is not None:
            raise
        try:
            explain(target, asked.project)
        except InputError as refusal:
            raise InputError(
                refusal.code,
                refusal.message,
                context=[f"why not cannot be told: {error.message}", *error.context],
                hint=f"{error.hint}; {refusal.hint}" if error.hint else refusal.hint,
                details=refusal.details,
            ) from error
        raise
    if as_json:
        Console.current().result(missing.to_json())
    else:
        click.echo(render_why_not(missing), nl=False)


def _parse_asked(text: str) -> Requirement | None:
    """Return what is asked about, or None where *text* is no requirement: it is looked for as a name then."""
    from resolver.errors import InputError
    from resolver.user_requirement import parse_user_requirement

    try:
        return parse_user_requirement(text, "mach why")
    except InputError:
        return None
