"""The command line: ``mach COMMAND``; results go to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys

import click

from resolver import __version__
from resolver.errors import EXIT_BUG, EXIT_CODES, MachError

from .console import Console

__all__ = ["cli", "main"]

#: Command -> the module of this package that holds it; loaded when it is used.
COMMANDS = {
    "gen": "gen",
    "lock": "lock",
    "env": "env",
    "build": "build",
    "shell": "shell",
    "export": "export",
    "tree": "graph",
    "why": "graph",
    "crawl": "crawl",
    "db": "db",
    "serve": "serve",
    "completion": "completion",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and imports one only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(f"{__name__}.{module}"), cmd_name)
        return command


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


def main() -> None:
    """Run the command line and exit with its code."""
    console = Console.current()
    try:
        code = cli.main(prog_name="mach", standalone_mode=False)
        # click hands back what a command returns, and the code of --help and --version
        code = code if isinstance(code, int) else 0
        sys.stdout.flush()
    except click.exceptions.Abort:
        console.line("interrupted: nothing that was stored is lost")
        code = 130
    except KeyboardInterrupt:
        console.end_progress()
        console.line("interrupted: nothing that was stored is lost")
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except MachError as error:
        console.error(error)
        passed_on = getattr(error, "exit_code", None)  # Nix's own
        code = (
            passed_on
            if passed_on is not None
            else next(c for family, c in EXIT_CODES.items() if isinstance(error, family))
        )
    except BrokenPipeError:
        # the reader of our output has gone; Python would complain again while it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        code = console.system_error(error)
    except Exception as error:
        console.bug(error)
        code = EXIT_BUG
    console.end_progress()
    sys.exit(code)
