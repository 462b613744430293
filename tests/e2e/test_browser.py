"""The pages in a real browser: Debian's chromium, driven by playwright, and judged by axe-core.

With ``MACH_SCREENSHOTS=FOLDER`` it leaves pictures of what it saw there; docs/images has those that were looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.machines import Machine
from tests.support.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]
AXE_VERSION = "4.14.1"
CONFLICT = "requests<2.30\nurllib3>=2\nrich\n"
Visit = Callable[..., "Page"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The code of axe-core, from the registry that npm is configured for."""
    folder = tmp_path_factory.mktemp("axe")
    argv = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"axe-core@{AXE_VERSION}"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=300)
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def url(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    machine = Machine(home=tmp_path_factory.mktemp("browsed"), index_url=world.url)
    with machine.serve("--workers", "1") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    """Opens the first page in a window of its own; what the console complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(width: int = 1200, scheme: str = "light", scripts: bool = True, **more: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]  # one of its literals
            java_script_enabled=scripts,
            base_url=url,
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        # a conflict is 422, which the console repeats
        page.on("console", lambda m: complaints.append(m.text) if "status of 422" not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(url) else None)
        page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def resolve(page: Page, requirements: str) -> None:
    """Paste and resolve."""
    page.goto("/")
    page.locator("#requirements").fill(requirements)
    page.get_by_role("button", name="Resolve").click()
    page.wait_for_url("**/resolutions/*")


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("MACH_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def fits(page: Page) -> bool:
    """Return whether nothing makes the page wider than the window."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    return bool(wide <= page.viewport_size["width"])  # type: ignore[index]  # it was set


@pytest.mark.parametrize("scripts", [True, False])
def test_paste_resolve_and_come_back(visit: Visit, scripts: bool) -> None:
    page = visit(scripts=scripts)
    keep(page, f"form-{'with' if scripts else 'without'}-scripts")
    resolve(page, "httpie\n")
    assert page.get_by_role("heading", level=1).inner_text() == "httpie leads to 16 pins"
    assert page.get_by_role("table").get_by_role("row").count() == 17
    link = page.get_by_role("link", name="/resolutions/").get_attribute("href")
    other = visit(scripts=scripts)
    other.goto(link or "")
    assert other.content() == page.content()
    # of the link, the commands to build it and that to lock it; two more wait in folded texts
    assert page.get_by_role("button", name="Copy").count() == (3 if scripts else 0)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_conflict_and_its_fix(visit: Visit, scripts: bool) -> None:
    page = visit(scripts=scripts)
    resolve(page, CONFLICT)
    assert page.get_by_role("heading", level=1).inner_text() == "These requirements cannot be met together"
    conflict = page.url
    page.get_by_role("button", name="Resolve it so").first.click()
    page.wait_for_url(lambda url: url != conflict)
    assert "pins" in page.get_by_role("heading", level=1).inner_text()


def test_the_graph_shows_what_belongs_together(visit: Visit) -> None:
    page = visit()
    resolve(page, "httpie\n")
    graph = page.locator("svg.graph")
    assert graph.locator(".node").count() == 16
    graph.locator('.node[data-name="rich"]').hover()
    near = graph.locator(".node.near").evaluate_all("all => all.map(node => node.dataset.name).sort()")
    assert near == ["httpie", "markdown-it-py", "pygments", "rich"]
    graph.scroll_into_view_if_needed()
    keep(page, "graph")
    graph.locator('.node[data-name="rich"]').click()
    assert page.url.endswith("#pin-rich")


def test_copying_gives_the_very_text(visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    resolve(page, "rich\n")
    page.get_by_text("Read mach.lock here").click()
    page.get_by_role("button", name="Copy mach.lock").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    link = page.get_by_role("link", name="/resolutions/").get_attribute("href")
    lock = page.request.get(f"{link}.lock").text()
    assert json.loads(copied) == json.loads(lock)
    assert copied == lock


def test_a_chosen_file_is_sent(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("rich\n")
    page = visit()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Resolve").click()
    page.wait_for_url("**/resolutions/*")
    assert "rich" in page.get_by_role("heading", level=1).inner_text()


def test_a_keyboard_is_enough(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "requirements"
    page.keyboard.type("rich")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "main":
            break
        outline = page.evaluate(
            "(e => getComputedStyle(e.matches('.pill input') ? e.nextElementSibling : e).outlineStyle)"
            "(document.activeElement)"
        )
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
    page.keyboard.press("Enter")
    page.wait_for_url("**/resolutions/*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_every_page_is_accessible_and_fits(visit: Visit, axe: str, scheme: str, width: int) -> None:
    page = visit(width=width, scheme=scheme, bypass_csp=True)

    def judge(name: str) -> None:
        page.evaluate(f"{axe}; 0")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(told => told.violations)")
        assert [(v["impact"], v["id"], [n["html"] for n in v["nodes"]]) for v in found] == [], name
        assert fits(page), name

    judge("form")
    page.get_by_text("More options").click()
    judge("more options")
    resolve(page, "httpie\n")
    judge("resolution")
    keep(page, f"resolution-{scheme}-{width}")
    resolve(page, CONFLICT)
    judge("conflict")
    keep(page, f"conflict-{scheme}-{width}")
    for path in ("/snapshots", "/projects/requests", "/docs"):
        page.goto(path)
        judge(path)
    page.goto("/snapshots")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    judge("snapshot")


def test_it_can_be_printed(visit: Visit) -> None:
    page = visit()
    resolve(page, "httpie\n")
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").first.is_visible()
    assert page.get_by_role("table").is_visible()
    assert len(page.pdf()) > 10_000
