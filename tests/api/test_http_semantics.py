"""``mach serve`` as RFC 9110 and its own reference promise: HEAD, queries, what is not there, what is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.http import resolving
from api.http.problems import problem_of
from api.http.telling import for_clients
from api.serving.resolution import Resolution
from resolver.errors import DataError, InputError, MachError, NoSolution, Unavailable
from tests.e2e.machines import Machine
from tests.support.service import TEXT, code, serving
from tests.support.world import World

#: Headers of an answer that are of the moment.
PASSING = ("date", "x-request-id", "last-modified")


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that the service of this module runs on."""
    machine = Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)
    machine.mach("crawl", "idna", "installer", "pyproject-hooks", "-q", "--db", "catalog.db")
    machine.mach("db", "pin", "now", "--db", "catalog.db")
    return machine


@pytest.fixture(scope="module")
def service(operator: Machine) -> Iterator[TestClient]:
    """A client of a service in this process."""
    with serving(operator) as client:
        yield client


@pytest.fixture(scope="module")
def process(operator: Machine) -> Iterator[httpx.Client]:
    """A client of a service as a process: what a server makes of the answers is seen by this one alone."""
    given = ("--workers", "1", "--db", "catalog.db")
    with operator.serve(*given) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def lasting(answer: httpx.Response) -> dict[str, str]:
    """Return the headers of *answer* that another answer to the same has, too."""
    return {name: value for name, value in answer.headers.items() if name not in PASSING}


# ---- HEAD


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/favicon.ico",
        "/healthz",
        "/readyz",
        "/version",
        "/openapi.json",
        "/snapshots",
        "/snapshots/now",
        "/projects/idna",
        "/projects/nobody-knows-this",
        "/nothing",
    ],
)
def test_head_gives_the_headers_of_get_and_no_content(process: httpx.Client, path: str, accept: str) -> None:
    got = process.get(path, headers={"Accept": accept})
    head = process.head(path, headers={"Accept": accept})
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert lasting(head) == lasting(got)
    assert int(head.headers["Content-Length"]) == len(got.content)


