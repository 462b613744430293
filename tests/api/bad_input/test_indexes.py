"""Indexes that fail, lie, or hold what strangers wrote to do harm: what the user reads, and what is kept."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bad_input.refusals import refuse
from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.hostile import HOSTILE_TEXTS, HOSTILE_URLS
from tests.support.index import FakeIndex, IndexServer


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """An index of one's own: mach's tools, ``top``, and ``base``, which it requires."""
    with IndexServer() as server:
        index = server.index()
        for tool in ("installer", "pyproject-hooks"):
            index.add(wheel_from_installed(tool))
        index.add(make_wheel("base", "1.0"))
        index.add(make_wheel("top", "1.0", requires=["base>=1"]))
        yield index


@pytest.fixture
def machine(tmp_path: Path, index: FakeIndex) -> Machine:
    """A machine without a catalog, which waits a fifth of a second for answers."""
    environ = {"MACH_DB": str(tmp_path / "catalog.sqlite3"), "PIP_TIMEOUT": "0.2"}
    return Machine(home=tmp_path, index_url=index.url, environ=environ)


@pytest.mark.parametrize(
    ("behaviour", "error", "said"),
    [
        ({"status": 500}, "index-error", "the index answers 500 for the page of base"),
        ({"status": 403}, "index-refused", "the index answers 403 for the page of base"),
        ({"close": True}, "index-unreachable", "the connection breaks"),
        ({"delay": 30.0}, "index-unreachable", "no answer in time"),
        ({"truncate": 20}, "index-garbage", "breaks off after 20 bytes"),
        (
            {"body": b"\x00\xff\x1b[31m", "content_type": "application/octet-stream"},
            "index-garbage",
            "not the page of base",
        ),
        ({"body": b"{nope"}, "index-garbage", "it is no JSON"),
        ({"body": b"[" * 100_000}, "index-garbage", "it is no JSON"),
        ({"body": b"", "content_type": "text/html"}, "index-garbage", "it is empty"),
        (
            {"body": b"<html><form action=x><input type=password></form></html>", "content_type": "text/html"},
            "index-garbage",
            "not the page of base",
        ),
        ({"redirect": "file:///etc/passwd"}, "index-garbage", "cannot be followed"),
    ],
)
def test_an_answer_that_is_no_page(
    machine: Machine, index: FakeIndex, behaviour: dict[str, object], error: str, said: str
):
    index.behave(index.page_path("base"), **behaviour)
    asked = refuse(machine, "lock", "top", error=error, code=3)
    assert said in asked.stderr
    assert f"at 127.0.0.1:{index.url.split(':')[2].partition('/')[0]}/simple/base/" in asked.stderr
    # what did arrive is kept, and the next run completes
    index.recover()
    index.forget()
    machine.mach("lock", "top")
    assert index.count(index.page_path("top")) == 0, "it was known already"


def test_an_index_that_has_nothing_at_all(machine: Machine, index: FakeIndex):
    index.behave(f"{index.root_path}*", status=404)
    asked = refuse(machine, "gen", "top", error="unknown-project", code=1)
    assert "'top'" in asked.stderr


def test_an_index_that_is_gone(machine: Machine, index: FakeIndex):
    index.server.stop()
    asked = refuse(machine, "gen", "top", error="index-unreachable", code=3)
    assert "Connection refused" in asked.stderr
    assert "--offline" in asked.stderr


def test_an_index_that_fails_later_is_answered_from_what_is_known(machine: Machine, index: FakeIndex):
    first = machine.mach("gen", "top")
    index.behave(f"{index.root_path}*", status=503)
    again = machine.mach("gen", "top", "--refresh")
    assert again.stdout == first.stdout
    assert "could not be checked" in again.stderr


def test_a_password_in_the_index_url_is_told_nowhere(machine: Machine, index: FakeIndex):
    index.behave(index.page_path("top"), status=500)
    asked = refuse(machine, "gen", "top", "-i", index.url_with("user", "s3cret"), error="index-error", code=3)
    assert "s3cret" not in asked.stderr
    index.recover()
    asked = machine.mach("lock", "top", "-i", index.url_with("user", "s3cret"), "-o", "-")
    assert "s3cret" not in asked.stdout + asked.stderr
    assert b"s3cret" not in (machine.home / "catalog.sqlite3").read_bytes()


def test_metadata_that_is_not_what_the_page_promised(machine: Machine, index: FakeIndex):
    index.add(make_wheel("forged", "1.0"), sidecar_content=b"Metadata-Version: 2.1\nName: forged\nVersion: 1.0\n\nevil")
    index.change(index.dists("forged")[0], sidecar_sha256="0" * 64)
    asked = refuse(machine, "gen", "forged", error="hash-mismatch", code=3)
    assert "0" * 64 in asked.stderr
    assert "forged-1.0-py3-none-any.whl" in asked.stderr


@pytest.mark.parametrize(
    "wheel",
    [
        make_wheel("liar", "2.0", metadata_name="requests"),
        make_wheel("liar", "2.0", metadata_version_field="99"),
        make_wheel("liar", "2.0", requires=["this is not a requirement >> 1"]),
        make_wheel("liar", "2.0", metadata_text=b"\xff\xfe\x00 nothing of the kind"),
        make_wheel("liar", "2.0", metadata_text=b""),
        make_wheel("liar", "2.0", metadata_version="99.0"),
    ],
    ids=["another-name", "another-version", "bad-requirement", "no-text", "empty", "newer-format"],
)
def test_metadata_that_cannot_be_used_costs_that_release_only(machine: Machine, index: FakeIndex, wheel: object):
    index.add(make_wheel("liar", "1.0"))
    index.add(wheel)  # type: ignore[arg-type]
    machine.mach("lock", "liar")
    pins = json.loads(machine.read("mach.lock"))["targets"][0]["pins"]
    assert [(pin["name"], pin["version"]) for pin in pins] == [("liar", "1.0")]
    asked = refuse(machine, "lock", "liar==2.0", "-o", "x.lock", error="nothing-for-target", code=1)
    assert "liar 2.0" in asked.stderr


def test_markers_that_cannot_be_evaluated_do_not_apply_and_are_said(machine: Machine, index: FakeIndex):
    index.add(make_wheel("odd", "1.0", requires=["nothing; python_version ~= 'x'", "base; os_name > '\x1b[31m'"]))
    asked = machine.mach("lock", "odd")
    assert "warning:" in asked.stderr
    assert asked.stderr.replace("\n", "").isprintable()


def test_metadata_that_is_huge_is_not_read(machine: Machine, index: FakeIndex):
    huge = b"Metadata-Version: 2.1\nName: huge\nVersion: 1.0\n" + b"Classifier: x\n" * 700_000
    index.add(make_wheel("huge", "1.0", metadata_text=huge))
    asked = refuse(machine, "gen", "huge", error="index-garbage", code=3)
    assert "longer than" in asked.stderr


def test_versions_and_names_that_are_none_are_left_out(machine: Machine, index: FakeIndex):
    for version in ("2004d", "1.0.ubuntu", "9" * 5_000):
        with contextlib.suppress(ValueError):
            index.add(make_wheel("dated", "1.0", filename=f"dated-{version}-py3-none-any.whl"))
    index.add(make_wheel("dated", "1.0"))
    machine.mach("lock", "dated", "-v")
    assert json.loads(machine.read("mach.lock"))["targets"][0]["pins"][0]["version"] == "1.0"


def hostile_rows() -> Iterator[dict[str, object]]:
    """Yield rows of a JSON page (PEP 691) that try to become code, commands or paths."""
    texts = [*HOSTILE_TEXTS.values(), "\u0000", "\ud800", "\x9b31m", "../../x", "a" * 100_000]
    digest = {"sha256": "0" * 64}
    for number, text in enumerate(texts):
        name = f"rows-1.{number}-py3-none-any.whl"
        good = {
            "filename": name,
            "url": f"http://127.0.0.1:1/{name}",
            "hashes": digest,
            "upload-time": "2024-01-01T00:00:00Z",
        }
        yield {**good, "filename": f"rows-2.{number}-py3-none-any{text}.whl"}
        yield {**good, "filename": f"rows-{text}-py3-none-any.whl"}
        yield {**good, "filename": f"rows-1.{number}-py3-none-{text}.whl"}
        yield {**good, "filename": f"rows-3.{number}{text}.tar.gz"}
        yield {**good, "filename": f"rows-4.{number}-py3-none-any.whl", "url": f"http://127.0.0.1:1/{text}/x.whl"}
        yield {**good, "filename": f"rows-5.{number}-py3-none-any.whl", "requires-python": text}
        yield {**good, "filename": f"rows-6.{number}-py3-none-any.whl", "yanked": text}
        yield {**good, "filename": f"rows-7.{number}-py3-none-any.whl", "hashes": {text: text, "sha256": text}}
        yield {**good, "filename": f"rows-8.{number}-py3-none-any.whl", "upload-time": text}
        yield {**good, "filename": f"rows-9.{number}-py3-none-any.whl", "core-metadata": {"sha256": text}, "size": text}
        yield {text: text}
    for number, url in enumerate(HOSTILE_URLS):
        yield {"filename": f"rows-1.{number}-1-py3-none-any.whl", "url": url, "hashes": digest}
    yield from ({"filename": value} for value in (None, 1, [], {}, True, 1e999))  # type: ignore[misc]


def test_a_page_full_of_hostile_rows_ends_as_text_or_is_left_out(machine: Machine, index: FakeIndex):
    wheel = index.add(make_wheel("rows", "0.1"))
    name = wheel.filename
    rows = [{"filename": name, "url": index.file_url(wheel), "hashes": {"sha256": wheel.sha256}, "core-metadata": True}]
    page = {"meta": {"api-version": "1.1"}, "name": "rows", "files": [*rows, *hostile_rows()]}
    index.behave(
        index.page_path("rows"), body=json.dumps(page).encode(), content_type="application/vnd.pypi.simple.v1+json"
    )
    # every hostile release is out of reach (its metadata, its Python), or only its yank reason is hostile
    for words in (("rows==0.1",), ("rows<1",)):
        asked = machine.mach("gen", "-vv", *words)
        for text in (asked.stdout, asked.stderr):
            assert text.replace("\n", "").replace("\t", "").isprintable()
        assert "is left out" in asked.stderr or words == ("rows<1",)
    # 2, 3 and 7: no file at all; 6: yanked; the others lack metadata, which is nowhere to be had
    for version, code in {2: 1, 3: 1, 4: 3, 5: 3, 6: 1, 7: 1, 8: 3, 9: 1}.items():
        asked = machine.mach("gen", f"rows=={version}.*", "--offline", code=code)
        assert asked.stdout == ""
        assert asked.stderr.replace("\n", "").isprintable()
    assert not list(machine.home.glob("mach-was-here*"))


def test_hostile_projects_of_the_world_become_inert_nix(filled: Machine, tmp_path: Path):
    machine = Machine(home=tmp_path, index_url=filled.index_url)
    for project in ("hostile-files", "hostile-metadata", "hostile-scripts", "hostile-page==1.0", "hostile-name"):
        code = 1 if project in ("hostile-metadata", "hostile-name") else 0
        asked = machine.mach("gen", project, "-o", "x.nix", "-vv", code=code)
        assert asked.stderr.replace("\n", "").isprintable()
        if code == 0:
            text = machine.read("x.nix")
            assert text.replace("\n", "").replace("\t", "").isprintable()
            assert "nix ran this" not in text
    assert not list(tmp_path.glob("mach-was-here*"))


@pytest.mark.nix
def test_hostile_values_of_a_lock_are_text_to_nix(filled: Machine, tmp_path: Path):
    machine = Machine(home=tmp_path, index_url=filled.index_url)
    machine.mach("gen", "hostile-page==1.0", "requests", "-o", "x.nix")
    done = subprocess.run(["nix-instantiate", "--parse", tmp_path / "x.nix"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
