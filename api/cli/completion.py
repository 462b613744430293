"""``mach completion``: the script that teaches a shell to complete mach's commands and options."""

from __future__ import annotations

import click


@click.command(epilog="Example: mach completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from click.shell_completion import get_completion_class

    from .commands import cli

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells"
    click.echo(kind(cli, {}, "mach", "_MACH_COMPLETE").source())
