"""Reading locks that are wrong: one error that says where, whatever the file holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.errors import DataError
from resolver.lock import Lock, parse_lock, render_lock
from tests.resolver.locks import locks, web_lock

DELETE = object()


def damaged(path: str, value: object) -> str:
    """Return the text of a good lock in which the value at *path* (``targets/0/pins/1/name``) is another."""
    whole = json.loads(render_lock(web_lock()))
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    at: Any = whole
    for step in steps:
        at = at[step]
    if value is DELETE:
        del at[last]
    else:
        at[last] = value
    return json.dumps(whole)


# targets/1 is x86_64-linux; its pins are idna, ping, pong, pysocks (an sdist), requests, urllib3
PIN = "targets/1/pins/4"
AT = "targets[1].pins[4]"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (f"{PIN}/artifact/sha256", "0" * 63, f"{AT}.artifact.sha256"),
        (f"{PIN}/artifact/sha256", "G" * 64, f"{AT}.artifact.sha256"),
        (f"{PIN}/artifact/sha256", None, f"{AT}.artifact.sha256"),
        (f"{PIN}/artifact/sha256", DELETE, f"{AT}.artifact.sha256"),
        (f"{PIN}/artifact/size", -1, f"{AT}.artifact.size"),
        (f"{PIN}/artifact/size", True, f"{AT}.artifact.size"),
        (f"{PIN}/artifact/size", 1.5, f"{AT}.artifact.size"),
        (f"{PIN}/artifact/type", "vcs", f"{AT}.artifact.type"),
        (f"{PIN}/artifact/url", "ftp://index.example/a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "javascript:alert(1)", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https:///a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://me:secret@index.example/a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://index.example/a.whl#sha256=0", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://index.example/a b.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://index.example/a\n.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://index.example:port/a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "https://[::1/a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "file://elsewhere/a.whl", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/url", "/etc/passwd", f"{AT}.artifact.url"),
        (f"{PIN}/artifact/filename", "../requests-2.32.0-py3-none-any.whl", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "-requests-2.32.0-py3-none-any.whl", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "requests-2.32.0-py3-none-any.whl\x1b[2J", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "${builtins.abort}-2.32.0-py3-none-any.whl", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "urllib3-2.32.0-py3-none-any.whl", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "requests-2.31.0-py3-none-any.whl", f"{AT}.artifact.filename"),
        (f"{PIN}/artifact/filename", "requests.whl", f"{AT}.artifact.filename"),
        ("targets/1/pins/3/artifact/filename", "idna-1.7.1.tar.gz", "targets[1].pins[3].artifact.filename"),
        ("targets/1/pins/3/artifact/filename", "pysocks-1.7.1.exe", "targets[1].pins[3].artifact.filename"),
        ("targets/1/pins/3/build", "sha256:" + "1" * 64, "targets[1].pins[3].build"),
        ("targets/1/pins/3/build", DELETE, "targets[1].pins[3].build"),
        (f"{PIN}/build", "sha256:" + "1" * 64, f"{AT}.build"),
        (f"{PIN}/name", "Requests", f"{AT}.name"),
        (f"{PIN}/name", "../requests", f"{AT}.name"),
        (f"{PIN}/name", "urllib3", f"{AT}.artifact.filename"),
        (f"{PIN}/version", "latest", f"{AT}.version"),
        (f"{PIN}/version", "1.0\n", f"{AT}.artifact.filename"),
        (f"{PIN}/provider", "conda", f"{AT}.provider"),
        (f"{PIN}/provider", ["wheel"], f"{AT}.provider"),
        (f"{PIN}/extras", ["b", "a"], f"{AT}.extras"),
        (f"{PIN}/extras", ["a", "a"], f"{AT}.extras"),
        (f"{PIN}/extras", ["So_cks"], f"{AT}.extras[0]"),
        (f"{PIN}/dependencies", [], f"{AT}.dependencies"),
        (f"{PIN}/dependencies/idna", [], f"{AT}.dependencies.idna"),
        (f"{PIN}/dependencies/idna", ["idna<4", "urllib3"], f"{AT}.dependencies.idna[1]"),
        (f"{PIN}/dependencies/idna", ["idna; os_name=='nt'"], f"{AT}.dependencies.idna[0]"),
        (f"{PIN}/dependencies/idna", ["idna <<< 4"], f"{AT}.dependencies.idna[0]"),
        (f"{PIN}/dependencies/numpy", ["numpy"], f"{AT}.dependencies.numpy"),
        (f"{PIN}/surprise", 1, f"{AT}.surprise"),
        (f"{PIN}/passed-over", "", f"{AT}.passed-over"),
        ("targets/1/roots/numpy", ["numpy"], "targets[1].roots.numpy"),
        ("targets/1/system", "x86_64-linux; rm -rf", "targets[1].system"),
        ("targets/1/system", "aarch64-linux", "targets"),
        ("targets/1/python", "3", "targets[1].python"),
        ("targets/1/python", "3.12.1", "targets[1].python-interval"),
        ("targets/1/python-interval", ["3.11"], "targets[1].python-interval"),
        ("targets/1/glibc", "new", "targets[1].glibc"),
        ("targets", [], "targets"),
        ("targets", {}, "targets"),
        ("facts", "md5:1", "facts"),
        ("snapshot", "../../x", "snapshot"),
        ("nixpkgs/rev", "nixos-unstable", "nixpkgs.rev"),
        ("nixpkgs/sha256", "sha256-short", "nixpkgs.sha256"),
        ("tools/installer/filename", "wheel-1.0-py3-none-any.whl", "tools.installer.filename"),
        ("resolver-version", 0, "resolver-version"),
        ("resolver-version", "1", "resolver-version"),
        ("request", [], "request"),
        ("request", {"text": "a\0b"}, "request.text"),
        ("policy", {"text": ["\ud800"]}, "policy.text[0]"),
        ("lock-version", 1, "lock-version"),
        ("lock-version", "0.9", "lock-version"),
        ("lock-version", "1", "lock-version"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_wrong_value_is_located(path: str, value: object, where: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_lock(damaged(path, value), "here/mach.lock")
    assert caught.value.code == "lock-invalid"
    assert caught.value.details["where"] == where
    assert caught.value.message.startswith(f"here/mach.lock is not a valid lock: {where}: ")
    assert caught.value.hint is not None


def test_a_pin_that_stands_twice_is_refused() -> None:
    value = json.loads(render_lock(web_lock()))
    value["targets"][0]["pins"].append(value["targets"][0]["pins"][0])
    with pytest.raises(DataError, match=r"targets\[0\]\.pins\[6\]\.name: idna is pinned by .*pins\[0\]"):
        parse_lock(json.dumps(value))


def test_a_build_closure_that_was_changed_is_refused() -> None:
    value = json.loads(render_lock(web_lock()))
    [digest] = value["build-closures"]
    value["build-closures"][digest]["pins"][0]["artifact"]["sha256"] = "f" * 64
    with pytest.raises(DataError, match="its content has the digest sha256:"):
        parse_lock(json.dumps(value))


def test_a_build_closure_holds_wheels_and_sdists_alone() -> None:
    value = json.loads(render_lock(web_lock()))
    [digest] = value["build-closures"]
    value["build-closures"][digest]["pins"][0]["provider"] = "nixpkgs"
    with pytest.raises(DataError, match="provider that can stand here"):
        parse_lock(json.dumps(value))


def test_pins_in_another_order_are_the_same_lock() -> None:
    value = json.loads(render_lock(web_lock()))
    value["targets"].reverse()
    for target in value["targets"]:
        target["pins"].reverse()
    assert parse_lock(json.dumps(value)) == web_lock()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: Expecting value at line 1, column 1"),
        ("[]", "it holds a list, not an object"),
        ("null", "it holds null, not an object"),
        ("{}", "it has no lock-version"),
        ('{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", "is not JSON that mach reads"),
        ("\ufeff{}", "is not JSON"),
        ('{\n<<<<<<< HEAD\n"a": 1\n=======\n', "an unresolved merge conflict at line 2"),
        (render_lock(web_lock())[:-40], "is not JSON"),
    ],
)
def test_what_is_no_lock_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_lock(text)
    assert caught.value.code == "lock-invalid"
    assert message in caught.value.message


def test_a_newer_major_version_says_what_to_install() -> None:
    with pytest.raises(DataError) as caught:
        parse_lock('{"lock-version": "2.0", "everything": "else changed"}')
    assert caught.value.code == "lock-too-new"
    assert "mach-resolver" in (caught.value.hint or "")


def test_a_newer_minor_version_is_read_without_what_is_new() -> None:
    value = json.loads(render_lock(web_lock()))
    value["lock-version"] = "1.7"
    value["novelty"] = {"a": 1}
    value["targets"][0]["pins"][0]["novelty"] = 1
    lock = parse_lock(json.dumps(value))
    assert lock.lock_version == "1.7"
    assert lock.targets == web_lock().targets


@settings(max_examples=60)
@given(locks(), st.data())
def test_any_damage_is_read_or_refused_but_never_a_bug(lock: Lock, data: st.DataObject) -> None:
    value = json.loads(render_lock(lock))
    at: Any = value
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else data.draw(st.integers(0, len(at) - 1))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            at[key] = data.draw(
                st.none()
                | st.booleans()
                | st.integers()
                | st.text(max_size=8)
                | st.just([])
                | st.just({})
                | st.floats()
            )
            break
        at = at[key]
    try:
        read = parse_lock(json.dumps(value))
    except DataError:
        return
    assert parse_lock(render_lock(read)) == read
