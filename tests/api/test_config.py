"""Settings: where they are found, how they are read and merged, and what is refused with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.config import (
    Configuration,
    Layer,
    load_configuration,
    merge,
    read_environment,
    read_table,
)
from api.config_files import find_project_file
from api.config_keys import KEYS
from resolver.errors import InputError
from resolver.toml_document import parse_toml


def load(folder: Path, *, user: str | None = None, **environ: str) -> Configuration:
    """Return the configuration of a folder, with a user's file of this text."""
    path = folder / "user" / "config.toml"
    if user is not None:
        path.parent.mkdir()
        path.write_text(user)
    return load_configuration(folder, environ=environ, user_file=path, read=Path.read_text)


def shown(configuration: Configuration) -> dict[str, tuple[object, str]]:
    """Return name -> value and source, the folder left out of it."""
    return {s.name: (s.value, s.source.rsplit("/", 1)[-1]) for s in configuration.settings.values()}


def refusal(text: str, **more: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read_table(parse_toml(text, "mach.toml").table, "mach.toml", **more)
    return caught.value


# ---- precedence


def test_the_environment_goes_before_the_project_and_the_project_before_the_user(tmp_path: Path) -> None:
    (tmp_path / "mach.toml").write_text('prefer = "newest"\npython = ["3.11", "3.12"]\n')
    found = load(tmp_path, user='prefer = "balanced"\nresolution = "lowest"\npython = "3.10"\n', MACH_PYTHON="3.13")
    assert shown(found) == {
        "prefer": ("newest", "mach.toml"),
        "resolution": ("lowest", "config.toml"),
        "python": (("3.13",), "environment MACH_PYTHON"),
    }


def test_what_is_by_project_is_merged_project_by_project(tmp_path: Path) -> None:
    (tmp_path / "mach.toml").write_text('providers = { _default = "wheel", NumPy = ["sdist", "wheel"] }\n')
    found = load(tmp_path, user='providers = "sdist"\n', MACH_PROVIDERS="Six=sdist numpy=wheel")
    assert [(s.name, s.value) for s in found.by_project("providers")] == [
        ("providers._default", "wheel"),
        ("providers.numpy", "wheel"),
        ("providers.six", "sdist"),
    ]


LAYERS = st.lists(
    st.dictionaries(st.sampled_from([("python", ""), ("providers", "a"), ("providers", "b")]), st.text(), max_size=3),
    max_size=5,
)


@settings(max_examples=50)
@given(values=LAYERS)
def test_the_last_layer_that_says_something_decides(values: list[Mapping[tuple[str, str], object]]) -> None:
    merged = merge(Layer(source=str(number), values=layer) for number, layer in enumerate(values))
    for key in {key for layer in values for key in layer}:
        last = max(number for number, layer in enumerate(values) if key in layer)
        assert (merged[key].value, merged[key].source) == (values[last][key], str(last))


# ---- finding


def test_the_nearest_file_up_to_the_root_of_the_version_control_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "mach.toml").write_text('python = "3.10"\n')
    (tmp_path / "a" / "b" / "mach.toml").write_text('python = "3.11"\n')
    assert find_project_file(inner, Path.read_text) is None  # under no version control
    (tmp_path / "a" / ".git").mkdir()
    found = find_project_file(inner, Path.read_text)
    assert found is not None
    assert found[0] == tmp_path / "a" / "b" / "mach.toml"
    (tmp_path / "a" / "b" / "mach.toml").unlink()
    assert find_project_file(inner, Path.read_text) is None  # the one above is outside


def test_a_pyproject_with_the_table_counts_and_one_without_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".hg").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.mach]\npython = "3.10"\n')
    (tmp_path / "sub" / "pyproject.toml").write_text("[project\n")  # not a word about mach: not even parsed
    found = load(tmp_path / "sub")
    assert shown(found) == {"python": (("3.10",), "pyproject.toml")}


def test_mach_toml_wins_over_the_table_beside_it_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mach]\npython = "3.10"\n')
    (tmp_path / "mach.toml").write_text('python = "3.11"\n')
    found = load(tmp_path)
    assert shown(found) == {"python": (("3.11",), "mach.toml")}
    assert "[tool.mach] is left out" in found.notes[0]


def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    text = 'files = ["r.txt"]\nnear = "../mach.lock"\ndb = "postgresql://x/y"\nnixpkgs = "0123abcd"\n'
    (tmp_path / "mach.toml").write_text(text)
    found = {name: value for name, (value, _) in shown(load(tmp_path)).items()}
    assert found == {
        "files": (str(tmp_path / "r.txt"),),
        "near": str(tmp_path / "../mach.lock"),
        "db": "postgresql://x/y",
        "nixpkgs": "0123abcd",
    }
    nixpkgs = read_table({"nixpkgs": "nix/sources.json"}, "mach.toml", folder=tmp_path)
    assert nixpkgs.values["nixpkgs", ""] == str(tmp_path / "nix/sources.json")


# ---- forms


