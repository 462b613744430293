"""The universe is what real installers and resolvers take for a real one, and says what it lacks."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from installer.sources import WheelFile
from packaging.metadata import parse_email
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple

from tests.support.compiled import missing_compiler
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.index import IndexServer
from tests.support.installing import install_wheel
from tests.support.native import host_python
from tests.support.world import TOOLS, World, build_world


def uv(world: World, tmp_path: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run uv against the world and nothing else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    settings = {"UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_INDEX_URL": world.url}
    settings |= {"UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON_PREFERENCE": "only-system"}
    command = [sys.executable, "-m", "uv", "pip", *arguments]
    return subprocess.run(command, env={**kept, **settings}, input=stdin, capture_output=True, text=True)


def resolve(world: World, tmp_path: Path, text: str, *, python: str = "3.11", system: str = "x86_64-unknown-linux-gnu"):
    """Return uv's pins for *text*, project -> version."""
    options = ["--no-header", "--no-annotate", "--python-version", python, "--python-platform", system, "-"]
    done = uv(world, tmp_path, "compile", *options, stdin=text)
    assert done.returncode == 0, done.stderr
    return dict(line.split("==") for line in done.stdout.split())


def friendly(world: World):
    odd = ("hostile-", "old-formats")
    return [d for p in world.index.projects if not p.startswith(odd) for d in world.index.dists(p)]


def test_every_friendly_file_is_sound(world, tmp_path):
    for dist in friendly(world):
        if not dist.is_wheel:
            assert parse_sdist_filename(dist.filename)[0] == dist.project
            continue
        name, version, _, _ = parse_wheel_filename(dist.filename)
        raw, unparsed = parse_email(dist.metadata)
        assert (name, str(version)) == (dist.project, raw["version"])
        assert (canonicalize_name(raw["name"]), unparsed) == (dist.project, {})
        (tmp_path / dist.filename).write_bytes(dist.content)
        with WheelFile.open(tmp_path / dist.filename) as wheel:
            wheel.validate_record()
            assert wheel.read_dist_info("METADATA").encode() == dist.metadata


