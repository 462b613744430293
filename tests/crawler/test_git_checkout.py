"""Commits from git repositories: which commit an address means, what is checked out, and what is not run."""

import shutil
import subprocess
from pathlib import Path

import pytest

from crawler.git_checkout import checked_out, find_commit
from crawler.nar import hash_nar, to_sri
from resolver.direct import parse_reference
from resolver.errors import InputError, Unavailable
from tests.support.repositories import Repository, file_server


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def commit_of(address: str) -> str:
    return find_commit(parse_reference(address))


def files_of(repository: Repository, commit: str) -> dict[str, str]:
    with checked_out(parse_reference(repository.url), commit) as folder:
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_branches_tags_and_commits(repository):
    first = repository.commit({"a": "1"}, tag="v1")
    second = repository.commit({"a": "2"})
    repository.git("branch", "feature/x", first)
    url = repository.url
    assert commit_of(url) == second
    assert commit_of(f"{url}@main") == second
    assert commit_of(f"{url}@v1") == first, "an annotated tag means its commit"
    assert commit_of(f"{url}@feature/x") == first
    assert commit_of(f"{url}@refs/heads/feature/x") == first
    assert commit_of(f"{url}@{first[:10]}") == first
    assert commit_of(f"{url}@{'0' * 40}") == "0" * 40, "a full commit is asked for only when it is fetched"


def test_a_commit_is_checked_out_whatever_the_server_can_do(repository, tmp_path):
    first = repository.commit({"a": "1", "b/c": "x"})
    repository.commit({"a": "2"})
    assert files_of(repository, first) == {"a": "1", "b/c": "x"}
    with file_server(tmp_path) as url:
        reference = parse_reference(f"git+{url}/repository/.git")
        assert find_commit(reference) != first
        with checked_out(reference, first) as folder:
            assert (folder / "a").read_text() == "1"
            assert not (folder / ".git").exists()


def test_unknown_revisions_and_repositories(repository, tmp_path):
    repository.commit({"a": "1"})
    for revision in ("wibble", "abcdef0", "v1"):
        with pytest.raises(InputError) as error:
            commit_of(f"{repository.url}@{revision}")
        assert error.value.code == "unknown-revision"
    with pytest.raises(InputError), checked_out(parse_reference(repository.url), "0" * 40):
        pass
    with pytest.raises(Unavailable) as unreachable:
        commit_of(f"git+file://{tmp_path}/nothing")
    assert unreachable.value.code == "repository-unreachable"


def test_nothing_of_the_repository_runs(repository, tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    hook = f"#!/bin/sh\ntouch {marker}\n"
    # the user's own settings: a template with hooks, and filters that a repository's .gitattributes would start
    template = tmp_path / "template/hooks"
    template.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction"):
        (template / name).write_text(hook)
        (template / name).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[init]\n templateDir = {template.parent}\n[core]\n hooksPath = {template}\n autocrlf = true\n"
        f'[filter "evil"]\n smudge = "touch {marker}; cat"\n clean = cat\n'
    )
    commit = repository.commit({"a": "1\n", ".gitattributes": "a filter=evil\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text(settings.read_text())
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    assert files_of(repository, commit)["a"] == "1\n"
    assert not marker.exists()


def test_submodules_are_empty_folders(repository, tmp_path):
    other = Repository(tmp_path / "other")
    other.commit({"secret": "x"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "sub")
    commit = repository.commit({"a": "1"})
    with checked_out(parse_reference(repository.url), commit) as folder:
        assert list((folder / "sub").iterdir()) == []


def test_only_the_transport_that_the_user_named(repository, tmp_path, monkeypatch):
    repository.commit({"a": "1"})
    (tmp_path / ".gitconfig").write_text(f'[url "file://{repository.folder}"]\n insteadOf = https://code.example/a\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(Unavailable) as error:
        commit_of("git+https://code.example/a")
    assert "transport 'file' not allowed" in str(error.value)


# ---- the hash of what was checked out


@pytest.mark.skipif(shutil.which("nix-hash") is None, reason="nix-hash is not on this machine")
def test_the_hash_is_that_of_nix(tmp_path):
    folder = tmp_path / "tree"
    (folder / "empty").mkdir(parents=True)
    (folder / "é.txt").write_text("x" * 1_000_001)
    (folder / "a b").write_bytes(bytes(range(256)))
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("a b")
    (folder / "dangling").symlink_to("/nowhere")
    (folder / "sub/deep").mkdir(parents=True)
    (folder / "sub/deep/file").write_text("")
    for path in (folder, folder / "program", folder / "link", folder / "a b"):
        words = ["nix-hash", "--type", "sha256"]
        stated = subprocess.run([*words, path], capture_output=True, text=True, check=True).stdout.strip()
        assert hash_nar(path) == stated


def test_the_hash_as_nix_writes_it():
    assert to_sri("0" * 64) == "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
