"""The OpenAPI 3.1 document, from the same declarations that check requests."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from cloud.api.errors import ErrorOut
from cloud.api.field_docs import field_docs, structs_in
from cloud.api.kit import PUBLIC, Endpoint
from cloud.storage.secrets import Secret

_REF: Final = "#/components/schemas/{name}"
_COMMON: Final = {
    400: "The request is malformed.",
    401: "Nobody is logged in.",
    403: "The person logged in, or the page, may not do this.",
    404: "There is no such thing.",
    405: "The method does not exist here.",
    409: "The thing is not in a state in which this can be done.",
    413: "The body is too large.",
    412: "The thing was changed meanwhile: it is of another version than If-Match says.",
    415: "The body has the wrong media type.",
    416: "There is no such range.",
    422: "The request is understood and refused; the error names the place.",
    429: "Too many attempts; `Retry-After` says when to come back.",
    502: "The printer or its hub refused or failed.",
    503: "Not possible right now.",
    504: "The printer or its hub did not answer in time.",
    507: "The server's disk is full.",
}

_OLD: Final = ("parameters", "requestBody", "responses")


def build(
    endpoints: Sequence[Endpoint], old_answers: Sequence[Endpoint] = (), *, version: str, cookie: str
) -> dict[str, Any]:
    """The document, ready to be encoded as JSON. What `old_answers` take and give stands in `x-old-answers`."""
    schemas, components = _schemas([*endpoints, *old_answers])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    for twin in old_answers:
        operation, old = paths[twin.path][twin.method.lower()], _operation(twin, schemas)
        operation["description"] += " A key with `old_answers` is answered as by the system on the Pi."
        operation["x-old-answers"] = {part: old[part] for part in _OLD if part in old}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PrintFarm",
            "version": version,
            "description": "Printers, files and jobs of a print farm. Times are UTC in ISO 8601, durations seconds, "
            "temperatures °C, weights grams, colours `#RRGGBB`. Every error has the shape of `ErrorOut`.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({endpoint.tag for endpoint in endpoints})],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _schemas(endpoints: Iterable[Endpoint]) -> tuple[dict[Any, Any], dict[str, Any]]:
    types: list[Any] = [ErrorOut]
    for endpoint in endpoints:
        if endpoint.body is not None:
            types.append(endpoint.body)
        if endpoint.query is not None:
            types += [field.type for field in msgspec.structs.fields(endpoint.query)]
        if endpoint.answer is not None and endpoint.answers is None:
            types.append(endpoint.answer)
        types += endpoint.path_types.values()
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(unique, schema_hook=_schema_hook, ref_template=_REF)
    _describe(components, unique)
    return dict(zip(unique, (_portable(schema) for schema in schemas), strict=True)), _portable(components)


def _describe(components: dict[str, Any], types: Sequence[Any]) -> None:
    """Give properties the descriptions that stand in the sources."""
    for name, shape in structs_in(types).items():
        properties = components.get(name, {}).get("properties", {})
        for field, text in field_docs(shape).items():
            if field in properties:
                properties[field] = {**properties[field], "description": text}


def _schema_hook(kind: type[Any]) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string", "writeOnly": True}
    raise NotImplementedError(kind)


def _portable(schema: Any) -> Any:
    """Patterns without Python's look-ahead for a final line feed, which others do not need and may not know."""
    if isinstance(schema, dict):
        return {
            key: value.removesuffix(r"(?!\n)") if key == "pattern" and isinstance(value, str) else _portable(value)
            for key, value in schema.items()
        }
    if isinstance(schema, tuple | list):
        return [_portable(item) for item in schema]
    return schema


def _operation(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    summary, _, rest = endpoint.documentation.partition("\n")
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary.rstrip("."),
        "description": " ".join(rest.split()) or summary,
        "parameters": [
            *_path_parameters(endpoint, schemas),
            *_query_parameters(endpoint, schemas),
            *_header_parameters(endpoint),
        ],
        "responses": _responses(endpoint, schemas),
        "security": [] if endpoint.role == PUBLIC else [{"session": []}, {"bearer": []}],
        "x-role": endpoint.role,
        "x-scope": f"{endpoint.area}:{endpoint.action}" if endpoint.area else None,
    }
    if endpoint.deprecated:
        operation["deprecated"] = True
    if endpoint.body is not None:
        operation["requestBody"] = _content({"application/json": {"schema": schemas[endpoint.body]}})
    elif endpoint.form is not None:
        operation["requestBody"] = _content({"multipart/form-data": {"schema": endpoint.form}})
    return operation


def _content(content: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": content}


def _path_parameters(endpoint: Endpoint, schemas: dict[Any, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[endpoint.path_types[name]]}
        for name in re.findall(r"\{(\w+)", endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint, schemas: dict[Any, Any]) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    parameters = []
    docs = field_docs(endpoint.query)
    for field in msgspec.structs.fields(endpoint.query):
        schema = dict(schemas[field.type])
        if field.default is not msgspec.NODEFAULT and field.default is not None:
            schema["default"] = field.default
        if field.name == "sort" and endpoint.sorts:
            allowed = [sign + name for name in endpoint.sorts for sign in ("", "-")]
            schema = {**schema, "items": {"type": "string", "enum": allowed}}
        parameter = {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
        if field.name in docs:
            parameter["description"] = docs[field.name]
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        parameters.append(parameter)
    return parameters


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters = []
    if endpoint.versioned:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "The ETag of the version to be changed; refused with 412 when it is another by now.",
                "schema": {"type": "string", "pattern": r'^(\*|(W/)?"v[0-9]{1,9}")$'},
            }
        )
    if endpoint.creates or endpoint.command:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "However often a request with this key is sent within a day, it is carried out once.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{8,100}$"},
            }
        )
    return parameters


def _responses(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if endpoint.answers is not None:
        success["content"] = {media: {"schema": schema} for media, schema in endpoint.answers.items()}
    elif endpoint.answer is not None:
        success["content"] = {"application/json": {"schema": schemas[endpoint.answer]}}
    responses = {str(endpoint.status): success}
    for status in sorted(_possible_errors(endpoint)):
        responses[str(status)] = {
            "description": _COMMON[status],
            "content": {"application/json": {"schema": schemas[ErrorOut]}},
        }
    return responses


def _possible_errors(endpoint: Endpoint) -> set[int]:
    statuses = {*endpoint.errors, 503}
    if endpoint.role != PUBLIC:
        statuses |= {401, 403, 429}  # whose address sent too many keys that are none has to wait, wherever it asks
    if endpoint.method != "GET":
        statuses |= {403}
    if endpoint.path_types:
        statuses |= {404}
    if endpoint.query is not None or endpoint.command:
        statuses |= {422}
    if endpoint.creates:
        statuses |= {409, 422}
    if endpoint.versioned:
        statuses |= {412}
    if endpoint.body is not None:
        statuses |= {400, 413, 415, 422}
    return statuses
