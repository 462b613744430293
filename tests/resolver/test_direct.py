"""Direct references: which are taken, what is the same, and what they mean for a resolution."""

import dataclasses

import pytest

from resolver.catalog import PageNeed
from resolver.check import check_lock
from resolver.direct import (
    DIRECT,
    InvalidReference,
    LocalBuild,
    LocalSource,
    Reference,
    archive_project,
    is_same_place,
    parse_reference,
)
from resolver.errors import InputError, NoSolution
from resolver.export import to_pylock, to_requirements
from resolver.lock import LockedCheckout, LockedPath, parse_lock, render_lock
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request
from resolver.user_requirement import parse_user_requirement
from tests.support.memory import INDEX, MemoryCatalog, closure_key

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA256 = "ab" * 32
WHEEL = "https://files.example/a-2.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (WHEEL, WHEEL),
        (f"HTTPS://Files.Example:443/a-1.0.zip#sha256={SHA256}", f"https://files.example/a-1.0.zip#sha256={SHA256}"),
        ("http://files.example:80/a-1.0.zip?x=1#egg=a", "http://files.example/a-1.0.zip?x=1"),
        ("git+https://code.example/a.git", "git+https://code.example/a.git"),
        (f"git+https://code.example/a@{COMMIT}#egg=a", f"git+https://code.example/a@{COMMIT}"),
        ("git+ssh://git@code.example/a@v1.0", "git+ssh://git@code.example/a@v1.0"),
        ("git+https://code.example/a@feature/x", "git+https://code.example/a@feature/x"),
        (
            "git+https://code.example/a#subdirectory=./b/../c d",
            None,
        ),
        ("git+https://code.example/a#subdirectory=b%20c/./d/", "git+https://code.example/a#subdirectory=b%20c/d"),
        ("git+file:///srv/a@main", "git+file:///srv/a@main"),
        ("./a/../b", "./b"),
        ("b", "./b"),
        (".", "."),
        ("..", ".."),
        ("../b/", "../b"),
        ("file:./b%20c", "./b%20c"),
        ("file:///srv/b", "file:///srv/b"),
        ("file://localhost/srv/b", "file:///srv/b"),
        ("./b#editable=true", "./b#editable=true"),
        (f"./b-1.0.zip#sha256={SHA256}", f"./b-1.0.zip#sha256={SHA256}"),
        ("./%24%7Bx%7D%22", "./%24%7Bx%7D%22"),
    ],
)
def test_a_reference_has_one_normal_form(text, normal):
    if normal is None:
        with pytest.raises(InvalidReference):
            parse_reference(text)
        return
    assert str(parse_reference(text)) == normal
    assert parse_reference(normal) == parse_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://files.example/a-1.0.zip",
        "javascript:alert(1)",
        "hg+https://code.example/a",
        "svn+ssh://code.example/a",
        "git://code.example/a",
        "git+git://code.example/a",
        "git+ext::sh -c touch% /tmp/x",
        "git+ext::sh",
        "git+https:code.example/a",
        "git+file://other/a",
        "git+https://code.example/a@--upload-pack=x",
        "git+https://code.example/a@a..b",
        "git+https://code.example/a@x.lock",
        "git+https://code.example/a#subdirectory=../b",
        "git+https://code.example/a#subdirectory=/b",
        "git+https://code.example/a#subdirectory=-b",
        "git+ssh://-oProxyCommand=x/a",
        "git+ssh://git:secret@code.example/a",
        "git+ssh://-x@code.example/a",
        "git+https://me:secret@code.example/a",
        "https://me@files.example/a-1.0.zip",
        "https://files.example",
        "https://",
        "https://[::1/a-1.0.zip",
        "https://files.example/${x}-1.0.zip",
        "https://files.example/a`b`-1.0.zip",
        "https://files.example/a\n-1.0.zip",
        f"https://files.example/a-1.0.zip#sha256={SHA256}&sha256={SHA256}",
        "https://files.example/a-1.0.zip#sha256=00",
        "https://files.example/a-1.0.zip#md5=00",
        "https://files.example/a-1.0.zip#wibble=1",
        "file://server/share/a",
        "file:",
        "./a%00",
        "./a%0a",
    ],
)
def test_what_is_no_reference_is_refused_without_quoting_it(text):
    with pytest.raises(InvalidReference) as error:
        parse_reference(text)
    assert "secret" not in str(error.value)


