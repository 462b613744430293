"""docs/reference/http.md and lock.md against the service and the lock."""

from __future__ import annotations

import json
import re
from pathlib import Path

from api.http.app import make_app
from api.http.bodies import ResolveBody
from api.http.settings import ServiceSettings
from resolver.lock import render_lock
from tests.resolver.locks import lock, pin, target

DOCS = Path(__file__).parents[2] / "docs/reference"
HTTP, LOCK = (DOCS / "http.md").read_text(), (DOCS / "lock.md").read_text()


def test_every_endpoint_is_documented() -> None:
    app = make_app(ServiceSettings(index_url="https://index.example/simple/"))
    paths = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    documented = set(re.findall(r"^\| `((?:GET|POST) /\S*)`", HTTP, re.MULTILINE))
    assert documented == paths | {f"GET {app.openapi_url}"}


def test_every_member_of_the_body_is_documented() -> None:
    table = HTTP[HTTP.index("| member |") : HTTP.index("The options mean")]
    documented = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")
    }
    assert documented == set(ResolveBody.model_fields)


def test_the_limits_are_those_of_the_settings() -> None:
    settings = ServiceSettings()
    for number in (settings.largest_body, settings.most_requirements, settings.most_targets):
        assert f"{number:,}" in HTTP


def test_every_key_of_a_lock_is_documented() -> None:
    value = json.loads(render_lock(lock(target(pin("ping==1.0"), roots={"ping": ("ping",)}))))
    documented = set(re.findall(r"`([a-z-]+)`", LOCK))
    assert set(value) | set(value["targets"][0]) | set(value["targets"][0]["pins"][0]) <= documented
