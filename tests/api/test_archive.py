"""``mach archive``: what it saves, keeps, fetches anew and tells, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.machines import ROOT, Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.processes import INTERRUPTED
from tests.support.repositories import DEMO, file_server, write_tree


@pytest.fixture
def machine(fake_index: FakeIndex, tmp_path: Path) -> Machine:
    """A machine with a lock of one project, and an index of its own."""
    fake_index.add(make_wheel("solo", "1.0", requires=["other"]))
    fake_index.add(make_wheel("other", "2.0"))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    machine = Machine(home=tmp_path, index_url=fake_index.url)
    machine.mach("lock", "solo", "--python", "3.11.9")
    fake_index.forget()
    return machine


def names(found: list[dict[str, str]]) -> list[str]:
    return sorted(item["filename"].partition("-")[0] for item in found)


def test_the_first_run_saves_all_and_the_second_asks_nobody(machine: Machine, fake_index: FakeIndex) -> None:
    first = machine.mach("archive", "archive", "--json")
    assert names(first.json["saved"]) == ["installer", "other", "pyproject_hooks", "solo"]
    assert "archive has all 4 sources of mach.lock, 4 of them new" in first.stderr
    assert "pins no nixpkgs" in first.stderr
    files = {path.name: path.read_bytes() for path in (machine.home / "archive").iterdir()}
    fake_index.forget()
    second = machine.mach("archive", "archive", "--json").json
    assert names(second["kept"]) == ["installer", "other", "pyproject_hooks", "solo"]
    assert second["saved"] == []
    assert fake_index.count() == 0
    assert {path.name: path.read_bytes() for path in (machine.home / "archive").iterdir()} == files
    assert set(files) == {item["name"] for item in second["kept"]} | {"index.json"}


def test_only_what_is_missing_or_damaged_is_fetched(machine: Machine, fake_index: FakeIndex) -> None:
    places = {item["filename"]: machine.home / "archive" / item["name"]
              for item in machine.mach("archive", "archive", "--json").json["saved"]}  # fmt: skip
    solo, other = places["solo-1.0-py3-none-any.whl"], places["other-2.0-py3-none-any.whl"]
    content = solo.read_bytes()
    solo.write_bytes(content[:-1] + b"!")  # the same length
    other.unlink()
    (machine.home / "archive/notes.txt").write_text("mine")
    told = machine.mach("archive", "archive", "--check", code=3).stderr
    assert "error[archive-incomplete]" in told
    assert "2 of the lock's 4 sources are missing from archive, or damaged in it" in told
    assert f"missing: other-2.0-py3-none-any.whl, as {other.name}" in told
    assert f"damaged: solo-1.0-py3-none-any.whl, as {solo.name}" in told
    fake_index.forget()
    again = machine.mach("archive", "archive", "--json")
    assert names(again.json["saved"]) == ["other", "solo"]
    assert "warning: solo-1.0-py3-none-any.whl was damaged in the archive" in again.stderr
    assert fake_index.count() == 2
    assert solo.read_bytes() == content
    assert (machine.home / "archive/notes.txt").read_text() == "mine"
    checked = machine.mach("archive", "archive", "--check", "--json")
    assert len(checked.json["kept"]) == 4
    assert "archive has all 4 sources of mach.lock" in checked.stderr


def test_what_fails_is_named_and_the_rest_is_saved(machine: Machine, fake_index: FakeIndex) -> None:
    solo = fake_index.dists("solo")[0]
    fake_index.behave(fake_index.file_path(solo), body=b"replaced")
    failed = machine.mach("archive", "archive", "--json", code=3)
    error = failed.json["error"]
    assert error["code"] == "archive-incomplete"
    assert error["message"] == "1 of the lock's 4 sources are not in archive"
    assert f"  in the lock: sha256:{solo.sha256}" in error["context"]
    assert names(error["details"]["saved"]) == ["installer", "other", "pyproject_hooks"]
    (only,) = error["details"]["failed"]
    assert (only["name"], only["error"]["code"]) == (solo.sha256, "hash-mismatch")
    assert not (machine.home / "archive" / solo.sha256).exists()
    index = json.loads(machine.read("archive/index.json"))
    assert "solo-1.0-py3-none-any.whl" not in {entry["filename"] for entry in index["files"]}


def test_checking_writes_nothing_and_asks_nobody(machine: Machine, fake_index: FakeIndex) -> None:
    told = machine.mach("archive", "nowhere", "--check", "--json", code=3)
    assert len(told.json["error"]["details"]["missing"]) == 4
    assert not (machine.home / "nowhere").exists()
    assert fake_index.count() == 0
    assert "takes no --from" in machine.mach("archive", "nowhere", "--check", "--from", ".", code=2).stderr


def test_an_archive_fills_another_when_the_index_is_gone(machine: Machine, fake_index: FakeIndex) -> None:
    machine.mach("archive", "archive")
    fake_index.server.stop()
    machine.mach("archive", "second", "--from", "archive")
    with file_server(machine.home / "second") as url:
        machine.mach("archive", "third", "--from", url)
    assert machine.read("third/index.json") == machine.read("archive/index.json")
    told = machine.mach("archive", "fourth", code=3).stderr
    assert "4 of the lock's 4 sources are not in fourth" in told
    assert "Connection refused" in told


def test_two_locks_share_an_archive(machine: Machine, fake_index: FakeIndex) -> None:
    machine.mach("archive", "archive")
    fake_index.add(make_wheel("later", "1.0"))
    machine.mach("lock", "later", "--python", "3.11.9", "-o", "later.lock")
    assert names(machine.mach("archive", "archive", "--lock", "later.lock", "--json").json["saved"]) == ["later"]
    machine.mach("archive", "archive", "--check")
    index = json.loads(machine.read("archive/index.json"))
    found = [{"filename": entry["filename"]} for entry in index["files"]]
    assert names(found) == ["installer", "later", "other", "pyproject_hooks", "solo"]


def test_a_folder_of_the_user_is_named_and_left_out(machine: Machine, fake_index: FakeIndex) -> None:
    fake_index.add(make_wheel("idna", "3.1"))
    fake_index.add(wheel_from_installed("setuptools"))
    fake_index.add(wheel_from_installed("wheel"))
    write_tree(machine.home / "library", DEMO)
    machine.mach("lock", "./library", "--python", "3.11.9")
    done = machine.mach("archive", "archive", "--json")
    assert done.json["left-out"] == ["./library"]
    assert "not in an archive: ./library, a folder of yours" in done.stderr


def test_a_lock_elsewhere_finds_what_lies_beside_it(machine: Machine) -> None:
    wheel = make_wheel("near", "1.0")
    (machine.home / "project").mkdir()
    (machine.home / "project" / wheel.filename).write_bytes(wheel.content)
    machine.mach("lock", f"./project/{wheel.filename}", "--python", "3.11.9", "-o", "project/mach.lock")
    machine.mach("archive", "archive", "--lock", "project/mach.lock")
    assert (machine.home / "archive" / wheel.sha256).read_bytes() == wheel.content


def test_ctrl_c_ends_it_at_once_and_leaves_nothing_half(machine: Machine, fake_index: FakeIndex) -> None:
    solo = fake_index.dists("solo")[0]
    fake_index.behave(fake_index.file_path(solo), drip=(16, 0.2))
    run = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "archive", "archive"],
        cwd=machine.home, env={**machine.env(), "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while not list((machine.home / "archive").glob(".mach-*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(run.pid, signal.SIGINT)
    _, told = run.communicate(timeout=30)
    assert run.returncode in INTERRUPTED, told
    assert "interrupted" in told
    left = {path.name for path in (machine.home / "archive").iterdir()}
    assert solo.sha256 not in left
    assert not [name for name in left if name.startswith(".")]
    fake_index.server.recover()
    machine.mach("archive", "archive")
    machine.mach("archive", "archive", "--check")
