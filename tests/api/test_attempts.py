"""Attempts to make the service fetch, read, run, show or forget what it must not; each is inert, and told why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.index import IndexServer
from tests.support.nix import NixStore
from tests.support.service import TEXT, bearer, serving
from tests.support.world import World

SECRET = "the-operators-secret"


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that the service runs on, with something to hide."""
    machine = Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)
    machine.write("secret.txt", f"{SECRET}\n")
    return machine


@pytest.fixture(scope="module")
def service(operator: Machine) -> Iterator[TestClient]:
    """A client of a service that fetches what it lacks from its operator's index."""
    patch = pytest.MonkeyPatch()
    patch.chdir(operator.home)
    patch.setenv("OPERATORS_SECRET", SECRET)
    with serving(operator, db=str(operator.home / "catalog")) as client:
        yield client
    patch.undo()


@pytest.fixture(scope="module")
def witness() -> Iterator[IndexServer]:
    """A server that nobody told the service of: nothing may ask it."""
    with IndexServer() as server:
        yield server


def refused(answer: httpx2.Response) -> dict[str, Any]:
    """Return the problem that *answer* must be."""
    value: dict[str, Any] = answer.json()
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert "root:" not in answer.text
    assert value["hint"] or value["context"], "what was refused is told with what to do"
    return value


# ---- fetching what a request names

LINES = [
    "idna @ {url}/idna-3.4-py3-none-any.whl",
    "idna @ {url}/idna-3.4.tar.gz#sha256=" + "0" * 64,
    "{url}/idna-3.4-py3-none-any.whl",
    "idna @ git+{url}/idna.git",
    "git+{url}/idna.git@main#egg=idna",
    "-e git+{url}/idna.git#egg=idna",
    "hg+{url}/idna#egg=idna",
    "idna @ bzr+{url}/idna",
    "idna @ svn+{url}/idna",
    "idna @ ssh://git@127.0.0.1/idna.git",
    "idna @ git+ssh://127.0.0.1/idna.git",
    "idna @ git+ext::sh%20-c%20touch%20mach-was-here",
    "-r {url}/requirements.txt",
    "-r{url}/requirements.txt",
    "--requirement={url}/requirements.txt",
    "-c {url}/constraints.txt",
    "--constraint {url}/constraints.txt",
    "--index-url {url}/simple/",
    "-i {url}/simple/",
    "-i{url}/simple/",
    "--extra-index-url={url}/simple/",
    "--find-links {url}/",
    "-f {url}/",
    "--no-index",
    "--pre --index-url {url}/simple/",
    "idna --index-url {url}/simple/",
    "idna \\\n --index-url {url}/simple/",
    "idna @ file://{home}/secret.txt",
    "idna @ file:secret.txt",
    "file://{home}/secret.txt",
    "./secret.txt",
    "../../../../etc/passwd",
    "/etc/passwd",
    "~/secret.txt",
    "-r secret.txt",
    "-r /dev/stdin",
    "-r /proc/self/environ",
    "-c file:///etc/passwd",
    "-e .",
    ".[extra]",
    "idna==${{OPERATORS_SECRET}}",
    "${{OPERATORS_SECRET}}",
    "idna @ http://169.254.169.254/latest/meta-data",
    "idna @ http://[fe80::1]/idna.whl",
    "idna @ http://0x7f000001/idna.whl",
    "idna @ http://localhost./idna.whl",
    "idna @ gopher://127.0.0.1:25/_HELO",
    "idna @ dict://127.0.0.1:11211/stats",
    "idna @ data:text/plain,idna",
    "idna @ \\\\127.0.0.1\\share\\idna.whl",
]


@pytest.mark.parametrize("line", LINES)
def test_no_line_makes_it_fetch_or_read(
    service: TestClient, operator: Machine, witness: IndexServer, line: str
) -> None:
    text = line.format(url=witness.url, home=operator.home)
    refused(service.post("/resolve", content=f"idna\n{text}\n", headers=TEXT))
    for member in ("constraints", "overrides"):
        value = [text] if member == "overrides" else text
        refused(service.post("/resolve", json={"requirements": "idna", member: value}))
    script = f"# /// script\n# dependencies = [{json.dumps(text)}]\n# ///\n"
    refused(service.post("/resolve", json={"files": {"script.py": script}}))
    assert witness.asked == ()
    assert not (operator.home / "mach-was-here").exists()


