"""Whatever comes in from outside, only errors of ours come out: requirements, options, locks, HTTP bodies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.asking import Choices, ask
from api.http.app import make_app
from api.http.settings import ServiceSettings
from api.service import render_folder, render_nix
from crawler.settings import IndexSettings
from resolver.check import check_lock
from resolver.errors import MachError
from resolver.export import to_pylock, to_requirements
from resolver.graph import render_tree, render_why, tree_to_json, why
from resolver.lock import parse_lock, render_lock
from resolver.lock_request import request_from_json, request_to_json
from tests.api.bad_input.texts import any_text, json_values, lines, requirement_like
from tests.e2e.machines import Machine

SETTINGS = IndexSettings(indexes=("http://127.0.0.1:1/simple/",))
FUZZ = settings(max_examples=150, deadline=None)


def well_told(error: MachError) -> None:
    """Hold an error to what a user may expect of every one."""
    text = str(error)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 5_000, "a message that nobody reads to its end"
    assert "Traceback" not in text
    json.dumps(error.to_json()).encode()


def attempt(**inputs: object) -> None:
    try:
        asked = ask(read=None, environ={}, settings=SETTINGS, **inputs)  # type: ignore[arg-type]
    except MachError as error:
        well_told(error)
        return
    value = json.loads(json.dumps(request_to_json(asked.request)))
    assert request_to_json(request_from_json(value)) == value
    assert json.dumps(value, ensure_ascii=False).encode().decode().isprintable()


@FUZZ
@given(text=st.builds("\n".join, lines) | st.text(max_size=200))
def test_requirements_files(text: str):
    attempt(texts={"requirements.txt": text}, choices=Choices())


@FUZZ
@given(arguments=st.lists(requirement_like | any_text, min_size=1, max_size=3))
def test_requirements_as_arguments(arguments: list[str]):
    attempt(arguments=arguments, choices=Choices())


@FUZZ
@given(
    python=st.none() | any_text | st.sampled_from(["3.11", "3.9", "3.11.4", "3.13t", "4"]),
    systems=st.lists(any_text | st.sampled_from(["x86_64-linux", "x86_64-darwin", "aarch64-darwin"]), max_size=3),
    providers=st.lists(
        any_text | st.sampled_from(["wheel", "sdist,wheel", "idna=wheel", "conda", "=", "idna="]), max_size=3
    ),
    prefer=any_text | st.sampled_from(["newest", "provider"]),
    as_of=st.none()
    | any_text
    | st.datetimes().map(str)
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30", "2024-W01-1", "-1"]),
)
def test_options(python: str | None, systems: list[str], providers: list[str], prefer: str, as_of: str | None):
    choices = Choices(
        pythons=() if python is None else (python,),
        systems=tuple(systems),
        providers=tuple(providers),
        prefer=prefer,
        as_of=() if as_of is None else (as_of,),
    )
    attempt(arguments=["idna"], choices=choices)


@FUZZ
@given(
    url=any_text | st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "file", "ftp"]), any_text, any_text)
)
def test_index_urls(url: str):
    try:
        ask(arguments=["idna"], choices=Choices(index_url=url), read=None, environ={"PIP_CONFIG_FILE": "/dev/null"})
        ask(
            arguments=["idna"],
            choices=Choices(),
            read=None,
            environ={"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": url},
        )
    except MachError as error:
        well_told(error)


@FUZZ
@given(text=json_values.map(json.dumps) | any_text)
def test_locks(text: str):
    try:
        parse_lock(text)
    except MachError as error:
        well_told(error)


def places(value: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the path of everything in a JSON document."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def changed(value: object, at: tuple[object, ...], new: object) -> object:
    """Return *value* with another value at a path."""
    if not at:
        return new
    if isinstance(value, dict):
        return {k: changed(v, at[1:], new) if k == at[0] else v for k, v in value.items()}
    assert isinstance(value, list)
    return [changed(v, at[1:], new) if k == at[0] else v for k, v in enumerate(value)]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_locks_that_differ_in_one_place_from_a_good_one(data: st.DataObject, filled: Machine):
    good = json.loads(filled.read("mach.lock"))
    at = data.draw(st.sampled_from(sorted(places(good), key=str)))
    new = data.draw(
        json_values | requirement_like | st.sampled_from(["file:///etc/passwd", "http://a/${x}.whl", "1.0"])
    )
    try:
        lock = parse_lock(json.dumps(changed(good, at, new)))
    except MachError as error:
        well_told(error)
        return
    assert parse_lock(render_lock(lock)) == lock
    for use in (
        lambda: render_nix(lock),
        lambda: render_folder(lock),
        lambda: to_pylock(lock.targets),
        lambda: to_requirements(lock.targets[0], hashes=True),
        lambda: render_tree(lock.targets[0], invert=True),
        lambda: tree_to_json(lock.targets[0]),
        lambda: render_why(why(lock.targets[0], "idna")),
        lambda: check_lock(lock, request_from_json(lock.request)),
    ):
        try:
            shown = use()
        except MachError as error:
            well_told(error)
        else:
            # what goes to a terminal cannot steer it
            for text in shown.values() if isinstance(shown, dict) else [shown] if isinstance(shown, str) else []:
                if isinstance(text, str):
                    assert text.replace("\n", "").replace("\t", "").isprintable(), (at, new)


@pytest.fixture(scope="module")
def client(filled: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service, offline, with the filled catalog."""
    catalog = tmp_path_factory.mktemp("service") / "catalog.sqlite3"
    shutil.copy(filled.home / "catalog.sqlite3", catalog)
    app = make_app(ServiceSettings(db=str(catalog), fill="off", workers=1, index_url=filled.index_url))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def well_answered(response: Response) -> None:
    assert response.status_code in (200, 400, 404, 405, 406, 409, 413, 415, 422, 424), response.text
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["code"]
        assert problem["title"]
        assert response.text.isprintable(), "curl shows it on a terminal"


