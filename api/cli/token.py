"""``mach token``: a secret for a client of a service, and the line by which the service knows it."""

from __future__ import annotations

import click

from .console import Console
from .options import output_options


@click.command(epilog="Example: mach token ci >> tokens")
@click.argument("name")
@output_options()
def token(name: str) -> None:
    """Make a token for a client of `mach serve --tokens FILE`.

    The line for FILE, with the hash of the token alone, goes to stdout; the token itself is shown
    once, on stderr.
    """
    from api.http.tokens import make_token

    secret, line = make_token(name)
    click.echo(line)
    # asked for by name, so that -q does not make a token that nobody ever sees
    Console.current().line(f"the token of {name}, shown only now: {secret}")
