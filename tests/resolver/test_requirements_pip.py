"""Requirements files against pip's own parser: the same requirements, options and refusals."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from optparse import Values
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.exceptions import PipError
from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.release_control import ReleaseControl
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import _decode_req_file, build_parser, parse_requirements
from pip._internal.req.req_install import check_invalid_constraint_type

from resolver.errors import InputError
from resolver.requirement import parse_requirement
from resolver.requirements_lines import decode_requirements
from resolver.requirements_options import OPTIONS
from resolver.requirements_txt import RequirementsFile, parse_requirements_file

#: What mach refuses and pip takes (or ignores without a word); docs/reference/requirements-file.md has each.
DELIBERATE = {
    "constraint-unsupported",
    "direct-reference-not-allowed",
    "hash-unsupported",
    "invalid-hash",
    "invalid-option",
    "nested-url-unsupported",
    "option-misplaced",
    "option-unsupported",
}
SESSION = PipSession()


@dataclass(frozen=True)
class PipAnswer:
    """What pip reads."""

    requirements: list[tuple[str, tuple[str, ...]]]
    constraints: list[tuple[str, tuple[str, ...]]]
    index_urls: list[str]
    pre: bool
    prefer_binary: bool
    only_binary: set[str]
    no_binary: set[str]
    trusted_hosts: list[str]
    require_hashes: bool


def normalized(text: str, hashes: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    return str(parse_requirement(text, "pip")), tuple(sorted(set(hashes)))


def ask_pip(path: Path) -> PipAnswer | None:
    """Return what pip reads from *path*, None where it refuses it."""
    SESSION.pip_trusted_origins.clear()
    control = ReleaseControl()
    preferences = SelectionPreferences(allow_yanked=True, release_control=control)
    collector = LinkCollector(SESSION, SearchScope.create([], [], no_index=False))
    finder = PackageFinder.create(link_collector=collector, selection_prefs=preferences)
    options = Values({"require_hashes": False, "no_require_hashes": False, "features_enabled": []})
    found: dict[bool, list[tuple[str, tuple[str, ...]]]] = {False: [], True: []}
    hashed = False
    try:
        for parsed in parse_requirements(str(path), SESSION, finder, options):
            line = install_req_from_parsed_requirement(parsed)
            if line.link is not None or line.req is None or (line.constraint and check_invalid_constraint_type(line)):
                return None  # direct references, and constraints that its resolver refuses
            hashes = [f"sha256:{digest.lower()}" for digest in line.hash_options.get("sha256", [])]
            hashed = hashed or line.has_hash_options  # constraints count, as in pip's RequirementCommand
            marker = f" ; {line.markers}" if line.markers else ""
            found[line.constraint].append(normalized(f"{line.req}{marker}", hashes))
        if options.require_hashes and options.no_require_hashes:
            return None
    except (PipError, ValueError):  # pip lets a ValueError of urllib through
        return None
    return PipAnswer(
        requirements=found[False],
        constraints=found[True],
        index_urls=finder.search_scope.index_urls,
        pre=":all:" in control.all_releases,
        prefer_binary=finder.prefer_binary,
        only_binary=finder.format_control.only_binary,
        no_binary=finder.format_control.no_binary,
        trusted_hosts=[host if port is None else f"{host}:{port}" for host, port in SESSION.pip_trusted_origins],
        require_hashes=options.require_hashes or (hashed and not options.no_require_hashes),
    )


def ask_mach(path: Path, environment: Mapping[str, str]) -> RequirementsFile | InputError:
    def read(name: str, origin: str) -> str:
        try:
            return decode_requirements(Path(name).read_bytes(), name)
        except OSError as error:
            raise InputError("file-unreadable", f"{origin}: {error}") from error

    try:
        return parse_requirements_file(str(path), read, environment=environment)
    except InputError as error:
        return error


def unique(values: Iterable[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return list(dict.fromkeys(values))


def compare(files: Mapping[str, str], environment: Mapping[str, str]) -> RequirementsFile | InputError:
    """Read *files* with pip and with mach, compare, and return mach's answer."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, environment):
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
        theirs = ask_pip(Path(folder, "requirements.txt"))
        ours = ask_mach(Path(folder, "requirements.txt"), environment)
    if isinstance(ours, InputError):
        assert theirs is None or ours.code in DELIBERATE, f"pip takes what mach refuses: {ours}\n{theirs}"
        return ours
    if theirs is None and any("--use-feature=" in note for note in ours.notes):
        return ours  # deliberate: each release of pip knows other features, and mach none
    assert theirs is not None, f"mach takes what pip refuses: {ours}"
    # pip reads a file again that is named twice, and mach does not
    assert unique(normalized(str(r), r.hashes) for r in ours.requirements) == unique(theirs.requirements)
    assert unique(normalized(str(r), r.hashes) for r in ours.constraints) == unique(theirs.constraints)
    index_urls = list(dict.fromkeys(theirs.index_urls))
    if ours.index_url is not None:
        # pip forgets the --extra-index-url lines before the last --index-url
        assert index_urls[0] == ours.index_url
        assert set(index_urls[1:]) <= {*ours.extra_index_urls, ours.index_url}
    else:
        assert index_urls == list(ours.extra_index_urls)
    assert ours.pre == theirs.pre
    assert ours.prefer_binary == theirs.prefer_binary
    assert set(ours.only_binary) == theirs.only_binary
    assert set(ours.no_binary) == theirs.no_binary
    assert sorted(ours.trusted_hosts) == sorted(set(theirs.trusted_hosts))
    assert ours.require_hashes == theirs.require_hashes
    return ours


