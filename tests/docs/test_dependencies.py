"""docs/dependencies.md says in one sentence what each requirement of pyproject.toml is for."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.docs.error_codes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = re.findall(r"^- `([^`]+)`: (.+)$", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)


def stated() -> list[str]:
    groups = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
    return [Requirement(text).name for group in groups for text in group]


def test_each_requirement_has_its_line_and_no_other_has_one() -> None:
    assert sorted(name for name, _ in LINES) == sorted(set(stated()))


def test_each_line_is_one_sentence() -> None:
    for name, sentence in LINES:
        assert re.fullmatch(r"[^.]+((?<=\w)\.(?=\w)[^.]+)*\.", sentence), name