def test_every_form_of_a_value() -> None:
    text = """
    python = "3.11"
    platforms = ["x86_64-linux", "aarch64-linux"]
    no-build = true
    no-binary = ["numpy"]
    as-of = 2024-05-01
    max-age = 0
    offline = true
    [prerelease]
    _default = "disallow"
    Black = "allow"
    """
    assert read_table(parse_toml(text, "mach.toml").table, "mach.toml").values == {
        ("python", ""): ("3.11",),
        ("platforms", ""): ("x86_64-linux", "aarch64-linux"),
        ("no-build", ""): (":all:",),
        ("no-binary", ""): ("numpy",),
        ("as-of", "_default"): "2024-05-01",
        ("max-age", ""): 0,
        ("offline", ""): True,
        ("prerelease", "_default"): "disallow",
        ("prerelease", "black"): "allow",
    }
    assert read_table({"no-build": False}, "mach.toml").values == {("no-build", ""): ()}


def test_the_environment_has_texts_only() -> None:
    environ = {
        "MACH_PLATFORMS": "x86_64-linux, aarch64-linux",
        "MACH_EXTRA_INDEX_URL": "https://a.example/?x=1,2 https://b.example",
        "MACH_NO_BUILD": "numpy six",
        "MACH_NO_BINARY": "yes",
        "MACH_OFFLINE": "0",
        "MACH_MAX_AGE": "60",
        "MACH_AS_OF": "2024-05-01 six=2024-06-01",
        "MACH_PYTHON": "",
        "MACH_REQUIREMENTS": "not read",
        "MACH_OF_ANOTHER_TOOL": "1",
    }
    assert read_environment(environ).values == {
        ("platforms", ""): ("x86_64-linux", "aarch64-linux"),
        ("extra-index-url", ""): ("https://a.example/?x=1,2", "https://b.example"),
        ("no-build", ""): ("numpy", "six"),
        ("no-binary", ""): (":all:",),
        ("offline", ""): False,
        ("max-age", ""): 60,
        ("as-of", "_default"): "2024-05-01",
        ("as-of", "six"): "2024-06-01",
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('pythn = "3.11"', "mach.toml: there is no setting 'pythn'", "did you mean python?"),
        ('index_url = "x"', "mach.toml: there is no setting 'index_url'", "did you mean index-url"),
        ("python = 3.11", "mach.toml: python: it is a number and must be a text", "configuration.md"),
        ('python = "2.7"', "mach.toml: python: '2.7' is not a Python version", "3.13"),
        ('python = ["3.11", "x"]', "mach.toml: python[1]: 'x' is not a Python version", "3.13"),
        ('providers = { numpy = "weel" }', "mach.toml: providers.numpy: 'weel' is not a provider", "wheel"),
        ('providers = { "x y" = "wheel" }', "mach.toml: providers.x y: 'x y' is not a project name", "_default"),
        ('prefer = "oldest"', "mach.toml: prefer: 'oldest' is no value of prefer", "newest"),
        ('as-of = { six = "soon" }', "mach.toml: as-of.six: 'soon' is not a date", "2024-05-01"),
        ("offline = 1", "mach.toml: offline: it is a number and must be true or false", ""),
        ("max-age = true", "mach.toml: max-age: it is true or false and must be a whole number of seconds", ""),
        ("max-age = -1", "mach.toml: max-age: it must be 0 or more", ""),
        ('overrides = ["x y"]', "mach.toml: overrides[0]: 'x y' is not a requirement", ""),
        ('near = ""', "mach.toml: near: an empty text is no value", ""),
        ('excludes = ["x y"]', "mach.toml: excludes[0]: 'x y' is not a project name", ""),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(text: str, message: str, hint: str) -> None:
    error = refusal(text)
    assert error.message.startswith(message)
    assert hint in (error.hint or "")


def test_the_user_s_file_does_not_say_what_a_project_asks_for() -> None:
    error = refusal('groups = ["dev"]', user=True)
    assert "groups" in error.message
    assert "mach.toml" in error.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MACH_OFFLINE", "maybe"), ("MACH_MAX_AGE", "soon"), ("MACH_PYTHON", "3"), ("MACH_AS_OF", "x=y")],
)
def test_variables_that_mean_nothing(variable: str, value: str) -> None:
    with pytest.raises(InputError, match=f"environment {variable}"):
        read_environment({variable: value})


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from([key.name for key in KEYS]), value=ANY)
def test_any_value_is_taken_or_refused(name: str, value: object) -> None:
    try:
        layer = read_table({name: value}, "mach.toml")
    except InputError as error:
        said = error.message
    else:
        said = "mach.toml: "
        for taken in layer.values.values():
            assert isinstance(taken, str | bool | int | tuple)
    assert said.startswith("mach.toml: ")


@settings(max_examples=100, deadline=None)
@given(environ=st.dictionaries(st.sampled_from([key.variable for key in KEYS]), st.text(max_size=20)))
def test_any_environment_is_taken_or_refused(environ: dict[str, str]) -> None:
    try:
        read_environment(environ)
    except InputError as error:
        said = error.message
    else:
        said = "environment"
    assert said.startswith("environment")


def test_keys_are_told_apart() -> None:
    assert len({key.name for key in KEYS}) == len({key.parameter for key in KEYS}) == len(KEYS)
