"""``mach serve`` as a process: what POST /resolve takes and answers, and every family of error as a problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.asking import this_system
from api.serving.forms import FORMS
from resolver import __version__
from tests.e2e.machines import Machine
from tests.support.world import World

LOCK, NIX, PROBLEM = "application/json", "text/x-nix", "application/problem+json"
TEXT = {"Content-Type": "text/plain"}
SECRET = "the-operators-secret"


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that the service of this module runs on; tests of its answers only read it."""
    home = tmp_path_factory.mktemp("operator")
    machine = Machine(home=home, index_url=world.url, environ={"OPERATORS_SECRET": SECRET})
    machine.write("secret.txt", f"{SECRET}\n")
    machine.mach("crawl", "idna", "-q")
    return machine


@pytest.fixture(scope="module")
def service(operator: Machine) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with operator.serve() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def resolve(service: httpx.Client, body: Any, **more: Any) -> httpx.Response:
    if isinstance(body, str | bytes):
        return service.post("/resolve", content=body, headers={**TEXT, **more.pop("headers", {})}, **more)
    return service.post("/resolve", json=body, **more)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of *answer*, which must be this one."""
    value: dict[str, Any] = answer.json()
    assert (answer.status_code, value["code"]) == (status, code), value
    assert answer.headers["content-type"] == PROBLEM
    assert value["status"] == status
    assert value["type"] == f"urn:mach:error:{code}"
    assert value["title"]
    return value


def test_it_says_that_it_lives(service: httpx.Client) -> None:
    answer = service.get("/healthz")
    assert answer.json() == {"status": "ok", "version": __version__}


# ---- requests


def test_text_and_json_ask_for_the_same(service: httpx.Client, operator: Machine) -> None:
    text = resolve(service, "requests<2.32 # as ever\nidna\n").text
    assert text == operator.mach("lock", "requests<2.32", "idna", "-o", "-").stdout
    assert resolve(service, {"requirements": "requests<2.32\nidna"}).text == text
    assert resolve(service, {"requirements": ["idna", "requests<2.32"]}).text == text
    without_type = service.post("/resolve", content=b"requests<2.32\nidna\n")
    assert without_type.text == text


def test_every_resolution_says_what_it_did(service: httpx.Client, operator: Machine) -> None:
    told = resolve(service, "requests<2.32\n").headers["Mach-Statistics"]
    numbers = dict(part.split("=") for part in told.split(", "))
    lock = operator.mach("lock", "requests<2.32", "-o", "again.lock", "--json")
    assert {name.replace("_", "-") for name in json.loads(lock.stdout)["statistics"]} == numbers.keys()
    assert int(numbers["rounds"]) >= 5
    assert "rounds=" in resolve(service, "idna>=99\n").headers["Mach-Statistics"]


def test_everything_that_may_be_asked_for(service: httpx.Client, operator: Machine) -> None:
    body = {
        "requirements": ["urllib3", "idna"],
        "constraints": "idna<3.10\n",
        "python": "3.11.9",
        "platforms": ["x86_64-linux", "aarch64-darwin"],
        "providers": ["wheel", "idna=wheel"],
        "prefer": "newest",
        "pre": True,
        "as_of": "2023-11-01",
    }
    lock = json.loads(resolve(service, body).text)
    assert [target["system"] for target in lock["targets"]] == ["aarch64-darwin", "x86_64-linux"]
    assert {target["python"] for target in lock["targets"]} == {"3.11.9"}
    versions = {pin["name"]: pin["version"] for pin in lock["targets"][0]["pins"]}
    assert versions == {"idna": "3.4", "urllib3": "2.0.7"}
    snapshot = operator.mach("db", "pin", "now", "--replace").stdout.strip()
    pinned = {**body, "snapshot": "now"}
    assert json.loads(resolve(service, pinned).text) == {**lock, "snapshot": snapshot}


def test_parallel_requests_on_an_empty_catalog_get_the_same_bytes(machine: Machine) -> None:
    with machine.serve() as url, httpx.Client(base_url=url, timeout=120) as client:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: resolve(client, "requests[socks]\nrich\n"), range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
    assert machine.mach("lock", "requests[socks]", "rich", "--offline", "-o", "-").stdout == answers[0].text
    assert machine.mach("db", "verify", "--json").json == {"intact": True}


# ---- content negotiation


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        (None, "", LOCK),
        ("*/*", "", LOCK),
        ("application/json", "", LOCK),
        ("application/*", "", LOCK),
        ("text/x-nix", "", NIX),
        ("Text/X-Nix; charset=utf-8", "", NIX),
        ("text/*", "", NIX),
        ("text/html, text/x-nix, */*;q=0.1", "", NIX),
        ("application/json;q=0.1, text/x-nix", "", NIX),
        ("text/x-nix;q=0.2, application/json;q=0.9", "", LOCK),
        ("text/x-nix;q=0, */*", "", LOCK),
        ("application/json;q=0, */*", "", NIX),
        ("application/json", "?format=nix", NIX),
        ("text/x-nix", "?format=lock", LOCK),
        ("image/png", "?format=nix", NIX),
    ],
)
def test_accept_and_format_choose_the_form(service: httpx.Client, accept: str | None, query: str, kind: str) -> None:
    request = service.build_request("POST", f"/resolve{query}", content=b"idna\n", headers=TEXT)
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = service.send(request)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["vary"] == "Accept"
    assert answer.text.startswith("{" if kind == LOCK else "# Made by mach")


@pytest.mark.parametrize(
    ("accept", "query"), [("image/png", ""), ("application/json;q=0", ""), ("*/*", "?format=yaml")]
)
def test_what_cannot_be_given_is_not_acceptable(service: httpx.Client, accept: str, query: str) -> None:
    answer = service.post(f"/resolve{query}", content=b"idna\n", headers={**TEXT, "Accept": accept})
    assert problem(answer, 406, "not-acceptable")["hint"]


# ---- problems


def test_a_wrong_request_is_told_with_its_line(service: httpx.Client) -> None:
    told = problem(resolve(service, "idna\nrequests=>2\n"), 400, "invalid-requirement")
    assert any("requirements.txt:2" in line for line in [told["title"], *told["context"]])
    problem(resolve(service, "\n# nothing\n"), 400, "empty-request")
    problem(resolve(service, {"requirements": "idna", "python": "3.99"}), 400, "unsupported-python")
    problem(resolve(service, {"requirements": "idna", "as_of": "yesterday"}), 400, "invalid-date")
    problem(resolve(service, {"requirements": "idna", "snapshot": "never-given"}), 400, "unknown-snapshot")


def test_no_solution_is_unprocessable_and_holds_the_reason(service: httpx.Client) -> None:
    told = problem(resolve(service, "idna>=99\n"), 422, "no-such-version")
    assert "idna>=99" in json.dumps(told)
    problem(resolve(service, "nobody-has-this\n"), 422, "unknown-project")


def test_facts_that_are_missing_are_a_failed_dependency(machine: Machine) -> None:
    with machine.serve("--fill", "off") as url, httpx.Client(base_url=url, timeout=60) as client:
        machine.mach("crawl", "certifi", "-q")
        told = problem(resolve(client, "idna\n"), 424, "not-covered")
        assert "idna" in {page["project"] for page in told["details"]["pages"]}


def test_an_index_that_is_gone_makes_the_service_unavailable(machine: Machine) -> None:
    gone = Machine(home=machine.home, index_url="http://127.0.0.1:9/simple/")
    with gone.serve() as url, httpx.Client(base_url=url, timeout=60) as client:
        answer = resolve(client, "idna\n")
        assert answer.status_code == 503
        told = problem(answer, 503, answer.json()["code"])
        assert "the operator of this service" in told["hint"], "and no option of the command line"
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[1, 2",
        b"null",
        b'{"requirements": 7}',
        b'{"requirements": "idna", "lock": "x"}',
        b"[" * 100_000,
        b'{"requirements": "idna\\ud800"}',
        b"\xff\xfe",
    ],
)
def test_a_body_of_another_form_is_refused(service: httpx.Client, body: bytes) -> None:
    answer = service.post("/resolve", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    problem(answer, 400, answer.json()["code"])


def test_other_types_paths_and_methods(service: httpx.Client) -> None:
    answer = service.post("/resolve", content=b"idna", headers={"Content-Type": "application/xml"})
    problem(answer, 415, "unsupported-media-type")
    told = service.get("/nothing")
    problem(told, 404, "not-found")
    assert "/docs" in told.json()["hint"]
    told = service.get("/resolve")
    problem(told, 405, "method-not-allowed")
    assert told.json()["hint"] == "what is allowed: POST; see /docs"
    assert told.headers["allow"] == "POST"
    problem(service.post(f"/resolve?format={'x' * 21}", content=b"idna", headers=TEXT), 400, "invalid-parameters")


def test_what_is_too_much_is_refused(service: httpx.Client) -> None:
    large = b"#" * 1_000_001
    problem(resolve(service, large), 413, "body-too-large")
    chunked = service.post("/resolve", content=iter([large[:600_000], large[600_000:]]), headers=TEXT)
    problem(chunked, 413, "body-too-large")
    problem(resolve(service, "idna\n" * 2001), 400, "too-many-requirements")
    systems = [this_system()] * 7
    assert resolve(service, {"requirements": "idna", "platforms": systems}).status_code == 200, "one, named seven times"


@pytest.mark.parametrize(
    "line",
    [
        "-r secret.txt",
        "-r /etc/passwd",
        "-c secret.txt",
        "--requirement=file:///etc/passwd",
        "--index-url http://127.0.0.1:9/simple/",
        "--extra-index-url http://127.0.0.1:9/simple/",
        "--find-links /etc",
        "-e .",
        "./secret.txt",
        "idna @ file:///etc/passwd",
        "idna @ http://127.0.0.1:9/idna.whl",
        "idna @ git+https://forge.example/idna.git",
    ],
)
def test_nothing_that_a_request_names_is_read_or_fetched(service: httpx.Client, line: str) -> None:
    for answer in (
        resolve(service, f"idna\n{line}\n"),
        resolve(service, {"requirements": "idna", "constraints": line}),
    ):
        assert answer.status_code == 400
        told = problem(answer, 400, answer.json()["code"])
        assert SECRET not in answer.text
        assert "root:" not in answer.text
        assert told["context"] or told["hint"]


def test_the_operators_environment_stays_his_own(service: httpx.Client) -> None:
    answer = resolve(service, "idna==${OPERATORS_SECRET}\n")
    assert answer.status_code == 400
    assert SECRET not in answer.text


# ---- the document


def test_the_openapi_document_describes_it(service: httpx.Client) -> None:
    document = service.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/resolve", "/resolutions/{name}", "/diff", "/healthz"} <= set(document["paths"])
    operation = document["paths"]["/resolve"]["post"]
    assert set(operation["requestBody"]["content"]) == {"text/plain", "application/json", "multipart/form-data"}
    assert set(operation["responses"]["200"]["content"]) == {form.media_type for form in FORMS.values()}
    described = {status for status, answer in operation["responses"].items() if PROBLEM in answer.get("content", {})}
    assert described >= {"400", "406", "413", "415", "422", "424", "503"}
    for reference in find_references(document):
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(ids)) == len(ids)


def find_references(value: Any) -> Iterator[str]:
    """Yield every ``$ref`` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from find_references(each)
