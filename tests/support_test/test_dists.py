"""Crafted distributions are what real tools take for real ones."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from installer.sources import WheelFile
from packaging.metadata import parse_email
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.installing import install_wheel


def run(site: Path, code: str) -> str:
    """Return what *code* prints in an isolated Python that sees only *site*."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); {code}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_wheel_installs_and_imports(tmp_path):
    dist = make_wheel(
        "Foo.Bar",
        "1.0",
        files={"foo/__init__.py": "def main():\n    print('ran')\n", "foo/data.bin": b"\0\xff"},
        requires=["idna>=2", 'PySocks; extra == "socks"'],
        extras=["socks"],
        requires_python=">=3.10",
        entry_points={"console_scripts": {"foo": "foo:main"}},
        data={"scripts/tool": "#!python\nprint('tool')\n", "data/share/foo.txt": "text"},
        executable=["scripts/tool"],
    )
    site = install_wheel(dist, tmp_path)
    assert run(site, "import foo; foo.main()") == "ran"
    assert (tmp_path / "data/share/foo.txt").read_text() == "text"
    assert subprocess.check_output([tmp_path / "scripts/tool"], text=True) == "tool\n"
    assert b"foo" in (tmp_path / "scripts/foo").read_bytes()


def test_a_wheel_says_what_it_was_told():
    dist = make_wheel("Foo.Bar", "1.0", requires=["idna>=2"], extras=["x"], requires_python=">=3.10", build="3")
    name, version, build, tags = parse_wheel_filename(dist.filename)
    assert (name, str(version), build, [str(t) for t in tags]) == ("foo-bar", "1.0", (3, ""), ["py3-none-any"])
    raw, unparsed = parse_email(dist.metadata)
    assert not unparsed
    assert (raw["name"], raw["version"], raw["requires_python"]) == ("Foo.Bar", "1.0", ">=3.10")
    assert (raw["requires_dist"], raw["provides_extra"]) == (["idna>=2"], ["x"])
    with zipfile.ZipFile(io.BytesIO(dist.content)) as archive:
        assert archive.read("foo_bar-1.0.dist-info/METADATA") == dist.metadata


def test_the_same_words_give_the_same_bytes():
    first, second = (make_wheel("a", "1", files={"a.py": "x = 1\n"}, requires=["b"]) for _ in range(2))
    assert first == second
    assert make_sdist("a", "1") == make_sdist("a", "1")
    assert make_sdist("a", "1").sha256 != make_sdist("a", "2").sha256


@pytest.mark.parametrize("broken", [{"wrong_record": ["a.py"]}, {"omit": ["RECORD"]}, {"omit": ["WHEEL"]}])
def test_a_scrambled_wheel_is_refused(broken, tmp_path):
    dist = make_wheel("a", "1", files={"a.py": "x = 1\n"}, **broken)
    with pytest.raises(Exception, match=r"a\.py|RECORD|WHEEL"):
        install_wheel(dist, tmp_path)


def test_scrambled_names_stand_where_they_were_put():
    dist = make_wheel("a", "1", metadata_name="b", metadata_version_field="2", filename="a-1-py3-none-any.whl")
    raw, _ = parse_email(dist.metadata)
    assert (raw["name"], raw["version"], dist.filename) == ("b", "2", "a-1-py3-none-any.whl")


@pytest.mark.parametrize("name", ["installer", "pyproject-hooks", "setuptools", "wheel", "packaging"])
def test_an_installed_wheel_is_put_together_again(name, tmp_path):
    dist = wheel_from_installed(name)
    assert parse_wheel_filename(dist.filename)[0] == dist.project == name
    site = install_wheel(dist, tmp_path)
    module = name.replace("-", "_")
    assert run(site, f"import {module}; print({module}.__file__)").startswith(str(site))


def test_what_is_not_a_pure_wheel_is_not_put_together():
    with pytest.raises(ValueError, match="pure wheel"):
        wheel_from_installed("psycopg-binary")


def build_sdist(dist: Dist, folder: Path) -> Path:
    """Build *dist* with its own backend in this environment; return the wheel."""
    with tarfile.open(fileobj=io.BytesIO(dist.content)) as archive:
        archive.extractall(folder, filter="data")
    code = (
        "import sys, pyproject_hooks, tomllib, pathlib\n"
        "file = pathlib.Path('pyproject.toml')\n"
        "system = tomllib.loads(file.read_text())['build-system'] if file.exists() else {}\n"
        "hooks = pyproject_hooks.BuildBackendHookCaller('.', system.get('build-backend',"
        " 'setuptools.build_meta:__legacy__'), system.get('backend-path'))\n"
        "print(hooks.build_wheel(sys.argv[1]))\n"
    )
    root = next(path for path in folder.iterdir() if path.is_dir())
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=root, capture_output=True, text=True, check=True)
    return folder / done.stdout.splitlines()[-1]


@pytest.mark.parametrize("backend", ["setuptools", "legacy", "in-tree"])
def test_an_sdist_builds_to_what_its_pkg_info_says(backend, tmp_path):
    dist = make_sdist(
        "Foo.Bar",
        "1.0",
        files={"foo/__init__.py": "x = 1\n", "single.py": "y = 2\n"},
        requires=["idna>=2"],
        extras={"socks": ["PySocks>=1.5"]},
        requires_python=">=3.10",
        backend=backend,
    )
    assert parse_sdist_filename(dist.filename)[0] == "foo-bar"
    static, _ = parse_email(dist.metadata)
    wheel = build_sdist(dist, tmp_path)
    with WheelFile.open(wheel) as source:
        built, _ = parse_email(source.read_dist_info("METADATA"))
        source.validate_record()
    assert built["provides_extra"] == static["provides_extra"] == ["socks"]
    assert [line.replace('"', "'") for line in built["requires_dist"]] == [
        line.replace('"', "'") for line in static["requires_dist"]
    ]
    assert built["requires_python"] == ">=3.10"
    with zipfile.ZipFile(wheel) as archive:
        assert {"foo/__init__.py", "single.py"} <= set(archive.namelist())


def test_pkg_info_can_be_old_dynamic_last_or_missing():
    old, _ = parse_email(make_sdist("a", "1", requires=["b"], pkg_info_version="2.1").metadata)
    assert "requires_dist" not in old
    new, _ = parse_email(make_sdist("a", "1", requires=["b"], dynamic=["Requires-Dist"]).metadata)
    assert (new.get("requires_dist"), new["dynamic"]) == (None, ["Requires-Dist"])
    assert make_sdist("a", "1", pkg_info_version=None).metadata is None
    with tarfile.open(fileobj=io.BytesIO(make_sdist("a", "1", pkg_info_last=True).content)) as archive:
        assert archive.getnames()[-1] == "a-1/PKG-INFO"


def test_hostile_members_are_in_the_archive_as_written():
    dist = make_sdist("a", "1", outside={"../evil": "x"}, links={"out": "/etc/passwd"})
    with tarfile.open(fileobj=io.BytesIO(dist.content)) as archive:
        assert "../evil" in archive.getnames()
        assert archive.getmember("a-1/out").linkname == "/etc/passwd"
    wheel = make_wheel("a", "1", files={"../evil.py": "", "it's ${x}\n.py": ""})
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        assert {"../evil.py", "it's ${x}\n.py"} <= set(archive.namelist())
