"""``mach crawl``: fill the catalog ahead of need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from .console import Console
from .options import catalog_options, keyring_option, output_options

if TYPE_CHECKING:
    from api.crawl_service import Crawl, Crawled


@click.command(epilog="Example: mach crawl numpy pandas --newest 5")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-r", "--requirement", "files", multiple=True, metavar="FILE", help="Crawl the projects that it names.")
@click.option("--changed", is_flag=True, help="What changed of all projects that the catalog knows, by serials.")
@click.option(
    "--wanted", is_flag=True, help="What a service was asked for and could not fetch (`mach serve --fill queue`)."
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Again and again, with a pause; what fails is tried again. Ends when it is told to (SIGTERM, Ctrl-C).",
)
@click.option(
    "--newest",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only the N newest versions' metadata.  [default: all; with --wanted 3]",
)
@click.option("--sdists", is_flag=True, help="The metadata of sdists as well; each takes a whole download.")
@click.option(
    "--connections", type=click.IntRange(1, 16), default=4, show_default=True, help="At most so many at once."
)
@click.option("--rate", type=click.FloatRange(0.1, 100), default=5.0, show_default=True, help="Requests a second.")
@click.option("--index-url", "-i", metavar="URL", help="The index.  [default: pip's configuration]")
@click.option(
    "--extra-index-url", "extra_index_urls", multiple=True, metavar="URL", help="An index that goes before it."
)
@keyring_option(configured=True)
@catalog_options(fetching=False)
@output_options(json=True)
def crawl(
    names: tuple[str, ...],
    files: tuple[str, ...],
    changed: bool,
    wanted: bool,
    every: int | None,
    newest: int | None,
    sdists: bool,
    connections: int,
    rate: float,
    index_url: str | None,
    extra_index_urls: tuple[str, ...],
    keyring_provider: str | None,
    db: str | None,
    as_json: bool,
) -> None:
    """Fetch the pages of projects and the metadata of their wheels, politely.

    Of wheels, those that a Python and platform which mach resolves for can take: none for musllinux, Windows or PyPy.
    A crawl that is interrupted keeps what it has published; the next one goes on from there.
    """
    from api.crawl_service import Crawl, crawl_changes, crawl_projects, sum_of
    from api.wanted_service import crawl_wanted
    from crawler.settings import read_index_settings
    from db.catalog import open_catalog
    from resolver.errors import InputError
    from resolver.names import normalize_project
    from resolver.requirements_txt import parse_requirements_file

    from .files import make_reader

    try:
        projects = [normalize_project(name) for name in names]
    except ValueError as error:
        raise InputError("invalid-name", str(error), hint="name projects, not requirements") from error
    for file in files:
        projects += [r.project for r in parse_requirements_file(file, make_reader()).requirements]
    if every is not None and as_json:
        raise click.UsageError("--json is about one crawl, and --every crawls again and again")
    if not (projects or changed or wanted):
        raise click.UsageError("name projects, or a file with -r, or give --changed or --wanted")
    settings = read_index_settings(
        index_url=index_url, extra_index_urls=extra_index_urls or None, keyring_provider=keyring_provider
    )
    console = Console.current()
    ways: list[Callable[[Crawl], Crawled]] = [partial(crawl_projects, projects=projects)] if projects else []
    ways += [way for way, asked in ((crawl_wanted, wanted), (crawl_changes, changed)) if asked]
    with open_catalog(db) as handle:
        how = Crawl(
            handle=handle,
            settings=settings,
            notices=console.notices(),
            newest=newest,
            sdists=sdists,
            connections=connections,
            per_second=rate,
        )
        if every is not None:
            _repeat(console, lambda: [way(how) for way in ways], every)
            return
        done = sum_of([way(how) for way in ways])
    _tell(console, done)
    if as_json:
        console.result(
            {
                "pages": done.pages,
                "absent": done.absent,
                "metadata": done.metadata,
                "generation": done.generation,
                "errors": [failed.to_json() for failed in done.errors],
            }
        )
        console.json = False  # the document has the errors already
    if done.errors:
        raise done.errors[0]


def _tell(console: Console, done: Crawled) -> None:
    for failed in done.errors[:10]:
        console.warn(f"{failed.message} ({failed.code})")
    if len(done.errors) > 10:
        console.warn(f"and {len(done.errors) - 10} more fetches failed")
    console.note(
        f"{done.pages} pages, {done.absent} absent projects, {done.metadata} files' metadata; "
        f"the catalog is at generation {done.generation}"
    )


def _repeat(console: Console, crawl_once: Callable[[], list[Crawled]], every: int) -> None:
    """Crawl until the process is told to end; what fails is told and tried again after the pause."""
    import signal
    import threading

    from resolver.errors import MachError

    ending = threading.Event()

    def end(*_: object) -> None:
        ending.set()
        # a batch that is being fetched is given up: what was published stays
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        while not ending.is_set():
            try:
                for done in crawl_once():
                    if done.pages or done.absent or done.metadata or done.errors:
                        _tell(console, done)
            except MachError as error:
                console.error(error)
            ending.wait(every)
    except KeyboardInterrupt:
        console.note("told to end: nothing that was stored is lost")
