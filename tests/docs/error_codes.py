"""The error codes that the source can raise, read from its syntax."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAMILIES = ("MachError", "InputError", "NoSolution", "LockOutdated", "DataError", "Unavailable")


def list_files(*patterns: str) -> list[Path]:
    """Return the files that git tracks, or would, as *patterns* name them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in sorted(set(names)) if name and (ROOT / name).is_file()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One place that makes an error."""

    code: str
    family: str
    place: str


class _Unreadable(Exception):
    """A code that is neither a literal nor an argument of the function around it."""


def _functions(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Yield every call with the function that it stands in."""
    todo: list[tuple[ast.AST, ast.FunctionDef | None]] = [(tree, None)]
    while todo:
        node, around = todo.pop()
        if isinstance(node, ast.Call):
            yield around, node
        inside = node if isinstance(node, ast.FunctionDef) else around
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _literals(node: ast.expr) -> list[str]:
    """Return the texts that *node* can be: a literal, or a choice of two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _literals(node.body) + _literals(node.orelse)
    raise _Unreadable


def collect(sources: dict[str, str]) -> list[Raised]:
    """Return all codes in *sources* (file name -> text); fail where one cannot be told from the syntax."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    families = {family: family for family in FAMILIES}
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:
        for node in classes:
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in families:
                    families.setdefault(node.name, families[base.id])
    # functions that hand a parameter on as the code: name -> (position, default, family)
    makers: dict[str, tuple[str, int, ast.expr | None, str]] = {}
    found: list[Raised] = []
    calls = [(name, around, call) for name, tree in trees.items() for around, call in _functions(tree)]
    for name, around, call in calls:
        if _name(call) not in families or not call.args:
            continue
        family, code = families[_name(call)], call.args[0]
        try:
            found += [Raised(code=text, family=family, place=f"{name}:{call.lineno}") for text in _literals(code)]
        except _Unreadable:
            if isinstance(code, ast.Attribute) and code.attr == "code":
                continue  # another error's code again; it is collected where that one is made
            if around is None or not isinstance(code, ast.Name):
                raise AssertionError(f"{name}:{call.lineno}: the code must be a literal") from None
            positional = [a.arg for a in around.args.args]
            named = {
                a.arg: d for a, d in zip(around.args.kwonlyargs, around.args.kw_defaults, strict=True) if d is not None
            }
            assert code.id in positional or code.id in [a.arg for a in around.args.kwonlyargs], f"{name}:{call.lineno}"
            position = positional.index(code.id) if code.id in positional else -1
            makers[around.name] = (code.id, position, named.get(code.id), family)
    for name, _, call in calls:
        if _name(call) in makers:
            parameter, position, default, family = makers[_name(call)]
            given = [k.value for k in call.keywords if k.arg == parameter]
            if not given and 0 <= position < len(call.args):
                given = [call.args[position]]
            for node in given or ([default] if default is not None else []):
                try:
                    texts = _literals(node)
                except _Unreadable:
                    raise AssertionError(f"{name}:{call.lineno}: the code must be a literal") from None
                found += [Raised(code=text, family=family, place=f"{name}:{call.lineno}") for text in texts]
    return found


def collect_codes() -> list[Raised]:
    """Return all codes of the product's source."""
    folders = ("resolver", "db", "crawler", "nix", "api")
    return collect({str(p.relative_to(ROOT)): p.read_text() for p in list_files(*(f"{f}/*.py" for f in folders))})
