"""``mach serve``: who may ask and how often, what is logged of it, and what a browser must not do with the answer."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from api.cli.service_options import LIMITS
from api.http.budgets import Budget
from api.http.clients import address_of
from api.http.settings import ServiceSettings
from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import IndexServer
from tests.support.service import TEXT, bearer, code, serving
from tests.support.world import World

HEALTH = ("/healthz", "/readyz")


# ---- tokens


def test_a_token_is_shown_once_and_kept_as_a_hash(machine: Machine) -> None:
    first, again = machine.mach("token", "ci", "-q"), machine.mach("token", "ci")
    assert re.fullmatch(r"ci sha256:[0-9a-f]{64}\n", first.stdout)
    assert re.search(r": mach_[A-Za-z0-9_-]{43}$", first.stderr.strip())
    assert first.stdout != again.stdout
    assert machine.mach("token", "a b", code=2).stderr.startswith("error[invalid-token-name]")


def test_where_tokens_are_required_only_health_is_told_without(machine: Machine, token: str) -> None:
    with serving(machine, tokens=str(machine.home / "tokens"), require_token=True) as client:
        paths = [path for path, methods in client.app.openapi()["paths"].items() if "get" in methods]  # type: ignore[attr-defined]
        assert {*HEALTH, "/metrics", "/version", "/snapshots"} <= set(paths)
        for path in [*paths, "/openapi.json", "/nothing", "/"]:
            answer = client.get(path)
            if path in HEALTH:
                assert answer.status_code == 200, path
            else:
                assert (answer.status_code, code(answer)) == (401, "token-required"), path
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mach"'
        assert code(client.post("/resolve", content="idna", headers=TEXT)) == "token-required"
        answer = client.post("/resolve", content="idna", headers={**TEXT, **bearer(token)})
        assert answer.status_code == 200
        link = client.get(answer.headers["Content-Location"], headers=bearer(token))
        assert "private" in link.headers["Cache-Control"], "no shared cache gives it to others"
        assert "public" not in link.headers["Cache-Control"]
        assert "Authorization" in link.headers["Vary"]


@pytest.mark.parametrize(
    "value",
    [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "",
        "Basic dTpw",
        "bearer mach_" + "A" * 43,
        "Bearer \xff",
        "Bearer " + "x" * 8000,
    ],
)
def test_a_wrong_token_is_refused_even_where_none_is_required(machine: Machine, token: str, value: str) -> None:
    with serving(machine, tokens=str(machine.home / "tokens")) as client:
        assert client.get("/version").status_code == 200
        answer = client.get("/version", headers={"Authorization": value.encode("latin-1")})  # type: ignore[dict-item]
        assert (answer.status_code, code(answer)) == (401, "invalid-token")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert client.get("/version", headers=bearer(token)).status_code == 200


def test_guesses_come_to_an_end(machine: Machine, token: str) -> None:
    with serving(machine, tokens=str(machine.home / "tokens")) as client:
        answers = [client.get("/version", headers=bearer(f"guess-{n}")) for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        late = client.get("/version", headers=bearer(token))
        assert late.status_code == 429, "the right one among guesses is not told apart"
        assert client.get("/version").status_code == 200, "who guesses may ask as anybody may"
        assert client.get("/healthz", headers=bearer("guess")).status_code == 200
        assert 'mach_refused_total{code="invalid-token"} 10.0' in client.get("/metrics").text


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from api.http import tokens

    compared: list[tuple[str, str]] = []
    honest = tokens.hmac.compare_digest

    def watch(one: str, other: str) -> bool:
        compared.append((one, other))
        return honest(one, other)

    made = [tokens.make_token(name) for name in ("a", "b", "c")]
    known = tokens.Tokens(dict(line.replace("sha256:", "").split() for _, line in made))
    monkeypatch.setattr(tokens.hmac, "compare_digest", watch)
    assert [known.name_of(secret) for secret, _ in made] == ["a", "b", "c"]
    assert known.name_of("wrong") is None
    assert len(compared) == 4 * 3, "all of them, whichever is the right one"
    assert not any(secret in pair for secret, _ in made for pair in compared), "hashes, never the tokens"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mach_SECRETSECRETSECRET\n", "line 1"),
        ("ci sha256:0\n", "line 1"),
        ("a sha256:" + "0" * 64 + "\nb  sha256:" + "0" * 63 + "g\n", "line 2"),
        ("a sha256:" + "0" * 64 + "\na sha256:" + "1" * 64 + "\n", "names a twice"),
        ("#" * 1_000_001, "larger"),
    ],
)
def test_a_wrong_file_of_tokens_is_told_without_quoting_it(machine: Machine, text: str, told: str) -> None:
    machine.write("tokens", text)
    error = machine.mach("serve", "--port", "0", "--tokens", "tokens", code=2).stderr
    assert "error[invalid-token-file]" in error
    assert told in error
    assert "SECRET" not in error


def test_other_wrong_settings_of_access_are_told_at_once(machine: Machine) -> None:
    assert "[invalid-token-file]" in machine.mach("serve", "--port", "0", "--tokens", "none", code=2).stderr
    assert "[no-tokens]" in machine.mach("serve", "--port", "0", "--require-token", code=2).stderr


# ---- rates


def test_who_asks_too_often_has_to_wait_and_others_do_not(machine: Machine, token: str) -> None:
    with serving(machine, tokens=str(machine.home / "tokens"), requests_per_minute=5) as client:
        statuses = [client.get("/version").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        refused = client.post("/resolve", content="idna", headers=TEXT)
        assert (refused.status_code, code(refused)) == (429, "rate-limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 12
        assert client.get("/version", headers=bearer(token)).status_code == 200, "a token is a client of its own"
        assert client.get("/healthz").status_code == 200, "watchers may always ask"
        other = TestClient(client.app, client=("192.0.2.2", 1))
        assert other.get("/version").status_code == 200
        assert 'mach_refused_total{code="rate-limited"} 3.0' in other.get("/metrics").text


def test_ten_thousand_invented_names_are_not_ten_thousand_lookups(machine: Machine) -> None:
    names = [f"invented-{number}" for number in range(10_000)]
    with IndexServer() as server:
        index = server.index()
        for dist in (make_wheel("idna", "3.4"), *map(wheel_from_installed, ("installer", "pyproject-hooks"))):
            index.add(dist)
        mine = Machine(home=machine.home, index_url=index.url)
        with serving(mine, most_facts=250, facts_per_minute=500) as client:

            def ask(some: list[str]) -> str:
                answer = client.post("/resolve", content="\n".join(some), headers=TEXT)
                if answer.status_code == 429:
                    assert int(answer.headers["Retry-After"]) > 0
                return code(answer)

            began = time.monotonic()
            assert ask(names) == "too-many-requirements"
            assert ask(names[:300]) == "too-much-to-fetch"
            assert len(server.asked) == 0
            assert ask(names[:150]) == "unknown-project"
            looked_up = len(server.asked)
            assert 150 <= looked_up <= 160, "and what every environment takes"
            assert ask(names[:150]) == "unknown-project"
            assert len(server.asked) == looked_up, "an absence is remembered"
            told = [ask(names[start : start + 200]) for start in range(150, 10_000, 200)]
            assert told.count("rate-limited") >= 40
            granted = 500 * (1 + (time.monotonic() - began) / 60)
            assert len(server.asked) <= granted + 10, "and what every environment takes"
            assert ask(names[:150]) == "unknown-project", "what is known can still be asked for"
            other = TestClient(client.app, client=("192.0.2.2", 1))
            assert other.post("/resolve", content="idna", headers=TEXT).status_code == 200


def test_what_one_release_leads_to_is_paid_by_who_asked_and_within_the_limit_of_one_question(machine: Machine) -> None:
    with IndexServer() as server:
        index = server.index()
        index.add(make_wheel("wide", "1.0", requires=[f"invented-{number}" for number in range(300)]))
        for dist in (make_wheel("idna", "3.4"), *map(wheel_from_installed, ("installer", "pyproject-hooks"))):
            index.add(dist)
        one, other = (Machine(home=machine.home / name, index_url=index.url) for name in ("one", "other"))
        one.home.mkdir()
        other.home.mkdir()
        with serving(one, most_facts=40, facts_per_minute=1_000) as client:
            assert client.post("/resolve", content="wide", headers=TEXT).status_code >= 400
            assert 40 <= len(server.asked) <= 50, "and what every environment takes"
        server.forget()
        with serving(other, most_facts=1_000, facts_per_minute=100) as client:
            client.post("/resolve", content="wide", headers=TEXT)
            assert len(server.asked) > 200, "they were looked up ahead of need"
            told = client.post("/resolve", content="idna", headers=TEXT)
            assert code(told) == "rate-limited"
            assert int(told.headers["Retry-After"]) > 60


def test_who_shares_the_question_of_a_client_without_means_is_answered(machine: Machine) -> None:
    """The same question of two is worked out once, for one of them: where that one may not, the other still may."""
    limits = ("--facts-per-minute", "40", "--trusted-proxy", "127.0.0.1", "--workers", "2")
    with machine.serve(*limits) as url, ThreadPoolExecutor(2) as threads:

        def ask(client: int, text: str) -> int:
            headers = {**TEXT, "X-Forwarded-For": f"192.0.2.{client}"}
            return httpx.post(f"{url}/resolve", content=text, headers=headers, timeout=60).status_code

        assert ask(1, "requests[socks]") == 200
        assert ask(1, "\n".join(f"invented-{number}" for number in range(40))) in (422, 429)
        for number in range(8):
            both = [threads.submit(ask, client, f"idna\nnobody-has-{number}") for client in (1, 2)]
            assert both[0].result() in (422, 429)
            assert both[1].result() == 422, "an unknown project, and no limit of somebody else's"


def test_an_address_cannot_be_claimed_unless_a_proxy_is_trusted(machine: Machine) -> None:
    def asked(*words: str) -> list[int]:
        with machine.serve("--requests-per-minute", "2", "--workers", "1", *words) as url:
            return [
                httpx.get(f"{url}/version", headers={"X-Forwarded-For": f"192.0.2.{n}"}, timeout=60).status_code
                for n in range(4)
            ]

    assert asked() == [200, 200, 429, 429]
    assert asked("--trusted-proxy", "127.0.0.1") == [200] * 4


def test_a_body_that_does_not_come_is_not_waited_for(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.resolving._LONGEST_BODY", 0.2)

    async def ask(app: ASGIApp) -> list[Message]:
        said: list[Message] = []
        scope = {"type": "http", "method": "POST", "path": "/resolve", "query_string": b"", "headers": []}

        async def receive() -> Message:
            if not said and not began:
                began.append(True)
                return {"type": "http.request", "body": b"id", "more_body": True}
            return await asyncio.Future()

        async def send(message: Message) -> None:
            said.append(message)

        began: list[bool] = []
        await app(scope, receive, send)
        return said

    with serving(machine) as client:
        start, body = asyncio.run(ask(client.app))
    assert (start["status"], json.loads(body["body"])["code"]) == (408, "body-too-slow")


# ---- pages of strangers


@pytest.fixture(scope="module")
def service_of_all(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that answers to every name, as one with a proxy before it does."""
    with serving(Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)) as client:
        yield client


