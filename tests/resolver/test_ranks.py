"""Masks over version ranks say exactly what ``packaging`` says."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from resolver.ranks import VersionRanks, parse_specifiers

number = st.integers(0, 3)
suffix = st.sampled_from(
    ["", "a1", "rc1", ".dev0", ".dev1", ".post0", ".post1", "+local", "+1", "rc1.dev2", ".post1.dev1", "a1.post2"]
)
release = st.lists(number, min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
epoch = st.sampled_from(["", "", "", "1!"])
version = st.builds(lambda e, r, s: e + r + s, epoch, release, suffix)
public = version.map(lambda text: text.split("+")[0])
specifier = st.one_of(
    st.builds(lambda op, v: op + v, st.sampled_from([">=", "<=", ">", "<", "==", "!="]), public),
    st.builds(lambda op, v: op + v, st.sampled_from(["==", "!="]), version),
    st.builds(lambda op, e, r: f"{op}{e}{r}.*", st.sampled_from(["==", "!="]), epoch, release),
    st.builds(
        lambda e, r, n, s: f"~={e}{r}.{n}{s}", epoch, release, number, st.sampled_from(["", "rc1", ".post1", ".dev1"])
    ),
    version.map(lambda text: "===" + text),
)


@given(st.lists(version, max_size=25), st.lists(specifier, max_size=3).map(",".join))
def test_mask_equals_packaging(texts, text):
    versions = sorted({Version(t) for t in texts})
    ranks = VersionRanks([str(v) for v in versions])
    specifiers = SpecifierSet(text)
    expected = {rank for rank, v in enumerate(versions) if specifiers.contains(v, prereleases=True)}
    mask = ranks.mask(specifiers, str(specifiers))
    assert {rank for rank in range(len(versions)) if mask >> rank & 1} == expected
    assert mask <= ranks.all


@given(st.lists(version, max_size=25))
def test_prereleases_are_told_apart(texts):
    versions = sorted({Version(t) for t in texts})
    ranks = VersionRanks([str(v) for v in versions])
    assert [bool(ranks.prereleases >> r & 1) for r in range(len(versions))] == [v.is_prerelease for v in versions]


def test_a_specifier_that_does_not_parse_is_none():
    assert parse_specifiers(">=2.*,<oops") is None
    assert str(parse_specifiers(">=2")) == ">=2"
