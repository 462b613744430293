"""The graph of a locked target for programs that draw: nodes and edges as JSON, and Graphviz' DOT language."""

from __future__ import annotations

from typing import Any

from .lock import LockTarget

__all__ = ["graph_to_json", "render_dot"]


def graph_to_json(target: LockTarget) -> dict[str, Any]:
    """Return the graph of *target* as plain JSON values: ``nodes`` and ``edges``, each sorted by name.

    A node is a pin; ``root`` tells that the user asked for it. An edge leads from who
    requires to what is required, with the requirements (PEP 508) that hold on the target.
    """
    return {
        "system": target.system,
        "python": target.python,
        "nodes": [
            {
                "name": pin.name,
                "version": pin.version,
                "provider": pin.provider,
                "extras": list(pin.extras),
                "root": pin.name in target.roots,
            }
            for pin in target.pins
        ],
        "edges": [
            {"from": pin.name, "to": name, "requirements": list(texts)}
            for pin in target.pins
            for name, texts in sorted(pin.dependencies.items())
        ],
    }


def render_dot(target: LockTarget) -> str:
    """Return the graph of *target* in the DOT language (Graphviz, "DOT Language"); what the user asked for is bold."""
    lines = [f"digraph {_quoted(f'{target.system} {target.python}')} {{", "  rankdir=LR;", "  node [shape=box];"]
    for pin in target.pins:
        style = ", style=bold" if pin.name in target.roots else ""
        label = _quoted(f"{pin.name} {pin.version}\n{pin.provider}")
        lines.append(f"  {_quoted(pin.name)} [label={label}{style}];")
    lines += [
        f"  {_quoted(pin.name)} -> {_quoted(name)} [tooltip={_quoted(', '.join(texts))}];"
        for pin in target.pins
        for name, texts in sorted(pin.dependencies.items())
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # in DOT's strings \" is the only escape; a backslash before anything else stands for itself or, in labels, for
    # what Graphviz makes of it: it is doubled, as labels read it
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
