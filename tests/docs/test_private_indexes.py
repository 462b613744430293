"""docs/how-to/private-indexes.md, followed step by step with an index that has a password, and a Nix store."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.error_codes import ROOT
from tests.e2e.machines import HOST_PYTHON
from tests.e2e.private_indexes import Indexes, indexes
from tests.support.keyrings import make_keyring
from tests.support.nix import NixStore
from tests.support.secrets import find_secret, forms_of

__all__ = ["indexes"]

pytestmark = pytest.mark.nix

PAGE = ROOT / "docs/how-to/private-indexes.md"
USER, PASSWORD = "me", "s3cret"
HOST = "pypi.corp.example"


def blocks() -> list[tuple[str, str]]:
    """Return the page's blocks of code in their order, with what each is."""
    found = re.findall(r"^( *)```(\w+)\n(.+?)^ *```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [(kind, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, kind, text in found]


class Reader:
    """Someone who does what the page says, in a home of their own."""

    def __init__(self, home: Path, indexes: Indexes, store: NixStore, program: Path) -> None:
        self.home = home
        self.said: list[str] = []
        self._private = indexes.private.server.url
        (home / "bin").mkdir(parents=True)
        mach = home / "bin/mach"
        mach.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m api.cli "$@"\n')
        mach.chmod(0o755)
        self._env = {
            **store.env(),
            "HOME": str(home),
            "PATH": f"{home / 'bin'}:{program}:{store.env()['PATH']}",
            "PIP_CONFIG_FILE": "/dev/null",
            # another name of this machine: netrc has nothing for it
            "PIP_INDEX_URL": indexes.public.url.replace("127.0.0.1", "localhost"),
            "MACH_PYTHON": HOST_PYTHON,
        }

    def _here(self, text: str) -> str:
        scheme, _, host = self._private.partition("://")
        text = text.replace("https://me@", f"{scheme}://me@").replace(f"https://{HOST}", self._private)
        text = text.replace(f"machine {HOST}", f"machine {host.partition(':')[0]}").replace(HOST, host)
        return text.replace("/home/me", str(self.home))

    def write(self, text: str, place: str | None = None) -> None:
        """Write a block to the file that its first line names, or to *place*."""
        named = re.match(r"# (\S+)\n", text)
        path = Path((place or (named[1] if named else "")).replace("~", str(self.home)))
        path = self.home / path
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.suffix == ".toml" and path.exists() else ""
        path.write_text(before + self._here(text))

    def run(self, text: str, *, code: int = 0) -> str:
        """Run the lines of a block in a shell."""
        done = subprocess.run(
            ["bash", "-euc", self._here(text)],
            cwd=self.home,
            env=self._env,
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, f"{text}\n{done.stderr}"
        self.said += [done.stdout, done.stderr]
        return done.stdout


@pytest.mark.parametrize("way", ["netrc", "keyring"])
def test_the_page_can_be_followed(indexes: Indexes, nix_store: NixStore, tmp_path: Path, way: str) -> None:
    indexes.private.password = (USER, PASSWORD)
    keyring = make_keyring(tmp_path / "keyring", {})
    reader = Reader(tmp_path / "home", indexes, nix_store, keyring.folder)
    found = blocks()
    assert [kind for kind, _ in found] == ["toml", "netrc", "toml", "sh", "sh", "sh", "sh", "ini", "nix", "sh"]
    name, netrc, provider, set_password, lock, build, alone, settings, wrapper, again = (text for _, text in found)

    reader.write(name)
    reader.run(lock, code=3)
    assert "index-credentials-missing" in reader.said[-1]
    if way == "netrc":
        reader.write(netrc, "~/.netrc")
    else:
        reader.write(provider)
        reader.run(set_password)
    reader.run(lock)
    assert "corp_lib-1.0" in (reader.home / "mach.lock").read_text()
    asked = {asked.basic_auth for asked in indexes.private.asked if asked.status == 200}
    assert asked == {(USER, PASSWORD)}

    if way == "keyring":
        (env,) = reader.run(build).split()
        reader.run("result/bin/python -c 'import corp_lib'")
    else:
        reader.run(alone, code=1)
        assert "401" in reader.said[-1]
        reader.write(settings)
        env = reader.run(alone).split()[-1]
        reader.run("result/bin/python -c 'import corp_lib'")
        reader.write(wrapper)
        assert reader.run(again).split() == [env]
    assert Path(env).is_relative_to(nix_store.store)

    # what holds the password is where the page has it put, and nowhere else
    (reader.home / ".netrc").unlink(missing_ok=True)
    assert find_secret(forms_of(USER, PASSWORD), reader.said, [reader.home]) == []


def test_the_page_names_what_mach_says() -> None:
    text = PAGE.read_text()
    for code in re.findall(r"`(index-[a-z-]+)`", text):
        assert f"### {code}\n" in (ROOT / "docs/reference/errors.md").read_text()