def test_a_file_name_states_project_and_version():
    assert archive_project("A_b-1.0.0-py3-none-any.whl") == ("a-b", "1.0.0")
    assert archive_project("A_b-1.0.tar.gz") == ("a-b", "1.0")
    for name in ("main.zip", "v1.0.tar.gz", "a.whl", "a-1.0.exe", "a-1.0.tar.bz2", "", ".."):
        with pytest.raises(InvalidReference):
            archive_project(name)


def test_metadata_may_name_the_place_that_the_user_named():
    assert is_same_place(WHEEL, WHEEL)
    assert is_same_place(f"{WHEEL}#sha256={SHA256}", WHEEL)
    assert is_same_place(WHEEL, f"{WHEEL}#sha256={SHA256}")
    assert not is_same_place(f"{WHEEL}#sha256={SHA256}", f"{WHEEL}#sha256={'0' * 64}")
    assert not is_same_place(WHEEL, "https://elsewhere.example/a-2.0-py3-none-any.whl")
    assert not is_same_place("./a", "./a"), "a stranger's relative path is not the user's"


# ---- as a user writes them


def locate(reference, origin):
    return reference, "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a @ {WHEEL}", f"a @ {WHEEL}"),
        (f"A[Y,x] @ {WHEEL} ; python_version > '3'", f'a[x,y] @ {WHEEL} ; python_version > "3"'),
        (WHEEL, f"a @ {WHEEL}"),
        (f"{WHEEL} ; os_name == 'posix'", f'a @ {WHEEL} ; os_name == "posix"'),
        ("git+https://code.example/b@v1#egg=a", "a @ git+https://code.example/b@v1"),
        ("a@git+https://code.example/b@v1", "a @ git+https://code.example/b@v1"),
        ("./sub dir[x]", "a[x] @ ./sub%20dir"),
        ("a @ ./b", "a @ ./b"),
        ("a-1.0-py3-none-any.whl", "a @ ./a-1.0-py3-none-any.whl"),
        ("../b; os_name == 'posix'", 'a @ ../b ; os_name == "posix"'),
        ("file:///srv/b", "a @ file:///srv/b"),
        ("a @ https://files.example/archive/v1.0.tar.gz", "a @ https://files.example/archive/v1.0.tar.gz"),
        ("a @ https://files.example/b/main.zip?x=1", "a @ https://files.example/b/main.zip?x=1"),
    ],
)
def test_requirements_that_name_a_place(text, expected):
    assert str(parse_user_requirement(text, "requirements.txt:1", locate=locate)) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"b @ {WHEEL}", "reference-mismatch"),
        ("b @ ./x", "reference-mismatch"),
        ("https://files.example/archive/main.zip", "direct-reference-unsupported"),
        ("a @ https://files.example/archive/main.tar.xz", "direct-reference-unsupported"),
        ("a @ https://files.example/a-1.0-none.whl", "direct-reference-unsupported"),
        ("git+https://code.example/a", "direct-reference-unnamed"),
        ("a @ ftp://files.example/a-1.0.zip", "direct-reference-unsupported"),
        ("a @ hg+https://code.example/a", "direct-reference-unsupported"),
        (f"{WHEEL} ; wibble", "invalid-requirement"),
    ],
)
def test_places_that_cannot_be_taken_are_refused_with_their_origin(text, code):
    with pytest.raises(InputError) as error:
        parse_user_requirement(text, "requirements.txt:7", locate=locate)
    assert error.value.code == code
    assert "requirements.txt:7" in str(error.value) + str(error.value.context)


def test_passwords_are_in_no_message():
    with pytest.raises(InputError) as error:
        parse_user_requirement("a @ https://me:secret@files.example/a-1.0.zip", "x:1", locate=locate)
    assert "secret" not in str(error.value)
    assert ".netrc" in str(error.value)


# ---- in a resolution


class Catalog(MemoryCatalog):
    """A memory catalog that knows direct references as well: reference -> (project, version, description, URL)."""

    def __init__(self, releases, references, **options):
        super().__init__(releases, **options)
        self.references = {}
        for reference, (name, version, description, url) in references.items():
            page = self._page(name, {version: description})
            page.index = DIRECT + reference
            for row in page.files:
                self.files[row[0]] = dataclasses.replace(self.files[row[0]], url=url, sha256=SHA256)
            self.references[DIRECT + reference, name] = page

    def pages(self, index, projects):
        if index.startswith(DIRECT):
            return {p: self.references[index, p] for p in projects if (index, p) in self.references}
        return super().pages(index, projects)


