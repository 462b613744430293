"""Targets: complete marker environments, wheel tags, and what a wheel asks of glibc."""

from __future__ import annotations

import platform
import random
import subprocess
import sys
from itertools import product
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import _manylinux, tags
from packaging.markers import Environment, Marker
from packaging.tags import parse_tag
from pip._internal.utils.compatibility_tags import get_supported

from resolver.errors import InputError
from resolver.interpreters import NEWEST_PATCHES
from resolver.target import DEFAULT_GLIBC, SYSTEMS, Target, best_tag_rank, make_target, required_glibc

PYTHONS = tuple(NEWEST_PATCHES.values())
TARGETS = [(system, python) for system in SYSTEMS for python in PYTHONS]


def linux(python: str = "3.11.9", glibc: tuple[int, int] = DEFAULT_GLIBC) -> Target:
    return make_target("x86_64-linux", python, glibc=glibc)


@pytest.mark.parametrize(("system", "python"), TARGETS)
def test_the_marker_environment_is_complete(system: str, python: str) -> None:
    environment = make_target(system, python).environment
    assert set(environment) == set(Environment.__annotations__)
    assert environment["python_full_version"] == environment["implementation_version"] == python
    assert environment["python_version"] == python.rsplit(".", 1)[0]


@pytest.mark.parametrize(
    ("system", "marker"),
    [
        ("x86_64-linux", "sys_platform == 'linux' and platform_system == 'Linux' and platform_machine == 'x86_64'"),
        ("aarch64-linux", "sys_platform == 'linux' and platform_machine == 'aarch64' and os_name == 'posix'"),
        ("aarch64-darwin", "sys_platform == 'darwin' and platform_system == 'Darwin' and platform_machine == 'arm64'"),
        ("x86_64-linux", "platform_python_implementation == 'CPython' and implementation_name == 'cpython'"),
        ("x86_64-linux", "python_full_version == '3.11.9' and python_version == '3.11'"),
        ("x86_64-linux", "platform_release == '' and platform_version == '' and 'Ubuntu' not in platform_version"),
    ],
)
def test_markers_that_hold(system: str, marker: str) -> None:
    assert Marker(marker).evaluate(dict(make_target(system, "3.11.9").environment))


def test_the_running_machine_plays_no_part() -> None:
    script = (
        "import platform, sys, os\n"
        "from resolver.target import make_target\n"
        "if len(sys.argv) > 1:\n"
        "    platform.machine = platform.system = platform.release = platform.mac_ver = lambda *a: 1 / 0\n"
        "    import sysconfig; sysconfig.get_platform = sysconfig.get_config_var = lambda *a: 1 / 0\n"
        "    sys.platform = os.name = 'plan9'\n"
        "for system in ('x86_64-linux', 'aarch64-linux', 'aarch64-darwin'):\n"
        "    target = make_target(system, '3.12.1')\n"
        "    print(dict(target.environment), list(target.tag_ranks.items()))\n"
    )
    here, elsewhere = (
        subprocess.run([sys.executable, "-c", script, *more], capture_output=True, text=True, check=True).stdout
        for more in ([], ["elsewhere"])
    )
    assert here == elsewhere
    assert "cp312-cp312-manylinux_2_17_aarch64" in here


def test_making_a_target_imports_nothing_heavy() -> None:
    script = "import sys, resolver.target, resolver.requirements_txt; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"sqlalchemy", "requests", "pydantic", "rich", "optparse", "sqlite3"} & set(out.split())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("riscv64-linux", "3.11.9"), "unknown-platform"),
        (("linux", "3.11.9"), "unknown-platform"),
        (("\x1b[31m", "3.11.9"), "unknown-platform"),
        (("x86_64-darwin", "3.11.9"), "platform-gone"),
        (("x86_64-linux", "3.9.1"), "unsupported-python"),
        (("x86_64-linux", "3.11"), "invalid-python"),
        (("x86_64-linux", "3.11.9rc1"), "invalid-python"),
    ],
)
def test_refused_targets(arguments: tuple[str, str], code: str) -> None:
    with pytest.raises(InputError) as caught:
        make_target(*arguments)
    assert caught.value.code == code
    assert caught.value.hint
    assert "\x1b" not in str(caught.value)
    if code == "unknown-platform":
        assert all(system in str(caught.value) for system in SYSTEMS)


@pytest.mark.parametrize("glibc", [(1, 38), (3, 1), (2, 16)])
def test_refused_glibc(glibc: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="glibc"):
        linux(glibc=glibc)


@pytest.mark.parametrize("macos", [(10, 15), (13, -1)])
def test_refused_macos(macos: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="macOS"):
        make_target("aarch64-darwin", "3.11.9", macos=macos)