def test_permanent_links_answer_head(process: httpx.Client) -> None:
    solved = process.post("/resolve", content="idna\n", headers=TEXT)
    for suffix in ("", ".lock", ".nix", ".svg"):
        link = f"/resolutions/{solved.headers['Mach-Resolution']}{suffix}"
        got, head = process.get(link), process.head(link)
        assert (head.status_code, head.content, lasting(head)) == (200, b"", lasting(got))
    assert process.head(link, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_a_snapshot_is_not_exported_to_tell_its_headers(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    got = service.get("/snapshots/newest/facts")
    monkeypatch.setattr("db.transfer.export_snapshot", None)  # nothing can be exported from here on
    service.app.state.mach.exports._files.clear()
    head = service.head("/snapshots/newest/facts", headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    told = lasting(got)
    del told["content-length"]
    assert lasting(head) == told
    assert service.head("/snapshots/newest/facts", headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_head_is_read_by_a_server_as_get_without_a_body(process: httpx.Client) -> None:
    """The connection stays usable: nothing of one answer is read as the beginning of the next."""
    for _ in range(3):
        assert process.head("/snapshots/newest/facts").content == b""
        assert process.head("/metrics").content == b""
        assert process.get("/healthz").json()["status"] == "ok"


def test_head_is_counted_as_head(service: TestClient) -> None:
    service.head("/snapshots/now")
    figures = service.get("/metrics").text
    assert 'mach_request_seconds_count{method="HEAD",path="/snapshots/{name}",status="200"}' in figures


def test_the_document_has_each_operation_once(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    assert {method for methods in paths.values() for method in methods} == {"get", "post"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/resolve", "POST"),
        ("GET", "/diff", "POST"),
        ("POST", "/version", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD, POST"),
        ("PUT", "/openapi.json", "GET, HEAD"),
        ("POST", "/resolutions/x", "GET, HEAD"),
    ],
)
def test_what_is_allowed_at_an_address_is_told(service: TestClient, method: str, path: str, allowed: str) -> None:
    answer = service.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert (code(answer), allowed in answer.json()["hint"]) == ("method-not-allowed", True)


# ---- queries


@pytest.mark.parametrize(
    ("path", "named", "known"),
    [
        ("/snapshots?least=3", "'least'", "most"),
        ("/snapshots?most=3&Most=4", "'Most'", "most"),
        ("/snapshots/now?format=json", "'format'", "no parameters"),
        ("/snapshots/now/facts?format=json", "'format'", "no parameters"),
        ("/projects/idna?snapshots=now", "'snapshots'", "snapshot"),
        ("/resolutions/x?form=nix", "'form'", "format, platform"),
        ("/version?x=1&y=2&x=3", "'x', 'y'", "no parameters"),
        ("/metrics?x=", "'x'", "no parameters"),
    ],
)
def test_a_parameter_that_would_be_passed_over_is_refused(
    service: TestClient, path: str, named: str, known: str
) -> None:
    answer = service.get(path)
    assert (answer.status_code, code(answer)) == (400, "invalid-parameters")
    assert named in answer.json()["title"]
    assert known in answer.json()["hint"]


def test_parameters_of_what_is_posted_count_as_well(service: TestClient) -> None:
    for query in ("foo=bar", "format=lock&format=nix", "format=tree&pythons=3.12"):
        answer = service.post(f"/resolve?{query}", content="idna", headers=TEXT)
        assert (answer.status_code, code(answer)) == (400, "invalid-parameters"), query
    assert "format" in service.post("/resolve?format=lock&format=nix", content="idna", headers=TEXT).json()["title"]
    assert code(service.post("/diff?x=1", json={"before": "{}", "after": "{}"})) == "invalid-parameters"
    assert service.post("/resolve?format=tree", content="idna", headers=TEXT).status_code == 200


def test_links_to_pages_may_get_parameters_on_their_way(service: TestClient) -> None:
    for path in ("/", "/docs", "/snapshots", "/snapshots/now", "/projects/idna"):
        assert service.get(f"{path}?utm_source=x", headers={"Accept": "text/html"}).status_code == 200, path
    assert service.get("/healthz?at=1").status_code == 200, "watchers are told"
    twice = service.get("/snapshots?most=1&most=2", headers={"Accept": "text/html"})
    assert (twice.status_code, twice.headers["Mach-Problem"]) == (400, "invalid-parameters")


# ---- snapshots that there are not


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_an_unknown_snapshot_is_told_without_the_operators_files(
    service: TestClient, operator: Machine, accept: str
) -> None:
    known = {"Accept": accept}
    body = {"requirements": "idna", "snapshot": "nope"}
    answers = {
        404: [service.get("/snapshots/nope", headers=known), service.get("/snapshots/nope/facts", headers=known)],
        400: [
            service.get("/projects/idna?snapshot=nope", headers=known),
            service.post("/resolve", json=body),
            service.post("/", files={name: (None, text) for name, text in body.items()}, headers=known),
        ],
    }
    for status, some in answers.items():
        for answer in some:
            assert (answer.status_code, answer.headers["Mach-Problem"]) == (status, "unknown-snapshot")
            assert str(operator.home) not in answer.text
            assert "catalog.db" not in answer.text
            assert "mach db" not in answer.text
            assert "/snapshots lists the ids and names that there are" in answer.text


@pytest.mark.parametrize(
    "error",
    [
        DataError("unknown-generation", "the catalog /srv/mach has generations up to 3, not 7", hint="see /srv/mach"),
        Unavailable("export-unwritable", "/srv/mach/x.mach cannot be written: no space", hint="free space"),
        Unavailable("catalog-locked", "another process is writing to /srv/mach", context=["it is /srv/mach"]),
        InputError("unknown-snapshot", "there is no snapshot 'x'", context=["the catalog is /srv/mach"]),
    ],
)
def test_no_error_tells_where_the_catalog_lies(error: MachError) -> None:
    told = for_clients(error)
    assert (type(told), told.code) == (type(error), error.code)
    assert "/srv/mach" not in f"{told} {told.details}"
    assert told.hint
    document = problem_of(error)
    assert b"/srv/mach" not in bytes(document.body)


# ---- what a client has already


def spellings(etag: str) -> list[str]:
    """Return values of If-None-Match that name *etag* (RFC 9110, 13.1.2)."""
    return [etag, f"W/{etag}", f'"other", {etag}', f'W/"a,b" ,W/{etag},"c"', "*", f'"",{etag}']


def test_whoever_has_an_answer_is_told_so_however_the_tag_is_written(service: TestClient) -> None:
    solved = service.post("/resolve", content="idna\n", headers=TEXT)
    link = f"/resolutions/{solved.headers['Mach-Resolution']}"
    paths = [(path, "*/*") for path in (f"{link}.lock", f"{link}.nix", "/snapshots/now/facts")]
    paths += [(path, "text/html") for path in (link, "/snapshots", "/projects/idna", "/docs")]
    for path, accept in paths:
        first = service.get(path, headers={"Accept": accept})
        etag = first.headers["ETag"]
        for shown in spellings(etag):
            again = service.get(path, headers={"Accept": accept, "If-None-Match": shown})
            assert (again.status_code, again.content) == (304, b""), (path, shown)
            assert again.headers["ETag"] == etag
        for shown in (etag.strip('"'), f'"x{etag[1:]}', f"w/{etag}", "W/*", '"*"', "", etag[:-1]):
            again = service.get(path, headers={"Accept": accept, "If-None-Match": shown})
            assert again.status_code == 200, (path, shown)


def test_why_there_is_no_solution_can_be_kept_for_ever(service: TestClient) -> None:
    first = service.post("/resolve", content="idna>=99\n", headers=TEXT)
    again = service.get(first.headers["Content-Location"])
    for answer in (first, again):
        assert answer.status_code == 422
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["ETag"].startswith('"')
    assert first.headers["ETag"] == again.headers["ETag"]
    conditional = service.get(first.headers["Content-Location"], headers={"If-None-Match": again.headers["ETag"]})
    assert conditional.status_code == 422, "conditions are for what succeeds (RFC 9110, 13.2.1)"


def test_what_was_given_up_is_not_kept(service: TestClient) -> None:
    """The next search may find an answer."""
    error = NoSolution("gave-up", "no answer was found within 9 rounds")
    found = Resolution(id="0" * 64, request={}, lock=None, problem=error.to_json())
    answer = asyncio.run(resolving._respond(service.app.state.mach, found, "lock", None, None))
    assert (answer.status_code, answer.headers["Mach-Problem"]) == (422, "gave-up")
    assert not {"etag", "cache-control"} & set(answer.headers)


# ---- problems


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/assets/nothing.css", 404),
        ("DELETE", "/version", 405),
        ("GET", "/resolve", 405),
        ("GET", "/snapshots?most=none", 400),
        ("GET", "/snapshots?least=1", 400),
        ("GET", "/snapshots/nope", 404),
        ("POST", "/resolve", 400),
    ],
)
def test_every_problem_has_all_members(service: TestClient, method: str, path: str, status: int) -> None:
    answer = service.request(method, path)
    told = answer.json()
    assert (answer.status_code, told["status"]) == (status, status)
    assert set(told) == {"type", "title", "status", "code", "context", "hint", "details"}
    assert isinstance(told["context"], list)
    assert isinstance(told["details"], dict)
    assert told["hint"]


def test_a_catalog_that_is_gone_is_told_with_all_members(tmp_path: Path, world: World) -> None:
    machine = Machine(home=tmp_path, index_url=world.url)
    machine.write("catalog.db", "")
    with serving(machine) as client:
        for file in tmp_path.glob("catalog.db*"):
            file.unlink()
        machine.write("catalog.db", "this is no catalog" * 100)
        answer = client.get("/snapshots")
        assert answer.status_code == 503
        assert set(answer.json()) == {"type", "title", "status", "code", "context", "hint", "details"}
        assert str(tmp_path) not in answer.text


# ---- hints


@pytest.mark.parametrize(
    ("body", "wrong", "told"),
    [
        ({"requirements": "nobody-has-this"}, "unknown-project", "the operator of this service"),
        ({"requirements": "# nothing"}, "empty-request", "name at least one project"),
        ({"requirements": "rich", "snapshot": "now"}, "not-covered", "leave the snapshot out"),
        ({"requirements": "idna", "python": "3.2"}, "unsupported-python", "take another version, for example 3."),
        ({"requirements": "idna", "platforms": ["vax-vms"]}, "unknown-platform", "for example x86_64-linux"),
    ],
)
def test_hints_lead_somewhere_over_http(service: TestClient, body: dict[str, Any], wrong: str, told: str) -> None:
    """Nobody who asks a service can give it options of the command line."""
    answer = service.post("/resolve", json=body)
    assert code(answer) == wrong
    assert told in answer.json()["hint"]
    assert not re.search("--|`mach ", answer.json()["hint"])
    page = service.post("/", files=_as_form(body), headers={"Accept": "text/html"}, follow_redirects=True)
    assert answer.json()["hint"].split("; ")[0] in page.text, "people are told the same"


def test_a_fix_that_was_tried_is_a_better_hint_than_any() -> None:
    hint = "ask for a version that exists, or get newer facts with --refresh"
    bare = NoSolution("no-such-version", "no known version of idna meets idna>=99", hint=hint)
    assert for_clients(bare).hint == "ask for a version that exists"
    fixed = NoSolution(
        "no-such-version", bare.message, hint="make one of the changes", details={"fixes": [{"to": "x"}]}
    )
    assert for_clients(fixed).hint == "make one of the changes"


def _as_form(body: dict[str, Any]) -> list[tuple[str, tuple[None, str]]]:
    return [
        (name, (None, text)) for name, value in body.items() for text in ([value] if isinstance(value, str) else value)
    ]


def test_a_target_that_the_lock_lacks_is_told_with_what_to_do(service: TestClient) -> None:
    solved = service.post("/resolve", content="idna\n", headers=TEXT)
    answer = service.get(f"/resolutions/{solved.headers['Mach-Resolution']}.tree?python=3.2")
    assert code(answer) == "not-in-lock"
    assert "POST /resolve" in answer.json()["hint"]


def test_facts_that_nobody_fetches_are_the_operators_affair(operator: Machine, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, index_url=operator.index_url)
    with serving(machine, fill="off") as client:
        answer = client.post("/resolve", content="rich", headers=TEXT)
        assert (answer.status_code, code(answer)) == (424, "not-covered")
        assert answer.json()["hint"].startswith("the operator of this service can have them fetched")
        assert "--" not in answer.json()["hint"]
