"""A private index before a public one: what is sent where, what is told, and whose projects are taken."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from api.http.app import make_app
from api.http.settings import ServiceSettings
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.e2e.private_indexes import FORMS, PASSWORD, USER, WAYS, Indexes, by_url, indexes, machine_for
from tests.support.dists import make_wheel
from tests.support.index import IndexServer
from tests.support.secrets import find_secret

__all__ = ["indexes"]


@pytest.fixture
def machine(indexes: Indexes, tmp_path: Path) -> Machine:
    """A machine that has the password in the URL of the private index."""
    return by_url(indexes, tmp_path / "home")


def pins(text: str) -> dict[str, str]:
    (target,) = json.loads(text)["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


# ---- no secret anywhere


#: Commands that run as processes of their own: the others save the time that starting takes.
PROCESSES = (("lock", "-vv"), ("db", "export"))


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_run_leaves_no_secret_anywhere(indexes: Indexes, tmp_path: Path, way: str) -> None:
    machine = WAYS[way](indexes, tmp_path / "home")
    machine.write("requirements.txt", "corp-lib\n")
    said: list[str | bytes] = []

    def run(*words: str, code: int = 0) -> None:
        done = (machine.process if words[:2] in PROCESSES else machine.mach)(*words, code=code)
        said.extend((done.stdout, done.stderr))

    run("crawl", "-vv", "corp-lib", "part", "--rate", "100")
    run("lock", "-vv", "--stats", "--json", "-r", "requirements.txt", "--python", HOST_PYTHON)
    assert pins(machine.read("mach.lock")) == {"corp-lib": "1.0", "part": "1.0"}
    run("lock", "-vv", "--json", "-r", "requirements.txt", "--upgrade", "--refresh")
    run("gen", "-vv", "-r", "requirements.txt", "-o", "python.nix")
    run("env", "-vv", "-r", "requirements.txt", "environment")
    run("export", "--format", "pylock", "-o", "pylock.toml")
    run("export", "--hashes")
    run("why", "corp-lib")
    run("why", "corp-lib==2", "--json")
    run("db", "export", "whole.facts")
    run("db", "export", "--lock", "mach.lock", "lock.facts")
    run("db", "status", "--json")
    run("config", "show", "--json")
    run("config", "show")
    # and where things go wrong
    run("lock", "corp-lib<1", "--json", code=1)
    run("lock", "corp-lib>=1", "unheard-of", "-o", "-", code=1)
    indexes.private.behave(indexes.private.page_path("corp-lib"), status=500)
    run("lock", "corp-lib<1", "--refresh", code=1)
    indexes.private.recover()
    indexes.private.password = (USER, "another")
    run("crawl", "-vv", "corp-lib", "--json", code=3)
    run("lock", "new-lib", "-vv", code=3)
    indexes.private.server.stop()
    run("lock", "new-lib", "-vv", code=3)
    assert find_secret(FORMS, said, [machine.home]) == []
    assert find_secret([quote(USER, safe="").encode(), USER.encode()], said, [machine.home]) == []
    if way == "keyring":
        seen = (tmp_path / "keyring/processes").read_bytes()
        assert b"lock\0-vv" in seen, "the processes of mach were looked at"
        assert find_secret(FORMS, [seen]) == []


def test_what_finds_secrets_finds_them(tmp_path: Path) -> None:
    """The test above can fail."""
    assert find_secret(FORMS, [f"Authorization: Basic {PASSWORD}"])
    with contextlib.closing(sqlite3.connect(tmp_path / "a.sqlite3", isolation_level=None)) as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES (?)", [f"http://{quote(USER)}:{quote(PASSWORD, safe='')}@h/"])
    assert find_secret(FORMS, [], [tmp_path])


@pytest.mark.parametrize("place", ["requirements.txt", "mach.toml", "option"])
def test_a_password_in_a_file_of_the_project_goes_no_further(indexes: Indexes, tmp_path: Path, place: str) -> None:
    machine = machine_for(indexes, tmp_path / "home", "")
    url = indexes.with_password
    words = ["lock", "-vv", "--json"]
    if place == "requirements.txt":
        machine.write("requirements.txt", f"--extra-index-url {url}\ncorp-lib\n")
        words += ["-r", "requirements.txt"]
    elif place == "mach.toml":
        machine.write("mach.toml", f"extra-index-url = {json.dumps(url)}\nrequirements = ['corp-lib']\n")
    else:
        words += ["corp-lib", "--extra-index-url", url]
    done = machine.mach(*words)
    shown = machine.mach("config", "show", "--json")
    assert pins(machine.read("mach.lock")) == {"corp-lib": "1.0", "part": "1.0"}
    (machine.home / place).unlink(missing_ok=True)
    assert find_secret(FORMS, [done.stdout, done.stderr, shown.stdout], [machine.home]) == []


def test_a_service_answers_without_the_secrets_of_its_operator(
    indexes: Indexes, machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machine.env().items():
        monkeypatch.setenv(name, value)
    caplog.set_level("DEBUG")
    settings = ServiceSettings(db=str(machine.home / "service.sqlite3"))
    with TestClient(make_app(settings)) as client:
        good = client.post("/resolve", content="corp-lib\n", headers={"Content-Type": "text/plain"})
        assert good.status_code == 200, good.text
        indexes.private.password = (USER, "another")
        bad = client.post("/resolve", content="other-lib\n", headers={"Content-Type": "text/plain"})
        assert (bad.status_code, bad.json()["code"]) == (503, "index-refused")
    assert find_secret(FORMS, [good.text, bad.text, caplog.text], [machine.home]) == []


# ---- whose projects are taken


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ({"status": 401}, "index-refused"),
        ({"status": 403}, "index-refused"),
        ({"status": 400}, "index-error"),
        ({"status": 500}, "index-error"),
        ({"close": True}, "index-unreachable"),
        ({"delay": 20.0}, "index-unreachable"),
        ({"truncate": 30}, "index-garbage"),
        ({"body": b"<html><form><input type=password></form></html>", "content_type": "text/html"}, "index-garbage"),
        ({"body": b"{}"}, "index-garbage"),
        ({"redirect": "ftp://elsewhere.example/"}, "index-garbage"),
    ],
)
def test_where_the_private_index_fails_nothing_is_taken_from_the_public_one(
    indexes: Indexes, machine: Machine, trouble: dict[str, Any], code: str
) -> None:
    indexes.private.behave(indexes.private.page_path("corp-lib"), **trouble)
    machine = Machine(home=machine.home, index_url=machine.index_url, environ={**machine.environ, "PIP_TIMEOUT": "0.1"})
    told = machine.mach("lock", "corp-lib", "--json", code=3)
    assert told.json["error"]["code"] == code
    assert not (machine.home / "mach.lock").exists()
    if code == "index-refused":  # a crawl is patient with the others
        machine.mach("crawl", "corp-lib", "--rate", "100", code=3)
    assert indexes.public.count(indexes.public.page_path("corp-lib")) == 0, "not even its name was told"


def make_older(machine: Machine) -> None:
    (file,) = machine.home.rglob("catalog.sqlite3")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as catalog:
        catalog.execute("UPDATE freshness SET checked_at = checked_at - 3600")


@pytest.mark.parametrize("trouble", [{"status": 401}, {"status": 500}, {"status": 200, "body": b"{}"}])
def test_an_old_absence_that_cannot_be_checked_opens_no_way_to_the_public_index(
    indexes: Indexes, machine: Machine, trouble: dict[str, Any]
) -> None:
    machine.mach("lock", "part", "-o", "-")
    make_older(machine)
    # meanwhile it may have been published there
    indexes.private.behave(indexes.private.page_path("part"), **trouble)
    machine.mach("lock", "part", "-o", "-", code=3)
    indexes.private.recover()
    assert pins(machine.mach("lock", "part", "-o", "-").stdout) == {"part": "1.0"}
    # the public one is only asked for what the private one denies: it may be down as ever
    make_older(machine)
    indexes.public.behave(indexes.public.page_path("part"), **trouble)
    told = machine.mach("lock", "part", "-o", "-")
    assert "could not be checked" in told.stderr
    assert pins(told.stdout) == {"part": "1.0"}


def test_a_server_that_hides_from_strangers_what_it_has(indexes: Indexes, tmp_path: Path) -> None:
    """With a password it tells the truth; without one its answer cannot be told from an absence."""
    hidden = indexes.private.page_path("corp-lib")
    stranger = machine_for(indexes, tmp_path / "stranger", indexes.private.url)
    indexes.private.password = None
    indexes.private.behave(hidden, status=404)
    assert pins(stranger.mach("lock", "corp-lib", "-o", "-").stdout) == {"corp-lib": "99.0"}
    # who names the user in the URL is never a stranger by mistake
    known = machine_for(indexes, tmp_path / "known", indexes.with_user)
    indexes.private.forget()
    told = known.mach("lock", "corp-lib", "--json", code=3)
    assert told.json["error"]["code"] == "index-credentials-missing"
    assert indexes.private.count() == 0
    indexes.private.recover()
    indexes.private.password = (USER, PASSWORD)
    netrc = tmp_path / "netrc"
    netrc.write_text(f'machine 127.0.0.1 login "{USER}" password "{PASSWORD}"\n', encoding="utf-8")
    known = Machine(home=known.home, index_url=known.index_url, environ={**known.environ, "NETRC": str(netrc)})
    assert pins(known.mach("lock", "corp-lib", "-o", "-").stdout) == {"corp-lib": "1.0", "part": "1.0"}
    # the absence that the stranger was told lasts as long as any other fact
    stranger = Machine(home=stranger.home, index_url=known.index_url, environ=known.environ)
    assert pins(stranger.mach("lock", "corp-lib", "-o", "-", "--refresh").stdout) == {"corp-lib": "1.0", "part": "1.0"}


def test_a_project_that_the_private_index_denies_all_at_once_is_told(indexes: Indexes, machine: Machine) -> None:
    machine.mach("lock", "corp-lib", "-o", "-")
    indexes.private.behave(indexes.private.page_path("corp-lib"), status=404)
    told = machine.mach("lock", "corp-lib", "-o", "-", "--refresh")
    assert f"warning: corp-lib is gone from {indexes.private.url}, which had it" in told.stderr


def test_files_at_another_host_than_the_page(indexes: Indexes, tmp_path: Path) -> None:
    """They get a password where netrc has one for their host, by https; that of the index stays with the index."""
    with IndexServer() as elsewhere:
        files = elsewhere.index()
        dist = files.add(make_wheel("apart", "1.0"), sidecar="none")
        indexes.private.add(dist, url=files.file_url(dist), sidecar="none")
        machine = by_url(indexes, tmp_path / "home")
        assert pins(machine.mach("lock", "apart", "-o", "-").stdout) == {"apart": "1.0"}
        assert files.asked
        assert {asked.basic_auth for asked in files.asked} == {None}
        files.password = (USER, PASSWORD)
        told = by_url(indexes, tmp_path / "new").mach("lock", "apart", "--json", code=3).json["error"]
        assert told["code"] == "index-refused"
        assert "nothing is sent over plain http to" in "\n".join(told["context"])
