"""Every argument of every function of the library changes what that function gives."""

from __future__ import annotations

import pytest

from resolver.lock import LockedPath, render_lock
from tests.nix.argument_effects import BUILDS, FETCHES, OF_LOCKS, OF_REQUESTS, observed
from tests.nix.library import Library
from tests.nix.locks import lock_of
from tests.nix.test_fixes import entry
from tests.nix.test_library_projects import DEMO, NEEDED, make_tree, with_artifact
from tests.support.dists import make_sdist, make_wheel
from tests.support.nix import NixStore

pytestmark = pytest.mark.nix


#: What is refused by its value: no such Python, version, extra or file.
REFUSED = {
    *(f"{name} python" for name in ("mkPython", "mkPythonShell", "mkDockerImage", "mkPythonOverrides", "mkNixpkgs")),
    *(f"{name} {argument}" for name in BUILDS for argument in ("python", "version", "extras")),
    *(f"{name} {argument}" for name in FETCHES for argument in ("lock", "version", "filename")),
}


@pytest.fixture(scope="module")
def library(nix_store: NixStore, tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library")
    library = Library(store=nix_store, folder=folder)
    more = (make_sdist("second", "1.0"), make_wheel("third", "2.0"))
    made = lock_of(nix_store, NEEDED, DEMO, *more)
    library.write(made)
    library.write(lock_of(nix_store, make_sdist("demo", "2.0")), "other.lock")
    library.write(lock_of(nix_store, make_wheel("alone", "1.0")), "alone.lock")
    library.write(with_artifact(made, "demo", LockedPath(path="./tree", states="sha256:0")), "path.lock")
    remote = render_lock(made).replace(nix_store.files.as_uri(), "https://files.index.example")
    (folder / "remote.lock").write_text(remote)
    for place in ("tree", "other", "moved/tree"):
        make_tree(folder / place, place)
    (folder / "mine.toml").write_text(entry(project='"demo"', settings='{ COLOUR = "red" }'))
    return library


def test_every_argument_of_every_function_changes_what_it_gives(library: Library) -> None:
    projects = ("needed", "demo", "alone")
    told = library.ask_each(
        {
            f"{effect.name} {position}": observed("mach", effect.function, arguments, projects)
            for effect in OF_LOCKS
            for position, arguments in enumerate((effect.without, effect.given))
        }
    )
    without_effect = [e.name for e in OF_LOCKS if told[f"{e.name} 0"] == told[f"{e.name} 1"]]
    assert without_effect == []
    # a refusal is the effect of what the lock must have, and of nothing else
    refused = [name.rpartition(" ") for name, shown in told.items() if shown == "refused"]
    assert {name.split()[1] for name, _, position in refused if position == "0"} == {"format", "pyproject"}
    assert {name for name, _, position in refused if position == "1"} == REFUSED


def test_no_argument_is_left_out(library: Library) -> None:
    taken = library.ask("mach.argumentsOf")
    shown = [(effect.function, effect.argument) for effect in (*OF_LOCKS, *OF_REQUESTS)]
    assert sorted(shown) == sorted((function, name) for function, names in taken.items() for name in names)
