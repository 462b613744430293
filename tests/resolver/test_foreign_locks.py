"""Locks of other tools: whose requirements, which pins on which target, which hashes; and what is refused."""

from __future__ import annotations

from typing import NoReturn

import pytest

from resolver.direct import Reference
from resolver.errors import InputError
from resolver.request_file import Selection, check_registries
from resolver.request_files import parse_request_file
from tests.resolver.request_files import (
    LINUX,
    LINUX_313,
    MAC,
    OLD_POETRY_LOCK,
    POETRY_LOCK,
    PYLOCK,
    UV_LOCK,
    holding,
    read,
    sha,
    texts,
)

INDEX = "https://index.example/simple/"


def refusal(name: str, text: str, **more: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read(name, text, **more)  # type: ignore[arg-type]
    return caught.value


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


# ---- uv.lock


def test_a_uv_lock_asks_for_what_the_project_asks_for() -> None:
    asked = read("uv.lock", extras=["cli"], groups=["dev"])
    assert texts(asked.requirements) == [
        'colorama; sys_platform == "win32"',
        'numpy; python_full_version < "3.12"',
        'numpy; python_full_version >= "3.12"',
        "requests[socks]>=2.31",
        "click>=8",
        "pytest>=8",
    ]
    assert asked.extras == {"cli"}
    assert asked.groups == {"dev"}


def test_its_pins_hold_what_the_requirements_lead_to_on_each_target() -> None:
    asked = read("uv.lock", targets=(LINUX, LINUX_313))
    old = {"numpy": "==1.26.4", "pysocks": "==1.7.1", "requests": "==2.32.3"}
    assert holding(asked.constraints, LINUX) == old
    assert holding(asked.constraints, LINUX_313) == {**old, "numpy": "==2.1.0"}
    assert 'numpy==1.26.4; python_version == "3.11"' in texts(asked.constraints)
    assert holding(read("uv.lock", extras=["cli"]).constraints, LINUX) == {**old, "click": "==8.1.7"}


def test_only_the_hashes_of_files_that_a_target_could_take_are_given() -> None:
    (numpy,) = [c for c in read("uv.lock").constraints if c.project == "numpy"]
    assert numpy.hashes == (sha("1"), sha("2"))
    assert numpy.origin == "uv.lock:58"
    (numpy,) = [c for c in read("uv.lock", targets=(LINUX, MAC)).constraints if c.project == "numpy"]
    assert numpy.hashes == (sha("1"), sha("2"), sha("3"))


def test_a_file_for_no_target_keeps_its_hashes_so_that_none_is_taken_unchecked() -> None:
    text = changed(UV_LOCK, "pysocks-1.7.1".title().replace("Pysocks", "PySocks"), "PySocks-1.7.1-cp27-cp27m-win32")
    text = text.replace("win32-py3-none-any", "win32")
    (pysocks,) = [c for c in read("uv.lock", text).constraints if c.project == "pysocks"]
    assert pysocks.hashes == (sha("6"),)


def test_a_script_lock_asks_for_its_manifest() -> None:
    manifest = (
        '[manifest]\nrequirements = [{ name = "requests", specifier = ">=2", extras = ["socks"] }]\n\n[[package]]'
    )
    text = changed(UV_LOCK, "[[package]]", manifest)
    text = changed(text, 'source = { editable = "." }', 'source = { registry = "https://index.example/simple" }')
    asked = read("tool.py.lock", text)
    assert texts(asked.requirements) == ["requests[socks]>=2"]
    assert set(holding(asked.constraints, LINUX)) == {"requests", "pysocks"}


def test_without_a_project_every_release_is_asked_for() -> None:
    text = changed(UV_LOCK, 'source = { editable = "." }', 'source = { registry = "https://index.example/simple" }')
    asked = read("uv.lock", text, targets=(LINUX, LINUX_313))
    assert not asked.constraints
    assert holding(asked.requirements, LINUX)["numpy"] == "==1.26.4"
    assert holding(asked.requirements, LINUX_313)["numpy"] == "==2.1.0"
    assert "colorama" in holding(asked.requirements, LINUX)


def test_overrides_are_taken_over() -> None:
    manifest = '[manifest]\noverrides = [{ name = "urllib3", specifier = "<2" }]\n\n[[package]]'
    (override,) = read("uv.lock", changed(UV_LOCK, "[[package]]", manifest)).overrides
    assert str(override) == "urllib3<2"


REGISTRY = 'name = "pysocks"\nversion = "1.7.1"\nsource = { registry = "https://index.example/simple" }'


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("version = 1", "version = 2", "foreign-lock-version", "version 2"),
        ("version = 1", "version = true", "foreign-lock-version", "version True"),
        ("version = 1", "", "foreign-lock-version", "version None"),
        ("revision = 3", 'conflicts = [[{ package = "x" }]]', "foreign-lock-unsupported", "conflicts"),
        ("revision = 3", "supported-markers = [\"sys_platform == 'win32'\"]", "foreign-lock-target", "not made for"),
        ('python = ">=3.10"', 'python = ">=3.12"', "python-not-admitted", "uv.lock:3"),
        (
            REGISTRY,
            REGISTRY.replace("registry", "path"),
            "foreign-source-unsupported",
            ": pysocks is locked from a path",
        ),
        (
            REGISTRY,
            REGISTRY.replace("https://index.example/simple", "../wheels"),
            "foreign-source-unsupported",
            "folder",
        ),
        ('version = "1.7.1"', 'version = "one"', "invalid-file", "no version of pysocks"),
        ('{ name = "pysocks" },\n]', '{ name = "nothing" },\n]', "invalid-file", "no nothing"),
        ('marker = "sys_platform', 'marker = "sysplatform', "invalid-file", "is no marker"),
        ('name = "requests", extra', "name = 7, extra", "invalid-file", "a name is a number"),
    ],
)
def test_uv_locks_that_are_refused(old: str, new: str, code: str, said: str) -> None:
    error = refusal("uv.lock", changed(UV_LOCK, old, new))
    assert error.code == code
    assert said in error.message


