"""The OpenAPI document as values that a page shows: operations, parameters, bodies and answers in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["operations_of"]


def operations_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of an OpenAPI 3.1 document, in its order."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "anchor": operation["operationId"],
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "parameters": [_parameter(p) for p in operation.get("parameters", [])],
            "bodies": [_body(document, kind, c) for kind, c in _content(operation.get("requestBody", {}))],
            "answers": [_answer(status, given) for status, given in operation.get("responses", {}).items()],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _content(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(value.get("content", {}).items())


def _parameter(value: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": value["name"],
        "place": value["in"],
        "type": _type(value.get("schema", {})),
        "description": value.get("description") or value.get("schema", {}).get("description", ""),
        "needed": "required" if value.get("required") else "optional",
    }


def _body(document: Mapping[str, Any], kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    schema = content.get("schema", {})
    found = _resolved(document, schema)
    members = list(_members(document, found))
    return {"kind": kind, "members": members, "example": content.get("example", "")}


def _members(document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, str]]:
    """Yield the members of an object, each followed by its own where it is one (``nixpkgs.rev``)."""
    for name, value in schema.get("properties", {}).items():
        yield {
            "name": prefix + name,
            "type": _type(value),
            "description": value.get("description", ""),
            "needed": "required" if name in schema.get("required", []) else "optional",
        }
        for each in (value, *value.get("anyOf", ())):
            if "$ref" in each:
                yield from _members(document, _resolved(document, each), f"{prefix}{name}.")


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that *schema* refers to, else itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _answer(status: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": status, "description": value.get("description", ""), "kinds": [k for k, _ in _content(value)]}


def _type(schema: Mapping[str, Any]) -> str:
    """Return what a schema admits in a few words."""
    if "$ref" in schema:
        return "object"  # its members stand below it
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "const" in schema:
        return repr(schema["const"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return {"null": "nothing", "string": "text", "integer": "whole number", "boolean": "true or false"}.get(kind, kind)
