"""``mach image``: from requirements to an image that runs without the host, the same bytes on every build."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, ROOT, Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

LOOK = """
import hello, json, os, ssl
print(json.dumps([hello.NAME, os.getuid(), len(ssl.create_default_context().get_ca_certs())]))
"""


@pytest.fixture
def machine(fake_index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> Machine:
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    fake_index.add(make_wheel("hello", "1.0", files={"hello.py": "NAME = 'hello'\n"}))
    machine = Machine(home=tmp_path, index_url=fake_index.url, environ=nix_store.env())
    machine.mach("lock", "hello", "--python", HOST_PYTHON)
    return machine


def run_image(image: Path, *words: str) -> str:
    command = [sys.executable, ROOT / "tests/nixpkgs_test/run_image.py", image, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_streamed_image_runs_and_is_the_same_again(machine: Machine) -> None:
    chosen = ("--name", "team/hello", "--tag", "1.0", "--command", "python -c 'import hello; print(hello.NAME)'")
    for name in ("one.tar", "other.tar"):
        machine.process("image", "--lock", "mach.lock", "--stream", "-o", name, *chosen)
    image = machine.home / "one.tar"
    assert image.read_bytes() == (machine.home / "other.tar").read_bytes()
    assert json.loads(run_image(image, "/bin/python", "-c", LOOK)) == ["hello", 1000, 1]
    assert run_image(image) == "hello\n"
    with tarfile.open(image) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
    assert manifest["RepoTags"] == ["team/hello:1.0"]


def test_an_image_in_the_store_is_linked(machine: Machine) -> None:
    path = Path(machine.process("image", "--lock", "mach.lock", "-o", "image").stdout.strip())
    assert (machine.home / "image").resolve() == path
    assert path.name.endswith("mach-python.tar.gz")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", "Team/Hello"), "'Team/Hello' is no name of an image"),
        (("--tag", "a b"), "'a b' is no tag of an image"),
        (("--command", "python 'x"), "No closing quotation"),
    ],
)
def test_what_no_image_can_be_called_is_told_before_anything_is_built(
    machine: Machine, words: tuple[str, str], said: str
) -> None:
    assert said in machine.mach("image", "--lock", "mach.lock", *words, code=2).stderr
