"""``mach serve``: POST /resolve on a port of this machine."""

from __future__ import annotations

import click

from .options import catalog_options, output_options


@click.command(
    epilog="Example: curl --data-binary @requirements.txt -H 'Content-Type: text/plain' http://127.0.0.1:8000/resolve"
)
@click.option("--host", default="127.0.0.1", show_default=True, envvar="MACH_HOST", help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    envvar="MACH_PORT",
    type=click.IntRange(0, 65535),
    help="Port to listen on.",
)
@click.option("--offline", is_flag=True, envvar="MACH_OFFLINE", help="Never fetch: answer from the catalog alone.")
@click.option(
    "--index-url", "-i", metavar="URL", envvar="MACH_INDEX_URL", help="The index.  [default: pip's configuration]"
)
@click.option(
    "--extra-index-url", "extra_index_urls", multiple=True, metavar="URL", help="An index that goes before it."
)
@catalog_options(fetching=False)
@output_options()
def serve(
    host: str, port: int, offline: bool, index_url: str | None, extra_index_urls: tuple[str, ...], db: str | None
) -> None:
    """Answer POST /resolve: a requirements.txt in, a lock or a Nix expression out."""
    import uvicorn

    from api.http.app import make_app
    from api.http.settings import ServiceSettings

    settings = ServiceSettings(db=db, offline=offline, index_url=index_url, extra_index_urls=extra_index_urls)
    uvicorn.run(make_app(settings), host=host, port=port, log_level="info", server_header=False)
