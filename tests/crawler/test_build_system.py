"""What a pyproject.toml says of how its project is built, and what is refused of it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.build_system import LEGACY_BACKEND, LEGACY_REQUIRES, BuildSystem, parse_build_system, read_build_system
from crawler.hook_failures import FailureClass, Refused

LEGACY = BuildSystem(requires=LEGACY_REQUIRES, backend=LEGACY_BACKEND)


def system(**table: object) -> bytes:
    return "\n".join(["[build-system]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]).encode()


def test_a_table_with_all_its_keys():
    data = system(**{"requires": ["a", "b >= 1"], "build-backend": "x.y:z.w", "backend-path": [".", "in/tree"]})
    assert parse_build_system(data) == BuildSystem(
        requires=("a", "b >= 1"), backend="x.y:z.w", backend_path=(".", "in/tree")
    )


@pytest.mark.parametrize("data", [b"", b"[project]\nname = 'a'\n", system(requires=[])])
def test_without_a_backend_it_is_setuptools_of_old(data: bytes):
    assert parse_build_system(data) == LEGACY


def test_requirements_without_a_backend_are_kept():
    assert parse_build_system(system(requires=["setuptools", "cython"])) == BuildSystem(
        requires=("setuptools", "cython"), backend=LEGACY_BACKEND
    )


def test_a_folder_with_a_setup_py_alone_and_one_without(tmp_path: Path):
    with pytest.raises(Refused, match=r"there is no pyproject\.toml and no setup\.py") as caught:
        read_build_system(tmp_path)
    assert caught.value.failure.kind is FailureClass.NO_BACKEND
    (tmp_path / "setup.py").touch()
    assert read_build_system(tmp_path) == LEGACY


@pytest.mark.parametrize("target", ["/etc/passwd", "absent", "."])
def test_a_link_in_its_place_is_not_followed(target: str, tmp_path: Path):
    (tmp_path / "pyproject.toml").symlink_to(target)
    with pytest.raises(Refused, match="not a plain file"):
        read_build_system(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[build-system",
        b"build-system = 1",
        b"x = " + b"[" * 100_000,
        b"#" * (5 << 20),
        b"[build-system]\n",
        system(requires="a"),
        system(requires=[1]),
        system(requires=["a\0"]),
        system(requires=["a" * 70_000]),
        system(requires=["a"] * 10_001),
        system(**{"requires": [], "build-backend": 1}),
        system(**{"requires": [], "build-backend": ""}),
        system(**{"requires": [], "build-backend": "a b"}),
        system(**{"requires": [], "build-backend": "../a"}),
        system(**{"requires": [], "build-backend": "a\n"}),
        system(**{"requires": [], "build-backend": "a" * 2000}),
        system(**{"requires": [], "build-backend": "a", "backend-path": "."}),
        system(**{"requires": [], "build-backend": "a", "backend-path": [".."]}),
        system(**{"requires": [], "build-backend": "a", "backend-path": ["a/../.."]}),
        system(**{"requires": [], "build-backend": "a", "backend-path": ["/usr/lib"]}),
        system(**{"requires": [], "build-backend": "a", "backend-path": ["a"] * 51}),
    ],
    ids=lambda data: str(len(data)),
)
def test_what_the_standards_do_not_allow_is_refused(data: bytes):
    with pytest.raises(Refused) as caught:
        parse_build_system(data)
    assert caught.value.failure.kind is FailureClass.INVALID_BUILD_SYSTEM
    assert caught.value.failure.reason.startswith("its pyproject.toml ")


@given(st.binary() | st.text().map(str.encode))
def test_anything_is_read_or_refused(data: bytes):
    with suppress(Refused):
        assert isinstance(parse_build_system(data), BuildSystem)
