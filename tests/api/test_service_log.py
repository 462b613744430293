"""What a service says of its requests: lines of its log, and figures; never what was asked."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.serving.journal import JsonFormatter
from tests.e2e.machines import ROOT, Machine
from tests.support.service import TEXT, bearer, code, serving

# ---- the log


def request_lines(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request"]


@pytest.fixture
def lines_of(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """What this process logs, at every level, as the service writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.INFO)
    for client in ("httpx", "httpx2", "asyncio"):  # the test's own
        caplog.set_level(logging.WARNING, logger=client)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)


def test_a_line_for_each_request_says_what_happened_and_not_what_was_asked(
    machine: Machine, token: str, lines_of: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    hostile = "s3cr3t-word"
    with serving(machine, tokens=str(machine.home / "tokens")) as client:
        known = {"X-Request-Id": "from-the-proxy.1"}
        first = client.post("/resolve", content="idna", headers={**TEXT, **bearer(token), **known})
        assert first.headers["X-Request-Id"] == "from-the-proxy.1"
        for text in (
            f"{hostile}==1",
            f"{hostile} @ https://{hostile}:{hostile}@index.example/{hostile}.whl",
            f"--index-url https://{hostile}:{hostile}@index.example/",
            f"idna=={hostile}",
            f"{hostile}\n\x1b[31m\x00",
        ):
            client.post("/resolve", content=text, headers=TEXT)
            client.post("/resolve", json={"requirements": text, hostile: text})
            client.post("/diff", json={"before": text, "after": text})
        client.post(f"/resolve?{hostile}=1", content="idna", headers=TEXT)
        client.get(f"/projects/{hostile}?snapshot={hostile}")
        client.get(f"/resolutions/{hostile}?format={hostile}")
        client.get(f"/{hostile}?{hostile}={hostile}", headers={"User-Agent": hostile, "Referer": hostile})
        client.get("/version", headers={**bearer(hostile), "Accept": hostile, "Cookie": hostile})
        client.get("/version", headers={"X-Request-Id": f"{hostile}\x1b[2J"})
        client.request(hostile.upper(), "/version")
        client.get("/version", headers={"Host": f"{hostile}.example", "X-Forwarded-For": hostile})
    log = lines_of() + capfd.readouterr().err  # that of the workers
    assert hostile not in log.lower()
    assert token not in log
    assert "\x1b" not in log
    lines = request_lines(log)
    assert len(lines) == 24
    one = lines[0]
    assert one["id"] == "from-the-proxy.1"
    assert (one["client"], one["method"], one["path"], one["status"]) == ("ci", "POST", "/resolve", 200)
    assert (one["how"], one["problem"]) == ("resolved", None)
    assert one["ms"] > 0
    assert one["time"].endswith("Z")
    assert {line["client"] for line in lines[1:]} == {"192.0.2.1"}
    assert {line["path"] for line in lines} >= {"/projects/{name}", "/resolutions/{name}", "/diff", None}
    assert {"not-found", "invalid-token", "invalid-requirement", "invalid-parameters"} <= {
        line["problem"] for line in lines
    }
    assert len({line["id"] for line in lines}) == len(lines)


def test_who_is_sent_away_is_logged_with_name_and_path(
    machine: Machine, token: str, lines_of: Callable[[], str]
) -> None:
    with serving(machine, tokens=str(machine.home / "tokens"), requests_per_minute=1) as client:
        for _ in range(2):
            client.get("/snapshots/newest", headers=bearer(token))
        client.get("/version", headers=bearer("mach_wrong"))
        client.get("/openapi.json")
        client.get("/openapi.json")
        client.get("/nothing")
    lines = request_lines(lines_of())
    assert [(line["client"], line["path"], line["problem"]) for line in lines] == [
        ("ci", "/snapshots/{name}", "unknown-snapshot"),
        ("ci", "/snapshots/{name}", "rate-limited"),
        ("192.0.2.1", "/version", "invalid-token"),
        ("192.0.2.1", "/openapi.json", None),
        ("192.0.2.1", "/openapi.json", "rate-limited"),
        ("192.0.2.1", None, "rate-limited"),
    ]


@contextmanager
def process(machine: Machine, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """Yield a service that runs as a process, its URL, and the file of its log."""
    argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", "1", *words]
    log = machine.home / "log"
    environ = {**machine.env(), "PYTHONPATH": str(ROOT)}
    with log.open("wb") as stderr, subprocess.Popen(argv, cwd=machine.home, env=environ, stderr=stderr) as server:
        try:
            while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())):
                assert server.poll() is None
                time.sleep(0.05)
            yield server, found[1], log
        finally:
            server.terminate()


def test_what_a_process_logs_is_json_line_by_line(machine: Machine) -> None:
    with process(machine) as (_, url, log):
        httpx.post(f"{url}/resolve?format=tree", content="idna", headers=TEXT, timeout=30)
        answer = httpx.get(f"{url}/healthz", timeout=60)
    told = [json.loads(line) for line in log.read_text().splitlines() if not line.startswith("mach is running")]
    assert any(line["event"] == "Application startup complete." for line in told)
    ids = [line["id"] for line in told if line["event"] == "request"]
    assert answer.headers["X-Request-Id"] in ids
    assert len(ids) == 2


def test_tokens_are_read_again_on_a_signal(machine: Machine, token: str) -> None:
    with process(machine, "--tokens", "tokens") as (server, url, _):
        assert httpx.get(f"{url}/version", headers=bearer(token), timeout=30).status_code == 200
        other = machine.mach("token", "other")
        machine.write("tokens", other.stdout)
        server.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 90
        new = other.stderr.split()[-1]
        # for a moment the process that ends and the one that takes its place both answer
        while [
            httpx.get(f"{url}/version", headers=bearer(shown), timeout=30).status_code for shown in (new, token)
        ] != [200, 401]:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_a_bug_is_logged_by_its_place_and_answered_without_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, lines_of: Callable[[], str]
) -> None:
    def break_down(*_: object) -> None:
        raise ValueError("s3cr3t-word") from KeyError("s3cr3t-word")

    with serving(machine) as client:
        monkeypatch.setattr("api.http.catalog.snapshots_to_json", break_down)
        answer = client.get("/snapshots")
        assert (answer.status_code, code(answer)) == (500, "bug")
        assert "s3cr3t" not in answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-Id"]
    (line,) = [line for line in map(json.loads, lines_of().splitlines()) if "exception" in line]
    assert "builtins.ValueError" in line["exception"]
    assert "builtins.KeyError" in line["exception"]
    assert any("in break_down" in frame for frame in line["exception"])
    assert "s3cr3t" not in json.dumps(line)


# ---- figures


def test_figures_tell_durations_by_path_and_never_a_name(machine: Machine) -> None:
    with serving(machine) as client:
        client.post("/resolve", content="idna", headers=TEXT)
        client.get("/projects/s3cr3t")
        client.get("/s3cr3t/path")
        text = client.get("/metrics").text
    assert 'mach_request_seconds_count{method="POST",path="/resolve",status="200"} 1.0' in text
    assert 'mach_request_seconds_count{method="GET",path="/projects/{name}",status="404"} 1.0' in text
    assert 'mach_request_seconds_count{method="GET",path="",status="404"} 1.0' in text
    assert "s3cr3t" not in text
    age = re.search(r"^mach_generation_age_seconds (\S+)$", text, re.MULTILINE)
    assert age
    assert 0 <= float(age[1]) < 600
