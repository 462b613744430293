"""``mach serve``: POST /resolve on a port of this machine."""

from __future__ import annotations

import os
import socket
import sys

import click

from resolver.errors import InputError, Unavailable

from .console import Console
from .options import catalog_options, keyring_option, output_options
from .service_options import access_options, limit_options


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
@click.option(
    "--workers",
    envvar="MACH_WORKERS",
    type=click.IntRange(1, 256),
    help="Processes that resolve.  [default: one for each processor]",
)
@click.option(
    "--fill",
    envvar="MACH_FILL",
    type=click.Choice(["on-demand", "queue", "off"]),
    help="What to do where the catalog lacks facts: fetch them, queue them for `mach crawl --wanted`, or refuse.  "
    "[default: on-demand on a loopback address, else queue]",
)
@click.option(
    "--index-url", "-i", metavar="URL", envvar="MACH_INDEX_URL", help="The index.  [default: pip's configuration]"
)
@click.option(
    "--extra-index-url",
    "extra_index_urls",
    multiple=True,
    metavar="URL",
    envvar="MACH_EXTRA_INDEX_URL",
    help="An index that goes before it.",
)
@keyring_option(environment=True)
@click.option(
    "--crates-url",
    metavar="URL",
    envvar="MACH_CRATES_URL",
    help="Where the crates of Rust sdists are: the `dl` of a registry.  [default: the public one]",
)
@access_options()
@limit_options()
@catalog_options(fetching=False, configured=False)
@output_options()
def serve(
    host: str,
    port: int,
    workers: int | None,
    fill: str | None,
    index_url: str | None,
    extra_index_urls: tuple[str, ...],
    keyring_provider: str | None,
    crates_url: str | None,
    db: str | None,
    tokens: str | None,
    require_token: bool,
    requests_per_minute: int | None,
    facts_per_minute: int | None,
    trusted_proxies: tuple[str, ...],
    log: str | None,
    **limits: float | None,
) -> None:
    """Answer POST /resolve: a requirements.txt in, a lock or a Nix expression out."""
    import ipaddress

    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from api.http.settings import ELSEWHERE, SETTINGS_VARIABLE, ServiceSettings
    from api.http.tokens import read_tokens
    from api.serving.journal import configuration
    from api.serving.lifeline import SECONDS_TO_END
    from db.catalog import open_catalog

    with listen(host, port) as listener:
        address, at_port, *_ = listener.getsockname()
        loopback = ipaddress.ip_address(address).is_loopback
        values = {
            "db": db,
            "workers": workers,
            "fill": fill or ("on-demand" if loopback else "queue"),
            "index_url": index_url,
            "extra_index_urls": extra_index_urls,
            "keyring_provider": keyring_provider,
            "crates_url": crates_url,
            "tokens": None if tokens is None else os.path.abspath(tokens),  # noqa: PTH100 - what is refused quotes it
            "require_token": require_token,
            "requests_per_minute": requests_per_minute,
            "facts_per_minute": facts_per_minute,
            "log": log or ("plain" if sys.stderr.isatty() else "json"),
            **limits,
        }
        if loopback and not trusted_proxies:
            values["hosts"] = ("localhost", "127.0.0.1", "::1", host.lower(), address)
        if not loopback:
            values = {name: ELSEWHERE.get(name) if value is None else value for name, value in values.items()}
        given = {name: value for name, value in values.items() if value is not None}
        settings = ServiceSettings.model_validate(given)
        # what is wrong with either is said now, and not by a process that is started again and again
        settings.indexes()
        if settings.tokens is not None:
            read_tokens(settings.tokens)
        with open_catalog(db):
            pass
        os.environ[SETTINGS_VARIABLE] = settings.model_dump_json()
        config = uvicorn.Config(
            "api.http.app:make_configured_app",
            factory=True,
            host=host,
            port=at_port,
            log_config=configuration(settings.log),
            access_log=False,
            server_header=False,
            # an address that anybody could claim to have is none
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            # who does not read an answer must not keep the service from ending
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
        at = f"[{host}]" if ":" in host else host
        Console.current().note(f"mach is running on http://{at}:{at_port} (Ctrl-C ends it)")
        # a process that dies or hangs is replaced; who asks meanwhile waits at the socket, which stays open
        Multiprocess(config, sockets=[listener]).run()


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
        listener = socket.create_server(address, family=family, backlog=2048)
        # accepted sockets inherit it; asyncio sets it only where the protocol is named, which create_server does not,
        # and an answer in two packets would take 40 ms
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise Unavailable(
            "cannot-listen",
            f"mach cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}",
            hint="choose another --port, or an address of this machine for --host",
        ) from error
