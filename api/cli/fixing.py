"""The files of fixes that a command takes: named by ``--fixes``, or by the setting ``fixes``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .files import read_text

if TYPE_CHECKING:
    from nix.fixes import Fix

__all__ = ["fixes_option", "take_fixes"]

_PARAMETER = "fixes_files"
F = TypeVar("F", bound=Callable[..., Any])


def fixes_option() -> Callable[[F], F]:
    """Add ``--fixes``."""
    return click.option(
        "--fixes",
        _PARAMETER,
        multiple=True,
        metavar="FILE",
        help="A table of what builds take of nixpkgs, after that of mach (docs/how-to/fix-a-build.md). Repeatable.",
    )


def take_fixes(values: dict[str, Any], lock_file: str | None = None) -> tuple[Fix, ...]:
    """Return the user's fixes, in the order of their files.

    :param values: the command's options, into which the configuration of a request was put.
    :param lock_file: a lock that is taken as it is: the configuration beside it counts.
    :raises InputError: ``unreadable-file``, ``invalid-toml``, ``fixes-invalid``, or what is wrong in a configuration.
    """
    named: tuple[str, ...] = values[_PARAMETER]
    if not named and lock_file is not None:
        from .configuring import read_configuration

        setting = read_configuration(Path(lock_file).parent).get("fixes")
        value = () if setting is None else setting.value
        named = value if isinstance(value, tuple) else (str(value),)
    if not named:
        return ()
    from nix.fixes import read_fixes

    return tuple(fix for name in named for fix in read_fixes(read_text(Path(name)), name))
