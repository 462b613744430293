"""The form of a fact file: what the documentation says is read, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import json
import resource
from pathlib import Path
from typing import Any

import pytest

from db.catalog import CatalogHandle, open_catalog
from db.transfer import export_facts, import_file
from resolver.errors import InputError
from resolver.names import normalize_project
from tests.db.examples import CLOSURE, INDEX

ALPHA, BETA = normalize_project("alpha"), normalize_project("beta")
WHEEL, SDIST = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"


def packed(*lines: Any, trailer: bool = True) -> bytes:
    content = b"".join(
        x
        if isinstance(x, bytes)
        else json.dumps(x, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() + b"\n"
        for x in lines
    )
    if trailer:
        content += b'{"sha256":"' + hashlib.sha256(content).hexdigest().encode() + b'"}\n'
    return gzip.compress(content, mtime=0)


HEADER = {"format": "mach-facts", "kind": "facts", "snapshot": None, "version": 2}
FILE = [WHEEL, "a" * 64, True, "https://x.example/a", 1, 2, None, False, None, False, None, None, []]
DEPSET: list[Any] = [["b"], [], None, None]
BUILD: list[Any] = [["setuptools"], None, [], 1]
PLACE = ["3.11", "x86_64-linux", "requires", CLOSURE]


def project(**changes: Any) -> dict[str, Any]:
    return {"absent": False, "depsets": [], "files": [FILE], "index": INDEX, "project": "alpha", **changes}


def changed(position: int, value: Any) -> dict[str, Any]:
    return project(files=[[*FILE[:position], value, *FILE[position + 1 :]]])


def saying(*said: Any, depset: list[Any] | None = None, name: str = SDIST, link: Any = None) -> dict[str, Any]:
    """A project with one file and one depset, of whose build *said* is told."""
    file_with = [name, *FILE[1:11], link, list(said)]
    return project(depsets=[[*DEPSET, BUILD] if depset is None else depset], files=[file_with])


def test_the_form_in_the_documentation_is_the_one_that_is_read(catalog: CatalogHandle, tmp_path: Path):
    (tmp_path / "file").write_bytes(packed(HEADER, project(), saying([*PLACE, 0]) | {"project": "beta"}))
    assert import_file(catalog, tmp_path / "file").learned == 2
    assert [f.filename for f in catalog.reader().listing(INDEX, ALPHA) or ()] == [WHEEL]
    assert [s.filename for s in catalog.reader().listing(INDEX, BETA) or ()] == [SDIST]
    digest = hashlib.sha256(json.dumps([*DEPSET, BUILD], separators=(",", ":")).encode()).digest()
    rows = catalog.connection.rows(
        "SELECT b.python, b.system, b.step, b.closure, d.digest FROM built_link b JOIN depset d ON d.id = b.depset_id"
    )
    assert [(*row[:4], bytes(row[4])) for row in rows] == [(*PLACE, digest)]


def test_crates_survive_the_way_through_a_file(catalog: CatalogHandle, tmp_path: Path):
    crates = [["leaf", "0.1.0", "a" * 64], ["leaf", "0.2.0", "a" * 64]]
    told = saying(depset=[*DEPSET, [*BUILD, crates]], link=[0, None])
    (tmp_path / "file").write_bytes(packed(HEADER, told))
    assert import_file(catalog, tmp_path / "file").learned == 1
    [depset] = catalog.reader().pages(INDEX, [ALPHA])[ALPHA].depsets
    assert depset[5][4] == crates
    export_facts(catalog, tmp_path / "again", pages=[], metadata=[(INDEX, ALPHA, SDIST)], builds=[])
    lines = gzip.decompress((tmp_path / "again").read_bytes()).splitlines()
    assert json.loads(lines[1])["depsets"] == told["depsets"]


@pytest.mark.parametrize("crates", [None, [["leaf", "0.1.0", "a" * 64]]], ids=["no crates", "crates"])
def test_a_version_survives_the_way_through_a_file(catalog: CatalogHandle, tmp_path: Path, crates: object):
    told = saying(depset=[*DEPSET, [*BUILD, crates, "1.2"]], link=[0, None])
    (tmp_path / "file").write_bytes(packed(HEADER, told))
    assert import_file(catalog, tmp_path / "file").learned == 1
    [depset] = catalog.reader().pages(INDEX, [ALPHA])[ALPHA].depsets
    assert depset[5][4:] == [crates, "1.2"]
    export_facts(catalog, tmp_path / "again", pages=[], metadata=[(INDEX, ALPHA, SDIST)], builds=[])
    lines = gzip.decompress((tmp_path / "again").read_bytes()).splitlines()
    assert json.loads(lines[1])["depsets"] == told["depsets"]


def test_the_form_of_version_1_is_still_read(catalog: CatalogHandle, tmp_path: Path):
    old = project(depsets=[DEPSET], files=[[*FILE[:11], [0, None]]])
    (tmp_path / "file").write_bytes(packed({**HEADER, "version": 1}, old))
    assert import_file(catalog, tmp_path / "file").learned == 1
    assert catalog.reader().pages(INDEX, [ALPHA])[ALPHA].depsets[0][1:] == [["b"], [], None, None, None]
    export_facts(catalog, tmp_path / "again", pages=[], metadata=[(INDEX, ALPHA, WHEEL)])
    lines = gzip.decompress((tmp_path / "again").read_bytes()).splitlines()
    assert json.loads(lines[0])["version"] == 2
    assert json.loads(lines[1])["files"] == [[*FILE[:11], [0, None], []]]


HOSTILE = [
    b"",
    b"plain text",
    gzip.compress(b"", mtime=0),
    gzip.compress(b"x" * 100, mtime=0),
    packed(HEADER, project(), trailer=False),
    packed(HEADER, project())[:-20],
    packed(HEADER, project()) + b"garbage",
    packed(HEADER, project()) + packed(HEADER),
    packed(project()),
    packed({**HEADER, "format": "other"}, project()),
    packed({**HEADER, "version": "1"}, project()),
    packed({**HEADER, "version": True, "kind": "x"}, project()),
    packed({**HEADER, "more": 1}, project()),
    packed({**HEADER, "kind": "snapshot"}, project()),
    packed({**HEADER, "kind": "snapshot", "snapshot": "0" * 64}, project()),
    packed(HEADER, project(), project()),
    packed(HEADER, project(project="zeta"), project()),
    packed(HEADER, project(project="Alpha")),
    packed(HEADER, project(project="../x")),
    packed(HEADER, project(project=1)),
    packed(HEADER, project(index="file:///etc/")),
    packed(HEADER, project(index="https://user:secret@x.example/")),
    packed(HEADER, project(index="https://x.example")),
    packed(HEADER, project(index="javascript:alert(1)/")),
    packed(HEADER, project(absent=True)),
    packed(HEADER, project(absent=0)),
    packed(HEADER, project(more=1)),
    packed(HEADER, project(files={})),
    packed(HEADER, project(files=[FILE, FILE])),
    packed(HEADER, project(files=[FILE[:-1]])),
    packed(HEADER, project(files=[FILE, [WHEEL, "b" * 64, *FILE[2:]]])),
    packed(HEADER, project(depsets=[DEPSET])),
    packed(HEADER, changed(11, [0, None])),
    packed(HEADER, changed(11, [-1, None])),
    packed(HEADER, project(depsets=[DEPSET, DEPSET], files=[[*FILE[:11], [0, None], []]])),
    packed(HEADER, project(depsets=[DEPSET], files=[[*FILE[:11], [0, "c" * 64], []]])),
    packed(HEADER, project(depsets=[[["b"], [], 1, None]], files=[[*FILE[:11], [0, None], []]])),
    packed(HEADER, changed(0, "nul\0")),
    packed(HEADER, changed(0, None)),
    packed(HEADER, changed(1, "A" * 64)),
    packed(HEADER, changed(1, "a" * 63)),
    packed(HEADER, changed(2, 1)),
    packed(HEADER, changed(3, "file:///etc/passwd")),
    packed(HEADER, changed(3, "https://u@x.example/a")),
    packed(HEADER, changed(3, "/a")),
    packed(HEADER, changed(3, "https://[/a")),
    packed(HEADER, changed(4, -1)),
    packed(HEADER, changed(4, 2**63)),
    packed(HEADER, changed(4, 1.0)),
    packed(HEADER, changed(5, True)),
    packed(HEADER, changed(8, "a reason without a yank")),
    packed(HEADER, changed(12, None)),
    packed(HEADER, changed(12, {})),
    packed({**HEADER, "version": 1}, project()),
    packed({**HEADER, "version": 1}, saying([*PLACE, 0])),
    packed({**HEADER, "version": 1}, project(depsets=[[*DEPSET, BUILD]], files=[[SDIST, *FILE[1:11], [0, None]]])),
    packed(HEADER, saying([*PLACE, 0], depset=DEPSET)),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, None])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, BUILD, BUILD])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, BUILD[:3]])),
    *(
        packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [*BUILD, *items]]))
        for items in (
            [None],
            [[], []],
            [None, None],
            [None, "01.0"],
            [None, "../1"],
            [None, "1.0", None],
            [["leaf"]],
            [[["leaf", "0.1.0"]]],
            [[["leaf", "0.1.0", None]]],
            [[["leaf", "0.1.0", "a" * 63]]],
            [[["a/b", "0.1.0", "a" * 64]]],
            [[["leaf", "0.1", "a" * 64]]],
            [[["leaf", "0.1.0", "a" * 64]] * 2],
        )
    ),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, ["setuptools", None, [], 1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [["setuptools\0"], None, [], 1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], 1, [], 1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], None, [1], 1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], None, None, 1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], None, [], True]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], None, [], -1]])),
    packed(HEADER, saying([*PLACE, 0], depset=[*DEPSET, [[], None, [], None]])),
    packed(HEADER, saying([*PLACE, 0], [*PLACE, 0])),
    packed(HEADER, saying([*PLACE, 0], ["3.10", *PLACE[1:], 0])),
    packed(HEADER, saying([*PLACE, 1])),
    packed(HEADER, saying([*PLACE, -1])),
    packed(HEADER, saying([*PLACE, None])),
    packed(HEADER, saying([*PLACE, False])),
    packed(HEADER, saying(PLACE)),
    packed(HEADER, saying([*PLACE, 0, 0])),
    packed(HEADER, saying(["3", *PLACE[1:], 0])),
    packed(HEADER, saying([3.11, *PLACE[1:], 0])),
    packed(HEADER, saying(["3.11", "../x", *PLACE[2:], 0])),
    packed(HEADER, saying(["3.11", "x86_64-linux sha256", *PLACE[2:], 0])),
    packed(HEADER, saying([*PLACE[:2], "install", CLOSURE, 0])),
    packed(HEADER, saying([*PLACE[:3], CLOSURE.upper(), 0])),
    packed(HEADER, saying([*PLACE[:3], None, 0])),
    packed(HEADER, b'{"absent":false,"absent":false}\n'),
    packed(HEADER, b"[" * 100_000 + b"\n"),
    packed(HEADER, b"9" * 5_000 + b"\n"),
    packed(HEADER, b'{"x":NaN}\n'),
    packed(HEADER, b'{"x":"\\ud800"}\n'),
    packed(HEADER, b"\xff\n"),
    packed(HEADER, b'{"sha256": "' + b"0" * 64 + b'"}\n', trailer=False),
    packed(HEADER, b'{"sha256":"' + b"0" * 64 + b'"}\n', trailer=False),
    packed(HEADER, b"x" * (33 * 2**20)),
]


@pytest.mark.parametrize("content", HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_a_hostile_file_is_refused_and_nothing_stored(tmp_path: Path, content: bytes):
    (tmp_path / "file").write_bytes(content)
    with open_catalog(tmp_path / "catalog.sqlite3") as catalog:
        with pytest.raises(InputError) as error:
            import_file(catalog, tmp_path / "file")
        assert error.value.code == "invalid-fact-file"
        assert len(str(error.value)) < 2000
        assert catalog.generation() == 0


def test_a_newer_form_is_refused_by_name(catalog: CatalogHandle, tmp_path: Path):
    (tmp_path / "file").write_bytes(packed({**HEADER, "version": 3}, project()))
    with pytest.raises(InputError) as error:
        import_file(catalog, tmp_path / "file")
    assert error.value.code == "fact-file-too-new"
    with pytest.raises(InputError) as error:
        import_file(catalog, tmp_path / "missing")
    assert error.value.code == "unreadable-file"


def test_file_urls_are_taken_where_the_operator_allows_it(catalog: CatalogHandle, tmp_path: Path):
    (tmp_path / "file").write_bytes(packed(HEADER, changed(3, "file:///srv/a.whl")))
    assert import_file(catalog, tmp_path / "file", allow_file_urls=True).learned == 1


def test_what_unpacks_without_end_is_stopped_early(tmp_path: Path):
    (tmp_path / "file").write_bytes(gzip.compress(b" " * 2**28))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_catalog(tmp_path / "catalog.sqlite3") as catalog, pytest.raises(InputError):
        import_file(catalog, tmp_path / "file")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000, "kilobytes"
