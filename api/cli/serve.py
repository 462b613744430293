"""``mach serve``: POST /resolve on a port of this machine."""

from __future__ import annotations

import os
import socket

import click

from resolver.errors import InputError, Unavailable

from .console import Console
from .options import catalog_options, keyring_option, output_options


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
@keyring_option(environment=True)
@click.option(
    "--crates-url",
    metavar="URL",
    envvar="MACH_CRATES_URL",
    help="Where the crates of Rust sdists are: the `dl` of a registry.  [default: the public one]",
)
@catalog_options(fetching=False, configured=False)
@output_options()
def serve(
    host: str,
    port: int,
    offline: bool,
    index_url: str | None,
    extra_index_urls: tuple[str, ...],
    keyring_provider: str | None,
    crates_url: str | None,
    db: str | None,
) -> None:
    """Answer POST /resolve: a requirements.txt in, a lock or a Nix expression out."""
    import uvicorn

    from api.http.app import make_app
    from api.http.settings import ServiceSettings

    settings = ServiceSettings(
        db=db,
        offline=offline,
        index_url=index_url,
        extra_index_urls=extra_index_urls,
        keyring_provider=keyring_provider,
        crates_url=crates_url,
    )
    app = make_app(settings)
    with listen(host, port) as listener:
        server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="info", server_header=False))
        at = f"[{host}]" if ":" in host else host
        Console.current().note(f"mach is running on http://{at}:{listener.getsockname()[1]} (Ctrl-C ends it)")
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address of this machine.

    :param host: a name or an IPv4 or IPv6 address.
    :param port: 0 for a free one.
    :raises InputError: ``cannot-listen`` where *host* is no address.
    :raises Unavailable: ``cannot-listen`` where the address is not this machine's, or in use.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(
            "cannot-listen",
            f"{host[:200]!r} is no address to listen on",
            hint="give --host a name or an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them",
        ) from error
    family, _, _, _, address = found[0]
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise Unavailable(
            "cannot-listen",
            f"mach cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}",
            hint="choose another --port, or an address of this machine for --host",
        ) from error
