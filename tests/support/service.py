"""A service in the process of a test: the real application with workers of its own, and a client at an address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi.testclient import TestClient

from api.http.app import make_app
from api.http.settings import ServiceSettings
from tests.e2e.machines import Machine

__all__ = ["TEXT", "bearer", "code", "serving"]

#: Headers of a requirements.txt as a body.
TEXT = {"Content-Type": "text/plain"}


@contextmanager
def serving(machine: Machine, **settings: Any) -> Iterator[TestClient]:
    """Yield a client of a service in this process, with its own workers."""
    given = {"db": str(machine.home / "catalog.db"), "index_url": machine.index_url, "workers": 1, **settings}
    app = make_app(ServiceSettings.model_validate(given))
    with TestClient(app, client=("192.0.2.1", 50000), raise_server_exceptions=False) as client:
        yield client


def code(answer: httpx.Response) -> str:
    """Return the code of the problem that *answer* is."""
    found: str = answer.json()["code"]
    return found


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows *token*."""
    return {"Authorization": f"Bearer {token}"}
