"""``mach export``: a lock in other tools' forms."""

from __future__ import annotations

import click

from .options import LOCK_NAME, output_options, read_lock_or_refuse, target_options, the_target, write_output


@click.command(epilog="Example: mach export --format pylock -o pylock.toml")
@click.option("--lock", "lock_file", default=LOCK_NAME, show_default=True, metavar="FILE", help="The lock to read.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["requirements", "pylock"]),
    default="requirements",
    show_default=True,
    help="`requirements`: NAME==VERSION lines; `pylock`: pylock.toml (PEP 751).",
)
@click.option("--hashes", is_flag=True, help="With `requirements`: add --hash to every line.")
@target_options("its first; with `pylock`: all")
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: stdout]")
@output_options()
def export(lock_file: str, form: str, hashes: bool, system: str | None, python: str | None, output: str | None) -> None:
    """Write a lock as requirements.txt lines or as pylock.toml."""
    from api.service import targets_of
    from resolver.export import to_pylock, to_requirements

    lock = read_lock_or_refuse(lock_file)
    if form == "pylock":
        text = to_pylock(targets_of(lock, system, python))
    else:
        text = to_requirements(the_target(lock, system, python), hashes=hashes)
    write_output(text, output)
