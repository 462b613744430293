"""Options that several commands share, and what they make together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .console import Console, discard_output

if TYPE_CHECKING:
    from api.service import CatalogChoices
    from resolver.lock import Lock, LockTarget

__all__ = [
    "LOCK_NAME",
    "apply_options",
    "catalog_options",
    "keyring_option",
    "make_catalog_choices",
    "output_options",
    "read_lock_file",
    "read_lock_or_refuse",
    "target_options",
    "the_target",
    "write_output",
]

LOCK_NAME = "mach.lock"
F = TypeVar("F", bound=Callable[..., Any])


def apply_options(options: list[Callable[[F], F]]) -> Callable[[F], F]:
    """Return a decorator that adds *options* in their order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def target_options(default: str = "its first") -> Callable[[F], F]:
    """Add ``--platform`` and ``--python``, which choose of a lock's targets: *default* where there is neither."""
    return apply_options(
        [
            click.option(
                "--platform", "system", metavar="SYSTEM", help=f"One of the lock's platforms.  [default: {default}]"
            ),
            click.option(
                "--python", "python", metavar="X.Y[.Z]", help=f"One of the lock's Pythons.  [default: {default}]"
            ),
        ]
    )


def the_target(lock: Lock, system: str | None, python: str | None) -> LockTarget:
    """Return the first target of *lock* that fits; where more do, which one it is, is told.

    :raises InputError: ``not-in-lock``.
    """
    from api.service import targets_of

    first, *others = targets_of(lock, system, python)
    if others:
        apart = [
            option
            for option, several in (
                ("--platform", any(other.system != first.system for other in others)),
                ("--python", any(other.python != first.python for other in others)),
            )
            if several
        ]
        Console.current().note(
            f"this is for {first.system} with Python {first.python}, the first of {len(others) + 1} targets that fit: "
            f"{' and '.join(apart)} choose{'s' if len(apart) == 1 else ''} another"
        )
    return first


def _verbosity(_: click.Context, option: click.Parameter, value: int) -> int:
    if value:
        Console.current().verbosity = -1 if option.name == "quiet" else value
    return value


def _no_progress(_: click.Context, __: click.Parameter, value: bool) -> bool:
    Console.current().show_progress = not value
    return value


def output_options(*, json: bool = False) -> Callable[[F], F]:
    """Add ``-q``, ``-v`` and ``--no-progress``, and where the command has a document for programs ``--json``."""
    options: list[Any] = [
        click.option(
            "-q", "--quiet", is_flag=True, expose_value=False, callback=_verbosity, help="Warnings and errors only."
        ),
        click.option(
            "-v",
            "--verbose",
            count=True,
            expose_value=False,
            callback=_verbosity,
            help="Tell details; repeat for more.",
        ),
        click.option(
            "--no-progress", is_flag=True, expose_value=False, callback=_no_progress, help="Show no progress bar."
        ),
    ]
    if json:

        def _json(_: click.Context, __: click.Parameter, value: bool) -> bool:
            Console.current().json = value
            return value

        options.append(
            click.option("--json", "as_json", is_flag=True, callback=_json, help="Print one JSON document on stdout.")
        )
    return apply_options(options)


def _configured_catalog() -> str | None:
    from .configuring import configured_text

    return configured_text("db")


def _configured_keyring() -> str | None:
    from .configuring import configured_text

    return configured_text("keyring-provider")


def keyring_option(*, configured: bool = False, environment: bool = False) -> Callable[[F], F]:
    """Add ``--keyring-provider``.

    :param configured: take it from configuration files where it is not given; :class:`Asking` does that itself.
    :param environment: take it from the environment, for a command that reads no configuration files.
    """
    return click.option(
        "--keyring-provider",
        metavar="HOW",
        envvar="MACH_KEYRING_PROVIDER" if environment else None,
        default=_configured_keyring if configured else None,
        help="Where to ask for passwords of indexes: `subprocess` (the program keyring), `import` (the library), "
        "`auto`, `disabled`.  [default: pip's configuration, or disabled]",
    )


def catalog_options(*, fetching: bool = True, configured: bool = True) -> Callable[[F], F]:
    """Add ``--db``, and with *fetching* ``--snapshot``, ``--offline``, ``--refresh`` and ``--max-age``.

    :param configured: take the catalog from configuration files where it is not given; with *fetching*,
        :class:`Asking` does that, since files of the request say where to look.
    """
    options: list[Any] = [
        click.option(
            "--db",
            metavar="URL|FILE",
            envvar="MACH_DB",
            default=_configured_catalog if configured and not fetching else None,
            help="The catalog: a SQLite file or postgresql://…  [env: MACH_DB; default: in your data directory]",
        )
    ]
    if fetching:
        options += [
            click.option(
                "--snapshot", metavar="ID", help="Answer from this snapshot (id, prefix or name); fetch nothing."
            ),
            click.option("--offline", is_flag=True, help="Fetch nothing; a missing fact is an error that names it."),
            click.option("--refresh", is_flag=True, help="Ask the index again for every project page that is read."),
            click.option(
                "--max-age",
                metavar="SECONDS",
                type=click.IntRange(min=0),
                default=600,
                show_default=True,
                help="Ask again for pages that are older.",
            ),
        ]
    return apply_options(options)


def make_catalog_choices(values: dict[str, Any]) -> CatalogChoices:
    """Take the catalog's options out of *values* and return what they say.

    :raises click.UsageError: where they contradict each other.
    """
    from api.service import CatalogChoices

    refresh, max_age = values.pop("refresh"), values.pop("max_age")
    for name in ("offline", "snapshot"):
        if refresh and values[name]:
            raise click.UsageError(f"--refresh asks the index again, and --{name} fetches nothing: take one of them")
    return CatalogChoices(
        db=values.pop("db"),
        snapshot=values.pop("snapshot"),
        offline=values.pop("offline"),
        max_age=-1 if refresh else max_age,
    )


def read_lock_file(path: Path) -> Lock | None:
    """Return the lock at *path*, or None where there is no such file.

    :raises InputError: ``unreadable-file``.
    :raises DataError: ``lock-invalid``, ``lock-too-new``.
    """
    from resolver.errors import DataError
    from resolver.lock import parse_lock

    from .files import read_bytes

    try:
        if not path.exists():
            return None
    except OSError:
        pass  # a name that is too long, say: reading it tells
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            "lock-invalid",
            f"{path} is not UTF-8 text",
            context=[str(error)],
            hint="take the file back from version control, or delete it and run `mach lock` again",
        ) from error
    return parse_lock(text, str(path))


def read_lock_or_refuse(path: str) -> Lock:
    """Return the lock at *path*.

    :raises InputError: ``no-lock`` where there is none.
    """
    from resolver.errors import InputError

    lock = read_lock_file(Path(path))
    if lock is None:
        raise InputError("no-lock", f"there is no lock at {path}", hint="make one with `mach lock -r requirements.txt`")
    return lock


def write_output(text: str, path: str | None) -> None:
    """Write a result to *path*, whole or not at all; None and ``-`` are stdout.

    :raises Unavailable: ``output-unwritable``.
    """
    from .files import unwritable, write_text

    if path is not None and path != "-":
        write_text(Path(path), text)
        return
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output(sys.stdout)
        raise unwritable("standard output", error) from error
