"""``python -m bench.serving``: a running ``mach serve`` under 1, 8 and 64 clients on this machine, in both engines.

Clients ask for the five sets of :mod:`bench.lock` in turn. Cached questions were asked before; each uncached one has a
constraint of its own, so that nobody asked it before and its lock is one of a kind. Every answer is compared with
what ``mach lock`` writes. One uncached ``jupyterlab`` is timed in turn with the whole process of
``uv pip compile --offline``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from db.catalog import open_catalog
from db.transfer import export_snapshot, import_file
from tests.oracle.resolvers import Setting
from tests.support.postgres import embedded_server
from tests.support.processes import children, command

from .asking import Client, Question, expect
from .clock import Command, Times, machine, measure, plain_environment, verdict
from .filling import fill_catalog
from .lock import SETS, prepare_set

#: The set that is compared with uv.
_MODEL = "jupyterlab"
_CLIENTS = (1, 8, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients saw during one span of time."""

    clients: int
    seconds: float
    """From the first question to the last answer."""
    times: Times
    lost: int
    """Questions without an answer, or with another one than a lock."""
    wrong: int
    """Locks that are not what ``mach lock`` writes."""

    def __str__(self) -> str:
        ordered = sorted(self.times.values)
        late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        rate = len(ordered) / self.seconds
        spread = f"{self.times.median:8.1f} {late:8.1f} {rate:8.0f}"
        return f"{self.clients:7} {len(ordered):8} {spread} {self.lost:5} {self.wrong:6}"


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one client gathers."""

    times: list[float] = field(default_factory=list)
    answers: list[tuple[Question, bytes | None]] = field(default_factory=list)


class Questions:
    """Questions of the five sets in turn, for all clients together.

    :param fresh: each is new; otherwise they are the same again and again.
    """

    def __init__(self, setting: Setting, *, fresh: bool) -> None:
        self._setting = setting
        self._fresh = fresh
        self._count = 0
        self._guard = threading.Lock()

    def next(self, name: str | None = None) -> Question:
        """Return the next one, of the set *name* where given."""
        with self._guard:
            number = self._count
            self._count += 1
        name = name or list(SETS)[number % len(SETS)]
        constraint = f"idna!=0.{time.time_ns()}.{number}" if self._fresh else "idna!=0.0"
        return Question(name=name, requirements=SETS[name], constraint=constraint, setting=self._setting)


def press(url: str, questions: Questions, clients: int, seconds: float, known: dict[Question, bytes], db: Path) -> Load:
    """Return what *clients* see that ask for *seconds*.

    :param known: right answers, of all questions that were asked before; filled.
    :param db: a catalog with the same facts as the service's.
    """
    start = time.perf_counter()

    def ask(_: int) -> _Seen:
        seen = _Seen()
        with contextlib.closing(Client(url)) as client:
            while time.perf_counter() - start < seconds:
                question = questions.next()
                began = time.perf_counter()
                answer = client.ask(question)
                seen.times.append((time.perf_counter() - began) * 1000)
                seen.answers.append((question, answer))
        return seen

    with ThreadPoolExecutor(clients) as threads:
        seen = list(threads.map(ask, range(clients)))
    took = time.perf_counter() - start
    answers = [pair for one in seen for pair in one.answers]
    expect({question for question, _ in answers}, known, db)
    return Load(
        clients=clients,
        seconds=took,
        times=Times(tuple(value for one in seen for value in one.times)),
        lost=sum(answer is None for _, answer in answers),
        wrong=sum(answer is not None and answer != known[question] for question, answer in answers),
    )


@contextlib.contextmanager
def serve(place: str, index: str, workers: int) -> Iterator[tuple[str, int]]:
    """Run ``mach serve`` on a catalog; yield its URL and its process id."""
    argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", str(workers), "--fill", "off"]
    argv += ["--db", place, "--index-url", index]
    environment = {**plain_environment(), "PIP_CONFIG_FILE": os.devnull}
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stderr is not None
        try:
            for line in service.stderr:
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    threading.Thread(target=service.stderr.read, daemon=True).start()
                    yield found[1], service.pid
                    break
            else:
                raise RuntimeError("the service ended")
        finally:
            service.terminate()
            service.wait(30)


def memory_of(parent: int) -> Iterator[tuple[str, float, float]]:
    """Yield (what it does, resident MiB, proportional MiB) of the service's processes."""
    todo = [(parent, 0)]
    while todo:
        pid, depth = todo.pop(0)
        todo += [(child, depth + 1) for child in children(pid)]
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found = {line.split()[0]: int(line.split()[1]) / 1024 for line in text.splitlines()[1:]}
            what = ("supervisor", "HTTP", "starts workers", "worker")[min(depth, 3)]
            if "resource_tracker" not in command(pid):
                yield what, found["Rss:"], found["Pss:"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """Times of one question at a time."""

    uncached: Times
    cached: Times
    uv: Times


def time_one(url: str, setting: Setting, uv: Command, runs: int) -> Single:
    """Return the times of one model question at a time, in turn with *uv*."""
    fresh, again = Questions(setting, fresh=True), Questions(setting, fresh=False)
    values: dict[str, list[float]] = {"uv": [], "uncached": [], "cached": []}
    with contextlib.closing(Client(url)) as client:
        for _ in range(20):  # every worker has read the pages, and knows the specifiers
            client.ask(fresh.next(_MODEL))
        client.ask(again.next(_MODEL))
        for _ in range(runs):
            values["uv"] += measure([uv], 1)[uv.name].values
            for name, questions in (("uncached", fresh), ("cached", again)):
                question = questions.next(_MODEL)
                began = time.perf_counter()
                answer = client.ask(question)
                values[name].append((time.perf_counter() - began) * 1000)
                if answer is None:
                    raise RuntimeError(f"there is no answer to {question.name}")
    return Single(**{name: Times(tuple(found)) for name, found in values.items()})


def report_one(single: Single) -> str:
    """Return the figures of one question at a time as text."""
    ratio = single.uncached.median / single.uv.median
    lines = [f"{_MODEL}, milliseconds      min      p50"]
    for name, times in (("uncached", single.uncached), ("cached", single.cached), ("uv's process", single.uv)):
        lines.append(f"  {name:18} {times.best:8.1f} {times.median:8.1f}")
    lines.append(f"uncached / uv = {ratio:.2f} (aim at most 0.5: {verdict(ratio, 0.5, at_most=True)})")
    cached = single.cached.median
    lines.append(f"cached = {cached:.1f} ms (aim at most 10: {verdict(cached, 10, at_most=True)})")
    return "\n".join(lines)


def measure_service(place: str, db: Path, setting: Setting, uv: Command, options: argparse.Namespace) -> None:
    """Measure one service and print it.

    :param place: its catalog; written to.
    :param db: a catalog with the same facts, which nobody writes to.
    """
    known: dict[Question, bytes] = {}
    with serve(place, setting.index, options.workers) as (url, pid):
        print(report_one(time_one(url, setting, uv, options.runs)), flush=True)
        print(f"{'':8} {'clients':>7} {'answers':>8} {'p50 ms':>8} {'p99 ms':>8} {'a second':>8}  lost  wrong")
        for fresh in (True, False):
            for clients in options.clients:
                load = press(url, Questions(setting, fresh=fresh), clients, options.seconds, known, db)
                print(f"{'uncached' if fresh else 'cached':8} {load}", flush=True)
        for what, resident, proportional in memory_of(pid):
            print(f"  {what:15} {resident:6.0f} MiB resident, {proportional:6.0f} MiB of its own and its share")


def copy_catalog(catalog: Path, copy: Path) -> None:
    """Make *copy* hold what *catalog* holds, in today's schema."""
    with contextlib.closing(sqlite3.connect(catalog)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    open_catalog(copy).close()


@contextlib.contextmanager
def postgres(db: Path, folder: Path) -> Iterator[str]:
    """Yield the URL of a PostgreSQL catalog with the facts of *db*."""
    import psycopg

    with embedded_server() as server:
        with open_catalog(db) as source, open_catalog(server.get_uri()) as target:
            export_snapshot(source, folder / "facts")
            began = time.perf_counter()
            import_file(target, folder / "facts")
            print(f"imported in {time.perf_counter() - began:.1f} s")
        with contextlib.closing(psycopg.connect(server.get_uri(), autocommit=True)) as connection:
            connection.execute("ANALYZE")  # as the server does by itself, a minute later
        yield server.get_uri()


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep catalog and uv's cache here")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load [10]")
    parser.add_argument("--runs", type=int, default=30, help="of one question at a time [30]")
    parser.add_argument("--clients", type=int, nargs="+", default=list(_CLIENTS))
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args(arguments)
    print(f"{datetime.now(UTC).date()}: {machine()}; {options.workers} workers")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        catalog = folder / "catalog.sqlite3"
        here = Setting.here()
        setting = replace(here, index=fill_catalog(SETS, here, folder, catalog))
        uv = prepare_set(_MODEL, here, folder, setting.index).uv
        own, other = Path(temporary, "own.sqlite3"), Path(temporary, "other.sqlite3")
        for copy in (own, other):
            copy_catalog(catalog, copy)
        for engine in options.engine or ["sqlite", "postgresql"]:
            print(f"\n{engine}")
            if engine == "sqlite":
                measure_service(str(own), other, setting, uv, options)
            else:
                with postgres(other, Path(temporary)) as url:
                    measure_service(url, other, setting, uv, options)


if __name__ == "__main__":
    main(sys.argv[1:])