GIT = "git+https://code.example/a@main"


def catalog(**releases):
    return Catalog(
        {"b": {"1.0": [], "2.0": []}, "a": {"9.0": ["gone"]}, "x": {"1": []}, **releases},
        {
            WHEEL: ("a", "2.0", {"requires": ["b<2", "x; extra == 'x'"], "extras": ["x"]}, WHEEL),
            GIT: ("a", "3.0rc1", {"requires": ["b"], "wheel": False, "sdist": True}, GIT.replace("main", COMMIT)),
        },
    )


def ask(*texts, constraints=(), sources=None, **options):
    found = dict(sources or {})

    def find(reference, origin):
        return reference, found[str(reference)].project

    options = {"pythons": ("3.11.9",), "systems": ("x86_64-linux",), "indexes": (INDEX,), "providers": ()} | options
    return Request(
        requirements=tuple(
            parse_user_requirement(t, f"requirements.txt:{n}", locate=find) for n, t in enumerate(texts, 1)
        ),
        constraints=tuple(
            parse_user_requirement(t, f"constraints.txt:{n}", locate=find) for n, t in enumerate(constraints, 1)
        ),
        local_sources=found,
        **options | {"providers": parse_providers(options["providers"])},
    )


def lock(request, known=None):
    made = make_lock(request, known or catalog())
    if made.failure is not None:
        raise made.failure
    assert made.lock is not None, made.needs
    assert parse_lock(render_lock(made.lock)) == made.lock
    assert check_lock(made.lock, request) == []
    return made.lock


def pins(request, known=None):
    return {p.name: p.version for p in lock(request, known).targets[0].pins}


def test_the_reference_is_the_only_candidate_and_its_requirements_count():
    assert pins(ask(f"a @ {WHEEL}")) == {"a": "2.0", "b": "1.0"}
    assert pins(ask(f"a[x] @ {WHEEL}")) == {"a": "2.0", "b": "1.0", "x": "1"}


def test_who_else_requires_the_project_gets_the_reference():
    known = catalog(c={"1": ["a>=1"], "2": ["a>5"]})
    assert pins(ask(f"a @ {WHEEL}", "c"), known) == {"a": "2.0", "b": "1.0", "c": "1"}


def test_other_requirements_are_checked_against_its_version():
    for texts, constraints in (((f"a @ {WHEEL}", "a>=5"), ()), ((f"a @ {WHEEL}",), ("a<1",))):
        with pytest.raises(NoSolution) as error:
            lock(ask(*texts, constraints=constraints))
        assert error.value.code in ("no-such-version", "conflict")
        assert "2.0" in str(error.value)


def test_a_constraint_may_name_the_place():
    known = catalog(c={"1": ["a"]})
    request = ask("c", constraints=[f"a @ {WHEEL}"])
    assert pins(request, known) == {"a": "2.0", "b": "1.0", "c": "1"}
    assert pins(ask("b", constraints=[f"a @ {WHEEL}"])) == {"b": "2.0"}


def test_no_list_of_providers_no_mode_and_no_date_stands_in_its_way():
    request = ask(f"a @ {GIT}", providers=["wheel"], prerelease={"_default": "disallow"}, as_of={"a": 1})
    assert pins(request) == {"a": "3.0rc1", "b": "2.0"}


def test_two_places_for_one_project_are_refused_unless_markers_tell_them_apart():
    with pytest.raises(InputError) as error:
        make_lock(ask(f"a @ {WHEEL}", f"a @ {GIT}"), catalog())
    assert error.value.code == "conflicting-references"
    assert "requirements.txt:2" in str(error.value)
    both = ask(f"a @ {WHEEL} ; sys_platform == 'darwin'", f"a @ {GIT} ; sys_platform == 'linux'")
    assert pins(both)["a"] == "3.0rc1"


def test_metadata_may_not_send_mach_anywhere():
    known = catalog(c={"1": [], "2": [f"a @ {WHEEL}"]}, d={"1": ["a @ ./here"]})
    assert pins(ask("c"), known) == {"c": "1"}, "the newer one is unusable"
    assert pins(ask("c", f"a @ {WHEEL}"), known)["c"] == "2", "the user named that very place"
    assert pins(ask("c", f"a @ {GIT}"), known)["c"] == "1"
    with pytest.raises(NoSolution) as error:
        lock(ask("d"), known)
    assert "names a URL" in str(error.value)


