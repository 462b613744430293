"""mkDockerImage: an image that runs without the host, as a user that is not root, the same bytes on every build."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.nix.library import ROOT, Library
from tests.nix.locks import lock_of
from tests.support.dists import make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

TOOL = make_wheel(
    "tool",
    "1.0",
    files={"tool.py": "def main():\n    print('tool')\n"},
    entry_points={"console_scripts": {"tool": "tool:main"}},
)
LOOK = """
import json, os, pathlib, ssl, subprocess, tempfile, pwd
home = pathlib.Path.home()
(home / "written").write_text("x")
print(json.dumps({
    "uid": os.getuid(),
    "name": pwd.getpwuid(os.getuid()).pw_name,
    "home": str(home),
    "here": os.getcwd(),
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "temporary": pathlib.Path(tempfile.gettempdir()).is_dir(),
    "shell": subprocess.run(["sh", "-c", "ls / >/dev/null && echo shell"], capture_output=True, text=True).stdout,
    "host": [str(path) for path in map(pathlib.Path, ("/usr", "/etc/debian_version", "/var")) if path.exists()],
}))
"""


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(store=nix_store, folder=tmp_path_factory.mktemp("library"))
    library.write(lock_of(nix_store, TOOL))
    return library


def run_image(image: Path, *words: str) -> str:
    command = [sys.executable, ROOT / "tests/nixpkgs_test/run_image.py", image, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stream(library: Library, call: str, to: Path) -> Path:
    program = library.build(call)
    with to.open("wb") as file:
        subprocess.run([program], stdout=file, check=True)
    return to


def test_an_image_runs_without_the_host_and_not_as_root(library: Library, tmp_path: Path) -> None:
    image = stream(library, "mach.mkDockerImage { inherit lock; stream = true; }", tmp_path / "image.tar")
    told = json.loads(run_image(image, "/bin/python", "-c", LOOK))
    assert told == {
        "uid": 1000,
        "name": "python",
        "home": "/home/python",
        "here": "/home/python",
        "certificates": 1,
        "temporary": True,
        "shell": "shell\n",
        "host": [],
    }
    assert run_image(image, "/bin/tool") == "tool\n"


def test_two_builds_are_the_same_bytes(library: Library, tmp_path: Path) -> None:
    call = "mach.mkDockerImage { inherit lock; stream = true; }"
    one, other = (stream(library, call, tmp_path / name).read_bytes() for name in ("one.tar", "other.tar"))
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()
    drv = library.store.call("nix-instantiate", library.folder / "question.nix").paths[0]
    assert library.store.check_derivations(drv, names=["stream-", "mach-python", "python3.11-"])


def test_name_tag_command_and_programs_are_chosen(library: Library, tmp_path: Path) -> None:
    archive = library.build(
        """mach.mkDockerImage {
          inherit lock; name = "mine"; tag = "1.0"; command = [ "/bin/tool" ];
          packagesExtra = [ (pkgs.writeShellScriptBin "outside" "echo outside") ];
        }"""
    )
    image = tmp_path / "image.tar"
    image.write_bytes(subprocess.run(["gzip", "-dc", archive], capture_output=True, check=True).stdout)
    with tarfile.open(image) as file:
        (manifest,) = json.load(file.extractfile("manifest.json"))  # type: ignore[arg-type]  # it is a file
    assert manifest["RepoTags"] == ["mine:1.0"]
    assert len(manifest["Layers"]) > 5, "layered"
    assert run_image(image) == "tool\n"
    assert run_image(image, "/bin/outside") == "outside\n"


def test_everything_else_is_changed_by_override(library: Library, tmp_path: Path) -> None:
    call = """(mach.mkDockerImage { inherit lock; stream = true; }).override (old: {
      name = "other"; config = old.config // { Cmd = [ "/bin/sh" "-c" "echo changed" ]; };
    })"""
    assert run_image(stream(library, call, tmp_path / "image.tar")) == "changed\n"


def test_arguments_of_an_environment_reach_the_image(library: Library, tmp_path: Path) -> None:
    call = 'mach.mkDockerImage { inherit lock; stream = true; postBuild = "echo built >$out/built"; tests = true; }'
    assert run_image(stream(library, call, tmp_path / "image.tar"), "/bin/cat", "/built") == "built\n"


def test_images_are_of_linux(nix_store: NixStore, library: Library) -> None:
    text = (library.folder / "mach.lock").read_text()
    (library.folder / "darwin.lock").write_text(text.replace('"x86_64-linux"', '"aarch64-darwin"'))
    mac = f'(import {ROOT} {{ pkgs = import <nixpkgs> {{ system = "aarch64-darwin"; }}; }})'
    said = library.refusal(f"({mac}.mkDockerImage {{ lock = ./darwin.lock; }}).drvPath")
    assert said == (
        "an image holds programs of Linux, and these are for aarch64-darwin: pass a nixpkgs of a Linux system as pkgs"
    )
