"""``mach image``: a container image of an environment, built by Nix."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from .asking import asking_options
from .console import Console
from .expressions import expression_file
from .fixing import take_fixes
from .locks import fetch_private, lock_for
from .options import catalog_options, output_options

#: What registries take as a repository and as a tag (OCI distribution specification).
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@click.command(epilog="Example: mach image -r requirements.txt --command 'gunicorn app:app' --stream | docker load")
@asking_options
@click.option("--lock", "lock_file", metavar="FILE", help="Take this lock; nothing is resolved.")
@click.option("--stream", is_flag=True, help="Write the image to stdout or --output; it is never kept in the store.")
@click.option("-o", "--output", metavar="FILE", help="The link to the image, or with --stream the file.")
@click.option("--name", default="mach-python", show_default=True, metavar="NAME", help="The image's name.")
@click.option("--tag", default="latest", show_default=True, metavar="TAG", help="The image's tag.")
@click.option("--command", metavar="WORDS", help="What it runs, as a shell would split it.  [default: python]")
@catalog_options()
@output_options()
def image(
    lock_file: str | None, stream: bool, output: str | None, name: str, tag: str, command: str | None, **values: Any
) -> None:
    """Build a container image of the environment: layered, the same bytes on every build, for a user that is not root.

    Prints the store path of the archive, for `docker load` or `podman load`, and links it; with --stream it is written
    instead.
    """
    from nix import runner
    from nix.literal import to_nix
    from resolver.errors import InputError, Unavailable

    for text, form, what in ((name, _NAME, "name"), (tag, _TAG, "tag")):
        if not form.fullmatch(text):
            raise InputError(
                "invalid-image",
                f"{text[:100]!r} is no {what} of an image",
                hint="a name is in lower case, with digits, dots, dashes and slashes; a tag has at most 128 characters",
            )
    arguments = {"name": to_nix(name), "tag": to_nix(tag), "stream": to_nix(stream)}
    if command is not None:
        try:
            arguments["command"] = to_nix(shlex.split(command))
        except ValueError as error:
            raise InputError("invalid-image", f"--command {command!r}: {error}", hint="quote it for a shell") from error
    if stream and output is None and sys.stdout.isatty():
        raise click.UsageError("an image is nothing for a terminal: give --output FILE, or pipe it to docker load")
    runner.find_program("nix-build")
    keyring_provider = values["keyring_provider"]
    locked = lock_for(lock_file, values)
    fixes = take_fixes(values, lock_file)
    fetch_private(locked, keyring_provider)
    with expression_file(locked, fixes) as path:
        link = None if stream else Path(output or "result")
        built = runner.build(path, attribute="image", out_link=link, arguments=arguments)
    if not stream:
        click.echo(str(built))
        return
    with Path(output).open("wb") if output is not None else nullcontext(sys.stdout.buffer) as target:
        target.flush()
        if subprocess.run([built], stdin=subprocess.DEVNULL, stdout=target).returncode != 0:
            raise Unavailable(
                "image-not-written", f"the image could not be written by {built}", hint="see its own lines above"
            )
    if output is not None:
        Console.current().note(f"the image is in {output}")
