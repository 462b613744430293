"""``mach crawl nixpkgs``: put what a nixpkgs has of Python projects into the catalog."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import catalog_options, output_options


@click.command("nixpkgs", epilog="Example: mach crawl nixpkgs ~/nixpkgs --python 3.13 --platform x86_64-linux")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--python", "pythons", multiple=True, metavar="VERSION", help="Python, 3.13. Repeatable.")
@click.option("--platform", "systems", multiple=True, metavar="SYSTEM", help="Nix system name. Repeatable.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes of Nix at once.")
@catalog_options(fetching=False)
@output_options(json=True)
def crawl_nixpkgs(
    path: Path, pythons: tuple[str, ...], systems: tuple[str, ...], jobs: int, db: str | None, as_json: bool
) -> None:
    """Evaluate the Python sets of the nixpkgs at PATH, a git checkout or an unpacked archive, and publish them.

    Nothing is built. What one broken attribute costs is itself alone; such attributes are listed.
    Afterwards `--nixpkgs REV --nixpkgs-sha256 HASH --providers wheel,sdist,nixpkgs` takes part of it.
    """
    from api.asking import this_system
    from api.nixpkgs_service import crawl_nixpkgs as crawl
    from db.catalog import open_catalog
    from resolver.interpreters import DEFAULT_PYTHON, full_python
    from resolver.target import make_target

    console = Console.current()
    chosen = tuple(dict.fromkeys(systems)) or (this_system(),)
    series = tuple(dict.fromkeys(full_python(text) for text in pythons or (DEFAULT_PYTHON,)))
    for system in chosen:
        make_target(system, series[0], allow_gone=True)  # an unknown platform is told before anything is evaluated
    with open_catalog(db) as handle:
        done = crawl(handle, path, systems=chosen, pythons=series, jobs=jobs, told=console.notices().progress)
    for one in done.sets:
        for fault in one.faults[:10]:
            console.warn(f"{one.system}, Python {one.python}: {fault.name} cannot be evaluated: {fault.reason}")
        if len(one.faults) > 10:
            console.warn(f"and {len(one.faults) - 10} more attributes cannot be evaluated; --json lists all")
        console.note(
            f"{one.system}, Python {one.python}: {one.projects} projects, {one.releases} releases, "
            f"{len(one.variants)} variants left out, {len(one.unusable)} not usable, {len(one.faults)} faults"
        )
    if as_json:
        console.result(done.to_json())
    else:
        click.echo(f"--nixpkgs {done.rev or 'REV'} --nixpkgs-sha256 {done.sha256}")
