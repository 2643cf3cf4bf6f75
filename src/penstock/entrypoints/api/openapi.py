"""The OpenAPI 3.1 document of a project's endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from penstock.authoring.endpoints import MOST_ROWS, Endpoint, Parameter
from penstock.authoring.streams import Stream

_SCHEMAS: dict[type, dict[str, Any]] = {
    str: {"type": "string", "minLength": 1},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    Decimal: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "message"],
            "properties": {"status": {"type": "integer"}, **{n: {"type": "string"} for n in ("message", "why", "fix")}},
        }
    },
}
_WORDS = {
    "400": "A parameter is missing, malformed or unknown.",
    "401": "An API key is needed, or the one that was sent is not valid.",
    "403": "The API key does not open this path.",
    "429": "Too many requests; `Retry-After` says how many seconds to wait.",
    "503": "The rows cannot be reached now; `Retry-After` says how many seconds to wait.",
}

_SENDING = {
    **_WORDS,
    "400": "The body is not JSON, or a record is not an object; nothing was kept.",
    "413": "The body, or a record in it, is too large; nothing was kept.",
    "415": "The body's type is not known here.",
    "503": "The buffer is full; nothing was kept, and `Retry-After` says how many seconds to wait.",
}


def document(title: str, version: str, endpoints: Sequence[Endpoint], streams: Sequence[Stream] = ()) -> dict[str, Any]:
    """The document. What a column holds is as free as its table: only names are promised."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {
            **{endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
            **{stream.path: {"post": _sending(stream)} for stream in streams},
        },
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": _rows(endpoint), "304": {"description": "Nothing has changed (`If-None-Match`)."}}
    locked = [] if endpoint.public else ["401", "403"]
    answers |= {status: _refused(_WORDS[status]) for status in ["400", *locked, "429", "503"]}
    return {
        "operationId": endpoint.path.strip("/").replace("/", "_"),
        "summary": endpoint.summary or f"Rows of the table {endpoint.table}.",
        "tags": [endpoint.pipeline],
        "parameters": [*map(_parameter, endpoint.parameters), *_paging(endpoint)],
        "responses": answers,
        "security": [] if endpoint.public else [{"bearer": []}, {"header": []}],
    }


def _sending(stream: Stream) -> dict[str, Any]:
    record = {"type": "object", **({"required": [stream.id]} if stream.id else {})}
    bodies = {
        "application/json": {"schema": {"oneOf": [record, {"type": "array", "items": record}]}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "One object a line."}},
    }
    count = {"type": "integer", "minimum": 0}
    counts = {"type": "object", "properties": {"accepted": count, "duplicates": count}}
    kept = {"description": "The records are durable.", "content": {"application/json": {"schema": counts}}}
    locked = [] if stream.public else ["401", "403"]
    return {
        "operationId": f"send_{stream.name}",
        "summary": f"Send records to the stream {stream.name}.",
        "tags": ["streams"],
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}],
        "requestBody": {"required": True, "content": bodies},
        "responses": {"202": kept, **{s: _refused(_SENDING[s]) for s in ["400", *locked, "413", "415", "429", "503"]}},
        "security": [] if stream.public else [{"bearer": []}, {"header": []}],
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": f"The column `{parameter.column}` must equal it.",
        "schema": _SCHEMAS[parameter.kind],
    }


def _paging(endpoint: Endpoint) -> list[dict[str, Any]]:
    size = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": endpoint.limit}
    return [
        {"name": "limit", "in": "query", "description": "Rows on the page.", "schema": size},
        {
            "name": "cursor",
            "in": "query",
            "description": "The `next` of the page before, as it is.",
            "schema": {"type": "string"},
        },
    ]


def _rows(endpoint: Endpoint) -> dict[str, Any]:
    row = {
        "type": "object",
        "required": [name for name, _ in endpoint.columns],
        "properties": {name: {"description": f"The column `{column}`."} for name, column in endpoint.columns},
    }
    body = {
        "type": "object",
        "required": ["response"],
        "properties": {
            "response": {"type": "array", "items": row},
            "next": {"type": "string", "description": "The cursor of the next page; absent on the last."},
        },
    }
    return {
        "description": "The rows; an empty list where none fits.",
        "headers": {"ETag": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": body}},
    }


def _refused(words: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": words, "content": content}
