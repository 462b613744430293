"""The options of ``mach serve`` that say what one request and one client may take, and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .options import apply_options

__all__ = ["LIMITS", "access_options", "limit_options"]

F = TypeVar("F", bound=Callable[..., Any])

#: Setting -> what is limited and its default; a test holds them against the settings of the service, which import
#: too much to be asked for every ``--help``.
LIMITS: dict[str, tuple[str, int | float]] = {
    "largest_body": ("Bytes of a request's body.", 1_000_000),
    "most_requirements": ("Requirements of one request.", 2_000),
    "most_targets": ("Platforms times Pythons of one request.", 6),
    "most_seconds": ("Seconds that a process may take for one request; it is replaced then.", 30.0),
    "most_memory": ("MiB that a process may take for one request.", 2_048),
    "most_facts": ("Facts that are fetched from indexes for one request.", 5_000),
    "most_waiting": ("Requests that may wait for a process.", 256),
    "most_resolutions": ("Answers that the catalog keeps.", 100_000),
}


def _variable(name: str) -> str:
    return f"MACH_{name.upper()}"


def limit_options() -> Callable[[F], F]:
    """Add an option for each of :data:`LIMITS`; those that are not given are None."""
    return apply_options(
        [
            click.option(
                f"--{name.replace('_', '-')}",
                name,
                metavar="N",
                envvar=_variable(name),
                type=click.FloatRange(0, min_open=True) if isinstance(default, float) else click.IntRange(1),
                help=f"{what}  [default: {default:g}]"
                if isinstance(default, float)
                else f"{what}  [default: {default}]",
            )
            for name, (what, default) in LIMITS.items()
        ]
    )


def access_options() -> Callable[[F], F]:
    """Add the options about clients: their tokens, their rates, proxies between them and us, and the log of them."""
    return apply_options(
        [
            click.option(
                "--tokens",
                metavar="FILE",
                envvar="MACH_TOKENS",
                help="File of tokens, lines as `mach token` prints them; who shows one may have build backends asked.",
            ),
            click.option(
                "--require-token",
                is_flag=True,
                envvar="MACH_REQUIRE_TOKEN",
                help="Answer nobody without a token, but for the state of health.",
            ),
            click.option(
                "--requests-per-minute",
                metavar="N",
                envvar="MACH_REQUESTS_PER_MINUTE",
                type=click.IntRange(0),
                help="Of one client, 0 for no limit.  [default: 0 on a loopback address, else 600]",
            ),
            click.option(
                "--facts-per-minute",
                metavar="N",
                envvar="MACH_FACTS_PER_MINUTE",
                type=click.IntRange(0),
                help="Facts fetched from indexes for one client, 0 for no limit.  "
                "[default: 0 on a loopback address, else 10000]",
            ),
            click.option(
                "--trusted-proxy",
                "trusted_proxies",
                multiple=True,
                metavar="ADDRESS",
                envvar="MACH_TRUSTED_PROXY",
                help="Address or network of a proxy that tells, in X-Forwarded-For, who asks it.",
            ),
            click.option(
                "--log",
                envvar="MACH_LOG",
                type=click.Choice(["json", "plain"]),
                help="Form of the log's lines on stderr.  [default: plain on a terminal, else json]",
            ),
        ]
    )
