"""Locks in other tools' forms, read back by those tools."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock
from packaging.tags import Tag

from resolver.errors import InputError
from resolver.export import _literal, to_pylock, to_requirements
from resolver.lock import LockedArtifact, LockTarget, Pin
from resolver.target import make_target
from tests.resolver.locks import pin, target, web_lock
from tests.support.dists import make_wheel
from tests.support.index import FakeIndex

WEB = web_lock().targets


def test_requirements_are_sorted_lines() -> None:
    assert to_requirements(WEB[1]) == (
        "idna==3.7\nping==1.0\npong==1.0\npysocks==1.7.1\nrequests==2.32.0\nurllib3==2.2.1\n"
    )


def test_requirements_with_hashes_name_the_locked_files() -> None:
    first, second = to_requirements(WEB[1], hashes=True).splitlines()[:2]
    assert first == "idna==3.7 \\"
    assert second == f"    --hash=sha256:{WEB[1].pins[0].artifact.sha256}"


def selected(text: str, one: LockTarget) -> dict[str, str]:
    """Return project -> file that ``packaging`` selects from a pylock for a target."""
    made = make_target(one.system, one.python)
    pylock = Pylock.from_dict(tomllib.loads(text))
    tags = [Tag(*tag.split("-")) for tag in sorted(made.tag_ranks, key=made.tag_ranks.__getitem__)]
    chosen = pylock.select(environment=dict(made.environment), tags=tags)  # type: ignore[arg-type]
    return {package.name: file.filename for package, file in chosen}  # type: ignore[union-attr]


def test_a_pylock_selects_for_each_target_what_was_locked() -> None:
    text = to_pylock(WEB)
    for one in WEB:
        assert selected(text, one) == {p.name: p.artifact.filename for p in one.pins}


def test_targets_that_differ_are_told_apart_by_markers() -> None:
    tag = "manylinux_2_17_x86_64.manylinux2014_x86_64"
    native = replace(
        pin("urllib3==2.1.0"),
        artifact=replace(WEB[1].pins[5].artifact, filename=f"urllib3-2.1.0-cp311-cp311-{tag}.whl"),
    )
    other = replace(WEB[1], pins=(*WEB[1].pins[:5], native))
    text = to_pylock([WEB[0], other])
    assert selected(text, WEB[0])["urllib3"] == "urllib3-2.2.1-py3-none-any.whl"
    assert selected(text, other)["urllib3"] == native.artifact.filename
    packages = [p for p in tomllib.loads(text)["packages"] if p["name"] == "urllib3"]
    assert [p["marker"] for p in packages] == [
        'sys_platform == "linux" and platform_machine == "x86_64"',
        'sys_platform == "linux" and platform_machine == "aarch64"',
    ]


def test_a_pylock_is_laid_out_for_small_diffs() -> None:
    made = target(pin("ping==1.0", "pong"), pin("pong==2.0"), roots={"ping": ("ping",)})
    ping, pong = (p.artifact for p in made.pins)
    assert to_pylock([made]) == (
        'lock-version = "1.0"\n'
        'environments = ["sys_platform == \\"linux\\" and platform_machine == \\"x86_64\\""]\n'
        'requires-python = "<3.12,>=3.11.0"\n'
        'created-by = "mach"\n'
        "\n[[packages]]\n"
        'name = "ping"\n'
        'version = "1.0"\n'
        'dependencies = [{ name = "pong", version = "2.0" }]\n'
        "wheels = [\n"
        f'    {{ name = "{ping.filename}", url = "{ping.url}", hashes = {{ sha256 = "{ping.sha256}" }} }},\n'
        "]\n"
        "\n[[packages]]\n"
        'name = "pong"\n'
        'version = "2.0"\n'
        "wheels = [\n"
        f'    {{ name = "{pong.filename}", url = "{pong.url}", hashes = {{ sha256 = "{pong.sha256}" }} }},\n'
        "]\n"
    )


def test_what_pep_751_cannot_say_is_refused_by_name() -> None:
    odd = pin("old==1.0", build="sha256:" + "0" * 64)
    odd = replace(odd, artifact=replace(odd.artifact, filename="old-1.0.tar.bz2"))
    with pytest.raises(InputError, match=r"old-1\.0\.tar\.bz2") as caught:
        to_pylock([target(odd, roots={"old": ("old",)})])
    assert caught.value.code == "not-in-pylock"


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives_toml(text: str) -> None:
    assert tomllib.loads(f"a = {_literal(text)}")["a"] == text


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("form", ["requirements", "pylock"])
def test_the_tools_install_what_was_locked(tmp_path: Path, fake_index: FakeIndex, tool: str, form: str) -> None:
    pins: list[Pin] = []
    for name, requires in (("ping", ("pong",)), ("pong", ())):
        dist = make_wheel(name, "1.0", files={f"{name}.py": "\n"}, requires=requires)
        fake_index.add(dist)
        artifact = LockedArtifact(
            filename=dist.filename, url=fake_index.file_url(dist), sha256=dist.sha256, size=len(dist.content)
        )
        pins.append(replace(pin(f"{name}==1.0", *requires), artifact=artifact))
    version = ".".join(map(str, sys.version_info[:3]))
    made = target(*pins, roots={"ping": ("ping",)}, python=version)
    path = tmp_path / ("pylock.toml" if form == "pylock" else "requirements.txt")
    path.write_text(to_pylock([made]) if form == "pylock" else to_requirements(made, hashes=True))
    install = ["-m", "pip", "--isolated"] if tool == "pip" else ["-m", "uv", "--no-config", "pip"]
    options = ["--no-deps", "--index-url", fake_index.url, "--target", str(tmp_path / "site"), "-r", str(path)]
    cache = ["--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, *install, "install", *cache, *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.name for p in (tmp_path / "site").glob("p*ng.py")} == {"ping.py", "pong.py"}
