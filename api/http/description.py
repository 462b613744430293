"""The service as OpenAPI: what FastAPI finds by itself, and the bodies that are read here."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .admission import HEALTH
from .bodies import DiffBody, ResolveBody
from .problems import PROBLEM_RESPONSES

__all__ = ["describe", "reference"]

_TEMPLATE = "#/components/schemas/{model}"


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Return a reference to the schema of a body."""
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of *app*; it is made once."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        _, found = models_json_schema([(ResolveBody, "validation"), (DiffBody, "validation")], ref_template=_TEMPLATE)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(found["$defs"])
        # what FastAPI says of itself about wrong parameters is not what is answered here
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _complete(operation, open_to_all=path in HEALTH)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any], *, open_to_all: bool) -> None:
    """Add what every operation may answer."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if not open_to_all:
        responses |= {str(status): PROBLEM_RESPONSES[status] for status in (401, 403, 421, 429)}
        # a token is needed only where the operator wants one
        operation["security"] = [{}, {"token": []}]
    operation["responses"] = dict(sorted(responses.items()))
