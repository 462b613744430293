"""The pages of ``mach serve``, read by a browser without scripts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.web.pages import ACCEPT, Page, Reader
from tests.e2e.machines import Machine
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.world import World


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that the service of this module runs on."""
    return Machine(home=tmp_path_factory.mktemp("operator"), index_url=world.url)


@pytest.fixture(scope="module")
def client(operator: Machine) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with operator.serve("--workers", "1") as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def reader(client: httpx.Client) -> Reader:
    return Reader(client)


def path_of(page: Page) -> str:
    return page.answer.url.path


def heading(page: Page) -> str:
    (found,) = page.all("h1")
    return " ".join(found.text.split())


# ---- asking


def test_requirements_lead_to_a_permanent_link_with_every_pin(reader: Reader, client: httpx.Client) -> None:
    page = reader.ask("httpie\n")
    assert re.fullmatch(r"/resolutions/[0-9a-f]{64}", path_of(page))
    lock = client.get(path_of(page)).json()
    pins = lock["targets"][0]["pins"]
    assert heading(page) == f"httpie leads to {len(pins)} pins"
    rows = {row.attributes["id"]: " ".join(row.text.split()) for row in page.all("tr") if "id" in row.attributes}
    assert set(rows) == {f"pin-{pin['name']}" for pin in pins}
    for pin in pins:
        row = rows[f"pin-{pin['name']}"]
        assert row.startswith(f"{pin['name']}")
        assert pin["version"] in row
        assert pin["provider"] in row, "told in words, not by colour alone"
        for name, texts in pin["dependencies"].items():
            if rows[f"pin-{name}"].count("requires") <= 3:
                assert f"{pin['name']} requires {', '.join(texts)}" in rows[f"pin-{name}"]
    assert "you ask for httpie" in rows["pin-httpie"]
    assert next(iter(rows)) == "pin-httpie", "what was asked for comes first"


