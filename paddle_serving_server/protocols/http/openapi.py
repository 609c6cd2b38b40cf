"""The table of routes as an OpenAPI 3.1 document, with the inputs and outputs of every live model."""

import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final
from urllib.parse import quote

from paddle_serving_app.signature import Input, Output
from paddle_serving_client import __version__, dtype
from paddle_serving_server.config.listening import Role
from paddle_serving_server.protocols.http.route import Route
from paddle_serving_server.protocols.http.table import Table
from paddle_serving_server.services.catalogue import Catalogue

VERSION: Final = "3.1.0"
_KINDS: Final = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
"""By numpy's kind of an element type."""
_MANAGEMENT: Final = "Answered to the addresses of --manage_from only, and no change that a browser asks for."
ERROR: Final = {"$ref": "#/components/schemas/Error"}
_ERROR_SCHEMA: Final = {
    "type": "object",
    "properties": {"err_no": {"type": "integer"}, "err_msg": {"type": "string"}},
    "required": ["err_no", "err_msg"],
}
_NAME: Final = re.compile(r"\{(\w+)\}")
Json = Mapping[str, Any]


def document(table: Table, catalogue: Catalogue) -> Json:
    """All that can be asked of this server now."""
    paths: dict[str, dict[str, Any]] = {}
    for route in (route for _, route in table.routes if route.is_listed):
        for path, names in _places(route, catalogue):
            operation = {
                "summary": route.about,
                "operationId": _identifier(route.method, path),
                "tags": [names["name"] if names and route.role is Role.INFERENCE else str(route.role)],
                "responses": {"200": {"description": "the answer"}},
                **route.describe(catalogue, names),
            }
            operation["responses"] = {"default": _error(), **operation["responses"]}
            own = operation.get("parameters", ())
            if parameters := _parameters(path, {parameter["name"] for parameter in own}):
                operation["parameters"] = [*parameters, *own]
            if route.role is Role.MANAGEMENT:
                operation["description"] = _MANAGEMENT
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {"title": ", ".join(catalogue.names), "version": __version__},
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR_SCHEMA}},
    }


def _places(route: Route, catalogue: Catalogue) -> list[tuple[str, Mapping[str, str]]]:
    """The paths of a route: one for each service where a service is named in it."""
    if "{name}" not in route.template:
        return [(route.template, {})] if route.exists(catalogue, {}) else []
    named = [(route.template.replace("{name}", quote(name, safe="")), {"name": name}) for name in catalogue.names]
    return [(path, names) for path, names in named if route.exists(catalogue, names)]


def _parameters(path: str, described: Set[str]) -> list[Json]:
    """Those in a path that its route has not described."""
    names = [name for name in _NAME.findall(path) if name not in described]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _identifier(method: str, path: str) -> str:
    return "_".join([method.lower(), *("".join(c if c.isalnum() else "_" for c in path).strip("_").split("__"))])


def _error() -> Json:
    return {"description": "what is wrong", "content": {"application/json": {"schema": ERROR}}}


# -- what models take and give


def instance_schema(inputs: Sequence[Input]) -> Json:
    """One item of a `feed`: a value for each input, without the batch axis."""
    properties = {i.alias: _array(i.elem_type, _item(i)) for i in inputs}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def outputs_schema(outputs: Sequence[Output]) -> Json:
    """The values of all outputs; what varies in their shapes the config of a model need not say."""
    return {"type": "object", "properties": {o.alias: {"type": "array"} for o in outputs}}


def _item(spec: Input) -> Sequence[int]:
    """The shape of a value; a sequence of rows of one value is a list of these."""
    row = spec.shape[1:]
    return row if not spec.is_lod else (-1,) if math.prod(row) == 1 else (-1, *row)


def _kind(elem_type: int) -> str:
    found = None if elem_type == dtype.STRING else dtype.numpy_of(elem_type)
    return "string" if found is None else _KINDS.get(found.kind, "number")


def _array(elem_type: int, shape: Sequence[int]) -> Json:
    if not shape:
        return {"type": _kind(elem_type)}
    length = {} if shape[0] < 0 else {"minItems": shape[0], "maxItems": shape[0]}
    return {"type": "array", "items": _array(elem_type, shape[1:]), **length}
