"""Which indexes to ask and how to reach them, as pip's own configuration says."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resolver.errors import InputError

from .credentials import KEYRING_PROVIDERS, find_netrc
from .urls import Credentials, redact_url, split_index

__all__ = ["IndexSettings", "configured_indexes", "default_index", "read_index_settings"]

_SECTIONS = ("global", "install")
_NOT_HONOURED = {
    "find-links": "mach takes files from indexes only",
    "trusted-host": "mach always checks certificates",
    "client-cert": "mach does not present client certificates",
}
_DEFAULT_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The indexes in order of precedence, and how to reach them."""

    indexes: tuple[str, ...]
    """Identities (userinfo removed, trailing slash); extra indexes come before the main one."""
    credentials: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    """What the URLs of indexes say, by identity; never part of a fact or a message."""
    netrc: Path | None = None
    """The netrc file, which need not be there; None for none."""
    keyring: str = "disabled"
    """One of :data:`crawler.credentials.KEYRING_PROVIDERS`."""
    cert: str | None = None
    """File or folder with the certificate authorities; None for the defaults."""
    proxy: str | None = field(default=None, repr=False)
    """Proxy URL for http and https; None for what the environment says."""
    timeout: float = _DEFAULT_TIMEOUT
    """Seconds without an answer before a request counts as failed."""
    crates: str = ""
    """Where crates are, as :func:`resolver.crates.crate_url` takes it; empty for the public registry."""
    left_out: tuple[str, ...] = ()
    """One line for each thing in the configuration that is not honoured, to be said at verbose level."""


def _folders(environ: Mapping[str, str]) -> tuple[list[Path], list[Path]]:
    """Return the global and the user's configuration files as pip looks for them, least important first."""
    home = Path(environ.get("HOME") or "~").expanduser()
    if sys.platform == "darwin":
        shared = [Path("/Library/Application Support/pip/pip.conf")]
        own = home / "Library/Application Support/pip"
        own = own if own.is_dir() else home / ".config/pip"
    else:
        folders = [f for f in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if f]
        shared = [*(Path(f) / "pip/pip.conf" for f in folders), Path("/etc/pip.conf")]
        own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    return shared, [home / ".pip/pip.conf", own / "pip.conf"]


def _configuration_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, least important first (pip: "Location", "Precedence")."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    shared, own = _folders(environ)
    named_file = Path(named) if named else None
    files = list(shared)
    if named_file is None or not named_file.exists():
        files += own
    files.append(Path(sys.prefix) / "pip.conf")
    if named_file is not None:
        files.append(named_file)
    return files


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        "invalid-pip-configuration",
        f"pip's configuration in {path} cannot be read",
        context=[str(error).splitlines()[0]],
        hint="repair that file, or set PIP_CONFIG_FILE to another one",
    )


def _read_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options of ``pip install``: files first, ``[install]`` over ``[global]``, environment last."""
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in _configuration_files(environ):
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error
        import configparser  # most machines have no such file

        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise _unreadable(path, error) from error
        for section in _SECTIONS:
            if parser.has_section(section):
                sections[section].update((key.lower().replace("_", "-"), value) for key, value in parser.items(section))
    options = {**sections["global"], **sections["install"]}
    for variable, value in environ.items():
        if variable.startswith("PIP_") and value:
            options[variable[4:].lower().replace("_", "-")] = value
    return options


def _is_set(value: str | None) -> bool:
    return value is not None and value.strip().lower() in {"1", "y", "yes", "t", "true", "on"}


def _read_timeout(options: Mapping[str, str]) -> float:
    text = options.get("timeout", options.get("default-timeout"))
    if text is None:
        return _DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        raise InputError(
            "invalid-pip-configuration",
            f"pip's configuration gives the timeout {text!r}, which is no number of seconds",
            hint="set PIP_TIMEOUT=15",
        )
    return seconds


def _read_keyring(options: Mapping[str, str], chosen: str | None) -> str:
    """Return the keyring provider: *chosen*, else pip's, else none (pip would ask its owner on a terminal)."""
    provider = chosen or options.get("keyring-provider") or KEYRING_PROVIDERS[0]
    if provider not in KEYRING_PROVIDERS:
        raise InputError(
            "invalid-pip-configuration" if chosen is None else "invalid-choice",
            f"{provider[:60]!r} is no keyring provider",
            hint=f"use {', '.join(KEYRING_PROVIDERS)}",
        )
    return provider