def test_a_platform_that_is_gone_can_be_asked_for() -> None:
    target = make_target("x86_64-darwin", "3.11.9", allow_gone=True)
    assert target.environment["platform_machine"] == "x86_64"
    assert best_tag_rank(target, "cp311-cp311-macosx_10_9_x86_64") is not None


# --- tags ---------------------------------------------------------------------------------------


def platforms_on_linux(machine: str, glibc: tuple[int, int]) -> list[str]:
    """Return what packaging finds on such a machine, but ``linux_*`` last: it does not say which glibc it needs."""
    with (
        mock.patch.object(_manylinux, "_get_glibc_version", return_value=glibc),
        mock.patch.object(_manylinux, "_have_compatible_abi", return_value=True),
        mock.patch.object(_manylinux, "_get_manylinux_module", return_value=None),
    ):
        return [*_manylinux.platform_tags([machine]), f"linux_{machine}"]


def platforms_of(system: str) -> list[str]:
    if system == "aarch64-darwin":
        return list(tags.mac_platforms((13, 0), "arm64"))
    return platforms_on_linux(system.split("-")[0], DEFAULT_GLIBC)


@pytest.mark.parametrize(("system", "python"), TARGETS)
def test_tags_are_those_of_packaging_and_pip(system: str, python: str) -> None:
    major, minor, _ = (int(part) for part in python.split("."))
    platforms = platforms_of(system)
    name = f"cp{major}{minor}"
    expected = [
        *tags.cpython_tags((major, minor), [name], platforms),
        *tags.compatible_tags((major, minor), name, platforms),
    ]
    ranks = make_target(system, python).tag_ranks
    assert list(ranks) == list(dict.fromkeys(map(str, expected)))
    assert list(ranks.values()) == list(range(len(ranks)))
    pips = get_supported(f"{major}{minor}", platforms, "cp", [name])
    assert set(ranks) == set(map(str, pips))


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.libc_ver()[0] != "glibc", reason="compares with this machine's own tags"
)
def test_tags_are_those_of_this_machine() -> None:
    python = platform.python_version()
    glibc = _manylinux._get_glibc_version()
    target = make_target(f"{platform.machine()}-linux", python, glibc=tuple(glibc))
    assert set(target.tag_ranks) == {str(tag) for tag in tags.sys_tags() if "musllinux" not in tag.platform}


@pytest.mark.parametrize("glibc", [(2, 17), (2, 28), (2, 99)])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_manylinux_tags_follow_glibc(machine: str, glibc: tuple[int, int]) -> None:
    target = make_target(f"{machine}-linux", "3.12.1", glibc=glibc)
    ours = [tag.split("-")[2] for tag in target.tag_ranks if tag.startswith("cp312-cp312-")]
    assert ours == platforms_on_linux(machine, glibc)


@pytest.mark.parametrize(
    ("tagset", "accepted"),
    [
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("py2-none-any", False),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp311-cp311-manylinux_2_39_x86_64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-linux_x86_64", True),
        ("cp38-abi3-manylinux1_x86_64", True),
        ("cp312-abi3-manylinux1_x86_64", False),
        ("cp38-cp38-manylinux1_x86_64", False),
        ("cp311-none-any", True),
        ("cp310-none-any", False),
        ("py311-none-any", True),
        ("py312-none-any", False),
        ("py3-none-manylinux2010_x86_64", True),
        ("CP311-CP311-manylinux1_x86_64", True),
        ("pp311-pypy311_pp73-manylinux1_x86_64", False),
        ("cp311-cp311d-manylinux1_x86_64", False),
        ("cp311-cp311t-manylinux1_x86_64", False),
        ("py3-none", False),
        ("py3-none-any-x", False),
        ("", False),
        ("--", False),
    ],
)
def test_accepted_wheels(tagset: str, accepted: bool) -> None:
    assert (best_tag_rank(linux(), tagset) is not None) == accepted


@pytest.mark.parametrize("abi", ["cp313t", "cp313d", "cp313td", "abi3t"])
def test_free_threaded_and_debug_builds_are_told_apart(abi: str) -> None:
    target = linux("3.13.1")
    assert best_tag_rank(target, f"cp313-{abi}-manylinux_2_17_x86_64") is None
    assert best_tag_rank(target, "cp313-cp313-manylinux_2_17_x86_64") is not None


def test_better_wheels_have_lower_ranks() -> None:
    order = [
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-cp311-linux_x86_64",
        "cp311-abi3-manylinux2014_x86_64",
        "cp37-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux_2_28_x86_64",
        "py3-none-any",
    ]
    ranks = [best_tag_rank(linux(), tagset) for tagset in order]
    assert ranks == sorted(ranks, key=lambda rank: rank if rank is not None else -1)
    assert ranks[0] == linux().tag_ranks[order[0]]


