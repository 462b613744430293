"""install_editable.py INFO OUT: install below OUT what imports a project from its working tree; INFO is a JSON file.

Metadata and programs come from the static [project] table of its pyproject.toml: no build backend runs,
so that only an edit of that file makes it anew.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

#: What scripts name as their interpreter until an environment puts its own in this place.
INTERPRETER = "/mach/environment/bin/python"
#: The folder of setuptools' package_dir that all packages lie in.
ROOT = ""


class Refused(Exception):
    """The working tree is not one that can be installed so."""


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def find_imports(document: dict[str, Any], has_src: bool) -> list[str]:
    """Return the folders, relative to the tree, that hold the project's modules.

    Where the build backend's own table names them (setuptools, hatchling, PDM, Poetry, maturin, uv), these; else
    ``src`` where there is one, else the tree itself.
    """
    tool = document.get("tool", {})
    if not isinstance(tool, dict):
        raise Refused("its [tool] is not a table")

    def get(*keys: str) -> Any:
        value: Any = tool
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    found: list[Any] = []
    root = get("setuptools", "package-dir", ROOT)
    where = get("setuptools", "packages", "find", "where")
    if isinstance(root, str):
        found.append(root)
    elif isinstance(where, list):
        found += where
    for package in get("hatch", "build", "targets", "wheel", "packages") or ():
        found.append(str(PurePosixPath(str(package)).parent))
    for package in get("poetry", "packages") or ():
        if isinstance(package, dict):
            found.append(package.get("from", "."))
    found += [value for value in (get("pdm", "build", "package-dir"), get("maturin", "python-source")) if value]
    root = get("uv", "build-backend", "module-root")
    if isinstance(root, str):
        found.append(root)
    folders = list(dict.fromkeys(str(folder).strip("/") or "." for folder in found))
    for folder in folders:
        if ".." in PurePosixPath(folder).parts or not folder.isprintable():
            raise Refused(f"its modules lie in {folder!r}, outside of it")
    return folders or ["src" if has_src else "."]


def read_entry_points(project: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return group -> name -> ``module:object`` (PEP 621)."""
    dynamic = {"scripts", "gui-scripts", "entry-points"} & set(project.get("dynamic", []))
    if dynamic:
        raise Refused(f"its {sorted(dynamic)[0]} is dynamic: only a build would tell")
    groups: dict[str, dict[str, str]] = {}
    tables = {"console_scripts": project.get("scripts"), "gui_scripts": project.get("gui-scripts")}
    for group, table in (tables | dict(project.get("entry-points", {}))).items():
        for name, target in (table or {}).items():
            if not all(isinstance(t, str) and t.isprintable() and t.strip() for t in (group, name, target)):
                raise Refused("it has an entry point that is no text")
            groups.setdefault(group, {})[name] = target
    return groups


def render_metadata(info: dict[str, Any], project: dict[str, Any]) -> str:
    """Return the core metadata: name, version and what it requires."""
    lines = ["Metadata-Version: 2.1", f"Name: {info['name']}", f"Version: {info['version']}"]
    lines += [f"Requires-Dist: {text}" for text in project.get("dependencies", [])]
    for extra, texts in project.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        for text in texts:
            stated, _, marker = text.partition(";")
            also = f"({marker.strip()}) and " if marker.strip() else ""
            lines.append(f'Requires-Dist: {stated.strip()} ; {also}extra == "{extra}"')
    if not all(line.isprintable() for line in lines):
        raise Refused("a requirement of it holds control characters")
    return "".join(f"{line}\n" for line in lines)


def render_script(name: str, target: str) -> str:
    """Return the program for one entry point."""
    match = re.fullmatch(r"([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_][\w.]*)(\s*\[.*\])?", target)
    if match is None or PurePosixPath(name).name != name or not re.fullmatch(r"[\w.-]+", name):
        raise Refused(f"it has a program {name!r} with the entry point {target!r}")
    module, attribute = match[1], match[2]
    return (
        f"#!{INTERPRETER}\nimport sys\nfrom {module} import {attribute.partition('.')[0]}\n"
        f"if __name__ == '__main__':\n    sys.exit({attribute}())\n"
    )


def install(info: dict[str, Any], out: Path) -> None:
    """Write the .pth file, the dist-info and the programs.

    :raises Refused: where pyproject.toml states what cannot be installed so.
    """
    document = tomllib.loads(Path(info["pyproject"]).read_text(encoding="utf-8"))
    project = document.get("project")
    if not isinstance(project, dict):
        raise Refused("it has no [project]")
    groups = read_entry_points(project)
    tree = info["tree"]
    # a line of a .pth file that begins with "import" is run
    if not tree.startswith("/") or not tree.isprintable():
        raise Refused("its path has characters that a .pth file cannot hold")
    site = out / info["sitePackages"]
    stem = f"{re.sub(r'[-_.]+', '_', info['name'])}-{info['version']}"
    dist = site / f"{stem}.dist-info"
    dist.mkdir(parents=True)
    folders = [tree if folder == "." else f"{tree}/{folder}" for folder in find_imports(document, info["hasSrc"])]
    (site / f"__editable__.{stem}.pth").write_text("".join(f"{folder}\n" for folder in folders), encoding="utf-8")
    (dist / "METADATA").write_text(render_metadata(info, project), encoding="utf-8")
    (dist / "INSTALLER").write_text("mach\n")
    direct = {"url": Path(tree).as_uri(), "dir_info": {"editable": True}}
    (dist / "direct_url.json").write_text(json.dumps(direct))
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in table.items())
        for group, table in sorted(groups.items())
    ]
    if lines:
        (dist / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    for group in ("console_scripts", "gui_scripts"):
        for name, target in groups.get(group, {}).items():
            text = render_script(name, target)
            script = out / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(text, encoding="utf-8")
            script.chmod(0o755)


def main() -> int:
    """Run the command; a working tree that cannot be installed is one line on stderr."""
    info = json.loads(Path(sys.argv[1]).read_text())
    try:
        install(info, Path(sys.argv[2]))
    except (Refused, tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        print(f"mach: cannot install {info['tree']!r} in place: {printable(str(error))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