@pytest.fixture(autouse=True)
def quiet_pip() -> Iterable[None]:
    logging.getLogger("pip").setLevel(logging.ERROR)
    yield
    logging.getLogger("pip").setLevel(logging.NOTSET)


CORPUS = {
    "comments": "# a\n\n  # b\na # c\nb#c\n",
    "fragments": "a\t#x\nb #\n#",
    "continuations": "a \\\n  >=1 \\\n  ,<2\nb\\\n# comment\n\\\nc\\",
    "a comment that ends in a backslash": "a\n# comment \\\nb\nc \\\n # comment \\\nd",
    "backslashes": "\\\\a\\\\\n==1\nb",
    "line ends": "a\r\nb\rc\x0bd\x85e\u2028f",
    "markers": "a ; python_version < '3.9' and (os_name=='posix' or extra == 'X')\nb;\nc ; \n",
    "extras": "a[B_c, d.e]\nf[]\ng[h]>=1 ; os_name=='x'",
    "versions": "a (>=1,<2)\nb===1.0-foo\nc~=1.4.2\nd!=1.*\ne >= 1 , == 1.*",
    "variables": "${ONE}==1\n${NONE}\n-i https://${ONE}.example/\n",
    "unset variable": "-i https://x.example/${NONE}/\na",
    "hashes": "a==1 --hash=sha256:" + "A" * 64 + " \\\n  --hash sha256:" + "b" * 64 + " \\\n --hash=sha384:12\nb",
    "no hashes": "a==1 --hash=sha256:" + "a" * 64 + "\n--no-require-hashes",
    "indexes": "--extra-index-url https://b.example/\n-i https://a.example\n--extra-index-url=https://c.example/",
    "quotes": "-i 'https://a.example/x'\n--only-binary \"a,b\"\n-r 'sub/x.txt'",
    "formats": "--no-binary :all:\n--only-binary a,B_c\n--no-binary :none:\n--only-binary :all:,:none:,d",
    "pre": "--pre\n--prefer-binary\n--all-releases :all:",
    "hosts": "--trusted-host a.example --trusted-host b.example:8080\n--trusted-host a.example",
    "nested": "-r sub/x.txt\n-c sub/limits.txt\nb",
    "nested twice": "-rsub/x.txt\n-r ./sub/x.txt",
    "cycle": "-r sub/cycle.txt",
    "self": "-r requirements.txt",
    "missing": "-r none.txt",
    "abbreviations": "--extra https://b.example/\n--req sub/x.txt\n--only-b a",
    "ambiguous": "--no a",
    "unknown": "--wibble",
    "junk": "a b c",
    "equals": "a=1",
    "options behind": "a --pre\n",
    "words behind": "--pre a",
    "url": "https://a.example/a.zip",
    "archive": "a-1.0.zip",
    "archive with a version": "a==1.0.tar.gz",
    "version control": "git+https://a.example/a#egg=a",
    "name at url": "a @ https://a.example/a.zip ; os_name == 'posix'",
    "constraint with extras": "-c sub/extras.txt",
}
SUBFILES = {
    "sub/x.txt": "x\n-r y.txt\n",
    "sub/y.txt": "y>=1\n--pre\n",
    "sub/limits.txt": "l<2 --hash=sha256:" + "c" * 64 + "\n-r y.txt\nm ; os_name == 'nt'",
    "sub/cycle.txt": "-r ../requirements.txt",
    "sub/extras.txt": "a[b]",
}
ENVIRONMENT = {"ONE": "one", "TWO": "two --pre"}


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    compare({"requirements.txt": CORPUS[name], **SUBFILES}, ENVIRONMENT)


