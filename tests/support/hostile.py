"""Projects that try to become Nix code, a shell word, a terminal command or a path."""

from __future__ import annotations

from dataclasses import replace

from .dists import make_sdist, make_wheel
from .listings import Listing, console

__all__ = ["HOSTILE_TEXTS", "HOSTILE_URLS", "list_hostile"]

#: Texts made to break Nix, a shell, a terminal or a path; each leaves a visible trace where it is not inert.
HOSTILE_TEXTS = {
    "quotes": 'it\'s "quoted"',
    "antiquotation": '${builtins.abort "nix ran this"}',
    "indented-string-end": "'' + builtins.abort \"nix ran this\" + ''",
    "backslash": "back\\slash\\n\\${x}",
    "command": "$(touch mach-was-here); `touch mach-was-here`; touch mach-was-here",
    "newline": "two\nlines",
    "carriage-return": "seen\rhidden",
    "escape-sequence": "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "bidi": "abc\u202egnp.exe",
    "dollars": "$$ $${x} ''${y} '''",
}

#: File URLs that no client may follow or trust.
HOSTILE_URLS = (
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user:secret@127.0.0.1:1/x.whl",
    "../../../../x y.whl",
    "http://127.0.0.1:1/${x}'\".whl",
    "http://127.0.0.1:1/%0d%0aX-Injected:%201/x.whl",
)

#: Targets of entry points that are code where they are pasted into a script.
HOSTILE_TARGETS = (
    "os:system('touch /tmp/mach-was-here')",
    "os; import os as x:main",
    "hostile_targets:main)\n  evil = os:getcwd",
    'hostile_targets:main # ${builtins.abort "nix ran this"}',
)


def list_hostile() -> list[Listing]:
    """Return the hostile projects.

    Wheels: ``hostile-files`` has members with the names of :data:`HOSTILE_TEXTS` beside a
    harmless module (those with line ends and backslashes are in ``hostile-records``, whose RECORD `installer`
    does not take), ``hostile-metadata`` METADATA with them, ``hostile-scripts`` entry points
    named so; ``hostile-targets`` 1.N an entry point whose target is code; ``hostile-climb``,
    ``hostile-root``, ``hostile-data`` and ``hostile-entry`` put a module, a file of the root, a
    script and an entry point outside of the environment; ``hostile-name`` has the METADATA of
    another project. ``hostile-link`` is an sdist with links and members that lead out.
    Pages: ``hostile-page`` has the texts in file names, Requires-Python and yank reasons, and
    :data:`HOSTILE_URLS`; ``hostile-url`` has a good file and one whose URL does not parse.
    """
    texts = list(HOSTILE_TEXTS.values())
    refused = {f"hostile_records/{text}.txt": text for text in texts if set(text) & set("\n\r\\")}
    files = {f"hostile_files/{text}.txt": text for text in texts if not set(text) & set("\n\r\\")}
    lines = [line for text in texts for line in (f"Requires-Dist: {_folded(text)}", f"Classifier: {_folded(text)}")]
    scripts = {f"tool {_one_line(text)}": "hostile_scripts:main" for text in texts}
    plain = {f"{name}.py": console("hostile", "1.0") for name in ("hostile_scripts", "hostile_targets")}
    good = make_wheel("hostile-url", "1.0")
    listings = [
        Listing(dist=dist)
        for dist in (
            make_wheel("hostile-files", "1.0", files={"hostile_files/__init__.py": "X = 1\n", **files}),
            make_wheel("hostile-records", "1.0", files={"hostile_records/__init__.py": "X = 1\n", **refused}),
            make_wheel("hostile-metadata", "1.0", metadata_lines=lines),
            make_wheel("hostile-scripts", "1.0", files=plain, entry_points={"console_scripts": scripts}),
            make_wheel("hostile-climb", "1.0", files={"../../../hostile_climb.py": "X = 1\n"}),
            make_wheel("hostile-root", "1.0", files={"/tmp/hostile_root.py": "X = 1\n"}),
            make_wheel("hostile-data", "1.0", data={"scripts/../../../../hostile_data": "#!python\n"}),
            make_wheel(
                "hostile-entry",
                "1.0",
                files=plain,
                entry_points={"console_scripts": {"../../../hostile_entry": "hostile_scripts:main"}},
            ),
            make_wheel("hostile-name", "1.0", metadata_name="requests", metadata_version_field="99"),
            make_sdist(
                "hostile-link", "1.0", links={"inside": "/etc", "up": "../../.."}, outside={"../hostile_link": "x"}
            ),
            make_wheel("hostile-page", "1.0"),
            good,
        )
    ]
    listings.append(Listing(dist=make_wheel("hostile-url", "2.0"), options={"url": "http://[::1/broken.whl"}))
    for number, target in enumerate(HOSTILE_TARGETS):
        points = {"console_scripts": {"hostile-target": target}}
        listings.append(Listing(dist=make_wheel("hostile-targets", f"1.{number}", files=plain, entry_points=points)))
    for number, text in enumerate(texts):
        bare = make_wheel("hostile-page", f"2.{number}")
        named = make_wheel("hostile-page", f"3.{number}", filename=f"hostile_page-3.{number}-py3-none-any{text}.whl")
        build = make_wheel("hostile-page", f"5.{number}", filename=f"hostile_page-5.{number}-1{text}-py3-none-any.whl")
        listings += [Listing(dist=bare, options={"requires_python": text, "yanked": text})]
        listings += [Listing(dist=named), Listing(dist=build)]
        listings += [Listing(dist=replace(bare, filename=f"hostile_page-{text}-py3-none-any.whl"))]
    for number, url in enumerate(HOSTILE_URLS):
        listings.append(Listing(dist=make_wheel("hostile-page", f"4.{number}"), options={"url": url}))
    return listings


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _folded(text: str) -> str:
    """Return *text* as a header value can hold it: lines folded, as email has it."""
    return text.replace("\r", "\r ").replace("\n", "\n ")
