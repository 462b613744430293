"""Requests from pyproject.toml and from scripts: what is taken, what is refused, and where it stands."""

from __future__ import annotations

import pytest

from resolver.errors import InputError
from resolver.file_kinds import file_kind
from resolver.request_file import Selection
from resolver.request_files import read_request_files
from tests.resolver.request_files import LINUX, LINUX_313, PYPROJECT, read, texts


def refusal(name: str, text: str, **selection: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read(name, text, **selection)  # type: ignore[arg-type]
    return caught.value


# ---- pyproject.toml


def test_the_dependencies_are_asked_for_with_their_lines() -> None:
    asked = read("pyproject.toml").requirements
    assert [(str(r), r.origin) for r in asked] == [
        ("requests[socks]>=2.31", "pyproject.toml:5"),
        ('numpy<2; python_version < "3.12"', "pyproject.toml:6"),
        ('numpy>=2; python_version >= "3.12"', "pyproject.toml:7"),
    ]


def test_extras_and_groups_add_to_them() -> None:
    assert texts(read("pyproject.toml", extras=["CLI"]).requirements)[3:] == ["click>=8", "rich"]
    assert texts(read("pyproject.toml", groups=["test"]).requirements)[3:] == ["pytest", "ruff"]
    assert texts(read("pyproject.toml", groups=["lint", "test"]).requirements)[3:] == ["ruff", "pytest", "ruff"]


def test_an_extra_may_name_the_project_itself() -> None:
    """As pip and uv do it; the marker binds what the other extra asks for."""
    asked = texts(read("pyproject.toml", extras=["every-thing"]).requirements)[3:]
    assert asked == ['click>=8; python_version < "3.13"', 'rich; python_version < "3.13"', "attrs"]
    assert texts(read("pyproject.toml", groups=["own"]).requirements)[3:] == ["click>=8", "rich"]


def test_all_extras() -> None:
    asked = texts(read("pyproject.toml", all_extras=True).requirements)[3:]
    assert asked[:2] == ["click>=8", "rich"]
    assert "attrs" in asked


def test_extras_that_name_each_other_end() -> None:
    text = '[project]\nname = "x"\n[project.optional-dependencies]\na = ["x[b]", "one"]\nb = ["x[a]", "two"]\n'
    assert sorted(texts(read("pyproject.toml", text, extras=["a"]).requirements)) == ["one", "two"]


def test_groups_alone_are_enough() -> None:
    asked = read("pyproject.toml", '[dependency-groups]\ndev = ["pytest"]\n', groups=["dev"])
    assert texts(asked.requirements) == ["pytest"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[tool.black]\n", "invalid-file", "neither [project] nor [dependency-groups]"),
        ("[project\n", "invalid-toml", "pyproject.toml is not TOML"),
        ('[project]\ndependencies = "x"\n', "invalid-file", "project.dependencies is a text and must be a list"),
        ("[project]\ndependencies = [1]\n", "invalid-file", "project.dependencies[0] is a number"),
        ('[project]\ndependencies = ["x y"]\n', "invalid-requirement", "'x y' is not a requirement"),
        ('[project]\ndynamic = ["dependencies"]\n', "dynamic-dependencies", "pyproject.toml:2: the dependencies are"),
        ('[tool.poetry.dependencies]\npython = "^3.8"\nx = "^1"\n', "pyproject-unsupported", "[tool.poetry.dependenc"),
        ('[project]\nrequires-python = ">=3.12"\n', "python-not-admitted", ">=3.12, and the target is Python 3.11.9"),
        ('[project]\nrequires-python = "^3.8"\n', "invalid-requires-python", "'^3.8' is no range"),
        ("[project]\nrequires-python = 3.8\n", "invalid-file", "must be a text"),
        (
            '[project]\ndependencies = ["torch"]\n[tool.uv.sources]\ntorch = { git = "https://x.example" }\n',
            "source-unsupported",
            "tool.uv.sources.torch takes torch from a git source",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(text: str, code: str, said: str) -> None:
    error = refusal("pyproject.toml", text)
    assert error.code == code
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize(
    "groups",
    [
        'a = [{ include-group = "b" }]\nb = [{ include-group = "a" }]',
        'a = [{ include-group = "missing" }]',
        'a = "pytest"',
        "a = [7]",
        'a = [{ include = "b" }]',
        "a = []\nA = []",
    ],
)
def test_groups_that_cannot_be_read(groups: str) -> None:
    assert refusal("pyproject.toml", f"[dependency-groups]\n{groups}\n", groups=["a"]).code == "invalid-file"


def test_dynamic_dependencies_name_the_file_that_they_come_from() -> None:
    text = (
        '[project]\ndynamic = ["dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = { file = ["requirements.in"] }\n'
    )
    assert refusal("pyproject.toml", text).hint == "name the file that they come from: -r requirements.in"


def test_what_other_tools_add_is_noted_by_name() -> None:
    text = (
        '[project]\ndependencies = ["torch"]\n'
        '[tool.uv]\ndev-dependencies = ["x"]\nconstraint-dependencies = ["y<1"]\n'
        '[tool.uv.sources]\ntorch = { index = "cpu" }\nunused = { path = "../x" }\n'
        '[tool.poetry.group.dev.dependencies]\npytest = "*"\n[tool.hatch.envs.docs]\n'
    )
    notes = "\n".join(read("pyproject.toml", text).notes)
    for name in ("sources.torch", "dev-dependencies", "constraint-dependencies", "tool.poetry.group", "hatch.envs"):
        assert name in notes
    assert "unused" not in notes


def test_extras_that_no_file_knows() -> None:
    files = [("a/pyproject.toml", PYPROJECT), ("b/pyproject.toml", '[project]\nname = "b"\n')]
    with pytest.raises(InputError, match=r"a/pyproject\.toml, b/pyproject\.toml: there is no extra 'clu'") as caught:
        read_request_files(files, Selection.of(["clu"]), [LINUX])
    assert caught.value.hint == "did you mean cli?"
    with pytest.raises(InputError, match="there is no dependency group 'docs'"):
        read_request_files(files, Selection.of((), ["docs"]), [LINUX])
    assert len(read_request_files(files, Selection.of(["cli"]), [LINUX])) == 2


def test_requires_python_is_checked_on_every_target() -> None:
    text = '[project]\nrequires-python = "<3.13"\n'
    read("pyproject.toml", text)
    with pytest.raises(InputError, match=r"Python 3\.13\.1"):
        read("pyproject.toml", text, targets=(LINUX, LINUX_313))


# ---- scripts


def test_a_script_asks_for_what_its_block_states() -> None:
    asked = read("script.py").requirements
    assert [(str(r), r.origin) for r in asked] == [("requests<3", "script.py:3"), ("rich", "script.py:3")]


def test_the_block_of_the_standard() -> None:
    """The example of PEP 723, with another block and code around it."""
    text = (
        "#!/usr/bin/env python\r\n# /// other\r\n# dependencies = 7\r\n# ///\r\n\r\n# /// script\r\n"
        '# dependencies = [\r\n#   "requests<3",\r\n#\r\n#   "rich", # a comment\r\n# ]\r\n# ///\r\n'
        "import requests\r\n# ///\r\n"
    )
    asked = read("script.py", text).requirements
    assert [(str(r), r.origin) for r in asked] == [("requests<3", "script.py:8"), ("rich", "script.py:10")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import x\n", "no-script-metadata"),
        ("# /// script\n# dependencies = []\n", "no-script-metadata"),
        ("#/// script\n# ///\n", "no-script-metadata"),
        ("# /// script\n#dependencies = []\n# ///\n", "no-script-metadata"),
        ("# /// script\n# ///\n\n# /// script\n# ///\n", "invalid-file"),
        ("# /// script\n# dependencies = [\n# ///\n", "invalid-toml"),
        ("# /// script\n# requires = []\n# ///\n", "invalid-file"),
        ("# /// script\n# requires-python = '>=3.12'\n# ///\n", "python-not-admitted"),
        ("# /// script\n# dependencies = ['x y']\n# ///\n", "invalid-requirement"),
        ("# /// script\n# dependencies = 'x'\n# ///\n", "invalid-file"),
    ],
)
def test_scripts_that_are_refused(text: str, code: str) -> None:
    assert refusal("script.py", text).code == code


def test_an_unclosed_block_takes_no_time() -> None:
    assert refusal("script.py", "# /// a\n" * 100_000).code == "no-script-metadata"


# ---- kinds


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("requirements.txt", "requirements"),
        ("dev/requirements.in", "requirements"),
        ("<stdin>", "requirements"),
        ("a/pyproject.toml", "pyproject"),
        ("tool.py", "script"),
        ("tool.py.lock", "uv-lock"),
        ("x/uv.lock", "uv-lock"),
        ("poetry.lock", "poetry-lock"),
        ("pylock.toml", "pylock"),
        ("pylock.dev.toml", "pylock"),
    ],
)
def test_a_file_is_known_by_its_name(name: str, kind: str) -> None:
    assert file_kind(name) == kind


@pytest.mark.parametrize("name", ["Pipfile", "x/Pipfile.lock", "pdm.lock", "setup.py", "environment.yml", "mach.lock"])
def test_files_of_other_tools_are_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(InputError) as caught:
        file_kind(name)
    assert caught.value.code == "file-unsupported"
    assert caught.value.hint