def test_a_permanent_link_gives_the_same_page_to_whoever_has_it(reader: Reader, client: httpx.Client) -> None:
    page = reader.ask("rich\n")
    again = client.get(path_of(page), headers={"Accept": ACCEPT})
    assert again.text == page.answer.text
    kept = client.get(path_of(page), headers={"Accept": ACCEPT, "If-None-Match": again.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    for answer in (again, client.get(path_of(page))):
        assert "Accept" in answer.headers["vary"], "a cache must not give the page to programs"


def test_the_page_shows_tree_graph_expression_and_lock(reader: Reader, client: httpx.Client) -> None:
    page = reader.ask("httpie\n")
    link = path_of(page)
    pins = client.get(link).json()["targets"][0]["pins"]
    texts = {element.attributes["id"]: element.text for element in page.all("pre") if "id" in element.attributes}
    assert texts["text-nix"] == client.get(f"{link}.nix").text
    assert texts["text-lock"] == client.get(f"{link}.lock").text
    drawn = [g for g in page.all("g") if "node" in g.attributes["class"].split()]
    assert {g.attributes["data-name"] for g in drawn} == {pin["name"] for pin in pins}
    (tree,) = page.all("ul", class_="tree")
    assert all(pin["name"] in tree.text for pin in pins)
    hrefs = {a.attributes["href"] for a in page.all("a")}
    for suffix in (".nix", ".lock"):
        assert f"{link}{suffix}" in hrefs
    for href in sorted(hrefs):
        if href.startswith("/"):
            assert client.get(href, headers={"Accept": ACCEPT}, follow_redirects=True).status_code == 200, href
    anchors = {href[1:] for href in hrefs if href.startswith("#")}
    assert anchors <= {element.attributes.get("id") for element in page.elements}


def test_the_command_line_asks_for_the_same(reader: Reader, client: httpx.Client, operator: Machine) -> None:
    (form,) = reader.get("/").forms
    page = reader.send(
        form,
        requirements="httpie\nurllib3<3\n",
        constraints="idna<4\n",
        python=["3.12", "3.13"],
        platforms=["x86_64-linux", "aarch64-linux"],
        order="wheel",
        providers="rich=wheel,sdist",
        prefer="newest",
        overrides="pygments>=2",
        date="2030-01-01",
    )
    (command,) = [element.text for element in page.all("pre", id="command")]
    for number, element in enumerate(e for e in page.all("pre") if e.attributes["id"].startswith("file-")):
        name = element.attributes["aria-label"]
        assert (number, name) == (0, "constraints.txt")
        operator.write(name, element.text)
    said, *words = shlex.split(command)
    assert said == "mach"
    assert operator.mach(*words, "--offline", "-o", "-").stdout == client.get(f"{path_of(page)}.lock").text


def test_every_target_has_its_page(reader: Reader, client: httpx.Client) -> None:
    (form,) = reader.get("/").forms
    page = reader.send(form, requirements="httpie", python=["3.12", "3.13"], platforms=["x86_64-linux"])
    link = path_of(page)
    shown = {a.attributes["href"] for a in page.all("a") if a.attributes["href"].startswith(f"{link}?")}
    assert len(shown) == 2
    for href in shown:
        assert f"Python {href.partition('python=')[2]};" in " ".join(reader.get(href).text.split())
    reader.get(f"{link}?platform=x86_64-linux&python=2.7", status=400)


def test_the_links_of_a_page_are_about_its_target(reader: Reader, client: httpx.Client) -> None:
    asked = 'idna<3.4 ; python_version < "3.13"\nrich<14 ; python_version >= "3.13"\n'
    (form,) = reader.get("/").forms
    link = path_of(reader.send(form, requirements=asked, python=["3.12", "3.13"], platforms=["x86_64-linux"]))
    for python, shown, other in (("3.12.12", "idna", "rich"), ("3.13.11", "rich", "idna")):
        page = reader.get(f"{link}?platform=x86_64-linux&python={python}")
        assert f"On x86_64-linux with Python {python};" in " ".join(page.text.split())
        files = {a.attributes["href"] for a in page.all("a") if a.attributes["href"].startswith(f"{link}.")}
        of_target = {href for href in files if "?" in href}
        assert {href.partition("?")[0].removeprefix(link) for href in of_target} == {
            ".dot", ".json", ".pylock.toml", ".svg", ".txt",
        }  # fmt: skip
        for href in of_target:
            text = client.get(href).text
            assert (shown in text, other in text) == (True, False), href


def test_a_file_is_as_good_as_text(client: httpx.Client) -> None:
    def post(filename: str, content: bytes) -> str:
        files = [("requirements", (None, b"")), ("file", (filename, content))]
        answer = client.post("/", files=files, headers={"Accept": ACCEPT})
        assert answer.status_code == 303, answer.text
        return client.get(answer.headers["location"]).text

    project = b'[project]\nname = "mine"\nversion = "1"\ndependencies = ["rich<14"]\n'
    assert post("requirements.txt", b"rich<14\r\n") == client.post("/resolve", json={"requirements": "rich<14"}).text
    assert "rich" in post("pyproject.toml", project)


def test_a_request_can_be_changed(reader: Reader) -> None:
    first = reader.ask("rich<14\n", overrides="pygments<3", python=["3.12"], order="wheel", date="2030-01-01")
    (again,) = [a for a in first.all("a", class_="button") if "from=" in a.attributes["href"]]
    (form,) = reader.get(again.attributes["href"]).forms
    assert path_of(reader.send(form)) == path_of(first), "unchanged, it is the same request"
    assert path_of(reader.send(form, requirements="rich\n")) != path_of(first)


def test_what_was_settled_for_is_told(fake_index: FakeIndex, tmp_path: Path) -> None:
    fake_index.add(make_wheel("app", "1.0", requires=["part>=2"]))
    for name in ("part", "lone"):
        fake_index.add(make_wheel(name, "1.0"))
        fake_index.add(make_sdist(name, "2.0"))
    for tool in ("installer", "pyproject-hooks", "setuptools"):
        fake_index.add(wheel_from_installed(tool))
    machine = Machine(home=tmp_path, index_url=fake_index.url)
    machine.mach("lock", "app", "lone", "-q")  # asks build backends, which a service does for nobody unknown
    with machine.serve("--workers", "1") as url, httpx.Client(base_url=url, timeout=60) as client:
        page = Reader(client).ask("app\nlone\n")
    text = " ".join(page.text.split())
    assert "lone 1.0 from wheel rather than 2.0 (sdist)" in text
    assert "part 2.0 comes from sdist: it fell back from wheel: " in text
    assert {"wheel", "sdist"} <= {badge.text for badge in page.all("span", class_="badge")}


def test_a_graph_of_hundreds_is_drawn(fake_index: FakeIndex, tmp_path: Path) -> None:
    names = [f"p{i:03}" for i in range(300)]
    for i, name in enumerate(names):
        fake_index.add(make_wheel(name, "1.0", requires=[names[j] for j in {i // 2, i // 3, 0} if j != i]))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    machine = Machine(home=tmp_path, index_url=fake_index.url)
    with machine.serve("--workers", "1") as url, httpx.Client(base_url=url, timeout=60) as client:
        page = Reader(client).ask("".join(f"{name}\n" for name in names))
    assert len([g for g in page.all("g") if "node" in g.attributes["class"].split()]) == 300
    assert heading(page).endswith("and 296 more lead to 300 pins")


# ---- no answer


def test_a_conflict_is_told_in_sentences_and_a_fix_is_a_button(reader: Reader, client: httpx.Client) -> None:
    page = reader.ask('requests<2.30 ; python_version > "3"\nurllib3>=2\nrich\n', status=422)
    assert heading(page) == "These requirements cannot be met together"
    told = client.get(path_of(page)).json()
    assert told["title"] in " ".join(page.text.split())
    for demand in told["details"]["core"]:
        assert demand["requirement"] in page.text
    for step in told["details"]["steps"]:
        assert step["text"] in page.text
    fixes = told["details"]["fixes"]
    assert len(page.forms) == len(fixes) >= 1
    for form, fix in zip(page.forms, fixes, strict=True):
        solved = reader.send(form)
        lock = client.get(path_of(solved)).json()
        pins = {pin["name"]: pin["version"] for pin in lock["targets"][0]["pins"]}
        assert fix["takes"].items() <= pins.items(), "the request with the change is the one that was tried"


def test_what_is_known_is_told_where_a_version_does_not_exist(reader: Reader) -> None:
    page = reader.ask("urllib3<1.21\n", status=422)
    assert heading(page) == "No such version of urllib3"
    (known,) = [a for a in page.all("a") if a.attributes["href"] == "/projects/urllib3"]
    assert "1.26.20" in reader.get(known.attributes["href"]).text


def test_near_names_are_links(reader: Reader) -> None:
    reader.ask("requests\n")
    page = reader.ask("reqests\n", status=422)
    assert heading(page) == "There is no project called reqests"
    (near,) = [a for a in page.all("a") if a.attributes["href"] == "/projects/requests"]
    assert heading(reader.get(near.attributes["href"])) == "requests"


def test_what_was_typed_is_not_lost_where_it_is_wrong(reader: Reader) -> None:
    page = reader.ask("idna\nrequests=>2\n", status=400)
    (form,) = page.forms
    assert dict(form.fields)["requirements"].splitlines() == ["idna", "requests=>2"]
    assert "requirements.txt:2" in page.text
    assert page.all("section", role="alert")
    reader.send(form, requirements="idna\n")


def test_nothing_asked_for_is_said_kindly(reader: Reader) -> None:
    assert "there is no requirement" in reader.ask("", status=400).text


def test_facts_that_are_missing_are_no_fault_of_yours(machine: Machine) -> None:
    machine.mach("crawl", "certifi", "-q")
    with machine.serve("--fill", "queue", "--workers", "1") as url, httpx.Client(base_url=url, timeout=60) as client:
        page = Reader(client).ask("idna\n", status=424)
        assert "Nothing is wrong with your request" in page.text


def test_hundreds_of_requirements_are_folded(reader: Reader) -> None:
    page = reader.ask("".join(f"idna!=9.{i}\n" for i in range(300)))
    assert "and 275 more" in page.text
    assert all(f"idna!=9.{i}" in page.text for i in range(300))


def test_what_only_a_build_backend_knows_is_left_to_the_command_line(reader: Reader) -> None:
    page = reader.ask("sdist-dynamic\n", status=424)
    assert "build code of sdist-dynamic" in page.text
    (command,) = [element.text for element in page.all("pre", id="command")]
    assert command.startswith("mach lock sdist-dynamic ")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        (f"/resolutions/{'0' * 64}", 404),
        ("/resolutions/x", 404),
        ("/projects/nobody-knows-this", 404),
        ("/snapshots/never-given", 404),
        ("/snapshots?most=0", 400),
        (f"/?from={'0' * 64}", 404),
        ("/assets/style.css", 404),
        ("/resolve", 405),
    ],
)
def test_errors_are_pages_for_people_and_problems_for_programs(
    reader: Reader, client: httpx.Client, path: str, status: int
) -> None:
    page = reader.get(path, status)
    told = client.get(path)
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert told.json()["title"][1:] in page.text
    assert told.json()["code"] in page.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"requirements=idna", "application/x-www-form-urlencoded", 415),
        (b"--y\r\n", "multipart/form-data; boundary=y", 400),
        (
            b'--y\r\nContent-Disposition: form-data; name="evil"\r\n\r\n1\r\n--y--\r\n',
            "multipart/form-data; boundary=y",
            400,
        ),
        (
            b'--y\r\nContent-Disposition: form-data; name="requirements"\r\n\r\n\xff\r\n--y--\r\n',
            "multipart/form-data; boundary=y",
            400,
        ),
        (b"#" * 1_000_001, "multipart/form-data; boundary=y", 413),
    ],
)
def test_what_is_not_the_form_is_refused_with_a_page(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = client.post("/", content=content, headers={"Content-Type": kind, "Accept": ACCEPT})
    assert answer.status_code == status
    assert Page(answer).all("section", role="alert")


def test_who_asks_too_often_is_told_on_a_page(machine: Machine) -> None:
    with (
        machine.serve("--workers", "1", "--requests-per-minute", "1") as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        client.get("/healthz")
        answers = [client.get("/docs", headers={"Accept": ACCEPT}) for _ in range(3)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert "Too many requests" in Page(late[-1]).text
    assert late[-1].headers["retry-after"]


@pytest.mark.parametrize("fix", ["0", "99", "-1", "x", "٣", "9" * 50])
def test_a_fix_that_is_none_is_refused(reader: Reader, client: httpx.Client, fix: str) -> None:
    solved = path_of(reader.ask("rich\n")).rpartition("/")[2]
    files = [("from", (None, solved)), ("fix", (None, fix))]
    assert client.post("/", files=files, headers={"Accept": ACCEPT}).status_code == 404


# ---- the catalog and the interface


def test_snapshots_and_projects_have_pages(reader: Reader, client: httpx.Client, operator: Machine) -> None:
    reader.ask("idna\n")
    pinned = operator.mach("db", "pin", "friday").stdout.strip()
    listed = reader.get("/snapshots")
    assert "friday" in listed.text
    (link,) = {a.attributes["href"] for a in listed.all("a") if pinned in a.attributes["href"]}
    shown = reader.get(link)
    told = client.get(link).json()
    assert (told["id"], told["names"]) == (pinned, ["friday"])
    assert client.get("/snapshots/friday").json() == told
    assert f"{told['projects']} projects" in shown.text
    (against,) = [a.attributes["href"] for a in shown.all("a", class_="button")]
    (form,) = reader.get(against).forms
    page = reader.send(form, requirements="idna\n")
    assert client.get(path_of(page)).json()["snapshot"] == pinned


def test_a_project_shows_what_programs_get(reader: Reader, client: httpx.Client) -> None:
    reader.ask("idna\n")
    page = reader.get("/projects?name=Idna")
    assert path_of(page) == "/projects/idna"
    told = client.get("/projects/idna").json()
    for release in told["releases"]:
        assert release["version"] in page.text
        assert all(artifact["filename"] in page.text for artifact in release["artifacts"])
    reader.get("/projects?name=%00", status=404)


def test_the_interface_is_described_without_anything_from_elsewhere(reader: Reader, client: httpx.Client) -> None:
    page = reader.get("/docs")
    document = client.get("/openapi.json").json()
    for path in document["paths"]:
        assert path in page.text
    members = document["components"]["schemas"]["ResolveBody"]["properties"]
    for name, member in members.items():
        assert name in page.text
        assert member["description"].replace("`", "") in page.text, "each is told what it means"
    assert "PinnedNixpkgs" not in page.text
    for name, member in document["components"]["schemas"]["PinnedNixpkgs"]["properties"].items():
        assert f"nixpkgs.{name}" in page.text, "and so are those of an object within"
        assert member["description"] in page.text


# ---- what every page keeps


@pytest.fixture(scope="module")
def every_page(reader: Reader) -> list[Page]:
    """One page of each kind."""
    return [
        reader.get("/"),
        reader.ask("httpie\n"),
        reader.ask("idna<3\nidna>=3\n", status=422),
        reader.ask("idna=>1", status=400),
        reader.get("/snapshots"),
        reader.get("/projects/idna"),
        reader.get("/docs"),
        reader.get("/nothing", status=404),
    ]


def test_pages_load_nothing_from_elsewhere_and_need_no_inline_code(every_page: list[Page]) -> None:
    for page in every_page:
        policy = page.answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for element in page.elements:
            assert "style" not in element.attributes
            assert not [name for name in element.attributes if name.startswith("on")]
            loaded = element.attributes.get("src") or (element.tag == "link" and element.attributes["href"])
            assert not loaded or urlsplit(loaded).netloc == ""
        assert not page.all("style")
        assert all(script.attributes["src"] and not script.text for script in page.all("script"))


def test_assets_are_kept_for_ever_under_names_of_their_content(every_page: list[Page], client: httpx.Client) -> None:
    paths = {element.attributes["href"] for page in every_page for element in page.all("link")}
    paths |= {element.attributes["src"] for page in every_page for element in page.all("script")}
    assert len(paths) == 3
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert re.fullmatch(r"/assets/[a-z]+\.[0-9a-f]{12}\.(css|js|svg)", path)
    assert client.get("/favicon.ico", follow_redirects=True).headers["content-type"].startswith("image/svg+xml")


def test_a_page_can_be_heard(every_page: list[Page]) -> None:
    for page in every_page:
        (html,) = page.all("html")
        assert html.attributes["lang"] == "en"
        assert len(page.all("main")) == len(page.all("h1")) == 1
        ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
        assert len(set(ids)) == len(ids)
        labelled = {label.attributes.get("for") for label in page.all("label")}
        for tag in ("input", "select", "textarea"):
            for element in page.all(tag):
                kind = element.attributes.get("type")
                assert kind in ("hidden", "checkbox") or element.attributes["id"] in labelled
        assert len(page.all("caption")) == len(page.all("table"))
        for element in page.elements:
            for name in ("aria-labelledby", "aria-describedby"):
                assert set(element.attributes.get(name, "").split()) <= set(ids)