DIGESTS = st.sampled_from(["sha256:" + digit * 64 for digit in "aB0"] + ["sha512:ff", "sha256:zz", "md5:0", "x"])
NAMES = st.sampled_from(["a", "B_c", "d.e-f", "g", "café", "-x", "a-1.zip", ".", "a/b", "", "${ONE}", "${NONE}"])
VERSIONS = st.sampled_from(
    ["", "==1", ">=1.0,<2", "~=1.0", "=1", "===x", " > 1 ", "(>=2)", "!=1.*", "==*", "@ https://x.example/a"]
)
EXTRAS = st.sampled_from(["", "[x]", "[x,Y_z]", "[]", "["])
MARKERS = st.sampled_from(
    ["", ";", " ; os_name == 'posix'", ";python_version<'3'", " ; x", "; extra=='A_b' or os_name in 'x'"]
)
TAILS = st.sampled_from(["", "", "", " # why", "#x", "\\", " \\", " --pre", "\t", "  "])
VALUES = {
    "--index-url": ["https://a.example/", "https://b.example/simple", "'https://c.example/'", "x", "ftp://a.example/"],
    "--extra-index-url": ["https://a.example/", "https://d.example/", "${ONE}"],
    "--constraint": ["one.txt", "sub/two.txt", "../requirements.txt", "gone.txt"],
    "--requirement": ["one.txt", "sub/two.txt", "./one.txt", "'one.txt'", "https://a.example/r.txt"],
    "--editable": [".", "git+https://a.example/a#egg=a"],
    "--no-binary": [":all:", ":none:", "a,B_c", "a,:all:,g", ":all:,:none:,a", "-x"],
    "--only-binary": [":all:", ":none:", "a,B_c", "g"],
    "--all-releases": [":all:", "a"],
    "--trusted-host": ["a.example", "b.example:80"],
    "--use-feature": ["fast-deps"],
    "--hash": ["sha256:" + "a" * 64, "sha512:00"],
    "--config-settings": ["a=b", "a"],
}


@st.composite
def requirement_lines(draw: st.DrawFn) -> str:
    hashes = "".join(
        f" --hash{draw(st.sampled_from('= '))}{value}" for value in draw(st.lists(DIGESTS, max_size=2) | st.just([]))
    )
    return draw(NAMES) + draw(EXTRAS) + draw(VERSIONS) + draw(MARKERS) + hashes + draw(TAILS)


