"""Overrides as requests: mach takes what uv takes on the same index, yanked or not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex


@pytest.fixture
def machine(fake_index: FakeIndex, tmp_path: Path) -> Machine:
    """A machine whose index has an old app without requirements, and a part of which two releases were yanked."""
    fake_index.add(make_wheel("app", "1.0"))
    fake_index.add(make_wheel("app", "2.0", requires=["part>=1.1"]))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    for version in ("1.0", "1.5", "2.0"):
        fake_index.add(make_wheel("part", version))
    for version in ("1.2", "3.0"):
        fake_index.yank(fake_index.add(make_wheel("part", version)))
    return Machine(home=tmp_path, index_url=fake_index.url)


def uv(machine: Machine, override: str) -> dict[str, str]:
    """Return the pins of ``uv pip compile`` for app, with an override."""
    program = Path(sys.executable).with_name("uv")
    words = ["pip", "compile", "--no-config", "--no-header", "--no-annotate", "--quiet", "--python", sys.executable]
    words += ["--override", machine.write("overrides.txt", override), machine.write("app.in", "app")]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(machine.home),
        "UV_CACHE_DIR": str(machine.home / ".uv"),
        "UV_DEFAULT_INDEX": machine.index_url,
    }
    done = subprocess.run([program, *words], cwd=machine.home, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(line.split("==") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("override", "part"), [("part==1.2", "1.2"), ("part===1.2", "1.2"), ("part==3.0", "3.0"), ("part<1.5", "1.0")]
)
def test_an_override_takes_what_uv_takes(machine: Machine, override: str, part: str) -> None:
    locked = machine.mach("lock", "app", "--override", override, "--python", platform.python_version(), "-q")
    (target,) = json.loads(machine.read("mach.lock"))["targets"]
    assert {pin["name"]: pin["version"] for pin in target["pins"]} == {"app": "2.0", "part": part}
    assert locked.stderr == (f"warning: part {part} was yanked\n" if part in ("1.2", "3.0") else "")
    assert uv(machine, override) == {"app": "2.0", "part": part}
