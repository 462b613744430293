"""``mach serve``: permanent links, forms of an answer, its memory, posted forms, and what the catalog holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.serving.forms import FORMS
from tests.e2e.machines import ROOT, Machine
from tests.support.processes import children, command
from tests.support.world import World

TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that the service of this module runs on."""
    return Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)


@pytest.fixture(scope="module")
def service(operator: Machine) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with operator.serve("--workers", "2") as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def resolve(client: httpx.Client, text: str, **query: str) -> httpx.Response:
    return client.post("/resolve", content=text.encode(), headers=TEXT, params=query)


# ---- permanent links


def test_a_permanent_link_gives_the_same_bytes_for_ever(service: httpx.Client, operator: Machine) -> None:
    first = resolve(service, "rich<14\n")
    link, etag = first.headers["Content-Location"], first.headers["ETag"]
    assert re.fullmatch(r"/resolutions/[0-9a-f]{64}\.lock", link)
    again = service.get(link)
    assert (again.content, again.headers["ETag"]) == (first.content, etag)
    assert "immutable" in again.headers["Cache-Control"]
    unchanged = service.get(link, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    with operator.serve() as url:  # another process, of which the catalog is the memory
        assert httpx.get(url + link, timeout=60).content == first.content


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_answer_has_a_link(service: httpx.Client, operator: Machine, form: str) -> None:
    asked = resolve(service, "rich<14\n", format=form)
    assert asked.headers["Content-Type"].partition(";")[0] == FORMS[form].media_type
    assert asked.headers["Content-Location"].endswith(FORMS[form].suffix)
    assert service.get(asked.headers["Content-Location"]).content == asked.content
    operator.write("one.lock", resolve(service, "rich<14\n").text)
    by_command = {
        "nix": ("gen", "--lock", "one.lock"),
        "pylock": ("export", "--lock", "one.lock", "--format", "pylock"),
        "requirements": ("export", "--lock", "one.lock", "--hashes"),
        "tree": ("tree", "--lock", "one.lock"),
    }
    if form in by_command:
        assert operator.mach(*by_command[form]).stdout == asked.text


OLD_AND_NEW = {
    "requirements": ['idna<3.4 ; python_version < "3.12"', 'rich<14 ; python_version >= "3.12"'],
    "python": ["3.10", "3.13"],
    "platforms": ["aarch64-linux", "x86_64-linux"],
}


@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.by_target])
def test_platform_and_python_name_a_target(service: httpx.Client, form: str) -> None:
    def ask(**query: str) -> str:
        posted = service.post("/resolve", json=OLD_AND_NEW, params={"format": form, **query})
        assert posted.status_code == 200, posted.text
        given = service.get(posted.headers["Content-Location"])
        assert given.text == posted.text, "the permanent link names the target, too"
        return given.text

    old, new = (ask(platform="x86_64-linux", python=python) for python in ("3.10.19", "3.13.11"))
    assert ("idna" in old, "rich" in old) == (True, False)
    assert ("idna" in new, "rich" in new) == (False, True)
    assert ask(platform="x86_64-linux", python="3.13") == new
    by_python, by_platform = ask(python="3.13"), ask(platform="x86_64-linux")
    if form in ("pylock", "graph"):  # they hold all that fit
        assert ("idna" in by_python, "rich" in by_python) == (False, True)
        assert ("idna" in by_platform, "rich" in by_platform) == (True, True)
    else:
        assert by_python == ask(platform="aarch64-linux", python="3.13")
        assert by_platform == old


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("query", [{"python": "3.12"}, {"platform": "riscv64-linux", "python": "3.13"}])
def test_a_target_that_the_lock_does_not_have(service: httpx.Client, form: str, query: dict[str, str]) -> None:
    known = service.post("/resolve", json=OLD_AND_NEW).headers["Mach-Resolution"]
    for answer in (
        service.post("/resolve", json=OLD_AND_NEW, params={"format": form, **query}),
        service.get(f"/resolutions/{known}{FORMS[form].suffix}", params=query),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "not-in-lock")
        assert "x86_64-linux with Python 3.13.11" in answer.json()["context"][0]


def test_a_graph_has_every_pin_and_edge(service: httpx.Client) -> None:
    lock = resolve(service, "rich<14\n").json()
    (graph,) = resolve(service, "rich<14\n", format="graph").json()["targets"]
    pins = lock["targets"][0]["pins"]
    assert [node["name"] for node in graph["nodes"]] == [pin["name"] for pin in pins]
    assert [node["name"] for node in graph["nodes"] if node["root"]] == ["rich"]
    assert len(graph["edges"]) == sum(len(pin["dependencies"]) for pin in pins) > 0
    dot = resolve(service, "rich<14\n", format="dot").text
    assert dot.count(" -> ") == len(graph["edges"])