def test_a_need_names_the_reference_and_no_index():
    made = make_lock(ask("a @ git+https://code.example/other"), catalog())
    assert PageNeed(DIRECT + "git+https://code.example/other", "a") in made.needs
    assert PageNeed(INDEX, "a") not in made.needs


def test_a_commit_in_the_lock():
    made = lock(
        ask(f"a @ {GIT}#subdirectory=sub"),
        Catalog(
            {"b": {"1": []}},
            {
                f"{GIT}#subdirectory=sub": (
                    "a",
                    "3.0",
                    {"wheel": False, "sdist": True},
                    f"git+https://code.example/a@{COMMIT}#subdirectory=sub",
                )
            },
        ),
    )
    (pin,) = made.targets[0].pins
    assert pin.artifact == LockedCheckout(
        url="https://code.example/a", commit=COMMIT, nar_sha256=SHA256, subdirectory="sub"
    )
    assert (pin.provider, pin.direct) == ("sdist", f"{GIT}#subdirectory=sub")
    assert pin.build in made.build_closures
    assert to_requirements(made.targets[0]) == f"a @ git+https://code.example/a@{COMMIT}#subdirectory=sub\n"
    assert f'commit-id = "{COMMIT}"' in to_pylock(made.targets)


#: What the backend of a local folder said: it requires no more than setuptools.
NO_MORE = LocalBuild(
    python="3.11", system="x86_64-linux", step="requires", closure=closure_key("setuptools-80.0-py3-none-any.whl")
)
LIB = LocalSource(project="lib", version="0.1", filename="", requires_dist=("b<2",), builds=(NO_MORE,))


def test_a_folder_in_the_lock():
    made = lock(ask("./lib", sources={"./lib": LIB}))
    found = {pin.name: pin for pin in made.targets[0].pins}
    assert found["lib"].artifact == LockedPath(path="./lib", states=LIB.digest)
    assert found["b"].version == "1.0"
    assert to_requirements(made.targets[0]) == "b==1.0\n./lib\n"
    assert 'directory = { path = "./lib" }' in to_pylock(made.targets)


def test_a_lock_notices_that_a_folder_states_something_else():
    made = lock(ask("./lib", sources={"./lib": LIB}))
    changed = dataclasses.replace(LIB, requires_dist=("b>=2",))
    (problem,) = check_lock(made, ask("./lib", sources={"./lib": changed}))
    assert "what ./lib states of lib has changed" in problem


def test_a_lock_is_no_answer_for_another_place():
    made = lock(ask(f"a @ {WHEEL}"))
    assert "names a URL" in check_lock(made, ask(f"a @ {GIT}"))[0]
    assert "nothing names any more" in check_lock(made, ask("a"))[0]
    assert "names a URL, and a 9.0 is locked from an index" in str(
        check_lock(lock(ask("a"), catalog(a={"9.0": []})), ask(f"a @ {WHEEL}"))
    )


def test_hashes_of_references():
    stated = f"{WHEEL}#sha256={SHA256}"
    known = Catalog({}, {stated: ("a", "2.0", [], WHEEL)})
    assert pins(ask(f"a @ {stated}", require_hashes=True), known) == {"a": "2.0"}
    with pytest.raises(InputError) as error:
        make_lock(ask(f"a @ {GIT}", require_hashes=True), catalog(b={"2.0": []}))
    assert error.value.code == "hash-missing"
    wheel = dataclasses.replace(LIB, filename="lib-0.1-py3-none-any.whl", sha256=SHA256, requires_dist=())
    request = ask("./lib-0.1-py3-none-any.whl", sources={"./lib-0.1-py3-none-any.whl": wheel})
    (pin,) = lock(request).targets[0].pins
    assert (pin.provider, pin.artifact.sha256) == ("wheel", SHA256)


def test_the_facts_of_a_lock_do_not_depend_on_where_it_lies():
    made = lock(ask("./lib", sources={"./lib": LIB}))
    assert "file:" not in render_lock(made)


def test_references_are_values():
    assert parse_reference(GIT) == Reference(kind="vcs", location="https://code.example/a", revision="main")
    assert parse_reference(GIT).commit is None
    assert parse_reference(GIT.replace("main", COMMIT)).commit == COMMIT