# ---- poetry.lock


def test_a_poetry_lock_asks_for_every_release_that_is_meant_for_the_target() -> None:
    assert texts(read("poetry.lock").requirements) == ["requests==2.32.3"]
    assert texts(read("poetry.lock", extras=["cli"]).requirements) == ["click==8.1.7", "requests==2.32.3"]
    assert texts(read("poetry.lock", all_extras=True).requirements) == ["click==8.1.7", "requests==2.32.3"]
    asked = read("poetry.lock", groups=["dev"])
    assert texts(asked.requirements) == ["py-test==8.3.0", "requests==2.32.3"]
    assert asked.requirements[0].hashes == (sha("7"),)
    assert asked.requirements[0].origin == "poetry.lock:24"
    assert asked.groups == {"dev"}


def test_an_old_poetry_lock_is_followed_by_markers_and_what_is_left_out_is_named() -> None:
    asked = read("poetry.lock", OLD_POETRY_LOCK)
    assert texts(asked.requirements) == ["app-dirs==1.0", "one==1.0", "two==2.0"]
    assert asked.requirements[1].hashes == (sha("1"),)
    assert "poetry.lock:12: colorama 0.4.6 is left out" in asked.notes[-1]
    assert texts(read("poetry.lock", OLD_POETRY_LOCK, groups=["dev"]).requirements)[1] == "linter==3.0"


def test_circles_that_nothing_enters_are_not_lost() -> None:
    text = changed(OLD_POETRY_LOCK, 'two = "*"\n\n[[package]]\nname = "colorama"', '\n[[package]]\nname = "colorama"')
    assert texts(read("poetry.lock", text).requirements) == ["app-dirs==1.0", "one==1.0", "two==2.0"]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('lock-version = "2.1"', 'lock-version = "3.0"', "foreign-lock-version", "version 3.0"),
        ('lock-version = "2.1"', "", "foreign-lock-version", "version None"),
        ('python-versions = "^3.10"', 'python-versions = "^3.12"', "python-not-admitted", ">=3.12"),
        ('python-versions = "^3.10"', 'python-versions = "~3.10"', "python-not-admitted", "<3.11"),
        (
            "[extras]",
            '[package.source]\ntype = "directory"\nurl = "../x"\n[extras]',
            "foreign-source-unsupported",
            ":36",
        ),
        ('version = "2.32.3"', "version = 2", "invalid-file", "version is a number"),
        ("[extras]", '[[package]]\nname = "requests"\nversion = "1.0"\n[extras]', "invalid-file", "two releases of"),
    ],
)
def test_poetry_locks_that_are_refused(old: str, new: str, code: str, said: str) -> None:
    error = refusal("poetry.lock", changed(POETRY_LOCK, old, new))
    assert error.code == code
    assert said in error.message


def test_newer_forms_with_the_same_major_are_read() -> None:
    assert read("poetry.lock", changed(POETRY_LOCK, '"2.1"', '"2.9"')).requirements
    assert read("uv.lock", changed(UV_LOCK, "revision = 3", "revision = 99")).requirements


# ---- pylock.toml


