"""A private index with a password before a public one, and machines that have the password in one way or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.keyrings import make_keyring
from tests.support.secrets import forms_of

__all__ = ["FORMS", "PASSWORD", "USER", "WAYS", "Indexes", "by_keyring", "by_netrc", "by_url", "indexes", "machine_for"]

USER, PASSWORD = "me@corp", "pä:ss w/rd%41+é"
FORMS = forms_of(USER, PASSWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """A private index with ``corp-lib`` and its password, and a public one with what it requires, and a trap."""

    private: FakeIndex
    public: FakeIndex

    @property
    def with_password(self) -> str:
        """The URL of the private index, with user and password."""
        return self.private.url_with(quote(USER, safe=""), quote(PASSWORD, safe=""))

    @property
    def with_user(self) -> str:
        """The URL of the private index, with the user alone."""
        return self.private.url.replace("://", f"://{quote(USER, safe='')}@")


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[Indexes]:
    """The two indexes, with files that no other test has: what a Nix store has already is not fetched."""
    with IndexServer() as one, IndexServer() as two:
        private, public = one.index(), two.index()
        private.password = (USER, PASSWORD)
        private.add(
            make_wheel("corp-lib", "1.0", requires=["part"], files={"corp_lib.py": f"FROM = {str(tmp_path)!r}\n"})
        )
        public.add(make_wheel("corp-lib", "99.0", files={"corp_lib.py": "raise SystemExit('taken over')\n"}))
        public.add(make_wheel("part", "1.0"))
        for tool in ("installer", "pyproject-hooks"):
            public.add(wheel_from_installed(tool))
        yield Indexes(private=private, public=public)


def machine_for(indexes: Indexes, home: Path, private: str, **environ: str) -> Machine:
    """Return a machine whose pip configuration names both indexes, the private one as *private*."""
    home.mkdir(exist_ok=True)
    return Machine(
        home=home, index_url=indexes.public.url, environ={"PIP_EXTRA_INDEX_URL": private, "PIP_TIMEOUT": "1", **environ}
    )


def by_url(indexes: Indexes, home: Path) -> Machine:
    return machine_for(indexes, home, indexes.with_password)


def by_netrc(indexes: Indexes, home: Path) -> Machine:
    file = home.parent / "my-netrc"
    file.write_text(f'machine 127.0.0.1 login "{USER}" password "{PASSWORD}"\n', encoding="utf-8")
    # the file is for hosts: as another name of this machine, the public index has nothing in it
    public = indexes.public.url.replace("127.0.0.1", "localhost")
    machine = machine_for(indexes, home, indexes.private.url, NETRC=str(file))
    return Machine(home=machine.home, index_url=public, environ=machine.environ)


def by_keyring(indexes: Indexes, home: Path) -> Machine:
    keyring = make_keyring(home.parent / "keyring", {indexes.private.url: (USER, PASSWORD)})
    machine = machine_for(indexes, home, indexes.with_user, MACH_KEYRING_PROVIDER="subprocess")
    path = {"PATH": f"{keyring.folder}:{machine.env()['PATH']}"}
    return Machine(home=home, index_url=machine.index_url, environ={**machine.environ, **path})


WAYS: dict[str, Callable[[Indexes, Path], Machine]] = {"url": by_url, "netrc": by_netrc, "keyring": by_keyring}
