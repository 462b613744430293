"""``mach config``: the settings and where each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .configuring import read_configuration
from .console import Console
from .options import output_options

if TYPE_CHECKING:
    from api.config import Setting

__all__ = ["config"]


@click.group(epilog="Example: mach config show")
def config() -> None:
    """Look at the settings from configuration files and the environment."""


@config.command(epilog="Example: mach config show --json")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@output_options(json=True)
def show(folder: Path, as_json: bool) -> None:
    """Show every setting with its value and its source, as a request in DIR (the current folder) would have it."""
    from api.config import Setting
    from api.config_keys import KEYS

    configuration = read_configuration(folder)
    console = Console.current()
    for note in configuration.notes:
        console.warn(note)
    settings: list[Setting] = []
    for key in KEYS:
        found = [s for (name, _), s in sorted(configuration.settings.items()) if name == key.name]
        settings += found or [Setting(key=key, value=key.default, source="default")]
    if as_json:
        console.result([{"name": s.name, "value": _plain(s), "source": s.source} for s in settings])
        return
    width = max(len(setting.name) for setting in settings)
    for setting in settings:
        click.echo(f"{setting.name:<{width}}  {_shown(setting)}  # {setting.source}")


def _plain(setting: Setting) -> object:
    from resolver.requirements_options import redact

    if isinstance(setting.value, tuple):
        return [redact(text) for text in setting.value]
    return redact(setting.value) if isinstance(setting.value, str) else setting.value


def _shown(setting: Setting) -> str:
    import json

    from resolver.errors import printable

    return "not set" if setting.value is None else printable(json.dumps(_plain(setting), ensure_ascii=False))