def test_a_service_of_its_own_machine_answers_to_its_own_names(machine: Machine) -> None:
    with machine.serve("--workers", "1") as url:
        port = url.rpartition(":")[2]

        def asked(host: str) -> tuple[int, str | None]:
            answer = httpx.get(f"{url}/version", headers={"Host": host}, timeout=60)
            return answer.status_code, answer.headers.get("Mach-Problem")

        for name in (
            "localhost",
            f"localhost:{port}",
            "LOCALHOST",
            f"127.0.0.1:{port}",
            f"[::1]:{port}",
            "a.localhost",
        ):
            assert asked(name) == (200, None), name
        for name in ("rebound.example", f"rebound.example:{port}", "127.0.0.1.rebound.example", "notlocalhost", ""):
            assert asked(name) == (421, "wrong-host"), name
        assert httpx.get(f"{url}/healthz", headers={"Host": "rebound.example"}, timeout=60).status_code == 200
    with machine.serve("--workers", "1", "--trusted-proxy", "127.0.0.1") as url:
        assert httpx.get(f"{url}/version", headers={"Host": "mach.example"}, timeout=60).status_code == 200


def test_the_page_of_another_site_cannot_ask(machine: Machine) -> None:
    with serving(machine) as client:
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            headers = {**TEXT, "Sec-Fetch-Site": site}
            assert client.post("/resolve", content="idna", headers=headers).status_code == status
        assert client.get("/version", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200, "a link"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("mach.corp:8000", "http://mach.corp:8000", 200),
        ("mach.corp:8000", "HTTP://Mach.Corp:8000", 200),
        ("mach.corp", "http://mach.corp", 200),
        ("mach.corp", "https://mach.corp", 200),  # a proxy speaks TLS
        ("mach.corp:443", "https://mach.corp", 200),
        ("mach.corp", "http://mach.corp:80", 200),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("mach.corp:8000", None, 200),
        ("mach.corp:8000", "http://evil.example", 403),
        ("mach.corp:8000", "http://mach.corp:9000", 403),
        ("mach.corp:8000", "http://mach.corp", 403),
        ("mach.corp", "http://mach.corp.evil.example", 403),
        ("mach.corp", "http://evil.mach.corp", 403),
        ("mach.corp", "mach.corp", 403),
        ("mach.corp", "null", 403),
        ("mach.corp", "", 403),
    ],
)
def test_the_page_of_another_site_cannot_ask_over_plain_http(
    service_of_all: TestClient, host: str, origin: str | None, status: int
) -> None:
    """Browsers tell the site to addresses that they trust alone, and the origin of a page to all."""
    shown = {"Host": host} | ({} if origin is None else {"Origin": origin})
    answer = service_of_all.post("/diff", json={"before": "{}", "after": "{}"}, headers=shown)
    assert code(answer) == {200: "lock-invalid", 403: "cross-site"}[status]
    assert service_of_all.get("/version", headers=shown).status_code == 200, "a link"