COMPONENTS = (
    st.sampled_from(["cp311", "cp310", "cp38", "py3", "py2", "py311", "pp311", "x"]),
    st.sampled_from(["cp311", "abi3", "none", "cp311t", "cp310"]),
    st.sampled_from(
        (
            *("any", "linux_x86_64", "manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64"),
            *("manylinux_2_99_x86_64", "manylinux2010_x86_64", "manylinux_2_17_x86_64", "macosx_11_0_arm64"),
        )
    ),
)
TAGSETS = st.tuples(*(st.lists(part, min_size=1, max_size=4).map(".".join) for part in COMPONENTS)).map("-".join)


@given(TAGSETS)
def test_a_tag_set_ranks_as_the_best_of_its_tags(tagset: str) -> None:
    ranks = [linux().tag_ranks[str(tag)] for tag in parse_tag(tagset) if str(tag) in linux().tag_ranks]
    for _ in range(2):  # the second answer is remembered
        assert best_tag_rank(linux(), tagset) == min(ranks, default=None)


@given(TAGSETS)
def test_the_required_glibc_is_the_lowest_that_accepts(tagset: str) -> None:
    target = linux(glibc=(2, 38))
    required = required_glibc(tagset, target)
    if required is None:
        return
    minor = int(required.removeprefix("2."))
    claims = ".".join(p for p in tagset.split("-")[2].split(".") if not p.startswith("linux_"))
    tagset = "-".join([*tagset.split("-")[:2], claims])
    for glibc in range(17, 39):
        assert (best_tag_rank(linux(glibc=(2, glibc)), tagset) is not None) == (glibc >= minor)


@pytest.mark.parametrize(
    ("tagset", "glibc"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "2.17"),
        ("cp311-cp311-manylinux_2_28_x86_64.manylinux_2_34_x86_64", "2.28"),
        ("cp311-cp311-manylinux1_x86_64", "2.5"),
        ("cp311-cp311-manylinux2010_x86_64.manylinux_2_12_x86_64", "2.12"),
        ("cp311-cp311-manylinux_2_17_x86_64.linux_x86_64", "2.17"),
        ("cp311-cp311-manylinux_2_5_aarch64.manylinux_2_31_x86_64", "2.31"),
        ("py3-none-any.manylinux_2_31_x86_64", None),
        ("cp311-cp311-linux_x86_64", None),
        ("py3-none-any", None),
        ("cp310-cp310-manylinux_2_17_x86_64", None),
    ],
)
def test_required_glibc(tagset: str, glibc: str | None) -> None:
    assert required_glibc(tagset, linux()) == glibc


def test_no_glibc_is_required_on_macos() -> None:
    target = make_target("aarch64-darwin", "3.11.9")
    tagset = "cp311-cp311-macosx_11_0_arm64.manylinux_2_17_x86_64"
    assert best_tag_rank(target, tagset) is not None
    assert required_glibc(tagset, target) is None


def test_a_tag_set_that_stands_for_millions_of_tags() -> None:
    pythons, abis, platforms = (".".join(f"{kind}{i}" for i in range(400)) for kind in ("q", "abi", "linux_"))
    tagset = f"{pythons}.py3-{abis}.none-{platforms}.any"
    assert best_tag_rank(linux(), tagset) == best_tag_rank(linux(), "py3-none-any")


def test_the_memory_of_answers_is_bounded() -> None:
    target = make_target("x86_64-linux", "3.10.1")
    for i in range(70_000):
        best_tag_rank(target, f"x{i}-none-any")
    assert len(target._ranks) <= 65536
    assert best_tag_rank(target, "py3-none-any") is not None


def test_targets_are_values() -> None:
    first, second = make_target("x86_64-linux", "3.11.9"), make_target.__wrapped__("x86_64-linux", "3.11.9")
    best_tag_rank(first, "py3-none-any")
    assert first == second
    assert hash(first) == hash(second)
    assert first != make_target("x86_64-linux", "3.11.8")


def test_every_order_of_a_tag_set_ranks_the_same() -> None:
    parts = [["cp311", "cp310"], ["abi3", "cp311", "none"], ["manylinux2014_x86_64", "any", "linux_x86_64"]]
    shuffled = [random.Random(seed).sample(part, len(part)) for seed, part in product(range(3), parts)]
    sets = ["-".join(".".join(part) for part in shuffled[i : i + 3]) for i in (0, 3, 6)]
    assert len({best_tag_rank(linux(), tagset) for tagset in sets}) == 1
