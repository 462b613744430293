"""Sdists that are built with Rust: which Cargo.lock counts, what it may take, and why they are refused otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler import archives, cargo_lock
from crawler.cargo_lock import UnusableCargoLock, parse_cargo_lock
from crawler.core_metadata import UnusableMetadata
from crawler.source_tree import read_tree
from crawler.static_sdist import StaticSdist
from resolver.crates import Crate
from tests.crawler.test_static_sdist import STATIC, tell
from tests.support.rust import MATURIN, REGISTRY, locked, make_crate
from tests.support.rust import cargo_lock as lock_of

A, B = Crate(name="a", version="1.0.0", sha256="a" * 64), Crate(name="b-c", version="0.1.0+x-y", sha256="b" * 64)
MORE = '[tool.maturin]\nmanifest-path = "{}"\n'
SETUPTOOLS = (
    '[build-system]\nrequires = ["setuptools", "Setuptools_Rust>=1"]\nbuild-backend = "setuptools.build_meta"\n'
)
PLAIN = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\n'
NONE = "it is built with Rust and has no Cargo.lock"


def lock(*crates: Crate) -> str:
    return "version = 4\n" + "\n".join(locked(c.name, c.version, checksum=c.sha256) for c in crates)


def rust(pyproject: str, *manifests: str, locks: dict[str, str], **options: str) -> StaticSdist:
    """Return what an sdist with static metadata, these manifests and these Cargo.lock files tells."""
    files = {"pyproject.toml": pyproject, "PKG-INFO": STATIC, **dict.fromkeys(manifests, "[package]\n"), **locks}
    return tell(files, **options)  # type: ignore[arg-type]


# ---- which one counts


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_crates_are_part_of_how_an_sdist_is_built(suffix: str):
    told = rust(MATURIN, "Cargo.toml", locks={"Cargo.lock": lock(B, A)}, suffix=suffix)
    assert told.build.crates == (A, B)
    assert told.build.requires == ("maturin>=1,<2",)
    assert (told.failure, told.source, told.requires_dist) == (None, "pkg-info", ("from-pkg-info",))


def test_a_pure_python_sdist_has_none():
    assert rust(PLAIN, locks={}).build.crates is None
    assert rust(MATURIN, "Cargo.toml", locks={"Cargo.lock": "version = 4\n"}).build.crates == ()


@pytest.mark.parametrize(
    ("pyproject", "manifests", "place"),
    [
        (MATURIN, ["Cargo.toml"], "Cargo.lock"),
        (MATURIN, ["rust/Cargo.toml"], "rust/Cargo.lock"),
        (MATURIN + MORE.format("py/rs/Cargo.toml"), ["py/rs/Cargo.toml"], "py/rs/Cargo.lock"),
        # the root of its workspace
        (MATURIN + MORE.format("crates/py/Cargo.toml"), ["Cargo.toml", "crates/py/Cargo.toml"], "Cargo.lock"),
        (MATURIN + MORE.format("./crates/../crates/py/Cargo.toml"), ["crates/py/Cargo.toml"], "crates/Cargo.lock"),
        (SETUPTOOLS, ["src/rust/Cargo.toml"], "src/rust/Cargo.lock"),
        (SETUPTOOLS, ["src/rust/Cargo.toml"], "Cargo.lock"),
        (
            SETUPTOOLS + '[[tool.setuptools-rust.ext-modules]]\npath = "src/_x/Cargo.toml"\n',
            ["src/_x/Cargo.toml"],
            "src/_x/Cargo.lock",
        ),
        # where setup.py says it
        (SETUPTOOLS, ["src/_x/Cargo.toml"], "src/_x/Cargo.lock"),
        # a backend of another name that builds Rust as well
        (PLAIN, ["src/rust/Cargo.toml"], "src/rust/Cargo.lock"),
    ],
)  # fmt: skip
def test_the_cargo_lock_at_or_above_the_manifest_counts(pyproject: str, manifests: list[str], place: str):
    assert rust(pyproject, *manifests, locks={place: lock(A)}).build.crates == (A,)


def test_the_nearest_one_counts_and_several_manifests_add_up():
    locks = {"Cargo.lock": lock(B), "x/Cargo.lock": lock(A)}
    assert rust(MATURIN + MORE.format("x/Cargo.toml"), "x/Cargo.toml", locks=locks).build.crates == (A,)
    parts = "".join(
        f'[[tool.setuptools-rust.ext-modules]]\npath = "{path}"\n' for path in ("x/Cargo.toml", "Cargo.toml")
    )
    assert rust(SETUPTOOLS + parts, "x/Cargo.toml", "Cargo.toml", locks=locks).build.crates == (A, B)
    other = Crate(name="a", version="1.0.0", sha256="c" * 64)
    told = rust(SETUPTOOLS + parts, "x/Cargo.toml", "Cargo.toml", locks={**locks, "Cargo.lock": lock(other)})
    assert told.failure == "its Cargo.lock files have two checksums for a 1.0.0"


# ---- refusals


@pytest.mark.parametrize(
    ("pyproject", "locks", "reason"),
    [
        (MATURIN, {}, NONE),
        (SETUPTOOLS, {}, NONE),
        (MATURIN + MORE.format("x/Cargo.toml"), {"y/Cargo.lock": lock(A)}, NONE),
        (
            MATURIN,
            {"x/Cargo.lock": lock(A), "y/Cargo.lock": lock(A)},
            "it is built with Rust, and nothing says which of its Cargo.lock files counts",
        ),
        (
            MATURIN + MORE.format("../Cargo.toml"),
            {"Cargo.lock": lock(A)},
            "its pyproject.toml names a manifest of Rust that is not in it",
        ),
        (
            MATURIN,
            {"Cargo.lock": locked("pyo3", "0.1.0", source="git+https://repository.example/pyo3#abc")},
            "its Cargo.lock takes pyo3 from a git repository, which mach does not lock",
        ),
    ],
)
def test_one_that_cannot_be_locked_is_refused_and_its_build_system_kept(
    pyproject: str, locks: dict[str, str], reason: str
):
    told = rust(pyproject, locks=locks)
    assert (told.failure, told.source, told.requires_dist, told.build.crates) == (reason, "cargo-lock", (), None)
    assert told.build.requires != ()


def test_a_manifest_alone_is_no_proof_of_rust():
    """Grammars of tree-sitter are C to Python and crates to Rust."""
    assert rust(PLAIN, "Cargo.toml", locks={}).failure is None
    told = rust(PLAIN, "Cargo.toml", locks={"Cargo.lock": locked("x", "1.0.0", source="git+https://x.example")})
    assert (told.failure, told.build.crates) == (None, None)


def test_a_cargo_lock_is_read_to_its_limit_and_stands_there_once(monkeypatch: pytest.MonkeyPatch):
    text = lock(A) + "#" * cargo_lock.LARGEST_CARGO_LOCK
    assert rust(MATURIN, locks={"Cargo.lock": text}).failure == "its Cargo.lock is larger than 4194304 bytes"
    assert (
        rust(MATURIN, locks={"Cargo.lock": lock(A), "./Cargo.lock": lock(B)}).failure == "it holds several Cargo.lock"
    )
    monkeypatch.setattr(archives, "MOST_CARGO_FILES", 1)
    told = rust(MATURIN, "Cargo.toml", locks={"Cargo.lock": lock(A)})
    assert told.failure == "it holds more than 1 files of Rust projects"


# ---- formats


def test_the_first_format_keeps_checksums_apart():
    metadata = f'[metadata]\n"checksum a 1.0.0 ({REGISTRY})" = "{"a" * 64}"\n'
    assert parse_cargo_lock((locked("a", "1.0.0") + locked("own", "0.0.0", source=None) + metadata).encode()) == (A,)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_format_is_read(number: int):
    leaf = make_crate()
    found = parse_cargo_lock(lock_of([leaf], format=number).encode())
    assert found == (Crate(name="leaf", version="0.1.0", sha256=leaf.sha256),)


BAD = [
    ("version = 5", "is of a format that mach does not read (5)"),
    ('version = "3"', "is of a format that mach does not read (3)"),
    ("version = true", "is of a format that mach does not read (True)"),
    ("[[package", "does not parse (TOMLDecodeError)"),
    ("package = 3", "has packages or metadata of another form than cargo writes"),
    ("package = [3]", "has packages of another form than cargo writes"),
    ("a = " + "[" * 5000, "does not parse (RecursionError)"),
    ("package = [{source = 'registry+x'}]", "has a package without name, version or source"),
    (locked("x", "1.0.0", source="registry+https://crates.example"), "takes x from another registry, which mach"),
    (locked("\\u001b[31m", "1.0.0", source="git+https://x.example"), "takes '\\x1b[31m' from a git repository"),
    (locked("x", "1.0.0"), "has no checksum for x 1.0.0"),
    (locked("x", "1.0.0", checksum="<none>"), "has no checksum for x 1.0.0"),
    (locked("x", "1.0.0", checksum="A" * 64), "is not the checksum of a crate"),
    (locked("../x", "1.0.0", checksum="a" * 64), "'../x' is not the name of a crate"),
    (locked("x" * 65, "1.0.0", checksum="a" * 64), "is not the name of a crate"),
    (locked("x", "1.0", checksum="a" * 64), "'1.0' is not the version of a crate"),
    (locked("x", "1.0.0-${y}", checksum="a" * 64), "is not the version of a crate"),
    (locked("x", "1.0.0", checksum="a" * 64) + locked("x", "1.0.0", checksum="b" * 64), "two checksums for x 1.0.0"),
]


@pytest.mark.parametrize(("text", "reason"), BAD, ids=[reason[:30] for _, reason in BAD])
def test_what_cargo_does_not_write_is_refused_in_one_sentence(text: str, reason: str):
    with pytest.raises(UnusableCargoLock) as caught:
        parse_cargo_lock(text.encode())
    assert str(caught.value).startswith("its Cargo.lock")
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_number_of_packages_is_limited():
    text = "".join(locked(f"x{number}", "1.0.0", source=None) for number in range(5_001))
    with pytest.raises(UnusableCargoLock, match="more than 5000 packages"):
        parse_cargo_lock(text.encode())


# ---- source trees


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("pyproject", "place"),
    [
        (MATURIN, "Cargo.lock"),
        (SETUPTOOLS, "src/_x/Cargo.lock"),
        (PLAIN, "src/rust/Cargo.lock"),
        (PLAIN, "src/Cargo.lock"),
        (PLAIN, "Cargo.lock"),
    ],
)
def test_a_source_tree_has_its_crates_too(pyproject: str, place: str, tmp_path: Path):
    files = {"pyproject.toml": pyproject + PROJECT, place: lock(A), "target/package/Cargo.lock": lock(B)}
    files |= {".venv/Cargo.lock": lock(B), "src/rust/Cargo.toml": ""}
    if pyproject == SETUPTOOLS:
        del files["src/rust/Cargo.toml"]
    elif pyproject == MATURIN:
        files["Cargo.toml"] = ""
        del files["src/rust/Cargo.toml"]
    _, build = read_tree(tree(tmp_path, files))
    assert build.crates == (A,)


def test_a_source_tree_that_cannot_be_locked_is_refused(tmp_path: Path):
    folder = tree(tmp_path / "tree", {"pyproject.toml": MATURIN + PROJECT, "Cargo.toml": ""})
    with pytest.raises(UnusableMetadata, match=NONE):
        read_tree(folder)
    # a link is no Cargo.lock of its own
    (tmp_path / "Cargo.lock").write_text(lock(A))
    (folder / "Cargo.lock").symlink_to(tmp_path / "Cargo.lock")
    with pytest.raises(UnusableMetadata, match=NONE):
        read_tree(folder)
    (folder / "Cargo.lock").unlink()
    (folder / "Cargo.lock").write_text(locked("x", "1.0.0", source="git+https://x.example"))
    with pytest.raises(UnusableMetadata, match="takes x from a git repository"):
        read_tree(folder)
