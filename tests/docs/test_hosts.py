"""No host name of a package registry stands in the tree: configuration and libraries know them."""

from __future__ import annotations

import re

import pytest

from tests.docs.error_codes import list_files

# Built from parts, so that this file does not hold what it looks for.
PARTS = [
    ("pypi", "org"),
    ("pypi", "python", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("deb", "debian", "org"),
    ("security", "debian", "org"),
    ("archive", "ubuntu", "com"),
    ("anaconda", "org"),
    ("anaconda", "com"),
    ("crates", "io"),
    ("rubygems", "org"),
    ("proxy", "golang", "org"),
]
HOSTS = re.compile("|".join(r"(?<![\w-])" + r"\.".join(map(re.escape, host)) + r"(?![\w-])" for host in PARTS), re.I)


def found(text: str) -> list[str]:
    return [match[0] for match in HOSTS.finditer(text)]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("form", ["https://{}/simple/", "https://files.{}/a", "see {}.", "{}", "a@{}:8080"])
def test_a_host_is_recognised(parts: tuple[str, ...], form: str) -> None:
    assert found(form.format(".".join(parts)))


@pytest.mark.parametrize("text", ["index.example", "pypi_simple", "my-pypi.organisation.example", "pypiXorg"])
def test_other_names_are_left_alone(text: str) -> None:
    assert not found(text)


def test_no_file_of_the_tree_names_one() -> None:
    named = []
    for path in list_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            named += [f"{path}:{number}: {host}" for host in found(line)]
    assert not named, "\n".join(named)
