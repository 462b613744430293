"""What strangers may send to ``POST /resolve``: nothing of it is a bug of ours, and nothing keeps the service long."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.machines import Machine
from tests.support.service import serving
from tests.support.world import World

#: Seconds of this process for the worst of all bodies of a million bytes.
LONGEST = 3.0
TEXT, JSON, FORM = "text/plain", "application/json", "multipart/form-data; boundary=x"
MEGABYTE = 999_000


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service that knows a few projects and fetches nothing."""
    machine = Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)
    catalog = machine.home / "catalog"
    machine.mach("crawl", "idna", "installer", "pyproject-hooks", "-q", "--db", catalog)
    with serving(machine, db=str(catalog), fill="off", most_seconds=5) as client:
        yield client


def send(client: TestClient, body: bytes, kind: str, **headers: str) -> httpx2.Response:
    """Return the answer to *body*, which must be an answer, and must come soon."""
    began = time.process_time()
    answer = client.post("/resolve", content=body, headers={"Content-Type": kind, **headers})
    took = time.process_time() - began
    assert answer.status_code in (200, 400, 413, 415, 422, 424), answer.text[:1000]
    assert took < LONGEST, f"{took:.1f} s"
    if answer.status_code != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["title"]
        assert answer.content.isascii()
        assert len(answer.content) < 100_000, "a refusal does not send back what it was sent"
    return answer


def test_the_service_answers_at_all(service: TestClient) -> None:
    assert send(service, b"idna\n", TEXT).status_code == 200


