"""Facts of direct references: URLs of wheels and sdists, and source trees that state what they need."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from crawler.client import Client
from crawler.core_metadata import UnusableMetadata
from crawler.direct import fetch_direct
from crawler.settings import IndexSettings
from crawler.source_tree import parse_pyproject, read_tree
from db.facts import BuildSystem, MetadataFact, PageFact, UnchangedFact
from resolver.catalog import TAKES_A_BUILD
from resolver.direct import DIRECT, is_fixed
from resolver.errors import InputError, MachError, Unavailable
from resolver.unversioned import TAKES_A_VERSION, UNVERSIONED
from tests.support.dists import make_sdist, make_wheel
from tests.support.repositories import DEMO, Repository, file_server, write_tree
from tests.support.serving import Answer, Asked, Server


@pytest.fixture
def client():
    with Client(IndexSettings(indexes=())) as client:
        yield client


def fetch(client, reference, project="solo", **options):
    return fetch_direct(client, DIRECT + reference, project, now=7, **options)


@pytest.mark.parametrize(
    "dist",
    [
        make_wheel("solo", "2.0", requires=["idna>=3"], extras=["x"], requires_python=">=3.9"),
        make_sdist("solo", "2.0", requires=["idna>=3"], requires_python=">=3.9"),
    ],
    ids=["wheel", "sdist"],
)
def test_a_url_gives_a_page_with_one_file_and_its_metadata(client, tmp_path, dist):
    (tmp_path / dist.filename).write_bytes(dist.content)
    with file_server(tmp_path) as url:
        reference = f"{url}/{dist.filename}"
        page, metadata = fetch(client, reference)
        assert isinstance(page, PageFact)
        (file,) = page.files
        assert (file.filename, file.url, file.sha256) == (dist.filename, reference, dist.sha256)
        assert page.index == metadata.index == DIRECT + reference
        assert isinstance(metadata, MetadataFact)
        assert (metadata.requires_dist, metadata.requires_python) == (("idna>=3",), ">=3.9")
        # a hash that is given is checked
        fetch(client, f"{reference}#sha256={dist.sha256}")
        with pytest.raises(Unavailable) as error:
            fetch(client, f"{reference}#sha256={'0' * 64}")
        assert error.value.code == "hash-mismatch"
        assert dist.sha256 in str(error.value)


def test_an_sdist_whose_metadata_takes_a_build_says_so(client, tmp_path):
    dist = make_sdist("solo", "2.0", pkg_info_version="2.1", backend="legacy")
    (tmp_path / dist.filename).write_bytes(dist.content)
    with file_server(tmp_path) as url:
        _, metadata = fetch(client, f"{url}/{dist.filename}")
    assert (metadata.failure, metadata.build) == (TAKES_A_BUILD, BuildSystem(requires=("setuptools>=40.8.0",)))


def test_a_url_that_gives_nothing(client, tmp_path):
    with file_server(tmp_path) as url, pytest.raises(Unavailable) as error:
        fetch(client, f"{url}/solo-2.0-py3-none-any.whl")
    assert error.value.code == "reference-unreachable"
    assert "404" in str(error.value)


def test_garbage_is_an_artifact_that_cannot_be_used(client, tmp_path):
    (tmp_path / "solo-2.0-py3-none-any.whl").write_bytes(b"no zip")
    with file_server(tmp_path) as url:
        _, metadata = fetch(client, f"{url}/solo-2.0-py3-none-any.whl")
    assert "not a whole zip archive" in metadata.failure


def test_a_url_without_a_hash_is_looked_at_again_and_read_again_only_where_it_changed(client):
    with OneFile() as server:
        check_one_file(client, server)


class OneFile(Server):
    """Answers with one file, whatever is asked for."""

    tag, dist = '"1"', make_wheel("solo", "2.0")

    def answer(self, asked: Asked) -> Answer:
        return Answer(body=self.dist.content, headers={"ETag": self.tag})


def check_one_file(client, server):
    reference = f"{server.url}/solo-2.0-py3-none-any.whl"
    assert not is_fixed(DIRECT + reference)
    page, _ = fetch(client, reference)
    (file,) = page.files
    (again,) = fetch(client, reference, known=file, etag=page.etag)
    assert isinstance(again, UnchangedFact)
    server.tag, server.dist = '"2"', make_wheel("solo", "2.0", requires=["idna"])
    page, metadata = fetch(client, reference, known=file, etag=page.etag)
    assert metadata.requires_dist == ("idna",)


def test_a_repository_gives_its_commit_and_what_its_pyproject_states(client, tmp_path):
    repository = Repository(tmp_path / "repository")
    commit = repository.commit({f"sub/{name}": text for name, text in DEMO.items()})
    reference = f"{repository.url}@main#subdirectory=sub"
    page, metadata = fetch(client, reference, "demo-app")
    (file,) = page.files
    assert file.filename == "demo_app-1.2.tar.gz"
    assert file.url == f"{repository.url}@{commit}#subdirectory=sub"
    assert metadata.requires_dist == ("idna>=3", 'certifi ; extra == "shout"')
    assert metadata.provides_extra == ("shout",)
    (again,) = fetch(client, reference, "demo-app", known=file)
    assert isinstance(again, UnchangedFact)
    repository.commit({"sub/pyproject.toml": DEMO["pyproject.toml"].replace("1.2", "1.3")})
    page, _ = fetch(client, reference, "demo-app", known=file)
    assert page.files[0].filename == "demo_app-1.3.tar.gz"
    assert is_fixed(f"{DIRECT}{repository.url}@{commit}")


@pytest.mark.parametrize(
    ("files", "subdirectory", "error", "reason"),
    [
        (DEMO, "#subdirectory=other", InputError, "no folder 'other'"),
        ({"README": "x"}, "", InputError, "no Python project"),
        ({"pyproject.toml": "[[["}, "", InputError, "does not parse"),
        ({"pyproject.toml": DEMO["pyproject.toml"].replace("Demo.App", "other")}, "", InputError, "that is other"),
    ],
)
def test_repositories_that_cannot_be_used(client, tmp_path, files, subdirectory, error, reason):
    repository = Repository(tmp_path / "repository")
    repository.commit(files)
    with pytest.raises(MachError) as found:
        fetch(client, f"{repository.url}{subdirectory}", "demo-app")
    assert isinstance(found.value, error)
    assert reason in str(found.value)


@pytest.mark.parametrize(
    "files",
    [{"setup.py": "raise SystemExit"}, {"pyproject.toml": '[project]\nname = "Demo.App"\ndynamic = ["version"]'}],
    ids=["setup.py", "dynamic"],
)
def test_a_version_that_only_the_backend_knows_is_left_to_it(client, tmp_path, files):
    repository = Repository(tmp_path / "repository")
    repository.commit(files)
    page, metadata = fetch(client, repository.url, "demo-app")
    assert page.files[0].filename == f"demo_app-{UNVERSIONED}.tar.gz"
    assert (metadata.failure, metadata.requires_dist) == (TAKES_A_VERSION, ())
    assert metadata.build.requires == ("setuptools>=40.8.0",)


def pack(files, top="repository-1.0"):
    """Return a .tar.gz of *files* as forges make them, below the folder *top*."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def test_an_archive_that_a_forge_makes_is_named_by_what_is_in_it(client, tmp_path):
    content = pack(DEMO)
    (tmp_path / "v1.0.tar.gz").write_bytes(content)
    with file_server(tmp_path) as url:
        reference = f"{url}/v1.0.tar.gz"
        page, metadata = fetch(client, reference, "demo-app")
        (file,) = page.files
        assert (file.filename, file.url) == ("demo_app-1.2.tar.gz", reference)
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert (metadata.requires_dist[0], metadata.failure) == ("idna>=3", None)
        with pytest.raises(InputError) as error:
            fetch(client, reference, "other")
        assert error.value.code == "reference-mismatch"
        with pytest.raises(Unavailable) as error:
            fetch(client, f"{reference}#sha256={'0' * 64}", "demo-app")
        assert error.value.code == "hash-mismatch"
        (tmp_path / "v1.0.tar.gz").write_bytes(pack({"setup.py": ""}))
        page, metadata = fetch(client, reference, "demo-app")
        assert (page.files[0].filename, metadata.failure) == (f"demo_app-{UNVERSIONED}.tar.gz", TAKES_A_VERSION)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pack({"README": "x"}), "no Python project"),
        (pack({"pyproject.toml": "[[["}), "does not parse"),
        (pack({"../../out": "x", **DEMO}), "'repository-1.0/../../out'"),
        (pack(DEMO)[:100], "cannot be unpacked"),
        (b"no archive", "cannot be unpacked"),
    ],
    ids=["nothing", "broken", "leaves", "cut", "garbage"],
)
def test_archives_that_cannot_be_used(client, tmp_path, content, reason):
    (tmp_path / "main.tar.gz").write_bytes(content)
    with file_server(tmp_path) as url, pytest.raises(InputError) as error:
        fetch(client, f"{url}/main.tar.gz", "demo-app")
    assert error.value.code == "unusable-reference"
    assert reason in str(error.value)


