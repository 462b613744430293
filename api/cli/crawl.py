"""``mach crawl``: fill the catalog ahead of need."""

from __future__ import annotations

from functools import partial

import click

from .console import Console
from .options import catalog_options, keyring_option, output_options


@click.command(epilog="Example: mach crawl numpy pandas --newest 5")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-r", "--requirement", "files", multiple=True, metavar="FILE", help="Crawl the projects that it names.")
@click.option("--changed", is_flag=True, help="What changed of all projects that the catalog knows, by serials.")
@click.option(
    "--wanted", is_flag=True, help="What a service was asked for and could not fetch (`mach serve --fill queue`)."
)
@click.option("--newest", type=click.IntRange(min=1), metavar="N", help="Only the N newest versions' metadata.")
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

    A crawl that is interrupted keeps what it has published; the next one goes on from there.
    """
    from api.catalog_service import crawl_changes, crawl_projects, crawl_wanted
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
    if bool(projects) + changed + wanted != 1:
        raise click.UsageError("name projects, or a file with -r, or give --changed or --wanted")
    settings = read_index_settings(
        index_url=index_url, extra_index_urls=extra_index_urls or None, keyring_provider=keyring_provider
    )
    console = Console.current()
    with open_catalog(db) as handle:
        named = partial(crawl_projects, projects=projects)
        crawl_now = crawl_changes if changed else crawl_wanted if wanted else named
        done = crawl_now(
            handle,
            settings,
            notices=console.notices(),
            newest=newest,
            sdists=sdists,
            connections=connections,
            per_second=rate,
        )
    for failed in done.errors[:10]:
        console.warn(f"{failed.message} ({failed.code})")
    if len(done.errors) > 10:
        console.warn(f"and {len(done.errors) - 10} more fetches failed")
    console.note(
        f"{done.pages} pages, {done.absent} absent projects, {done.metadata} files' metadata; "
        f"the catalog is at generation {done.generation}"
    )
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