@st.composite
def option_lines(draw: st.DrawFn) -> str:
    words = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        option = draw(st.sampled_from([option for option in OPTIONS if option.in_pip]))
        name = draw(st.sampled_from(option.names))
        if name.startswith("--") and draw(st.booleans()):
            name = name[: draw(st.integers(4, len(name)))]
        value = draw(st.sampled_from(VALUES.get(option.name, ["x"])))
        if option.takes_value:
            between = ["", " "] if not name.startswith("--") else ["=", " "]
            words.append(name + draw(st.sampled_from(between)) + value)
        else:
            words.append(name)
    return " ".join(words) + draw(TAILS)


LINES = st.one_of(
    requirement_lines(), option_lines(), st.sampled_from(["", "# c", "  # c \\", "\\", "--", "-", "- x", "a"])
)
FILES = st.lists(LINES, max_size=5).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(FILES, FILES, FILES)
def test_generated_files(root: str, one: str, two: str) -> None:
    compare({"requirements.txt": root, "one.txt": one, "sub/two.txt": two}, ENVIRONMENT)


@st.composite
def valid_lines(draw: st.DrawFn) -> str:
    """Lines that both take, so that long files come to their end."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(["a", "B_c", "d.e-f", "${ONE}"]))
        version = draw(st.sampled_from(["", "==1", ">=1.0,<2", " ~= 1.0", "(>=2)", "!=1.*", "===1-x"]))
        marker = draw(st.sampled_from(["", ";", " ; os_name == 'posix'", ";python_version<'3' or extra == 'A_b'"]))
        digests = draw(st.lists(st.sampled_from(["sha256:" + digit * 64 for digit in "aB0"]), max_size=2))
        return name + version + marker + "".join(f" \\\n  --hash={digest}" for digest in digests) + draw(ENDS)
    names = ["--index-url", "--extra-index-url", "--only-binary", "--no-binary", "--trusted-host"]
    name = draw(
        st.sampled_from([*names, *names, "--pre", "--prefer-binary", "--require-hashes", "--no-require-hashes"])
    )
    value = draw(st.sampled_from(GOOD.get(name, [""])))
    return name + (draw(st.sampled_from("= ")) + value if value else "") + draw(ENDS)


ENDS = st.sampled_from(["", "", " # why", "\t", " \\\n", "\r"])
GOOD = {
    "--index-url": ["https://a.example/", "https://b.example/simple"],
    "--extra-index-url": ["https://a.example/", "https://d.example/", "https://e.example/"],
    "--no-binary": [":all:", ":none:", "a,B_c", "a,:all:,g", ":all:,:none:,a"],
    "--only-binary": [":all:", ":none:", "a,B_c", "g"],
    "--trusted-host": ["a.example", "b.example:80"],
}
VALID = st.lists(valid_lines(), max_size=8).map("\n".join)


@settings(max_examples=150, deadline=None)
@given(VALID, VALID, VALID)
def test_generated_valid_files(root: str, one: str, two: str) -> None:
    files = {"requirements.txt": f"{root}\n-r one.txt\n{two}", "one.txt": one + "\n-c sub/two.txt", "sub/two.txt": two}
    answer = compare(files, ENVIRONMENT)
    both = {"--require-hashes", "--no-require-hashes"}
    if isinstance(answer, InputError):
        assert all(option in root + one + two for option in both), answer


@given(
    st.sampled_from(
        [
            b"",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\xfe\xff",
            b"\xff\xfe\0\0",
            b"# coding: latin-1\n",
            b"#\n# coding=cp1252\n",
        ]
    ),
    st.text(max_size=10),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1"]),
)
def test_decoding(start: bytes, text: str, codec: str) -> None:
    data = start + text.encode(codec, "replace")
    try:
        ours = decode_requirements(data, "r.txt")
    except InputError:
        return  # pip falls back to the locale here, or raises what UTF-8 raises
    assert ours == _decode_req_file(data, "r.txt")


def test_the_table_has_every_option_of_pip() -> None:
    pips = {
        name: option.takes_value()
        for option in build_parser().option_list
        for name in (*option._short_opts, *option._long_opts)
    }
    ours = {name: option.takes_value for option in OPTIONS if option.in_pip for name in option.names}
    assert ours == pips