FILES = {
    "uv sources": (
        "pyproject.toml",
        '[project]\nname="a"\nversion="1"\ndependencies=["idna"]\n[tool.uv.sources]\nidna={{url="{url}/idna.whl"}}\n',
    ),
    "uv indexes": (
        "pyproject.toml",
        '[project]\nname="a"\nversion="1"\ndependencies=["idna"]\n[[tool.uv.index]]\nurl="{url}/simple/"\ndefault=true\n',
    ),
    "settings of mach": (
        "pyproject.toml",
        '[project]\nname="a"\nversion="1"\ndependencies=["idna"]\n[tool.mach]\nindex-url="{url}/simple/"\n'
        'db="{home}/other"\nfiles=["secret.txt"]\n',
    ),
    "a build backend": (
        "pyproject.toml",
        '[build-system]\nrequires=["setuptools"]\nbuild-backend="evil"\nbackend-path=["."]\n'
        '[project]\nname="a"\ndynamic=["version"]\ndependencies=["idna"]\n',
    ),
    "poetry's sources": (
        "poetry.lock",
        '[[package]]\nname="idna"\nversion="3.4"\noptional=false\npython-versions="*"\nfiles=[]\n'
        '[package.source]\ntype="url"\nurl="{url}/idna.whl"\n\n[metadata]\nlock-version="2.0"\npython-versions="*"\ncontent-hash="0"\n',
    ),
    "uv's registry": (
        "uv.lock",
        'version=1\nrequires-python=">=3.8"\n[[package]]\nname="a"\nversion="1"\nsource={{virtual="."}}\n'
        'dependencies=[{{name="idna"}}]\n[[package]]\nname="idna"\nversion="3.4"\nsource={{registry="{url}/simple"}}\n'
        'wheels=[{{url="{url}/idna-3.4-py3-none-any.whl",hash="sha256:{zeros}"}}]\n',
    ),
    "uv's path": (
        "uv.lock",
        'version=1\nrequires-python=">=3.8"\n[[package]]\nname="a"\nversion="1"\nsource={{virtual="."}}\n'
        'dependencies=[{{name="idna"}}]\n[[package]]\nname="idna"\nversion="3.4"\nsource={{path="/etc/passwd"}}\n',
    ),
    "pylock's address": (
        "pylock.toml",
        'lock-version="1.0"\ncreated-by="a"\n[[packages]]\nname="idna"\nversion="3.4"\nindex="{url}/simple"\n'
        '[[packages.wheels]]\nname="idna-3.4-py3-none-any.whl"\nurl="{url}/idna-3.4-py3-none-any.whl"\nhashes={{sha256="{zeros}"}}\n',
    ),
    "pylock's archive": (
        "pylock.toml",
        'lock-version="1.0"\ncreated-by="a"\n[[packages]]\nname="idna"\n[packages.archive]\nurl="{url}/idna.zip"\nhashes={{sha256="{zeros}"}}\n',
    ),
    "pylock's repository": (
        "pylock.toml",
        'lock-version="1.0"\ncreated-by="a"\n[[packages]]\nname="idna"\n[packages.vcs]\ntype="git"\nurl="{url}/idna.git"\ncommit-id="{zeros}"\n',
    ),
    "a script's index": (
        "script.py",
        '# /// script\n# dependencies = ["idna"]\n# [[tool.uv.index]]\n# url = "{url}/simple/"\n# ///\n',
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_a_request_makes_it_fetch_from_elsewhere(
    service: TestClient, operator: Machine, witness: IndexServer, name: str
) -> None:
    filename, text = FILES[name]
    body = {"files": {filename: text.format(url=witness.url, home=operator.home, zeros="0" * 64)}}
    answer = service.post("/resolve", json=body)
    assert answer.status_code in (200, 400, 422), answer.text
    assert witness.asked == ()
    assert witness.url not in json.dumps(answer.json().get("targets", "")), "no artifact comes from there"
    assert SECRET not in answer.text
    assert not (operator.home / "other").exists()


def test_names_are_asked_of_the_operators_index_and_nothing_else(service: TestClient, world: World) -> None:
    before = len(world.index.server.asked)
    for name in (
        *("../../admin", "idna/../../x", "idna?x=1", "idna#x", "idna%2f..%2fx", "%2e%2e", "idna\tx", "-", "."),
        *("idna;x", "idna\\x", "//127.0.0.1/x", "idna:80", "idna@x", "ıdna", "idna\u200b", "a" * 5000),
    ):
        refused(service.post("/resolve", json={"requirements": [name]}))
    service.post("/resolve", content="IDNA\nNot_Known.At-All\n", headers=TEXT)
    asked = {each.path for each in world.index.server.asked[before:]}
    assert world.index.page_path("not-known-at-all") in asked
    for path in asked:
        assert re.fullmatch(r"(/[a-z0-9-]+)?/(simple/[a-z0-9-]+/|packages/[A-Za-z0-9/._+-]+)", path), path


@pytest.mark.nix
def test_build_backends_are_asked_only_for_who_shows_a_token(operator: Machine) -> None:
    made = operator.mach("token", "ci")
    file = operator.write("tokens", made.stdout)
    body = {"requirements": "sdist-dynamic", "python": HOST_PYTHON}
    with serving(operator, db=str(operator.home / "own"), tokens=str(file)) as client:
        told = refused(client.post("/resolve", json=body))
        assert told["code"] == "not-covered"
        assert [build["project"] for build in told["details"]["builds"]] == ["sdist-dynamic"]
        assert "token" in told["hint"]
        answer = client.post("/resolve", json=body, headers=bearer(made.stderr.split()[-1]))
        assert answer.status_code == 200, answer.text
        names = {pin["name"] for pin in answer.json()["targets"][0]["pins"]}
        assert names == {"sdist-dynamic", "idna"}
        # what the backend said is a fact now, for everybody
        assert client.post("/resolve", json=body).content == answer.content


# ---- paths


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%2f..%2fhttp%2fapp.py",
        "/assets/%2e%2e/%2e%2e/http/app.py",
        "/assets//etc/passwd",
        "/assets/..\\..\\http\\app.py",
        "/assets/style.css%00.txt",
        "/resolutions/..%2f..%2f..%2fetc%2fpasswd",
        "/resolutions/" + "0" * 64 + ".lock%2f..%2f..%2fsecret.txt",
        "/resolutions/" + "0" * 64 + "%0a",
        "/resolutions/%F0%9D%9F%8E" + "0" * 63,
        "/projects/..%2f..%2fsecret.txt",
        "/projects/%2fetc%2fpasswd",
        "/projects/idna%00",
        "/snapshots/..%2f..%2fsecret.txt",
        "/snapshots/..%2fsecret.txt/facts",
        "/snapshots/%2fetc%2fpasswd/facts",
        "/snapshots/newest%00/facts",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/healthz/../../etc/passwd",
    ],
)
def test_no_path_leads_out(service: TestClient, path: str) -> None:
    for accept in ("application/json", "text/html"):
        answer = service.get(path, headers={"Accept": accept}, follow_redirects=False)
        assert answer.status_code in (400, 404), answer.text[:300]
        assert SECRET not in answer.text
        assert "root:" not in answer.text
        assert "make_app" not in answer.text