def test_links_in_a_repository_lead_nowhere(client, tmp_path):
    secret = write_tree(tmp_path / "secret", DEMO)
    for name, link, target in (
        ("one", "pyproject.toml", secret / "pyproject.toml"),
        ("two", "sub", secret),
    ):
        repository = Repository(tmp_path / name)
        (repository.folder / link).symlink_to(target)
        repository.commit()
        tail = "#subdirectory=sub" if link == "sub" else ""
        with pytest.raises(InputError):
            fetch(client, f"{repository.url}{tail}", "demo-app")


# ---- source trees


def test_a_static_project_table(tmp_path: Path):
    found, build = read_tree(write_tree(tmp_path, DEMO))
    assert build == BuildSystem(requires=("setuptools",), backend="setuptools.build_meta")
    assert (found.project, found.version, found.requires_python) == ("demo-app", "1.2", ">=3.9")


def test_markers_of_extras_are_joined():
    requirement = "b[z]>1; os_name == 'nt' or extra == 'q'"
    table = f'name = "a"\nversion = "1"\noptional-dependencies = {{X_y = ["{requirement}"]}}'
    found = parse_pyproject(f"[project]\n{table}".encode())
    assert found.requires_dist == ('b[z]>1 ; (os_name == "nt" or extra == "q") and extra == "x-y"',)


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "a"\nversion = 1',
        '[project]\nversion = "1"',
        '[project]\nname = "a"\nversion = "wibble"',
        '[project]\nname = "a"\nversion = "1"\ndependencies = "b"',
        '[project]\nname = "a"\nversion = "1"\ndependencies = ["=b"]',
        '[project]\nname = "../a"\nversion = "1"',
        'project = "a"',
        "a = " + "[" * 100_000,
        "\ud800",
    ],
)
def test_broken_tables_are_told_not_raised_as_bugs(text):
    with pytest.raises(UnusableMetadata):
        parse_pyproject(text.encode("utf-8", "surrogatepass"))


def test_pkg_info_counts_where_there_is_no_static_table(tmp_path: Path):
    info = "Metadata-Version: 2.2\nName: A.b\nVersion: 1.0\nRequires-Dist: c\n\nabout\n"
    found, build = read_tree(write_tree(tmp_path, {"PKG-INFO": info, "setup.py": ""}))
    assert build == BuildSystem(requires=("setuptools>=40.8.0",))
    assert (found.project, found.version, found.requires_dist) == ("a-b", "1.0", ("c",))