def long(start: str, again: str, end: str = "", size: int = MEGABYTE) -> bytes:
    """Return *again* as often as it fits into *size* bytes, between the others."""
    room = size - len((start + end).encode())
    return (start + again * (room // len(again.encode())) + end).encode()


#: Texts on which a search that goes back, or looks again and again at what it saw, takes long.
PATTERNS: dict[str, bytes] = {
    "one line": long("", "a"),
    "newlines": long("", "\n"),
    "returns": long("", "\r"),
    "form feeds": long("idna", "\f"),
    "line separators": long("idna", "\u2028"),
    "blanks in a line": long("a", " ", "b"),
    "tabs in a line": long("a", "\t", "="),
    "blanks at the end": long("idna", " "),
    "blanks at the start": long("", " ", "idna"),
    "remarks": long("", "#"),
    "blanks before a remark": long("idna", " #"),
    "continued lines": long("idna", "\\\n"),
    "continued remarks": long("#", "\\\n#"),
    "dashes in a name": long("a", "-", "!"),
    "dots and dashes": long("a", "-._", "!"),
    "digits of a version": long("a==", "1"),
    "parts of a version": long("a==", "1."),
    "zeros of a version": long("a==", "0.", "0"),
    "local parts": long("a==1+", "a.", "!"),
    "pre-release letters": long("a==1", "a", "!"),
    "post-releases": long("a==1", ".post1"),
    "an epoch": long("a==", "1", "!1"),
    "specifiers": long("a", ">=1,", ">=1"),
    "exclusions": long("a>=1", ",!=1"),
    "exclusions by prefix": long("a>=1", ",!=1.*"),
    "compatible versions": long("a", "~=1.0,", "<2"),
    "arbitrary equality": long("a===", "x"),
    "extras": long("a[", "x,", "x]"),
    "blank extras": long("a[", " ,", "]"),
    "open brackets": long("a", "["),
    "open parentheses": long("a", "("),
    "a version in parentheses": long("a ", "(>=1)"),
    "marker parentheses": long("idna; ", "(", "python_version>'3'"),
    "marker parentheses closed": b"idna; " + b"(" * 400_000 + b"python_version>'3'" + b")" * 400_000,
    "marker ands": long("idna; python_version>'3'", " and python_version>'3'"),
    "marker ors": long("idna; python_version>'3'", " or os_name=='a'"),
    "marker quotes": long("idna; python_version>", "'"),
    "marker string": long("idna; python_version>'", "1", "'"),
    "marker version": long("idna; python_version>'", "1.", "1'"),
    "marker in": long("idna; python_version in '", "3.1, ", "'"),
    "marker blanks": long("idna; python_version", " ", "> '3'"),
    "semicolons": long("idna", ";"),
    "commas": long("idna", ","),
    "quotes": long("idna", '"'),
    "an address": long("a @ https://index.example/", "a"),
    "an address of slashes": long("a @ https:", "/"),
    "an address of signs": long("a @ https://", "@"),
    "an address of percents": long("a @ https://index.example/", "%"),
    "an address of brackets": long("a @ https://", "["),
    "addresses": long("", "a @ https://u:p@index.example/a.whl\n"),
    "schemes": long("", "git+", "https://index.example"),
    "options": long("", "-r x\n"),
    "an option of dashes": long("", "-"),
    "index options": long("", "--index-url https://u:p@index.example/\n"),
    "hashes": long("idna==3.4", " --hash=sha256:" + "0" * 64),
    "short hashes": long("idna==3.4", " --hash"),
    "config settings": long("idna", ' --config-settings="a=b"'),
    "variables": long("idna==", "${A"),
    "closed variables": long("idna==", "${A}"),
    "the same project": long("", "idna\n"),
    "paths": long("./", "../"),
    "wheel names": long("./", "a-", "1-py3-none-any.whl"),
    "NULs": long("idna", "\0"),
    "escapes": long("idna", "\x1b[2J"),
    "bidirectional overrides": long("idna", "\u202e"),
    "combining marks": long("idna", "\u0301"),
    "letters that are one letter": long("", "\ufb03"),
    "emoji": long("idna", "\U0001f469\u200d"),
    "Nix": long("", "${builtins.readFile /etc/passwd}''\n"),
    "pages": long("", "<script>alert(1)</script>\n"),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_takes_long(service: TestClient, name: str) -> None:
    assert len(PATTERNS[name]) <= 1_000_000
    send(service, PATTERNS[name], TEXT)
    # the same as one line of many, and as constraints
    body = {
        "requirements": ["idna", PATTERNS[name].decode()[:100_000]],
        "constraints": PATTERNS[name].decode()[:90_000],
    }
    send(service, json.dumps(body, ensure_ascii=False).encode()[:1_000_000], JSON)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xef\xbb\xbfidna",
        "idna".encode("utf-16"),
        "idna".encode("utf-16-le"),
        "idna".encode("utf-32"),
        "é".encode("latin-1"),
        b"+AGkAZABuAGE-",
        b"\xc0\xafidna",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"idna\0",
        b"\0" * 1000,
        bytes(range(256)),
        bytes(range(128)),
        b"\x1b]0;title\x07",
        gzip.compress(b"\n" * 50_000_000, mtime=0),
        zlib.compress(b"\n" * 50_000_000),
        b"PK\x03\x04" + b"\0" * 100,
        b"%PDF-1.4",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    ],
    ids=lambda data: repr(data[:12]),
)
@pytest.mark.parametrize("kind", [TEXT, JSON, FORM, "text/plain; charset=utf-16", ""])
def test_no_encoding_is_taken_for_another(service: TestClient, data: bytes, kind: str) -> None:
    answer = send(service, data, kind)
    if answer.status_code == 200:
        assert data.startswith((b"\xef\xbb\xbfidna", b"idna"))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x" * 1000, "identity, gzip"])
def test_nothing_is_unpacked(service: TestClient, encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(b"idna\n" * 20_000_000))
    answer = send(service, bomb, TEXT, **{"Content-Encoding": encoding})
    assert answer.status_code == 415


def nested(opening: str, closing: str, depth: int) -> str:
    return opening * depth + closing * depth


DOCUMENTS: dict[str, str] = {
    "open lists": "[" * 500_000,
    "nested lists": nested("[", "]", 490_000),
    "nested objects": '{"a":' * 150_000,
    "a deep member": '{"requirements": ' + nested("[", "]", 400_000) + "}",
    "a deep project": '{"requirements": "idna", "files": ' + nested('{"a":', "}", 150_000) + "}",
    "the same key": '{"requirements": "idna", "requirements": "=", "requirements": "idna"}',
    "many keys": "{" + ",".join(f'"a{n}": 1' for n in range(60_000)) + "}",
    "a large number": '{"requirements": ' + "9" * 900_000 + "}",
    "a negative number": '{"requirements": -' + "9" * 4_000 + "}",
    "an exponent": '{"requirements": 1e999999999}',
    "no number": '{"requirements": NaN, "pre": Infinity}',
    "digits": '{"requirements": 0.' + "1" * 900_000 + "}",
    "lone surrogates": '{"requirements": "\\ud800"}',
    "a key of a surrogate": '{"\\ud800": 1}',
    "NULs": '{"requirements": "idna\\u0000", "python": "\\u0000"}',
    "a file of a surrogate": '{"files": {"\\udcff.txt": "idna"}}',
    "many lists": '{"requirements": [' + ",".join(["[]"] * 300_000) + "]}",
    "many lines": '{"requirements": [' + ",".join(['""'] * 300_000) + "]}",
    "many wrong values": '{"platforms": [' + ",".join(["1"] * 400_000) + "]}",
    "many platforms": '{"requirements": "idna", "platforms": [' + ",".join(['"x86_64-linux"'] * 60_000) + "]}",
    "many pythons": '{"requirements": "idna", "python": [' + ",".join(f'"3.11.{n}"' for n in range(60_000)) + "]}",
    "many providers": '{"requirements": "idna", "providers": ['
    + ",".join(f'"a{n}=wheel"' for n in range(50_000))
    + "]}",
    "many overrides": '{"requirements": "idna", "overrides": [' + ",".join(f'"a{n}>=1"' for n in range(60_000)) + "]}",
    "many excludes": '{"requirements": "idna", "excludes": [' + ",".join(f'"a{n}"' for n in range(80_000)) + "]}",
    "many dates": '{"requirements": "idna", "as_of": [' + ",".join(f'"a{n}=2020-01-01"' for n in range(40_000)) + "]}",
    "many files": '{"files": {' + ",".join(f'"{n}.txt": "idna"' for n in range(40_000)) + "}}",
    "blanks": " " * 900_000 + "{}",
    "true": "true",
    "a text": '"idna"',
    "two": '{"requirements": "idna"} {"requirements": "idna"}',
    "a prototype": '{"__proto__": {"x": 1}, "constructor": 1, "__class__": "x"}',
    "a date": '{"requirements": "idna", "as_of": "99999-99-99"}',
    "a large date": '{"requirements": "idna", "as_of": "9999-12-31T23:59:59+99:99"}',
    "a year 0": '{"requirements": "idna", "as_of": "0000-01-01"}',
    "a python": '{"requirements": "idna", "python": "3.' + "1" * 190 + '"}',
    "a negative python": '{"requirements": "idna", "python": "-3.1"}',
    "a python in other digits": '{"requirements": "idna", "python": "\u0663.\u0661\u0661"}',
    "a platform": '{"requirements": "idna", "platforms": ["../../etc"]}',
    "a nixpkgs": '{"requirements": "idna", "nixpkgs": {"rev": "$(id)", "sha256": "`id`"}}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_takes_long(service: TestClient, name: str) -> None:
    data = DOCUMENTS[name].encode()
    assert len(data) <= 1_000_000
    send(service, data, JSON)


PYPROJECT = '[project]\nname = "a"\nversion = "1"\ndependencies = [%s]\n'


def _own(extra: int, letter: str) -> str:
    marker = " or ".join([f"platform_version == '{letter}{extra}'"] * 125)
    return f'"a[e{extra}]; {marker}"'


FILES: dict[str, tuple[str, str]] = {
    "nested arrays": ("pyproject.toml", "a = " + nested("[", "]", 200_000)),
    "nested tables": ("pyproject.toml", "a = " + "{a = " * 100_000),
    "a dotted key": ("pyproject.toml", "a" + ".a" * 300_000 + " = 1"),
    "a dotted table": ("pyproject.toml", "[a" + ".a" * 300_000 + "]"),
    "tables": ("pyproject.toml", "".join(f"[a{n}]\n" for n in range(60_000))),
    "a table below a table": ("pyproject.toml", "".join(f"[{'.'.join(['a'] * n)}]\n" for n in range(1, 800))),
    "tables in arrays": ("pyproject.toml", "[[a]]\n" * 100_000),
    "a large integer": ("pyproject.toml", "a = " + "1" * 500_000),
    "underscores": ("pyproject.toml", "a = 1" + "_1" * 200_000),
    "a text without an end": ("pyproject.toml", 'a = """' + '"\\\n' * 100_000),
    "dependencies": ("pyproject.toml", PYPROJECT % ('"idna",' * 60_000)),
    "a group in itself": ("pyproject.toml", '[dependency-groups]\na = [{include-group = "a"}]\n'),
    "groups in groups": (
        "pyproject.toml",
        "[dependency-groups]\n"
        + "".join(f'a{n} = [{{include-group = "a{n + 1}"}}, {{include-group = "a{n + 1}"}}]\n' for n in range(60))
        + 'a60 = ["idna"]\n',
    ),
    "extras in extras": (
        "pyproject.toml",
        '[project]\nname = "a"\nversion = "1"\n[project.optional-dependencies]\n'
        + "".join(f'e{n} = ["a[e{n + 1}]", "a[e{n + 1}]"]\n' for n in range(60))
        + 'e60 = ["idna"]\n',
    ),
    "extras under long markers": (
        "pyproject.toml",
        '[project]\nname = "a"\nversion = "1"\n[project.optional-dependencies]\n'
        + "".join(f"e{n} = [{', '.join(_own(n + 1, letter) for letter in 'xy')}]\n" for n in range(45))
        + 'e45 = ["idna"]\n',
    ),
    "poetry": ("poetry.lock", '[[package]]\nname = "a"\nversion = "1"\n' * 15_000),
    "uv": ("uv.lock", "version = 1\n" + '[[package]]\nname = "a"\nversion = "1"\n' * 15_000),
    "pylock": ("pylock.toml", 'lock-version = "1.0"\ncreated-by = "a"\n' + '[[packages]]\nname = "a"\n' * 30_000),
    "a script": ("script.py", "# /// script\n" + '# dependencies = ["idna"]\n' * 30_000),
    "a script without an end": ("script.py", "# /// script\n#" + " " * 900_000),
    "scripts in a script": ("script.py", "# /// script\n# ///\n" * 50_000),
    "blocks of other kinds": ("script.py", "# /// a\n#\n" * 80_000),
    "a name of dots": ("../../../etc/passwd", "idna"),
    "a name of a device": ("/dev/stdin", "idna"),
    "a name without an end": ("a" * 200, "idna"),
    "a name with a NUL": ("a\0.txt", "idna"),
    "setup.py": ("setup.py", "import os; os.system('touch /tmp/hacked')"),
    "setup.cfg": ("setup.cfg", "[options]\ninstall_requires = file: /etc/passwd\n"),
    "a file of requirements in a file": (
        "pyproject.toml",
        '[tool.setuptools.dynamic]\ndependencies = {file = "/etc/passwd"}\n'
        '[project]\nname="a"\ndynamic=["dependencies", "version"]\n',
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_no_file_takes_long(service: TestClient, name: str) -> None:
    filename, text = FILES[name]
    body = {"files": {filename: text}, "all_extras": True, "groups": ["a", "a0"] if "group" in name else []}
    answer = send(service, json.dumps(body).encode(), JSON)
    assert "root:" not in answer.text


_MEMBER = b"--x\r\nContent-Disposition: form-data; name="
PARTS: dict[str, bytes] = {
    "many parts": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 18_000 + b"--x--\r\n",
    "many files": b"--x\r\nContent-Disposition: form-data; name=files; filename=a.txt\r\n\r\nidna\r\n" * 12_000
    + b"--x--\r\n",
    "a long header": b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 900_000 + b"\r\n\r\nidna\r\n--x--\r\n",
    "many headers": b"--x\r\n" + b"A: b\r\n" * 150_000 + b"\r\nidna\r\n--x--\r\n",
    "header parameters": b"--x\r\nContent-Disposition: form-data" + b"; a=b" * 180_000 + b"\r\n\r\nidna\r\n--x--\r\n",
    "quotes": b'--x\r\nContent-Disposition: form-data; name="' + b'\\"' * 400_000 + b'"\r\n\r\nidna\r\n--x--\r\n',
    "boundaries that are none": b"\r\n--" * 240_000,
    "no end": b"--x\r\nContent-Disposition: form-data; name=requirements\r\n\r\nidna",
    "a path": _MEMBER + b"files; filename=../../../tmp/hacked\r\n\r\nidna\r\n--x--\r\n",
    "an encoding": _MEMBER + b"requirements\r\nContent-Transfer-Encoding: base64\r\n\r\naWRuYQ==\r\n--x--\r\n",
    "a name in bytes": b"--x\r\nContent-Disposition: form-data; name=\xff\r\n\r\nidna\r\n--x--\r\n",
    "a charset": b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nutf-16\r\n--x--\r\n',
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data", "multipart/form-data; boundary=" + "x" * 5000])
def test_no_form_takes_long(service: TestClient, name: str, kind: str) -> None:
    assert len(PARTS[name]) <= 1_000_000
    send(service, PARTS[name], kind)


# ---- locks to compare

LOCKS: dict[str, str] = {
    "nothing": "{}",
    "open objects": '{"a":' * 900_000,
    "nested lists": '{"targets": ' + nested("[", "]", 900_000) + "}",
    "a large number": '{"lock-version": ' + "9" * 3_000_000 + "}",
    "a version": '{"lock-version": "' + "1." * 1_000_000 + '"}',
    "many targets": '{"lock-version": "1.0", "targets": [' + ",".join(["{}"] * 900_000) + "]}",
    "many keys": '{"lock-version": "1.0", ' + ",".join(f'"a{n}": 1' for n in range(200_000)) + "}",
    "lone surrogates": '{"lock-version": "\\ud800"}',
    "no number": '{"lock-version": NaN}',
    "the same key": '{"lock-version": "1.0", "lock-version": "2.0"}',
}


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_takes_long(service: TestClient, name: str) -> None:
    body = json.dumps({"before": LOCKS[name], "after": LOCKS[name]}).encode()
    began = time.process_time()
    answer = service.post("/diff", content=body, headers={"Content-Type": JSON})
    assert time.process_time() - began < LONGEST
    assert answer.status_code in (400, 424), answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.content) < 100_000


# ---- by chance

_odd = st.sampled_from(
    ["", "\0", "\ud800", "\u202e", "\x1b[0m", "${A}", "$(id)", "''", '"', "\\", "\n", "=", ";", "@", "[", "../"]
)
_word = st.one_of(st.text(max_size=20), _odd, st.sampled_from(["idna", "idna==3.4", "requests[socks]", "3.12", "now"]))
_line = st.lists(
    st.one_of(_word, st.sampled_from([">=", "==", " ", "-r ", "--hash=sha256:", "; ", "1.0", "(", "]"])), max_size=8
).map("".join)
_lines = st.lists(_line, max_size=8).map("\n".join)
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _lines),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_word, inner, max_size=4)),
    max_leaves=12,
)
_members = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("requirements", "constraints"), st.one_of(_lines, st.lists(_line, max_size=4), _json)),
        **dict.fromkeys(
            (
                "python",
                "platforms",
                "providers",
                "prerelease",
                "as_of",
                "build_as_of",
                "build_providers",
                "overrides",
                "excludes",
                "no_build",
                "no_binary",
                "extras",
                "groups",
            ),
            st.one_of(st.lists(_word, max_size=3), _word, _json),
        ),
        **dict.fromkeys(
            ("prefer", "resolution", "snapshot", "pre", "all_extras", "require_hashes"),
            st.one_of(_word, st.booleans(), _json),
        ),
        "files": st.one_of(
            st.dictionaries(
                st.sampled_from(["pyproject.toml", "uv.lock", "poetry.lock", "a.py", "pylock.toml", "x.txt", ""]),
                _lines,
                max_size=2,
            ),
            _json,
        ),
        "nixpkgs": st.one_of(st.fixed_dictionaries({"rev": _word, "sha256": _word}), _json),
    },
)
BY_CHANCE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@BY_CHANCE
@given(body=_members)
def test_documents_by_chance(service: TestClient, body: object) -> None:
    send(service, json.dumps(body).encode(), JSON)


@BY_CHANCE
@given(text=_lines)
def test_texts_by_chance(service: TestClient, text: str) -> None:
    send(service, text.encode(errors="surrogatepass"), TEXT)


@BY_CHANCE
@given(data=st.binary(max_size=300), kind=st.sampled_from([TEXT, JSON, FORM, "", "text/html", "a" * 300]))
def test_bytes_by_chance(service: TestClient, data: bytes, kind: str) -> None:
    send(service, data, kind)


@BY_CHANCE
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["requirements", "files", "python", "platforms", "pre", "nixpkgs", "x"]),
            st.booleans(),
            _lines,
        ),
        max_size=4,
    )
)
def test_forms_by_chance(service: TestClient, parts: list[tuple[str, bool, str]]) -> None:
    body = b""
    for name, is_file, text in parts:
        extra = '; filename="pyproject.toml"' if is_file else ""
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()
        body += text.encode(errors="surrogatepass") + b"\r\n"
    send(service, body + b"--x--\r\n", FORM)