# ---- SQL


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE project; --",
        '" OR ""="',
        "idna' OR '1'='1",
        "idna') UNION SELECT text FROM index_url --",
        "%",
        "_" * 4,
        "idna\\",
        "*",
        "NULL",
        "0x69646e61",
    ],
)
def test_no_name_becomes_a_query(service: TestClient, operator: Machine, text: str) -> None:
    assert service.post("/resolve", content="idna", headers=TEXT).status_code == 200
    before = service.get("/snapshots").json()["count"]
    refused(service.get(f"/projects/{text}"))
    refused(service.get("/projects/idna", params={"snapshot": text}))
    refused(service.post("/resolve", json={"requirements": "idna", "snapshot": text}))
    refused(service.post("/diff", json={"before": text, "after": text}))
    assert service.get("/resolutions/" + "0" * 64).status_code == 404
    assert service.get("/projects/idna").status_code == 200
    assert service.get("/snapshots").json()["count"] == before


def test_the_catalog_is_whole_after_all_this(service: TestClient, operator: Machine) -> None:
    assert service.post("/resolve", content="idna", headers=TEXT).status_code == 200
    assert operator.mach("db", "verify", "--db", operator.home / "catalog", "--json").json == {"intact": True}


# ---- HTML

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


def test_programs_never_get_a_page(service: TestClient) -> None:
    for accept in ("*/*", "application/json", "text/plain", ""):
        for answer in (
            service.get(f"/projects/{MARKUP}", headers={"Accept": accept}),
            service.get(f"/resolutions/{MARKUP}", headers={"Accept": accept}),
            service.post("/resolve", content=MARKUP, headers={**TEXT, "Accept": accept or "*/*"}),
            service.post("/resolve", json={MARKUP: MARKUP}, headers={"Accept": accept or "*/*"}),
        ):
            assert answer.status_code >= 400
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_show_what_was_sent_and_do_not_run_it(service: TestClient) -> None:
    page = {"Accept": "text/html"}
    form = {"requirements": (None, f"idna\n{MARKUP}"), "python": (None, MARKUP), "snapshot": (None, MARKUP)}
    answers = [
        service.get(f"/projects/{MARKUP}", headers=page),
        service.get(f"/resolutions/{MARKUP}", headers=page),
        service.get(f"/{MARKUP}", headers=page),
        service.get("/projects/idna", params={"snapshot": MARKUP}, headers=page),
        service.get("/", params={"requirements": MARKUP}, headers=page),
        service.post("/", files=form, headers=page),
        service.get("/projects/hostile-page", headers=page),
    ]
    for answer in answers:
        assert answer.headers["Content-Type"].startswith("text/html"), answer.text[:200]
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "onerror=alert(1)>" not in answer.text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    assert any("&lt;script&gt;" in answer.text for answer in answers)


