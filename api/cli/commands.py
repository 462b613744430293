"""The group of all commands, each imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resolver import __version__

__all__ = ["ReaderGone", "cli"]

#: Command -> the module of this package that holds it; loaded when it is used.
COMMANDS = {
    "gen": "gen",
    "lock": "lock",
    "env": "env",
    "build": "build",
    "shell": "shell",
    "image": "image",
    "export": "export",
    "archive": "archive",
    "tree": "graph",
    "why": "graph",
    "diff": "diff",
    "crawl": "crawl",
    "crawl nixpkgs": "nixpkgs",
    "db": "db",
    "config": "config",
    "serve": "serve",
    "token": "token",
    "completion": "completion",
}


class ReaderGone(Exception):
    """Who read our output has gone; click would end the process with a code of its own."""


class _LazyGroup(click.Group):
    """Knows its commands by name and imports one only when it is asked for."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        # a project may be called nixpkgs, but no project has a slash in its name
        if args[:2] == ["crawl", "nixpkgs"] and (args[2:] in (["--help"], ["-h"]) or any(map(_is_tree, args[2:]))):
            return "crawl nixpkgs", self.get_command(ctx, "crawl nixpkgs"), args[2:]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        from importlib import import_module

        name = cmd_name.replace(" ", "_")
        command: click.Command = getattr(import_module(f"{__package__}.{module}"), name)
        return command


def _is_tree(word: str) -> bool:
    """Return whether a word of the command line names a folder of a nixpkgs."""
    return "/" in word or word in (".", "..") or Path(word, "default.nix").is_file()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 no solution or stale lock, 2 usage or input, 3 data or environment, 70 a bug.",
)
@click.version_option(__version__, prog_name="mach")
def cli() -> None:
    """Turn Python requirements into a Nix environment that can be built again, bit for bit.

    \b
    mach gen -r requirements.txt -o python.nix    one self-contained Nix file
    mach build -r requirements.txt                build it; result/bin/python runs
    mach shell requests 'numpy<2'                 a shell with these projects
    mach lock -r requirements.txt                 write mach.lock
    """
