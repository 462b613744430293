"""Requirements files: what is read, what is refused and how it is said."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import InputError
from resolver.requirements_lines import MAX_CHARACTERS, MAX_LINE, decode_requirements
from resolver.requirements_options import OPTIONS, _split_words
from resolver.requirements_txt import (
    MAX_FILES,
    MAX_REQUIREMENTS,
    RequirementsFile,
    parse_requirements_file,
    parse_requirements_text,
)
from resolver.user_requirement import parse_user_requirement

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "requirements-file.md"


def parse(text: str, environment: Mapping[str, str] | None = None) -> RequirementsFile:
    return parse_requirements_text(text, "requirements.txt", environment=environment)


def parse_files(files: Mapping[str, str]) -> RequirementsFile:
    """Parse ``requirements.txt`` among *files*; a path that is not among them fails as a reader does."""

    def read(path: str, origin: str) -> str:
        if path not in files:
            raise InputError("file-unreadable", f"{origin}: {path} does not exist")
        return files[path]

    return parse_requirements_file("requirements.txt", read)


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.hint
    return caught.value


def shown(parsed: RequirementsFile) -> list[str]:
    return [f"{requirement.origin} {requirement}" for requirement in parsed.requirements]


def test_requirements_have_origins() -> None:
    parsed = parse("\n# a comment\nrequests[Socks,use_chardet] >=2, <3 ; python_version > '3.8'  # why\n\nDJANGO\n")
    assert shown(parsed) == [
        'requirements.txt:3 requests[socks,use-chardet]<3,>=2; python_version > "3.8"',
        "requirements.txt:5 django",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a#b", None),
        ("a #b", "a"),
        ("a\t# b # c", "a"),
        ("  a  ", "a"),
        ("a ;", "a"),
        ("a \\\n>=1", "a>=1"),
        ("a \\\n# comment\nb", "a"),
        ("a \\", "a"),
        ("a \\\n\\\n\\\n==1 # x", "a==1"),
        ("a (>=1)", "a>=1"),
    ],
)
def test_comments_and_continuations(text: str, expected: str | None) -> None:
    if expected is None:
        assert refusal(text).code == "invalid-requirement"
    else:
        assert str(parse(text).requirements[0]) == expected


def test_a_continued_line_has_the_number_of_its_first_line() -> None:
    parsed = parse(f"x\na==1 \\\n  --hash={A} \\\n  --hash={B}\nb==2 --hash {A}\n")
    assert [requirement.origin for requirement in parsed.requirements] == [
        "requirements.txt:1",
        "requirements.txt:2",
        "requirements.txt:5",
    ]
    assert parsed.requirements[1].hashes == (A, B)


def test_variables_are_expanded_as_pip_does() -> None:
    environment = {"NAME": "flask", "EMPTY": "", "lower": "x"}
    parsed = parse("${NAME}>=2\n-i https://index.example/${EMPTY}/${UNKNOWN}/${lower}\n", environment)
    assert shown(parsed) == ["requirements.txt:1 flask>=2"]
    assert parsed.index_url == "https://index.example/${EMPTY}/${UNKNOWN}/${lower}"


def test_options() -> None:
    parsed = parse(
        "--pre\n"
        "-i https://user:secret@index.example/simple\n"
        "--extra-index-url https://one.example/ --extra-index-url=https://two.example/\n"
        "--trusted-host one.example:8080\n"
        "--require-hashes\n"
        "--prefer-binary\n"
        "--use-feature=fast-deps\n"
    )
    assert parsed.pre
    assert parsed.index_url == "https://user:secret@index.example/simple"
    assert parsed.extra_index_urls == ("https://one.example/", "https://two.example/")
    assert parsed.trusted_hosts == ("one.example:8080",)
    assert parsed.require_hashes
    assert parsed.prefer_binary
    assert [note.split(": ", 1)[0] for note in parsed.notes] == ["requirements.txt:6", "requirements.txt:7"]


def test_a_replaced_index_url_is_said() -> None:
    parsed = parse("-i https://one.example/\n-i https://two.example/\n-i https://two.example/\n")
    assert parsed.index_url == "https://two.example/"
    assert parsed.notes == ("requirements.txt:2: --index-url replaces the one of requirements.txt:1",)


@pytest.mark.parametrize("text", ["--index-url=U", "--index-url U", "-iU", "-i U", "--pypi-url U", "--ind U", "-i 'U'"])
def test_spellings_of_an_option(text: str) -> None:
    assert parse(text.replace("U", "https://index.example/")).index_url == "https://index.example/"


@pytest.mark.parametrize(
    ("text", "only", "no"),
    [
        ("--only-binary=:all:", (":all:",), ()),
        ("--only-binary=A_b,c\n--no-binary c", ("a-b",), ("c",)),
        ("--only-binary a\n--no-binary :all:\n--only-binary b", ("b",), (":all:",)),
        ("--no-binary a,:none:", (), ()),
        ("--no-binary a,:all:,b", (), (":all:",)),
        ("--no-binary a,:all:,b,:none:,c", (), ("c",)),
    ],
)
def test_wheels_and_sdists(text: str, only: tuple[str, ...], no: tuple[str, ...]) -> None:
    parsed = parse(text)
    assert (parsed.only_binary, parsed.no_binary) == (only, no)


def test_a_projects_own_entry_goes_before_all() -> None:
    parsed = parse("--no-binary :all:\n--only-binary numpy")
    assert [parsed.allows_wheels(name) for name in ("numpy", "other")] == [True, False]
    assert [parsed.allows_sdists(name) for name in ("numpy", "other")] == [False, True]


def test_one_hash_asks_for_all_hashes() -> None:
    assert parse(f"a==1 --hash={A}").require_hashes
    assert not parse(f"--no-require-hashes\na==1 --hash={A}").require_hashes
    assert not parse("a==1").require_hashes


def test_hashes_that_cannot_be_checked() -> None:
    parsed = parse(f"a==1 --hash={A.upper().replace('SHA', 'sha')} --hash=sha512:12")
    assert parsed.requirements[0].hashes == (A,)
    assert parsed.notes == ("requirements.txt:1: sha512 is not checked, only sha256",)
    assert refusal("a==1 --hash=sha512:12").code == "hash-unsupported"


def test_nested_files_are_relative_to_the_file_that_names_them() -> None:
    parsed = parse_files(
        {
            "requirements.txt": "-r sub/dev.txt\na\n-c sub/limits.txt\n",
            "sub/dev.txt": "b\n-r ../other.txt\n--pre\n",
            "sub/limits.txt": "c<2 ; os_name == 'posix'\n-r real.txt\n",
            "sub/real.txt": "e\n",
            "other.txt": "d\n",
        }
    )
    assert shown(parsed) == ["sub/dev.txt:1 b", "other.txt:1 d", "requirements.txt:2 a", "sub/real.txt:1 e"]
    assert [f"{c.origin} {c}" for c in parsed.constraints] == ['sub/limits.txt:1 c<2; os_name == "posix"']
    assert parsed.pre


def test_a_whole_file_can_constrain() -> None:
    parsed = parse_requirements_file("odd 'name.txt", lambda path, origin: "a<2", constraint=True)
    assert (parsed.requirements, str(parsed.constraints[0])) == ((), "a<2")
    assert parsed.constraints[0].origin == "odd 'name.txt:1"


def test_a_file_named_twice_is_read_once() -> None:
    parsed = parse_files({"requirements.txt": "-r a.txt\n-r ./a.txt\n-c a.txt", "a.txt": "x"})
    assert shown(parsed) == ["a.txt:1 x"]
    assert len(parsed.constraints) == 1


def test_a_cycle_names_its_chain() -> None:
    with pytest.raises(InputError) as caught:
        parse_files({"requirements.txt": "\n-r a/b.txt", "a/b.txt": "-c c.txt", "a/c.txt": "-r ../a/b.txt"})
    assert caught.value.code == "requirements-cycle"
    assert caught.value.message == "a/c.txt:1: a/b.txt names itself: a/b.txt -> a/c.txt -> a/b.txt"


def test_the_reader_gets_the_line_that_names_the_file() -> None:
    with pytest.raises(InputError, match=r"requirements\.txt:2: gone\.txt does not exist"):
        parse_files({"requirements.txt": "a\n-r gone.txt"})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("=1", "invalid-requirement"),
        ("a b", "invalid-requirement"),
        ("a==1==2", "invalid-requirement"),
        ("a ; python_version", "invalid-requirement"),
        ("a;" + "(" * 3000, "invalid-requirement"),
        ("https://index.example/a.whl", "direct-reference-not-allowed"),
        ("a @ https://index.example/a.whl", "direct-reference-not-allowed"),
        ("a@git+https://code.example/a", "direct-reference-not-allowed"),
        ("git+ssh://git@code.example/a#egg=a", "direct-reference-not-allowed"),
        ("git:a", "direct-reference-not-allowed"),
        ("./a", "direct-reference-not-allowed"),
        ("../a[b]", "direct-reference-not-allowed"),
        ("a/b", "direct-reference-not-allowed"),
        ("a-1.0-py3-none-any.whl", "direct-reference-not-allowed"),
        ("a-1.0.tar.gz[x] ; os_name == 'posix'", "direct-reference-not-allowed"),
        ("-e .", "direct-reference-not-allowed"),
        ("--editable=git+https://code.example/a", "direct-reference-not-allowed"),
        ("--no-index", "option-unsupported"),
        ("-f https://index.example/", "option-unsupported"),
        ("a --config-settings x=1", "option-unsupported"),
        ("a --global-option=x", "option-unsupported"),
        ("--only-final :all:", "option-unsupported"),
        ("--all-releases a", "option-unsupported"),
        ("--wibble", "unknown-option"),
        ("-q", "unknown-option"),
        ("--no", "invalid-option"),
        ("--pre=1", "invalid-option"),
        ("-i", "invalid-option"),
        ("-i --pre", "invalid-option"),
        ("-i ftp://index.example/", "invalid-option"),
        ("-i https://", "invalid-option"),
        ("-i https://[", "invalid-option"),
        ("-i https://a.example:99999/", "invalid-option"),
        ("-i 'a", "invalid-option"),
        ("--pre a", "invalid-option"),
        ("--only-binary a,,b", "invalid-option"),
        ("--trusted-host 'a b'", "invalid-option"),
        ("--use-feature 'x y'", "invalid-option"),
        ("--require-hashes\n--no-require-hashes", "invalid-option"),
        ("-i https://a.example/ -i https://b.example/", "invalid-option"),
        ("a --pre", "option-misplaced"),
        ("a -r b", "option-misplaced"),
        (f"--hash={A}", "option-misplaced"),
        ("-r a --pre", "option-misplaced"),
        ("-e a -e b", "option-misplaced"),
        ("a --hash=sha256:12", "invalid-hash"),
        ("a --hash=md5:12", "invalid-hash"),
        ("a --hash=12", "invalid-hash"),
        ("-r other.txt", "nested-file-refused"),
    ],
)
def test_refusals_name_file_and_line(text: str, code: str) -> None:
    error = refusal(f"fine\n{text}")
    assert error.code == code
    if "require-hashes" not in text:
        assert "requirements.txt:2" in str(error)


@pytest.mark.parametrize("line", ["a[x]", "-c a[x]"])
def test_constraints_have_no_extras(line: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_files({"requirements.txt": "-c limits.txt", "limits.txt": "a[x]<2"})
    assert caught.value.code == "constraint-unsupported"
    assert "limits.txt:1" in caught.value.message


def test_urls_are_not_fetched() -> None:
    with pytest.raises(InputError) as caught:
        parse_files({"requirements.txt": "-r https://user:secret@code.example/r.txt"})
    assert caught.value.code == "nested-url-unsupported"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a @ https://user:secret@code.example/a.whl",
        "git+https://user:secret@code.example/a",
        "-e git+https://secret@code.example/a",
        "-i https://user:secret@index.example:port/",
        "-i ftp://user:sec@ret-secret@index.example/",
    ],
)
def test_messages_hold_no_passwords(text: str) -> None:
    assert "secret" not in str(refusal(text))


def test_messages_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in str(refusal("\x1b[31mred"))
    with pytest.raises(InputError) as caught:
        parse_files({"requirements.txt": "-r '\x1b[31m'"})
    assert "\x1b" not in str(caught.value)


def test_arguments_are_requirements_of_the_same_form() -> None:
    assert str(parse_user_requirement("numpy<2", "argument 'numpy<2'")) == "numpy<2"
    with pytest.raises(InputError, match=r"argument '\./x'"):
        parse_user_requirement("./x", "argument './x'")


# --- limits -------------------------------------------------------------------------------------


def chain(length: int) -> dict[str, str]:
    return {"requirements.txt": "-r 0", **{str(i): f"-r {i + 1}" for i in range(length)}, str(length): "a"}


def test_nesting_has_a_limit() -> None:
    assert shown(parse_files(chain(20))) == ["20:1 a"]
    with pytest.raises(InputError) as caught:
        parse_files(chain(100))
    assert caught.value.code == "requirements-limit"


def test_many_files_have_a_limit() -> None:
    files = {str(i): "a" for i in range(MAX_FILES + 1)}
    with pytest.raises(InputError) as caught:
        parse_files({"requirements.txt": "\n".join(f"-r {name}" for name in files), **files})
    assert caught.value.code == "requirements-limit"


@pytest.mark.parametrize(
    "text",
    [
        "#" * (MAX_CHARACTERS + 1),
        "a" + " " * MAX_LINE + "b",
        "a==" + "1" * 5000,
        "a\n" * (MAX_REQUIREMENTS + 1),
    ],
    ids=["file", "line", "requirement", "requirements"],
)
def test_sizes_have_limits(text: str) -> None:
    assert refusal(text).code == "requirements-limit"


def test_variables_cannot_blow_up_a_line() -> None:
    with pytest.raises(InputError) as caught:
        parse("${A}" * 1000, {"A": "x" * 10_000})
    assert caught.value.code == "requirements-limit"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a" + " \t" * 400_000 + "x", "requirements-limit"),
        ("\\\n" * 400_000 + "=", "invalid-requirement"),
        ("-" * 900_000, "unknown-option"),
        ("[" * 3900, "invalid-requirement"),
        ("a" + "." * 3900, "invalid-requirement"),
        ("x#" * 300_000, "requirements-limit"),
    ],
)
def test_text_that_would_stall_quadratic_code(text: str, code: str) -> None:
    assert refusal(text).code == code


# --- encodings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-32-be"])
def test_byte_order_marks(codec: str) -> None:
    data = "a # ünicode".encode(codec)
    marks = {"utf-16-le": b"\xff\xfe", "utf-32-be": b"\0\0\xfe\xff"}
    assert decode_requirements(marks.get(codec, b"") + data, "r.txt") == "a # ünicode"


def test_encoding_comment() -> None:
    assert decode_requirements("x\n# coding: latin-1\na # ü".encode("latin-1").replace(b"x\n", b"#\n"), "r").endswith(
        "ü"
    )


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"# coding: zip\na", b"# coding: idna\na", b"# coding: nothing\na", b"# coding: unicode_escape\na"],
)
def test_undecodable_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        decode_requirements(data, "r.txt")
    assert caught.value.code == "requirements-encoding"
    assert "r.txt" in caught.value.message


@pytest.mark.parametrize("text", ["a\n\0", "a\nb ; os_name == '\ud800'"])
def test_text_that_no_database_takes_is_refused(text: str) -> None:
    error = refusal(text)
    assert (error.code, "requirements.txt:2" in error.message) == ("requirements-encoding", True)


# --- laws ---------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(name for option in OPTIONS for name in option.names),
        *(
            "a",
            "b>=1",
            "[x]",
            " ",
            "  ",
            "\n",
            "\\\n",
            "#",
            " #",
            "=",
            "'",
            '"',
            ";",
            "(",
            ")",
            "@",
            "https://h.example/",
            "/",
        ),
        *(
            "==1",
            "${A}",
            "${B}",
            "os_name",
            "'posix'",
            ":all:",
            ",",
            "sha256:" + "0" * 64,
            "x.txt",
            "\x00",
            "\ud800",
            "\x85",
        ),
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=25).map("".join))
def test_nothing_but_input_errors_comes_out(text: str) -> None:
    def read(path: str, origin: str) -> str:
        return text

    refused, parsed = "", RequirementsFile()
    try:
        parsed = parse_requirements_text(text, "r.txt", read=read, environment={"A": "a", "B": "${A} --pre"})
    except InputError as error:
        refused = str(error)
    assert refused.replace("\n", "").isprintable() or not refused
    for requirement in parsed.requirements:
        assert requirement.url is None
        assert parse_user_requirement(str(requirement), requirement.origin, hashes=requirement.hashes) == requirement


@given(st.binary(max_size=60) | st.text(max_size=20).map(str.encode))
def test_bytes_decode_or_are_refused(data: bytes) -> None:
    code, text = "requirements-encoding", ""
    try:
        text = decode_requirements(data, "r.txt")
    except InputError as error:
        code = error.code
    assert code == "requirements-encoding"
    assert len(text) <= len(data)


@given(st.text(alphabet="ab-= \t\r\n\x0b\u2028,:#$*~;|", max_size=30))
def test_words_are_split_as_by_a_shell(text: str) -> None:
    assert _split_words(text, "r.txt:1") == shlex.split(text)


# --- documentation ------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """Return the treatment of each option spelling in the reference page's table."""
    rows = [line.strip("|").split("|") for line in REFERENCE.read_text().splitlines() if line.startswith("| `-")]
    return {name.strip(" `"): row[1].strip() for row in rows for name in row[0].split(", ")}


def test_every_option_is_documented_with_its_treatment() -> None:
    table = documented()
    assert set(table) == {name for option in OPTIONS for name in option.names}
    for option in OPTIONS:
        for name in option.names:
            assert table[name].startswith("refused") == (option.refused is not None)
