"""The service against its own OpenAPI document: schemathesis asks it everything that the document allows, and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

from api.http.app import make_app
from api.http.settings import ServiceSettings
from tests.e2e.machines import Machine
from tests.support.world import World

#: Examples of one operation.
EXAMPLES = 15


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A service with a catalog that knows a few projects and has a pinned snapshot."""
    machine = Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)
    catalog = machine.home / "catalog"
    machine.mach("crawl", "idna", "installer", "pyproject-hooks", "-q", "--db", catalog)
    machine.mach("db", "pin", "now", "--db", catalog)
    given = {"db": str(catalog), "index_url": world.url, "workers": 1, "fill": "off"}
    yield make_app(ServiceSettings.model_validate(given))
    shutdown_lifespans()


@pytest.fixture(scope="module")
def interface(service: FastAPI) -> schemathesis.BaseSchema:
    """The document of the service, asked for without a network."""
    found = schemathesis.openapi.from_asgi("/openapi.json", service)
    found.config.seed = 1
    found.config.generation.max_examples = EXAMPLES
    # that a text is a list of requirements which have an answer is nothing that a schema can say
    found.config.checks.positive_data_acceptance.enabled = False
    # what is too much in a list may be too much altogether
    found.config.checks.negative_data_rejection.expected_statuses += ["413"]

    # every other request asks for what there is
    @found.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        if path_parameters and len(str(path_parameters.get("name"))) % 2:
            kind = context.operation.path.split("/")[1]
            path_parameters["name"] = {"projects": "idna", "snapshots": "now"}.get(kind, "0" * 64)
        return path_parameters

    described = {"$ref": "#/components/schemas/ResolveBody", "components": found.raw_schema["components"]}
    allowed = jsonschema_rs.validator_for(described)

    @found.hook
    def map_body(_: Any, body: Any) -> Any:
        asked = len(str(body)) % 2 == 0
        # what the document forbids stays as it is: it shall be refused
        if isinstance(body, dict) and "requirements" in body and asked and allowed.is_valid(body):
            return {"requirements": "idna", "pre": True}
        return "idna" if isinstance(body, str) and asked else body

    return found


def test_the_service_does_what_its_document_says(interface: schemathesis.BaseSchema) -> None:
    statuses: dict[str, Counter[int]] = {}
    failures: dict[tuple[str, str], str] = {}
    for event in from_schema(interface).execute():
        assert not isinstance(event, events.FatalError), event
        if isinstance(event, events.NonFatalError):
            failures[event.label, "error"] = str(event.value)
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case in event.recorder.interactions.values():
            if case.response is not None:
                statuses.setdefault(event.recorder.label, Counter())[case.response.status_code] += 1
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    told = f"{failure.title}: {failure.message}\n{check.failure_info.code_sample}"
                    failures[event.recorder.label, check.name] = told[:2_000]
    assert not failures, "\n\n".join(f"{name} {text}" for name, text in failures.items())
    asked = {label for label in statuses if " /" in label}
    paths = interface.raw_schema["paths"]
    assert asked == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert all(codes[405] for label, codes in statuses.items() if label in asked)
    # what is left to the next test takes more than chance
    for label in asked - {"POST /resolve", "POST /diff", "GET /resolutions/{name}"}:
        assert statuses[label][200], f"{label} was never answered: {statuses[label]}"


def test_answers_have_the_form_that_the_document_tells(service: FastAPI, interface: schemathesis.BaseSchema) -> None:
    """Those of which a search by chance finds only the refusals."""
    with TestClient(service) as client:
        before = client.post("/resolve", content="idna<3.4", headers={"Content-Type": "text/plain"})
        after = client.post("/resolve", content="idna", headers={"Content-Type": "text/plain"})
        asked = {"before": before.headers["Mach-Resolution"], "after": after.text}
        answers = {
            ("POST", "/resolve"): after,
            ("POST", "/diff"): client.post("/diff", json=asked),
            ("GET", "/resolutions/{name}"): client.get(before.headers["Content-Location"]),
            ("GET", "/snapshots"): client.get("/snapshots"),
            ("GET", "/snapshots/{name}"): client.get("/snapshots/now"),
            ("GET", "/projects/{name}"): client.get("/projects/idna"),
        }
        for (method, path), answer in answers.items():
            assert answer.status_code == 200, answer.text
            operation = interface[path][method]
            operation.validate_response(answer)
