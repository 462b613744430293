"""The service as OpenAPI: what FastAPI finds by itself, and the bodies that are read here."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .bodies import DiffBody, ResolveBody

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
        document.setdefault("components", {}).setdefault("schemas", {}).update(found["$defs"])
        app.openapi_schema = document
    return app.openapi_schema