def test_a_browser_names_the_origin_of_the_form_to_its_own_service(service_of_all: TestClient) -> None:
    """With the policy "no-referrer" it would send "null" (Fetch, "append a request Origin header")."""
    page = service_of_all.get("/", headers={"Accept": "text/html"})
    assert page.headers["Referrer-Policy"] == "same-origin"
    sent = {"files": {"requirements": (None, "idna")}, "follow_redirects": False}
    assert service_of_all.post("/", headers={"Origin": "http://testserver"}, **sent).status_code == 303
    assert service_of_all.post("/", headers={"Origin": "null"}, **sent).status_code == 403


# ---- budgets


def test_a_budget_comes_back_evenly() -> None:
    now = [0.0]
    budget = Budget(60, clock=lambda: now[0])
    assert [budget.spend("a") for _ in range(60)] == [0.0] * 60
    assert budget.spend("a") == pytest.approx(1.0)
    assert budget.spend("b") == 0.0, "each client has its own"
    now[0] = 1.0
    assert [budget.spend("a") > 0 for _ in range(2)] == [False, True]
    now[0] = 1_000.0
    assert budget.wait_for("a", 60) == 0.0
    assert budget.spend("a", 120) == 0.0, "who has all of it may take more at once"
    assert budget.spend("a") == pytest.approx(61.0), "and waits the longer"
    assert Budget(0).spend("a", 10**9) == 0.0
    budget.charge("b", 120)
    assert budget.spend("b") == pytest.approx(61.0), "what was taken is paid, whatever there was"
    Budget(0).charge("a", 10**9)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=60))
