"""Evaluating the Python set of a nixpkgs: what is told, and what a broken attribute costs."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

import nix.tree
from nix.tree import Evaluation, evaluate_tree
from resolver.errors import DataError
from tests.e2e.machines import HOST_PYTHON
from tests.support.dists import make_wheel
from tests.support.nix import NixStore
from tests.support.nixpkgs_tree import FAULTS, Module, write_nixpkgs

pytestmark = pytest.mark.nix

PYTHON = "python3" + HOST_PYTHON.split(".")[1]
MODULES = (
    Module(
        wheel=make_wheel("alpha", "1.0"),
        dependencies=["beta"],
        extras={"more": ["gamma"]},
        urls=["mirror://pypi/A/Alpha/Alpha-1.0.tar.gz"],
    ),
    Module(wheel=make_wheel("beta", "2.0"), meta={"knownVulnerabilities": ["a hole"]}),
    Module(wheel=make_wheel("gamma", "3.0"), meta={"broken": True}),
)


@pytest.fixture
def evaluate(nix_store: NixStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what evaluates a tree with *planted* attributes."""
    for name, value in nix_store.env().items():
        monkeypatch.setenv(name, value)

    def run(planted: str = "{ }", python: str = PYTHON) -> Evaluation:
        tree = write_nixpkgs(tmp_path / "nixpkgs", MODULES, planted)
        return evaluate_tree(tree, system="x86_64-linux", python=python)

    return run


def test_modules_are_told_with_what_they_propagate(evaluate) -> None:
    found = evaluate()
    told = {attribute.name: attribute for attribute in found.attributes}
    assert set(told) == {"alpha", "beta", "gamma"}, "neither the interpreter nor functions nor hooks"
    alpha = told["alpha"]
    assert (alpha.identity.pname, alpha.identity.version) == ("alpha", "1.0")
    assert alpha.identity.urls == ("mirror://pypi/A/Alpha/Alpha-1.0.tar.gz",)
    assert [i.pname for i in alpha.dependencies] == ["beta"]
    assert {extra: [i.pname for i in more] for extra, more in alpha.extras.items()} == {"more": ["gamma"]}
    assert (told["beta"].marks, told["gamma"].marks) == (("insecure",), ("broken",))
    assert found.version.startswith(f"{HOST_PYTHON}.")
    assert found.glibc is not None
    assert found.darwin is None
    assert (found.faults, found.evaluations) == ((), 2)


def test_a_broken_attribute_costs_itself_alone(evaluate) -> None:
    planted = "{ " + " ".join(f"bad-{name} = {text};" for name, text in FAULTS.items()) + " }"
    with patch.object(nix.tree, "CHUNK", 4):
        found = evaluate(planted)
    assert {a.name for a in found.attributes} == {"alpha", "beta", "gamma"}
    faults = {fault.name.removeprefix("bad-"): fault.reason for fault in found.faults}
    assert set(faults) == set(FAULTS)
    assert faults["throw"] == "evaluating it throws"
    assert "missing" in faults["missing-attribute"]
    assert "recursion" in faults["recursion"]
    assert "this is planted" in faults["abort"]


def test_a_python_that_a_nixpkgs_does_not_have_is_told(evaluate) -> None:
    with pytest.raises(DataError, match="has no Python set python399 for x86_64-linux"):
        evaluate(python="python399")