def test_a_pylock_asks_for_every_release_that_is_meant_for_the_target() -> None:
    asked = read("pylock.toml")
    assert texts(asked.requirements) == ["requests==2.32.3"]
    assert asked.requirements[0].hashes == (sha("8"),)
    assert asked.requirements[0].origin == "pylock.toml:30"
    assert asked.notes == ("pylock.toml:20: demo-app is the project itself and not a part of the environment",)
    both = read("pylock.toml", extras=["cli"], groups=["dev"])
    assert texts(both.requirements) == ["click==8.1.7", "pytest==8.3.0", "requests==2.32.3"]


def test_default_groups_are_always_taken() -> None:
    text = changed(PYLOCK, 'dependency-groups = ["dev"]', 'dependency-groups = ["dev"]\ndefault-groups = ["dev"]')
    assert texts(read("pylock.toml", text).requirements) == ["pytest==8.3.0", "requests==2.32.3"]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('lock-version = "1.0"', 'lock-version = "2.0"', "foreign-lock-version", "version 2.0"),
        ('lock-version = "1.0"', "", "invalid-file", "no pylock.toml"),
        ('created-by = "hand"', "", "invalid-file", "no pylock.toml"),
        ('python = ">=3.10"', 'python = ">=3.12"', "python-not-admitted", "pylock.toml:3"),
        ("extras =", "environments = [\"sys_platform == 'win32'\"]\nextras =", "foreign-lock-target", "not made for"),
        ('path = "."', 'path = "../lib"', "foreign-source-unsupported", "../lib"),
        ("marker = \"'cli' in extras\"", 'requires-python = ">=3.12"', "python-not-admitted", "click"),
        ("'cli' in extras", "'cli' in extra", "invalid-file", "a marker cannot be evaluated"),
    ],
)
def test_pylocks_that_are_refused(old: str, new: str, code: str, said: str) -> None:
    error = refusal("pylock.toml", changed(PYLOCK, old, new))
    assert error.code == code
    assert said in error.message


def test_two_releases_of_one_project_on_a_target_are_refused() -> None:
    text = PYLOCK + PYLOCK[PYLOCK.rindex("[[packages]]") :].replace("2.32.3", "2.31.0")
    assert "two releases of requests" in refusal("pylock.toml", text).message


# ---- direct references

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = f"git+https://git.example/x@{COMMIT}#subdirectory=lib"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "uv.lock",
            changed(
                UV_LOCK,
                REGISTRY,
                'name = "pysocks"\nversion = "1.7.1"\n'
                f'source = {{ git = "https://git.example/x?subdirectory=lib&rev=main#{COMMIT}" }}',
            ),
        ),
        (
            "poetry.lock",
            changed(
                POETRY_LOCK,
                "[extras]",
                '[package.source]\ntype = "git"\nurl = "https://git.example/x"\nreference = "main"\n'
                f'resolved_reference = "{COMMIT}"\nsubdirectory = "lib"\n\n[extras]',
            ),
        ),
        (
            "pylock.toml",
            PYLOCK + '[[packages]]\nname = "pysocks"\n[packages.vcs]\ntype = "git"\nurl = "https://git.example/x"\n'
            f'commit-id = "{COMMIT}"\nsubdirectory = "lib"\n',
        ),
    ],
)
def test_a_commit_is_asked_for_by_its_url(name: str, text: str) -> None:
    def locate(reference: Reference, origin: str) -> NoReturn:
        raise AssertionError(f"nothing local is named: {reference} at {origin}")

    (direct,) = [r for r in parse_request_file(text, name, Selection(), [LINUX], locate).requirements if r.url]
    assert direct.url == GIT
    assert direct.project in ("pysocks", "requests")
    error = refusal(name, text)  # a service finds no local paths, and takes no references
    assert error.code.startswith("direct-reference")


# ---- indexes


def test_an_index_that_is_not_asked_is_noted_and_refused_where_nothing_is_checked() -> None:
    asked = read("uv.lock")
    assert list(check_registries([asked], [INDEX])) == []
    (note,) = check_registries([asked], ["https://mirror.example/simple/"])
    assert "numpy and 2 more are locked from https://index.example/simple" in note
    bare = UV_LOCK.replace(f', hash = "{sha("6")}"', "")
    unchecked = read("uv.lock", bare)
    assert "pysocks 1.7.1 has no sha256" in unchecked.notes[0]
    with pytest.raises(InputError, match=r"pysocks is locked from https://index\.example/simple") as caught:
        list(check_registries([unchecked], ["https://mirror.example/simple/"]))
    assert caught.value.code == "foreign-registry"