def test_no_minute_has_more_than_two_allowances(steps: list[tuple[float, int]]) -> None:
    now = [0.0]
    budget, taken = Budget(50, clock=lambda: now[0]), []
    for pause, count in steps:
        now[0] += pause
        if not budget.spend("a", count):
            taken.append((now[0], count))
    for at, _ in taken:
        assert sum(count for when, count in taken if at <= when < at + 60) <= 100


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("s3cr3t", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_client_is_known_by_its_address(address: str, known: str) -> None:
    assert address_of({"client": (address, 1)}) == known
    assert address_of({}) == "unknown"


# ---- headers


def test_every_answer_tells_browsers_what_they_must_not_do(machine: Machine) -> None:
    with serving(machine) as client:
        for answer in (
            client.get("/healthz"),
            client.get("/metrics"),
            client.get("/nothing"),
            client.options("/resolve"),
            client.post("/resolve", content="idna", headers=TEXT),
            client.post("/resolve", content="=", headers=TEXT),
            client.post("/resolve?format=dot", content="idna", headers=TEXT),
        ):
            headers = answer.headers
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in headers
            assert "server" not in headers
            assert "text/html" not in headers.get("Content-Type", "")


# ---- options


def test_the_limits_that_the_help_names_are_those_of_the_service() -> None:
    settings = ServiceSettings()
    assert {name: default for name, (_, default) in LIMITS.items()} == {
        name: getattr(settings, name) for name in LIMITS
    }
    limits = {name for name in ServiceSettings.model_fields if name.startswith(("most_", "largest_"))}
    assert set(LIMITS) == limits


def test_limits_are_set_by_the_environment(machine: Machine) -> None:
    limited = Machine(
        home=machine.home,
        index_url=machine.index_url,
        environ={"MACH_MOST_REQUIREMENTS": "1", "MACH_LARGEST_BODY": "20", "MACH_LOG": "plain"},
    )
    with limited.serve("--workers", "1") as url:
        assert (
            code(httpx.post(f"{url}/resolve", content="idna\nrich\n", headers=TEXT, timeout=60))
            == "too-many-requirements"
        )
        assert code(httpx.post(f"{url}/resolve", content="#" * 21, headers=TEXT, timeout=60)) == "body-too-large"


def test_a_file_of_tokens_needs_no_more_rights_than_reading(machine: Machine, token: str) -> None:
    file = Path(machine.home, "tokens")
    file.chmod(stat.S_IRUSR)
    with serving(machine, tokens=str(file)) as client:
        assert client.get("/version", headers=bearer(token)).status_code == 200