def test_the_world_is_the_same_in_another_process(world):
    listed = {d.filename: d.sha256 for project in world.index.projects for d in world.index.dists(project)}
    code = (
        "from tests.support.index import IndexServer\nfrom tests.support.world import build_world\n"
        "index = build_world(IndexServer().index()).index\n"
        "for p in index.projects:\n    for d in index.dists(p): print(d.sha256)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(listed.values())


def test_what_cannot_be_made_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with IndexServer() as server:
        world = build_world(server.index())
    assert "no gcc" in world.left_out["numpy"]
    assert "numpy" not in world.index.projects
    assert {"requests", *TOOLS} <= set(world.index.projects)
    with pytest.raises(pytest.skip.Exception, match="numpy is left out: no gcc"):
        world.require("requests", "numpy")


def test_requests_resolves_as_the_real_one(world, tmp_path):
    assert resolve(world, tmp_path, "requests[socks]", python="3.11") == {
        "certifi": "2025.4.26",
        "charset-normalizer": "3.4.0" if missing_compiler() is None else "3.3.2",
        "idna": "3.10",
        "pysocks": "1.7.1",
        "requests": "2.32.5",
        "urllib3": "2.5.0",
    }
    old = resolve(world, tmp_path, "requests<2.29\nurllib3!=2.0.7")
    assert (old["requests"], old["urllib3"]) == ("2.28.2", "1.26.20")
    assert resolve(world, tmp_path, "requests<2.32.3")["requests"] == "2.31.0"
    assert resolve(world, tmp_path, "requests==2.32.1")["requests"] == "2.32.1"
    assert resolve(world, tmp_path, "requests[use-chardet-on-py3]")["chardet"] == "5.2.0"
    assert resolve(world, tmp_path, "urllib3<2.0.1,>1.26.20,>=2.0.0a1")["urllib3"] == "2.0.0a1"


@pytest.mark.parametrize(
    ("python", "version"), [("3.9", "1.26.4"), ("3.10", "2.1.3"), ("3.11", "2.3.0"), ("3.14", "2.3.0")]
)
def test_numpy_differs_by_python(world, tmp_path, python, version):
    world.require("numpy")
    assert resolve(world, tmp_path, "numpy", python=python)["numpy"] == version


def test_a_broken_requirement_cannot_be_met(world, tmp_path):
    done = uv(world, tmp_path, "compile", "-", stdin="requests>=2.32\nurllib3<1.21")
    assert done.returncode == 1
    assert "unsatisfiable" in done.stderr


def test_a_real_installer_makes_it_run(world, tmp_path):
    world.require("numpy", "black", "multidict", "sibling-rpath", "sibling-runpath", "native-program")
    site = tmp_path / "site"
    wanted = ["httpie", "black", "numpy", "cycle-one", "sibling-rpath", "sibling-runpath", "native-program"]
    done = uv(world, tmp_path, "install", "--python", host_python(), "--target", str(site), *wanted)
    assert done.returncode == 0, done.stderr

    def run(code: str) -> str:
        program = f"import sys; sys.path.insert(0, {str(site)!r}); {code}"
        ran = subprocess.run([host_python(), "-I", "-c", program], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def call(*command: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        ran = subprocess.run([site / "bin" / command[0], *command[1:]], capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    assert run("import numpy; print(numpy.show_libraries())") == "numpy-2.3.0 openblas-of-2.3.0"
    assert run("import charset_normalizer as c; print(c.text())") == "md-3.4.0"
    assert run("import multidict; print(multidict.text())") == "multidict-6.1.0"
    assert run("import cycle_one; print(cycle_one.answer())") == "two"
    assert run("import sibling_rpath; print(sibling_rpath.text())") == "rpath through-the-middle from-the-sibling"
    assert run("import sibling_runpath; print(sibling_runpath.text())") == "runpath from-the-sibling"
    assert call("http", "--version") == "3.2.4"
    assert re.fullmatch(
        r"black, 25\.9\.0 \(compiled: yes\)\nPython \(CPython\) 3\.\d+\.\d+", call("black", "--version")
    )
    assert call("native-program") == "native-program 1.0"
    assert "Links for idna" in call("http", world.url + "idna/")


@pytest.mark.nightly
def test_sdists_build_in_a_real_installer(world, tmp_path):
    world.require("numpy")  # the C sdist needs a compiler too
    site = tmp_path / "site"
    wanted = ["sdist-static[more]", "sdist-in-tree", "sdist-compiled", "docopt", "sdist-dynamic", "sdist-bare"]
    done = uv(world, tmp_path, "install", "--python", host_python(), "--target", str(site), *wanted)
    assert done.returncode == 0, done.stderr
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import sdist_compiled, docopt; print(sdist_compiled.answer())"
    )
    assert subprocess.check_output([host_python(), "-I", "-c", code], text=True) == "42\n"
    broken = uv(world, tmp_path, "install", "--python", host_python(), "--target", str(site), "sdist-broken")
    assert broken.returncode != 0
    assert "this project does not build" in broken.stderr


def test_colliding_pairs_collide(world):
    def members(project: str) -> dict[str, bytes]:
        (dist,) = world.index.dists(project)
        with zipfile.ZipFile(io.BytesIO(dist.content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    for name, equal in (("differ", False), ("equal", True)):
        left, right = members(f"{name}-left"), members(f"{name}-right")
        (shared,) = set(left) & set(right)
        assert (left[shared] == right[shared]) is equal


def test_hostile_texts_reach_the_client(world):
    files = world.index.dists("hostile-page")
    for text in HOSTILE_TEXTS.values():
        assert any(text in dist.filename for dist in files)
    names = []
    for project in ("hostile-files", "hostile-records"):
        (dist,) = world.index.dists(project)
        with zipfile.ZipFile(io.BytesIO(dist.content)) as archive:
            names += archive.namelist()
    assert all(any(text in name for name in names) for text in HOSTILE_TEXTS.values())


@pytest.mark.parametrize(
    ("project", "verdict"),
    [
        ("hostile-files", None),
        ("hostile-records", "RECORD"),
        ("hostile-metadata", None),
        ("hostile-scripts", None),
        ("hostile-climb", "outside of the target"),
        ("hostile-root", "absolute"),
        ("hostile-data", "outside of the target"),
        ("hostile-entry", "outside of the target"),
    ],
)
def test_what_installer_thinks_of_hostile_wheels(world, tmp_path, project, verdict):
    (dist,) = world.index.dists(project)
    deep = tmp_path / "some" / "folders" / "deep" / "down"
    deep.mkdir(parents=True)
    if verdict is None:
        install_wheel(dist, deep)
    else:
        with pytest.raises(ValueError, match=verdict):
            install_wheel(dist, deep)
    assert not list(tmp_path.rglob("mach-was-here"))


@pytest.mark.parametrize("accept", [ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY])
def test_hostile_pages_parse_but_for_the_one_with_a_broken_url(world, accept):
    with PyPISimple(world.url, accept=accept) as client:
        for project in world.index.projects:
            if project == "hostile-url":
                with pytest.raises(ValueError, match="IPv6"):
                    client.get_project_page(project)
            else:
                assert len(client.get_project_page(project).packages) == len(world.index.dists(project))


def test_old_formats_hold_one_release_that_installers_take(world, tmp_path):
    assert resolve(world, tmp_path, "old-formats")["old-formats"] == "0.9"
