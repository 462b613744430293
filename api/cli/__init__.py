"""The command line: ``mach COMMAND``; results go to stdout, everything else to stderr."""

from __future__ import annotations

import gc
import io
import os
import sys

TYPE_CHECKING = False  # importing typing takes time in which Ctrl-C shows a traceback
if TYPE_CHECKING:
    import click

    from resolver.errors import InputError

    from .console import Console

__all__ = ["VALUES_BETWEEN_COLLECTIONS", "main"]

_INTERRUPTED = 130
#: A resolution makes hundreds of thousands of values and hardly a cycle: at Python's own threshold (700), looking
#: for cycles takes a third of its time.
VALUES_BETWEEN_COLLECTIONS = 200_000
#: As shells count the end by SIGPIPE.
_READER_GONE = 141


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(VALUES_BETWEEN_COLLECTIONS)
    try:
        sys.exit(_main())
    except KeyboardInterrupt:  # while mach is still being imported, or ends
        os.write(2, b"interrupted\n")
        sys.exit(_INTERRUPTED)
    finally:
        gc.freeze()  # the process ends: looking for cycles among all that is left would take 15 ms for nothing


def _main() -> int:
    from .console import Console, discard_output

    _prepare_streams()
    console = Console.current()
    console.json = "--json" in sys.argv  # a command line that does not parse is told as JSON as well
    code = _run(console)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(sys.stdout)
        return _READER_GONE
    except OSError as error:
        console.json = False
        discard_output(sys.stdout)
        told = console.system_error(error)
        return code or told
    return code


def _run(console: Console) -> int:
    """Run the command that the arguments name, show what goes wrong, and return the exit code."""
    from .commands import ReaderGone
    from .console import discard_output

    try:
        return _call(console)
    except ReaderGone:
        discard_output(sys.stdout)
        return _READER_GONE
    except KeyboardInterrupt:
        console.end_progress()
        console.line("interrupted: nothing that was stored is lost")
        return _INTERRUPTED
    except OSError as error:
        code = console.system_error(error)
        try:
            sys.stdout.flush()
        except OSError:  # it has been told
            discard_output(sys.stdout)
        return code
    finally:
        console.end_progress()


def _call(console: Console) -> int:
    import click

    from resolver.errors import EXIT_BUG, EXIT_CODES, InputError, MachError

    from .commands import ReaderGone, cli

    try:
        try:
            code = cli.main(prog_name="mach", standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as error:  # `mach` and `mach db` alone
            console.line(error.format_message())
            return EXIT_CODES[InputError]
        except click.ClickException as error:
            raise _usage_error(error) from error
        # click hands back what a command returns, and the code of --help and --version
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort as error:  # click's name for Ctrl-C, and for the end of any input
        if isinstance(error.__cause__, EOFError):
            console.bug(error.__cause__)
            return EXIT_BUG
        raise KeyboardInterrupt from error
    except MachError as error:
        console.error(error)
        passed_on = getattr(error, "exit_code", None)  # Nix's own
        if passed_on is not None:
            return int(passed_on)
        return next(code for family, code in EXIT_CODES.items() if isinstance(error, family))
    except (OSError, ReaderGone):
        raise
    except Exception as error:
        console.bug(error)
        return EXIT_BUG


def _usage_error(error: click.ClickException) -> InputError:
    """Return what click says of the command line as an error of ours."""
    from resolver.errors import InputError

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mach"
    message = " ".join(error.format_message().split()).rstrip(".")
    return InputError("usage", message, hint=f"`{command} --help` shows what can be said")


def _prepare_streams() -> None:
    """Give the process the standard streams that it was started without, and make stdout UTF-8 wherever we are.

    Without a stream, the next file that is opened would get its number, and what is printed would go into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # for reading only: a result that goes to a closed stdout is an error, and not lost in silence
            opened = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            setattr(sys, name, open(opened, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a Nix expression and a lock are UTF-8 whatever the locale
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
