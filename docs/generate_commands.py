"""Writes docs/reference/commands.md from what ``--help`` says: python docs/generate_commands.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from api.cli.commands import cli

PAGE = Path(__file__).parent / "reference" / "commands.md"
_WIDTH = 100
_HEAD = """# Commands

What `mach --help` and `mach COMMAND --help` say. This page is written by `docs/generate_commands.py`; a test keeps
it current.
"""


def walk(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """Yield the context of *command* and of all commands below it, in the order of the help."""
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from walk(below, _context(below, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)


def render() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for context in walk(cli, _context(cli, "mach", None)):
        parts.append(f"## {context.command_path}\n\n```\n{context.command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
