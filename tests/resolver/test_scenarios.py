"""Every case of the public scenarios: pins as the case states, explanations that name the cause."""

from pathlib import Path

import pytest

from tests.support.scenarios import CASES, normal, run

PLAIN = {name: case for name, case in CASES.items() if not case["options"].get("universal")}
UNIVERSAL = {name: case for name, case in CASES.items() if case["options"].get("universal")}
TABLE = Path(__file__).parents[2] / "docs" / "explanation" / "universal-cases.md"

#: Unsatisfiable case -> code, and the projects that an explanation must name with what it must say.
CAUSES = {
    "backtrack-to-missing-package": (
        "unknown-project",
        "'c'",
        "b 1.0.0 to 3.0.0 require a==1.0.0",
        "a 1.0.0 requires c",
    ),
    "requires-greater-version-does-not-exist": ("no-such-version", "a>1.0.0", "0.1.0 to 1.0.0"),
    "requires-package-does-not-exist": ("unknown-project", "'a'"),
    "transitive-requires-package-does-not-exist": ("unknown-project", "'b'", "a 1.0.0 requires b"),
    "dependency-excludes-non-contiguous-range-of-compatible-versions": (
        "conflict",
        "b<3.0.0,>=2.0.0 (requirements.txt:2) and c (requirements.txt:3) contradict",
        "c 2.0.0 requires a>=3.0.0",
        "c 1.0.0 requires a<2.0.0",
        "a 3.0.0 requires b==3.0.0",
        "a 1.0.0 requires b==1.0.0",
    ),
    "extra-incompatible-with-extra": (
        "conflict",
        "a[extra-b] 1.0.0 requires b==1.0.0",
        "a[extra-c] 1.0.0 requires b==2.0.0",
    ),
    "extra-incompatible-with-root": ("conflict", "a[extra] 1.0.0 requires b==1.0.0", "b==2.0.0 (requirements.txt:2)"),
    "direct-incompatible-versions": ("conflict", "a==1.0.0 (requirements.txt:1) and a==2.0.0 (requirements.txt:2)"),
    "transitive-incompatible-versions": ("unknown-project", "'b'", "a 1.0.0 requires b==1.0.0 and b==2.0.0"),
    "transitive-incompatible-with-root-version": ("conflict", "a 1.0.0 requires b==2.0.0", "b==1.0.0"),
    "local-greater-than": ("no-such-version", "a>1.2.3", "1.2.3+foo"),
    "local-transitive-conflicting": ("conflict", "a 1.0.0 requires b==2.0.0+bar", "b==2.0.0+foo"),
    "local-transitive-less-than": ("no-such-version", "a 1.0.0 requires b<2.0.0", "2.0.0+foo"),
    "post-equal-not-available": ("no-such-version", "a==1.2.3.post0", "1.2.3.post1"),
    "post-greater-than": ("no-such-version", "a>1.2.3", "1.2.3.post1"),
    "post-greater-than-post-not-available": ("no-such-version", "a>1.2.3.post2", "1.2.3.post1"),
    "post-local-greater-than": ("no-such-version", "a>1.2.3", "1.2.3.post1+local"),
    "post-local-greater-than-post": ("no-such-version", "a>1.2.3.post1", "1.2.3.post1+local"),
    "post-simple": ("no-such-version", "a==1.2.3", "1.2.3.post1"),
    "python-greater-than-current-many": ("no-such-version", "a==1.0.0", "2.0.0 to 3.5.0"),
    "python-greater-than-current-patch": ("nothing-for-target", "needs another Python than 3.13.0", "--python 3.13."),
    "canonical-empty-requirement": ("no-such-version", "a<0.dev0"),
    "no-sdist-no-wheels-with-matching-abi": ("nothing-for-target", "no wheel for Python 3.12.0 on x86_64-linux"),
    "no-sdist-no-wheels-with-matching-platform": ("nothing-for-target", "no wheel for Python 3.12.0 on x86_64-linux"),
    "no-sdist-no-wheels-with-matching-python": ("nothing-for-target", "no wheel for Python 3.12.0 on x86_64-linux"),
    "only-wheels-no-binary": ("nothing-for-target", "provider wheel is not allowed", "--providers a=wheel,sdist"),
    "package-only-yanked": ("nothing-for-target", "1 version: yanked", "although it was yanked"),
    "package-only-yanked-in-range": ("nothing-for-target", "a>0.1.0", "1 version: yanked"),
}


def test_every_case_is_held_to_something():
    assert len(CASES) == 123
    assert CAUSES.keys() == {n for n, case in PLAIN.items() if not case["expected"]["satisfiable"]}
    assert [row[0] for row in rows() if row[1] == "3.12.0"] == list(UNIVERSAL)


@pytest.mark.parametrize("name", [n for n, case in PLAIN.items() if case["expected"]["satisfiable"]])
def test_pins(name):
    outcome = run(PLAIN[name])
    assert outcome.pins is not None, outcome.error
    expected = PLAIN[name]["expected"]["packages"]
    if expected:  # some cases only state that there is an answer
        assert normal(outcome.pins[0]) == normal(expected)


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_explanation(name):
    outcome = run(PLAIN[name])
    assert outcome.pins is None
    code, *said = CAUSES[name]
    text = str(outcome.error)
    assert outcome.error.code == code, text
    for words in said:
        assert words in text, text
    assert len(text.splitlines()) <= 15


def rows():
    """Return the rows of the table of universal cases."""
    lines = TABLE.read_text().splitlines()
    start = lines.index("|---|---|---|---|---|") + 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:] if line.startswith("|")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}-{row[1]}")
def test_universal_cases_by_target(row):
    name, python, *cells, remark = row
    case = UNIVERSAL[name]
    found = [run(case, systems=(system,), pythons=(python,)) for system in ("x86_64-linux", "aarch64-darwin")]
    shown = [
        outcome.error.code if outcome.pins is None else ", ".join(f"{n} {v}" for n, v in outcome.pins[0].items())
        for outcome in found
    ]
    assert [text or "nothing" for text in shown] == cells
    expected = case["expected"]
    if not remark:
        assert expected["satisfiable"] == (found[0].pins is not None)
        if expected["packages"]:
            assert normal(found[0].pins[0]) == normal(expected["packages"])
