"""The Python part of the stand-in builds, checks and refuses as nixpkgs' does; so do its images and conda packages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.dists import make_sdist, make_wheel
from tests.support.native import extension_module, extension_suffix
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix

HERE = Path(__file__).parent
SCRIPT = "#!python\nimport alpha\nalpha.main()\n"


@pytest.fixture(scope="module")
def args(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The arguments of expression.nix: folders with crafted wheels, an sdist and conda packages."""
    abi = extension_suffix().split("-")[1]
    dists = [
        make_wheel(
            "alpha",
            "1.0",
            files={"alpha/__init__.py": "import beta\ndef main():\n    print('alpha', beta.VALUE + 1)\n"},
            requires=["beta>=2"],
            entry_points={"console_scripts": {"alpha": "alpha:main"}},
            data={"scripts/alpha-script": SCRIPT, "data/share/alpha/x.txt": "x\n"},
        ),
        *(make_wheel("beta", v, files={"beta/__init__.py": f"VALUE = {v}\n"}) for v in ("1.0", "2.0", "2.1")),
        make_wheel("gamma", "1.0", files={"ns/gamma.py": "X = 1\n"}),
        make_sdist(
            "delta", "0.1", backend="in-tree", files={"delta.py": "import beta\nY = beta.VALUE\n"}, requires=["beta<3"]
        ),
        make_wheel(
            "epsilon",
            "1.0",
            files={
                f"epsilon{extension_suffix()}": extension_module("epsilon", host_libraries=("libstdc++.so.6",)).content
            },
            tag=f"cp{abi}-cp{abi}-linux_x86_64",
        ),
    ]
    files = Path(tempfile.mkdtemp(dir=nix_store.files))  # of this worker: others may build meanwhile
    for dist in dists:
        (files / dist.filename).write_bytes(dist.content)
    known = {f"{dist.project} {dist.version}": {"file": dist.filename, "sha256": dist.sha256} for dist in dists}
    (files / "dists.json").write_text(json.dumps(known))
    conda = tmp_path_factory.mktemp("conda")
    subprocess.run([sys.executable, HERE / "craft_conda.py", conda], check=True)
    return {"files": str(files), "conda": str(conda)}


def output(*command: str | Path) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, env={}).stdout


def test_an_environment_of_wheels_and_an_sdist_runs(nix_store: NixStore, args: dict[str, str]) -> None:
    env = nix_store.build(HERE / "expression.nix", "env", args)
    assert output(env / "bin/alpha") == output(env / "bin/alpha-script") == "alpha 3.1\n"
    code = "import delta, ns.gamma, epsilon, sys; print(delta.Y, ns.gamma.X, epsilon.text(), sys.prefix)"
    assert output(env / "bin/python", "-c", code) == f"2.1 1 epsilon {env}\n"
    assert (env / "share/alpha/x.txt").read_text() == "x\n"


def test_an_application_carries_its_closure(nix_store: NixStore, args: dict[str, str]) -> None:
    assert output(nix_store.build(HERE / "expression.nix", "app", args) / "bin/alpha") == "alpha 3.1\n"


def test_a_shell_has_the_environment(nix_store: NixStore, args: dict[str, str]) -> None:
    words = [word for key, value in args.items() for word in ("--arg", key, value)]
    pkgs = "import <nixpkgs> { }"
    shell = nix_store.call(
        "nix-shell", "--pure", HERE / "expression.nix", "-A", "shell", *words, "--arg", "pkgs", pkgs, "--run", "alpha"
    )
    assert shell.stdout == "alpha 3.1\n"


def test_conda_packages_and_wheels_share_an_environment(nix_store: NixStore, args: dict[str, str]) -> None:
    mixed = nix_store.build(HERE / "expression.nix", "mixed", args)
    assert output(mixed / "bin/greet").startswith(f"greetings from {nix_store.store}")
    assert output(mixed / "bin/pygreet") == "pygreet\n"
    assert output(mixed / "bin/alpha") == "alpha 3.1\n"


def test_an_image_runs_without_the_host(nix_store: NixStore, args: dict[str, str], tmp_path: Path) -> None:
    stream = nix_store.build(HERE / "expression.nix", "image", args)
    with (tmp_path / "image.tar").open("wb") as file:
        subprocess.run([stream], stdout=file, check=True)
    done = subprocess.run(
        [sys.executable, HERE / "run_image.py", tmp_path / "image.tar"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "alpha 3.1\n"


@pytest.mark.nightly
def test_everything_is_deterministic(nix_store: NixStore, args: dict[str, str]) -> None:
    nix_store.build(HERE / "expression.nix", "env", args)
    names = ["python3-", "python3", "conda-"]
    checked = nix_store.check_derivations(nix_store.instantiate(HERE / "expression.nix", "mixed", args), names=names)
    assert {"python3.11-alpha-1.0", "conda-greet-1.0-0"} <= {*checked} or not extension_suffix().startswith(
        ".cpython-311"
    )
    assert nix_store.try_build(HERE / "expression.nix", "env", args, check=True).returncode == 0


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("requirement", "beta"),
        ("version", "not satisfied by version 1.0"),
        ("import", "No module named 'nope'"),
        ("library", "libstdc++.so.6"),
        ("twice", "found duplicated packages"),
        ("format", "neither `pyproject = true` nor `format` is given"),
    ],
)
def test_what_nixpkgs_refuses_is_refused(
    nix_store: NixStore, args: dict[str, str], attribute: str, message: str
) -> None:
    outcome = nix_store.try_build(HERE / "expression.nix", f"fails.{attribute}", args)
    assert outcome.returncode == (1 if attribute == "format" else 100)
    assert message in outcome.stderr