@settings(max_examples=120, deadline=None)
@given(
    body=st.builds("\n".join, lines).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=200),
    kind=st.sampled_from(["text/plain", "text/plain; charset=utf-16", "application/json", "", "x/y", "text/plain\x00"]),
)
def test_bodies(client: TestClient, body: bytes, kind: str):
    well_answered(client.post("/resolve", content=body, headers={"Content-Type": kind.encode()}))


_FIELDS = {
    "requirements": st.builds("\n".join, lines) | st.lists(requirement_like) | json_values,
    "constraints": st.builds("\n".join, lines) | json_values,
    "python": st.sampled_from(["3.12", "3.9", None]) | json_values,
    "platforms": st.lists(st.sampled_from(["x86_64-linux", "x"])) | json_values,
    "providers": st.lists(st.sampled_from(["wheel", "a=sdist"])) | json_values,
    "prefer": st.sampled_from(["newest"]) | json_values,
    "pre": st.booleans() | json_values,
    "as_of": st.sampled_from(["2024-01-01", None]) | json_values,
    "snapshot": json_values,
}


@settings(max_examples=150, deadline=None)
@given(
    body=st.fixed_dictionaries(
        {"requirements": _FIELDS["requirements"]}, optional={k: v for k, v in _FIELDS.items() if k != "requirements"}
    )
    | json_values,
    query=st.sampled_from(["", "?format=nix", "?format=lock", "?format=%00%1b", "?x", "?format=" + "a" * 99]),
    accept=st.sampled_from(["", "text/x-nix", "*/*", "application/*;q=0", "text/html", ",,;"]),
)
def test_json_bodies(client: TestClient, body: object, query: str, accept: str):
    headers = {"Content-Type": "application/json", "Accept": accept}
    well_answered(client.post(f"/resolve{query}", content=json.dumps(body).encode(), headers=headers))


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"requirements": ' + b"9" * 9_999 + b"}", b'"\\ud800"', b"\xff\xfe", b""]
)
def test_json_that_breaks_parsers(client: TestClient, body: bytes):
    well_answered(client.post("/resolve", content=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/resolve"), ("GET", "/../../etc/passwd"), ("POST", "/%1b%00"), ("PUT", "/healthz")]
)
def test_other_paths(client: TestClient, method: str, path: str):
    well_answered(client.request(method, path))
