"""The lock that a command works on: one that is named, or the one of a request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .asking import RESOLVING, Asking
from .console import Console
from .options import read_lock_file, read_lock_or_refuse

if TYPE_CHECKING:
    from api.service import Locked, Upgrade
    from crawler.settings import IndexSettings
    from resolver.lock import Lock, LockTarget

__all__ = ["fetch_private", "lock_asked", "lock_for", "note_result"]


#: Lines about providers that are shown of each target; ``-v`` shows all.
_MOST_NOTES = 8


def lock_for(lock_file: str | None, values: dict[str, Any]) -> Locked:
    """Return the lock named by ``--lock``, or that of the request that *values* make.

    :raises click.UsageError: where both are given.
    """
    from api.service import Locked

    if lock_file is not None:
        _refuse_asking()
        return Locked(lock=read_lock_or_refuse(lock_file), reused=True, folder=str(Path(lock_file).parent))
    asking = Asking.take(values)
    # a lock lies beside a file; one in the current folder has nothing to do with arguments
    old = read_lock_file(asking.lock_path) if asking.files else None
    locked = lock_asked(asking, old)
    console = Console.current()
    if locked.reused:
        console.note(f"using {asking.lock_path}, which satisfies the request")
    note_result(locked)
    return replace(locked, folder=str(asking.lock_path.parent), settings=asking.asked.settings)


def fetch_private(locked: Locked, keyring_provider: str | None) -> None:
    """Put the files of a lock that only a password opens into the Nix store: Nix does not know where mach finds it.

    :param keyring_provider: of the command line; counts for a lock that was named.
    :raises Unavailable: where such a file cannot be had.
    """
    from api.asking import this_system
    from api.private_sources import fetch_private_sources

    settings = locked.settings or _settings_of(locked, keyring_provider)
    console = Console.current()
    fetch_private_sources(locked.lock, settings, console.notices(), system=this_system())
    console.end_progress()


def _settings_of(locked: Locked, keyring_provider: str | None) -> IndexSettings:
    """Return how the indexes of a lock that was named are reached: as the configuration beside it and pip's say."""
    from crawler.credentials import find_netrc
    from crawler.settings import IndexSettings, read_index_settings
    from crawler.urls import split_index
    from resolver.errors import InputError

    from .configuring import read_configuration

    configuration = read_configuration(Path(locked.folder))

    def configured(name: str) -> Any:
        setting = configuration.get(name)
        return None if setting is None else setting.value

    try:
        settings = read_index_settings(
            index_url=configured("index-url"),
            extra_index_urls=configured("extra-index-url"),
            keyring_provider=keyring_provider or configured("keyring-provider"),
        )
    except InputError as error:
        if error.code != "no-index":  # a lock asks none
            raise
        settings = IndexSettings(indexes=(), netrc=find_netrc(os.environ))
    stated = locked.lock.request.get("indexes")
    # by plain http a password goes to nobody whom the user has not named
    more = [i for i in stated if isinstance(i, str) and i.startswith("https:")] if isinstance(stated, list) else []
    indexes = [*settings.indexes, *(split_index(index).identity for index in more)]
    return replace(settings, indexes=tuple(dict.fromkeys(indexes)))


def lock_asked(asking: Asking, old: Lock | None, upgrade: Upgrade | None = None) -> Locked:
    """Return the lock of a request, and tell what its resolution did where ``--stats`` asks: without an answer, too."""
    from api.service import lock_request
    from resolver.statistics import Statistics

    console = Console.current()
    statistics = Statistics()
    try:
        return lock_request(
            asking.asked,
            asking.catalog,
            console.notices(),
            old=old,
            upgrade=upgrade,
            near=asking.near,
            nixpkgs=asking.nixpkgs,
            fixes=asking.fixes,
            statistics=statistics,
        )
    finally:
        if console.show_stats:
            for name, value in statistics.to_json().items():
                console.line(f"{name.replace('_', ' '):<20} {value}")


def _refuse_asking() -> None:
    """Refuse, beside ``--lock``, every option that would say what to resolve: none is dropped in silence."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name in RESOLVING:
            raise click.UsageError(
                f"--lock and {parameter.opts[-1] if parameter.param_type_name == 'option' else 'requirements'} "
                "exclude each other: a lock is taken as it is",
                context,
            )


def _provider_notes(target: LockTarget) -> Iterator[str]:
    """Tell where the order of providers decided a pin."""
    for pin in target.pins:
        if pin.fallback is not None:
            yield f"{pin.name} {pin.version} ({pin.provider}) falls back {pin.fallback}"
        if pin.passed_over is not None:
            yield f"{pin.name} {pin.version} ({pin.provider}): the provider order passed over {pin.passed_over}"


def note_result(locked: Locked) -> None:
    """Say on stderr what a lock holds and what about it the user may want to know."""
    console = Console.current()
    for target in locked.lock.targets:
        count = len(target.pins)
        console.note(f"{count} project{'s' if count != 1 else ''} for Python {target.python} on {target.system}")
        lines = list(_provider_notes(target))
        most = len(lines) if console.verbosity > 0 else _MOST_NOTES
        for line in lines[:most]:
            console.note(f"  {line}")
        if len(lines) > most:
            console.note(f"  and {len(lines) - most} more; -v tells all")
    if locked.lock.nixpkgs is None:
        console.note("nixpkgs is not pinned: the expression takes the user's <nixpkgs>; pin it with --nixpkgs")
