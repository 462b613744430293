"""Who asks: by the name of its token, else by its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

__all__ = ["Client", "address_of", "client_of"]

#: Key of the ASGI scope under which the client stands.
SCOPE_KEY = "mach.client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks."""

    name: str
    """Of its token, else its address."""
    trusted: bool = False
    """It showed a token."""

    @property
    def key(self) -> str:
        """What its budgets are kept under; the owner of a token and an address of the same name differ."""
        return f"{'token' if self.trusted else 'address'} {self.name}"


def address_of(scope: Mapping[str, Any]) -> str:
    """Return the address that a request comes from: an IPv4 address, the /64 of an IPv6 one, else ``unknown``.

    Whoever has one address of IPv6 mostly has the whole /64, and would be as many clients as it likes.
    """
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except (KeyError, TypeError, IndexError, ValueError):
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def client_of(request: Request) -> Client:
    """Return who sent *request*; an address without a token where nothing else found out before."""
    found: Client | None = request.scope.get(SCOPE_KEY)
    return found or Client(name=address_of(request.scope))