# ---- Nix and shells


@pytest.mark.nix
@pytest.mark.parametrize("project", ["hostile-files", "hostile-scripts"])
def test_an_expression_holds_strangers_texts_as_data(
    service: TestClient, nix_store: NixStore, tmp_path: Path, project: str
) -> None:
    answer = service.post("/resolve?format=nix", content=project, headers=TEXT)
    assert answer.status_code == 200, answer.text[:500]
    file = tmp_path / "made.nix"
    file.write_bytes(answer.content)
    assert nix_store.call("nix-instantiate", "--parse", file).returncode == 0
    kind = nix_store.call("nix-instantiate", "--eval", "-E", f"builtins.typeOf (import {file})")
    assert kind.returncode == 0, kind.stderr
    assert "nix ran this" not in kind.stderr


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_no_text_of_a_request_reaches_nix_or_a_shell(service: TestClient, operator: Machine, text: str) -> None:
    for body in (
        {"requirements": [text]},
        {"requirements": [f"idna=={text}"]},
        {"requirements": [f"idna==={text}"]},
        {"requirements": [f"idna[{text}]"]},
        {"requirements": [f"idna; python_version > '{text}'"]},
        {"requirements": [f'idna; python_version > "{text}"']},
        {"requirements": "idna", "python": text},
        {"requirements": "idna", "platforms": [text]},
        {"requirements": "idna", "nixpkgs": {"rev": text, "sha256": text}},
        {"requirements": "idna", "providers": [text]},
        {"files": {text: "idna"}},
    ):
        answer = service.post("/resolve?format=nix", json=body)
        assert answer.status_code in (200, 400, 422), answer.text[:300]
        if answer.status_code == 200:  # a marker that compares with it, and says no
            assert "nix ran this" not in answer.text
            assert "touch mach-was-here" not in answer.text
        assert "\x1b" not in answer.text
        assert "\u202e" not in answer.text
    assert not list(operator.home.glob("**/mach-was-here"))
    assert not Path("mach-was-here").exists()


# ---- headers


@pytest.mark.parametrize("text", ["x\r\nX-Evil: 1", "x\nX-Evil: 1", "\u20ac", "\0", "x" * 300])
def test_no_text_of_a_request_becomes_a_header(service: TestClient, text: str) -> None:
    for form in ("lock", "nix", "tree"):
        query = {"platform": text, "format": form}
        answer = service.post("/resolve", content="idna", headers=TEXT, params=query)
        link = service.get(f"/resolutions/{'0' * 64}", params=query)
        for each in (answer, link):
            assert each.status_code in (400, 404)
            assert "X-Evil" not in each.headers
            assert all(value.isprintable() for value in each.headers.values())
