"""``mach env``: a folder with everything that building the environment takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import Asking, asking_options
from .console import Console
from .files import unwritable, write_text
from .fixing import take_fixes
from .locks import lock_asked, note_result
from .options import LOCK_NAME, catalog_options, output_options, read_lock_file


@click.command(epilog="Example: mach env ./python -r requirements.txt && nix-build ./python -A env")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@asking_options
@catalog_options()
@output_options()
def env(folder: Path, **values: Any) -> None:
    """Write default.nix, shell.nix, mach.lock and requirements.txt to DIR; nothing else is needed.

    A mach.lock that is in DIR already is kept where it satisfies the request.
    """
    from api.service import render_folder

    asking = Asking.take(values, folder=folder)
    fixes = take_fixes(values)
    console = Console.current()
    locked = lock_asked(asking, read_lock_file(folder / LOCK_NAME))
    note_result(locked)
    texts = {LOCK_NAME: locked.text, **render_folder(locked.lock, fixes=fixes), **asking.asked.to_files(locked.lock)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(str(folder), error) from error
    for name, text in texts.items():
        path = folder / name
        if any(Path(given).exists() and path.exists() and path.samefile(given) for given in asking.files):
            continue
        write_text(path, text)
    console.note(f"wrote {', '.join(texts)} to {folder}")
