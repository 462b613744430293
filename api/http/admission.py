"""The door: who shows a wrong token, or none where one is required, or asks too often, is sent away."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.serving.limits import refuse_rate
from api.web.problem_page import as_page
from resolver.errors import InputError, MachError

from .budgets import Budget
from .clients import SCOPE_KEY, Client, address_of
from .metrics import Meter
from .problems import problem_of
from .tokens import Tokens

__all__ = ["Admission"]

#: Paths that watchers ask for without a token, as often as they like.
HEALTH = frozenset({"/healthz", "/readyz"})
#: Methods by which nothing is changed (RFC 9110, 9.2.1).
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PORTS = {"http": "80", "https": "443"}
#: Wrong tokens that an address may show in a minute; then no token of its is looked at.
WRONG_TOKENS = 10


class Admission:
    """ASGI middleware; puts a :class:`.clients.Client` into the scope of what it lets through.

    :param tokens: None where there are none: what looks like one is ignored then.
    :param required: nothing but the state of health is told without a token.
    :param most_requests: of a client in a minute; 0 for no limit.
    :param hosts: names by which the service may be called; None for all. Where only its own machine is meant to ask,
        the page of a stranger can make a browser on it ask by a name of the stranger's, and would read the answers.
    :param meter: counts who is sent away.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens | None,
        required: bool,
        most_requests: int,
        hosts: tuple[str, ...] | None,
        meter: Meter,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._required = required
        self._hosts = hosts
        self._requests = Budget(most_requests)
        self._wrong = Budget(WRONG_TOKENS)
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        try:
            scope[SCOPE_KEY] = Client(name=address_of(scope))
            self._refuse_strange_pages(scope)
            scope[SCOPE_KEY] = client = self._know(scope)
            if wait := self._requests.spend(client.key):
                raise refuse_rate(wait, "requests")
        except MachError as error:
            self._meter.refused[error.code] += 1
            await as_page(Request(scope), problem_of(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse_strange_pages(self, scope: Scope) -> None:
        """Refuse what a browser was led to by a page that is not the service's own.

        :raises InputError: ``wrong-host``, ``cross-site``.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        name, _ = _split_host(host)
        if self._hosts is not None and name not in self._hosts and not name.endswith(".localhost"):
            raise InputError(
                "wrong-host",
                "this service answers its own machine, and is not called by this name",
                hint="ask it as localhost; where a proxy passes requests on, name it with --trusted-proxy",
            )
        # of a mere link nothing is written or fetched
        if scope["method"] not in _SAFE and _is_of_another_site(headers, host):
            raise InputError(
                "cross-site", "the page of another site may not ask for you", hint="open the service's own page"
            )

    def _know(self, scope: Scope) -> Client:
        """Return who asks.

        :raises InputError: ``invalid-token``, ``token-required``, ``rate-limited``.
        """
        anonymous: Client = scope[SCOPE_KEY]
        if self._tokens is None:
            return anonymous
        given = Headers(scope=scope).getlist("authorization")
        if not given:
            if self._required:
                raise InputError(
                    "token-required",
                    "this service answers only who shows a token",
                    hint="ask its operator for one, and send it as Authorization: Bearer TOKEN",
                )
            return anonymous
        # guesses are not even looked at: the right one among them would not be told apart
        if wait := self._wrong.wait_for(anonymous.key):
            raise refuse_rate(wait, "wrong tokens")
        scheme, _, token = given[0].partition(" ")
        name = self._tokens.name_of(token.strip()) if len(given) == 1 and scheme.lower() == "bearer" else None
        if name is None:
            self._wrong.spend(anonymous.key)
            raise InputError(
                "invalid-token",
                "the token is not one that this service knows",
                hint="send it as Authorization: Bearer TOKEN, or none",
            )
        return Client(name=name, trusted=True)


def _is_of_another_site(headers: Headers, host: str) -> bool:
    """Return whether the page of another site makes a browser ask.

    Browsers send ``Sec-Fetch-Site`` to addresses that they trust alone (https, loopback), ``Origin`` to all; programs
    send neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("cross-site", "same-site")
    for origin in headers.getlist("origin"):
        # the scheme is what a proxy in between may have changed
        scheme, _, place = origin.strip().lower().partition("://")
        (name, port), (asked_name, asked_port), usual = _split_host(place), _split_host(host), _PORTS.get(scheme)
        if usual is None or not name or (name, port or usual) != (asked_name, asked_port or usual):
            return True
    return False


def _split_host(text: str) -> tuple[str, str]:
    """Return name (without brackets and the last dot) and port of a ``Host``, the port empty where there is none."""
    name, port = text.rpartition(":")[::2] if re.search(r":[0-9]*\Z", text) else (text, "")
    return name.strip("[]").rstrip("."), port