def test_why_there_is_no_answer_has_a_link_as_well(service: httpx.Client) -> None:
    first = resolve(service, "idna>=99\n")
    assert first.status_code == 422
    again = service.get(first.headers["Content-Location"])
    assert (again.status_code, again.content) == (422, first.content)


@pytest.mark.parametrize("name", ["0" * 64, "nothing", "0" * 64 + ".exe", "%00", "0" * 63 + "g"])
def test_what_is_no_resolution_is_not_found(service: httpx.Client, name: str) -> None:
    answer = service.get(f"/resolutions/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


# ---- the memory


def test_the_same_request_is_answered_from_memory(service: httpx.Client) -> None:
    first = resolve(service, "idna  <  4\n# a remark\n")
    again = resolve(service, "idna<4\n")
    assert again.headers["Mach-Answer"] == "remembered"
    assert (again.content, again.headers["Mach-Resolution"]) == (first.content, first.headers["Mach-Resolution"])


def test_the_same_request_at_the_same_time_is_resolved_once(operator: Machine, machine: Machine) -> None:
    with (
        machine.serve("--workers", "2") as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(6) as threads,
    ):
        answers = list(threads.map(lambda _: resolve(client, "requests\n"), range(6)))
    how = sorted(answer.headers["Mach-Answer"] for answer in answers)
    assert len({answer.content for answer in answers}) == 1
    assert how.count("resolved") == 1
    assert set(how) <= {"resolved", "shared", "remembered"}


def test_an_answer_outlives_the_service_and_what_others_crawl(machine: Machine) -> None:
    machine.mach("crawl", "idna", "installer", "pyproject-hooks", "-q")
    with machine.serve("--fill", "off") as url:
        first = httpx.post(f"{url}/resolve", content=b"idna\n", headers=TEXT, timeout=60)
        assert first.headers["Mach-Answer"] == "resolved"
    machine.mach("crawl", "rich", "-q")
    with machine.serve("--fill", "off") as url:
        again = httpx.post(f"{url}/resolve", content=b"idna\n", headers=TEXT, timeout=60)
        assert (again.headers["Mach-Answer"], again.content) == ("remembered", first.content)


def test_what_is_missing_is_queued_for_the_crawler(machine: Machine) -> None:
    machine.mach("crawl", "idna", "-q")
    with machine.serve("--fill", "queue") as url:
        answer = httpx.post(f"{url}/resolve", content=b"rich\n", headers=TEXT, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (424, "not-covered")
        assert "crawler" in answer.json()["hint"]
        for _ in range(20):
            machine.mach("crawl", "--wanted", "-q")
            answer = httpx.post(f"{url}/resolve", content=b"rich\n", headers=TEXT, timeout=60)
            if answer.status_code == 200:
                break
        assert answer.text == machine.mach("lock", "rich", "--offline", "-o", "-").stdout


def test_what_no_crawler_fetches_is_not_said_to_come(machine: Machine) -> None:
    with machine.serve("--fill", "queue", "--workers", "1") as url:
        for _ in range(20):
            told = httpx.post(f"{url}/resolve", content=b"sdist-dynamic\n", headers=TEXT, timeout=60).json()
            if not (told["details"]["pages"] or told["details"]["metadata"]):
                break
            machine.mach("crawl", "--wanted", "-q")
    assert [build["project"] for build in told["details"]["builds"]] == ["sdist-dynamic"]
    assert "crawler" not in told["hint"]


# ---- bodies


def test_a_form_asks_as_json_does(service: httpx.Client) -> None:
    files = {"requirements": ("requirements.txt", b"rich\n"), "constraints": ("c.txt", b"rich<14\n")}
    form = service.post(
        "/resolve", files=files, data={"python": "3.12", "platforms": ["x86_64-linux", "aarch64-linux"]}
    )
    asked = {
        "requirements": "rich\n",
        "constraints": "rich<14\n",
        "python": "3.12",
        "platforms": ["x86_64-linux", "aarch64-linux"],
    }
    assert form.status_code == 200, form.text
    assert form.content == service.post("/resolve", json=asked).content


def test_a_form_may_hold_other_request_files(service: httpx.Client) -> None:
    project = b'[project]\nname = "mine"\nversion = "1"\ndependencies = ["idna"]\n'
    form = service.post("/resolve", files=[("files", ("pyproject.toml", project))])
    assert [pin["name"] for pin in form.json()["targets"][0]["pins"]] == ["idna"]


def part(name: str, content: bytes) -> bytes:
    return b'--y\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--y--\r\n' % (name.encode(), content)


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"x", "multipart/form-data", "invalid-body"),
        (b"x", "multipart/form-data; boundary=y", "invalid-body"),
        (part("wrong", b"1"), "multipart/form-data; boundary=y", "invalid-body"),
        (part("requirements", b"\xff"), "multipart/form-data; boundary=y", "invalid-requirement"),
        (part("files", b"idna"), "multipart/form-data; boundary=y", "invalid-body"),
    ],
)
def test_wrong_forms_are_refused(service: httpx.Client, content: bytes, kind: str, code: str) -> None:
    answer = service.post("/resolve", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_compressed_body_is_refused(service: httpx.Client) -> None:
    answer = service.post("/resolve", content=b"\x1f\x8b", headers={**TEXT, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_pinned_nixpkgs_is_in_the_lock(service: httpx.Client) -> None:
    pin = {"rev": "0" * 40, "sha256": "sha256-" + "A" * 43 + "="}
    answer = service.post("/resolve", json={"requirements": "idna", "nixpkgs": pin})
    assert answer.json()["nixpkgs"] == pin
    assert service.post("/resolve", json={"requirements": "idna", "nixpkgs": {**pin, "rev": "x"}}).status_code == 400
    form = service.post("/resolve", files={"requirements": (None, "idna"), "nixpkgs": (None, json.dumps(pin))})
    assert form.content == answer.content


@pytest.mark.parametrize("text", ["", "{", "0" * 40, "[" * 100_000, '{"rev": "x"}', "null,"])
def test_a_nixpkgs_in_a_form_is_its_json_text(service: httpx.Client, text: str) -> None:
    form = service.post("/resolve", files={"requirements": (None, "idna"), "nixpkgs": (None, text)})
    assert (form.status_code, form.json()["code"]) == (400, "invalid-body")
    assert "nixpkgs" in form.text


# ---- the catalog


def test_a_project_shows_its_releases_by_provider(service: httpx.Client) -> None:
    resolve(service, "idna\n")
    shown = service.get("/projects/Idna").json()
    versions = [release["version"] for release in shown["releases"]]
    assert shown["project"] == "idna"
    assert "3.4" in versions
    providers = {artifact["provider"] for release in shown["releases"] for artifact in release["artifacts"]}
    assert providers <= {"wheel", "sdist"}
    for unknown in ("nobody-knows-this", "%C3%A9", "a b"):
        assert service.get(f"/projects/{unknown}").json()["code"] == "not-found"


def test_snapshots_are_listed_and_can_be_asked_for(service: httpx.Client, operator: Machine) -> None:
    resolve(service, "idna\n")
    name = operator.mach("db", "pin", "monday").stdout.strip()
    shown = service.get("/snapshots", params={"most": 1}).json()
    assert shown["snapshots"][0]["id"] == name or "monday" in [n for s in shown["snapshots"] for n in s["names"]]
    asked: dict[str, Any] = {"requirements": "idna", "snapshot": "monday"}
    assert service.post("/resolve", json=asked).json()["snapshot"] == name


def test_two_answers_are_compared(service: httpx.Client, operator: Machine) -> None:
    before, after = resolve(service, "idna<3.4\n"), resolve(service, "idna\n")
    asked = {"before": before.headers["Mach-Resolution"], "after": after.text}
    told = service.post("/diff", json=asked).json()
    operator.write("before.lock", before.text)
    operator.write("after.lock", after.text)
    assert told == operator.mach("diff", "before.lock", "after.lock", "--json").json
    assert service.post("/diff", json={"before": "0" * 64, "after": after.text}).status_code == 404
    assert service.post("/diff", json={"before": "{}", "after": after.text}).json()["code"] == "lock-invalid"


def test_it_says_whether_it_is_ready_and_what_it_did(service: httpx.Client) -> None:
    assert service.get("/readyz").json()["status"] == "ready"
    assert service.get("/version").json()["lock-version"]
    resolve(service, "idna\n")
    figures = dict(
        line.rsplit(" ", 1) for line in service.get("/metrics").text.splitlines() if not line.startswith("#")
    )
    assert sum(float(value) for name, value in figures.items() if name.startswith("mach_questions")) >= 1
    assert float(figures["mach_workers"]) == 2


# ---- processes


def processes(parent: int) -> list[int]:
    """Return all processes below *parent*."""
    return [pid for child in children(parent) for pid in (child, *processes(child))]


def test_nothing_is_left_of_a_service_that_is_killed(machine: Machine) -> None:
    argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", "2"]
    environ = {**machine.env(), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, cwd=machine.home, env=environ, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "startup complete" in line:
                break
        below = processes(server.pid)
        assert len(below) >= 2
        server.kill()
        deadline = time.monotonic() + 90
        while any(command(pid) for pid in below):
            assert time.monotonic() < deadline, [command(pid) for pid in below]
            time.sleep(0.05)
