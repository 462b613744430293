"""``mach archive``: every source of a lock, saved by its hash."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import LOCK_NAME, keyring_option, output_options, read_lock_or_refuse


@click.command(
    epilog="Example: mach archive /srv/archive && nix-build --arg mirrors '[ /srv/archive ]' python.nix -A env"
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--lock", "lock_file", default=LOCK_NAME, show_default=True, metavar="FILE", help="The lock to read.")
@click.option("--check", is_flag=True, help="Only check that DIR has it all; fetch nothing, exit 3 where not.")
@click.option(
    "--from", "archives", multiple=True, metavar="DIR|URL", help="Another archive, asked before the lock's places."
)
@click.option(
    "--connections", type=click.IntRange(1, 16), default=4, show_default=True, help="At most so many at once."
)
@click.option("--allow-file-urls", "local_urls", is_flag=True, help="Read what the lock takes from file: URLs.")
@click.option("--index-url", "-i", metavar="URL", help="An index, for its password.  [default: pip's configuration]")
@click.option("--extra-index-url", "extra_index_urls", multiple=True, metavar="URL", help="Another one, likewise.")
@keyring_option(configured=True)
@output_options(json=True)
def archive(
    folder: Path,
    lock_file: str,
    check: bool,
    archives: tuple[str, ...],
    connections: int,
    local_urls: bool,
    index_url: str | None,
    extra_index_urls: tuple[str, ...],
    keyring_provider: str | None,
    as_json: bool,
) -> None:
    """Save every source of a lock by its hash, to build it when servers are gone.

    What is in DIR already is checked, and fetched again where it is damaged; files of other locks
    stay. The archive is used as one of the expression's `mirrors`.
    """
    from api.archiving import archive_lock, check_archive

    if check and archives:
        raise click.UsageError("--check fetches nothing, so it takes no --from")
    console = Console.current()
    lock = read_lock_or_refuse(lock_file)
    if check:
        found = check_archive(lock, folder, console.notices())
        told = f"{folder} has all {len(found.kept)} sources of {lock_file}"
    else:
        from crawler.archive_fetch import parse_archive
        from crawler.settings import read_index_settings

        found = archive_lock(
            lock,
            folder,
            read_index_settings(
                index_url=index_url, extra_index_urls=extra_index_urls or None, keyring_provider=keyring_provider
            ),
            console.notices(),
            root=Path(lock_file).absolute().parent,
            archives=[parse_archive(text) for text in archives],
            connections=connections,
            local_urls=local_urls,
        )
        count, new = len(found.kept) + len(found.saved), len(found.saved)
        told = f"{folder} has all {count} sources of {lock_file}, {new} of them new"
    console.end_progress()
    for source in found.damaged:
        console.warn(f"{source.label} was damaged in the archive ({source.name}) and is fetched anew")
    for path in found.left_out:
        console.note(f"not in an archive: {path}, a folder of yours; keep it with its version control")
    if lock.nixpkgs is None:
        console.warn("the lock pins no nixpkgs, so the archive holds none; pin it with mach lock --nixpkgs")
    console.note(told)
    if as_json:
        console.result(found.to_json())