def default_index() -> str:
    """Return the URL of the public index, as the installed pypi_simple exports it."""
    # Importing pypi_simple takes 140 ms (requests, pydantic), and `mach lock --offline` needs
    # this one constant, so it is read from the source where that is there.
    spec = importlib.util.find_spec("pypi_simple")
    if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
        for node in ast.parse(Path(spec.origin).read_bytes()).body:
            match node:
                case (
                    ast.AnnAssign(target=ast.Name("PYPI_SIMPLE_ENDPOINT"), value=ast.Constant(str(url)))
                    | ast.Assign(targets=[ast.Name("PYPI_SIMPLE_ENDPOINT")], value=ast.Constant(str(url)))
                ):
                    return url
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return PYPI_SIMPLE_ENDPOINT


def _crates(text: str) -> str:
    from resolver.crates import parse_crates_url

    return parse_crates_url(text)


def read_index_settings(
    *,
    index_url: str | None = None,
    extra_index_urls: Iterable[str] | None = None,
    keyring_provider: str | None = None,
    crates_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> IndexSettings:
    """Return the indexes to ask, in order, and how to reach them.

    :param index_url: the main index, instead of the configured one.
    :param extra_index_urls: indexes before the main one, instead of the configured ones;
        None takes those from the configuration, unless *index_url* is given: a user who names
        the index does not expect others to be asked.
    :param keyring_provider: instead of the configured one.
    :param crates_url: where crates are, instead of the public registry.
    :param environ: the environment, by default this process's.
    :raises InputError: ``invalid-crates-url``, ``invalid-index-url``, ``invalid-pip-configuration``,
        ``invalid-choice``, or ``no-index`` where the configuration forbids indexes and none was named.
    """
    environ = os.environ if environ is None else environ
    options = _read_options(environ)
    left_out = [
        f"{name} in pip's configuration is left out: {reason}"
        for name, reason in sorted(_NOT_HONOURED.items())
        if options.get(name)
    ]
    named = list(extra_index_urls or ())
    configured: list[str] = []
    if index_url is not None:
        named.append(index_url)
    else:
        if _is_set(options.get("no-index")):
            raise InputError(
                "no-index",
                "pip's configuration says no-index, so there is no index to ask",
                hint="name one with --index-url, or work from what is known with --offline",
            )
        if extra_index_urls is None:
            configured += options.get("extra-index-url", "").split()
        configured.append(options.get("index-url", "").strip() or default_index())
    identities: list[str] = []
    credentials: dict[str, Credentials] = {}
    for url in [*named, *configured]:
        if url not in named and url.lower().startswith("file:"):
            left_out.append(
                f"the index {redact_url(url)} in pip's configuration is left out: it is a folder, not a server"
            )
            continue
        index = split_index(url)
        if index.identity not in identities:
            identities.append(index.identity)
        if index.credentials is not None:
            credentials.setdefault(index.identity, index.credentials)
    if not identities:
        raise InputError(
            "no-index",
            "pip's configuration names no index on a server",
            context=left_out,
            hint="name one with --index-url",
        )
    cert = options.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    return IndexSettings(
        indexes=tuple(identities),
        credentials=credentials,
        netrc=find_netrc(environ),
        keyring=_read_keyring(options, keyring_provider),
        cert=cert or environ.get("SSL_CERT_FILE") or None,
        proxy=options.get("proxy") or None,
        timeout=_read_timeout(options),
        crates="" if crates_url is None else _crates(crates_url),
        left_out=tuple(left_out),
    )


def configured_indexes() -> tuple[str, ...]:
    """Return the indexes of pip's configuration in order of precedence, extra ones before the main one.

    :raises InputError: as :func:`read_index_settings`.
    """
    return read_index_settings().indexes
