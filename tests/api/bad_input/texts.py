"""Texts that are made to break things, drawn at random for the tests that throw them at mach."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.hostile import HOSTILE_TEXTS, HOSTILE_URLS

__all__ = ["HOSTILE", "any_text", "json_values", "lines", "requirement_like"]

#: Hostile texts by name: those of the fake index, and what only a request can hold.
HOSTILE = {
    **HOSTILE_TEXTS,
    "nul": "a\0b",
    "lone-surrogate": "a\ud800b",
    "c1-control": "a\x9b31mb",
    "line-separator": "a\u2028b",
    "climb": "../../../etc/passwd",
    "long": "a" * 100_000,
    "option": "--index-url=http://127.0.0.1:1/",
    "format": "%s%n{0}{x.__class__}",
    "rich": "[link=http://127.0.0.1:1]x[/link][/]",
}

any_text = (
    st.text(max_size=60)
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(sorted(HOSTILE.values(), key=len)[:-1])
)

_NAMES = st.sampled_from(["requests", "idna", "Py.Socks", "certifi", "nosuch", "hostile-page", "a", "-x", "é", ""])
_OPERATORS = st.sampled_from(["==", ">=", "<", "~=", "!=", "===", "=", ">>", " @ ", "", ",", "=>"])
_VERSIONS = st.sampled_from(
    ["1", "2.31.0", "3.*", "1!2", "1.0+local", "9" * 50, "*", "2004d", "v1", "1.0.dev1", "..", "1e9"]
)
_EXTRAS = st.sampled_from(["", "[socks]", "[]", "[a,b]", "[a b]", "[" + "x" * 300 + "]", "[é]"])
_MARKERS = st.sampled_from(
    [
        "",
        "; python_version > '3'",
        "; extra == 'x'",
        "; os_name in 'posix'",
        "; python_version ~= 'a'",
        "; platform_release > '" + "9" * 300 + "'",
        "; " + "(" * 200 + "os_name=='a'" + ")" * 200,
        "; bogus == '1'",
        ";",
        "; '' in ''",
    ]
)
_OPTIONS = st.sampled_from(
    [
        "",
        "--hash=sha256:" + "0" * 64,
        "--hash=md5:1",
        "--hash=",
        "-r x.txt",
        "-c .",
        "--pre",
        "-e .",
        "--index-url http://x",
        "\\",
        "# c",
    ]
)

requirement_like = st.builds(
    "".join,
    st.tuples(_NAMES, _EXTRAS, _OPERATORS, _VERSIONS | any_text, _MARKERS, st.sampled_from(["", " "]), _OPTIONS),
)
lines = st.lists(
    requirement_like | any_text | st.sampled_from([*HOSTILE_URLS, "-r a.txt", "--pre", "--no-binary :all:"]), max_size=6
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
