"""The document of the API in OpenAPI 3.1: made of the types that requests and replies are read by."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib import resources
from typing import Any, Protocol

import msgspec
import orjson
from msgspec.structs import FieldInfo

from shared.openapi import endpoints
from shared.openapi.client import EXAMPLES, OPERATIONS, PARAMETERS, Operation
from shared.openapi.components import (
    CREDENTIALS,
    DATA,
    OF_LISTS,
    OF_QUOTAS,
    OF_WRITES,
    SCHEMES,
    answered,
    failures,
    headers,
    parameters,
    refusals,
)
from shared.openapi.namespaces import tell
from shared.openapi.replies import REPLIES, Failed
from shared.openapi.schemas import ANY_OBJECT, REFERENCE, tidied
from shared.openapi.told import NOTHING, Told
from shared.options import OPTIONS, Options
from shared.requests import Request, StoredDocument
from shared.settings import VERSION

CLIENT = "/api/client/v2.0/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_STREAM = (
    "Server-sent events, for as long as the caller listens: the data of each is a change event in Extended JSON, and of"
    " an event named `error` why the stream ends. A host that cannot stream answers with 501: call `changes` there."
)
_ABOUT = """The Data API of MongoDB Atlas, served by Dozen: docs/actions.md says what each action does.

A body is Extended JSON. Null is the same as absent, and a member that nobody knows is ignored unless the action
lists, explains or administers. A reply is plain JSON, or Extended JSON with `Accept: application/ejson`.
HTTPS endpoints of an app are described to whom may call them."""

_OF_CALLERS = (400, 401, 403, 429, 500, 503, 504)
_ALWAYS = (*_OF_CALLERS, 404, 406, 411, 413, 415)
_OF_CLIENT = (*_OF_CALLERS, 404, 413, 415)


class Described(Protocol):
    """An action, as the edge has it."""

    @property
    def name(self) -> str:
        """Its name in paths."""

    @property
    def request(self) -> type[Request]:
        """The type of its body."""

    @property
    def reads(self) -> bool:
        """Whether it only reads."""

    @property
    def success(self) -> HTTPStatus:
        """The status of its success."""

    @property
    def lists(self) -> bool:
        """Whether it returns documents in lines or rows, too."""

    @property
    def changes_one(self) -> bool:
        """Whether it takes If-Match."""

    @property
    def can_be_undone(self) -> bool:
        """Whether it takes the other terms of writes."""


def page() -> dict[str, Any]:
    """Return what docs/actions.md says of each action: a test compares them."""
    read: dict[str, Any] = orjson.loads(resources.files("shared.openapi").joinpath("page.json").read_bytes())
    return read


def document(actions: Mapping[str, Described], told: Told = NOTHING) -> dict[str, Any]:
    """Return the document of these actions, as far as somebody is told of them."""
    names = actions if told.actions is None else [each.name for each in told.actions]
    served = [actions[each] for each in names]
    said = page()
    schemas, components = _schemas(served, said)
    info = {"title": told.app_name or "Dozen", "version": VERSION, "description": _ABOUT}
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": info | {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": "/", "description": "This very host."}],
        "security": list(CREDENTIALS),
        "tags": [{"name": "data", "description": "The Data API."}, {"name": "client", "description": "Users log in."},
                 *([{"name": "endpoints", "description": "What the app itself answers."}] if told.endpoints else []),
                 {"name": "about", "description": "The service itself."}],
        "paths": _paths(served, said, schemas) | endpoints.paths(told),
        "components": {
            "securitySchemes": SCHEMES, "schemas": components,
            "parameters": parameters(told), "headers": answered(), "responses": failures(),
        },
    }  # fmt: skip
    tell(made, told)
    return made


def written(made: Mapping[str, Any]) -> bytes:
    """Return a document as it is served."""
    return orjson.dumps(made)


def _schemas(served: Iterable[Described], said: Mapping[str, Any]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the schema of each type, and the components that they refer to."""
    actions = list(served)
    bodies = {each.request: _members(each.request) for each in actions}
    replies = [REPLIES[each.name] for each in actions]
    replies += [kind for each in OPERATIONS for kind in (each.reply, each.body) if kind is not None]
    replies = list({_key(each): each for each in (*replies, Failed)}.values())
    made, components = msgspec.json.schema_components(
        [*bodies.values(), *replies], schema_hook=_hooked, ref_template=REFERENCE
    )
    schemas = dict(zip([*bodies, *map(_key, replies)], made, strict=True))
    for each in actions:
        members = components[schemas[each.request]["$ref"].rpartition("/")[2]]["properties"]
        for name, text in said[each.name]["members"].items():
            members[name] = {**members[name], "description": text}
    return tidied(schemas), tidied(components)


def _members(kind: type[Request]) -> type[msgspec.Struct]:
    """Return a type that has the members of a request, the options that it takes among them."""
    own = [
        (each.name, each.type, msgspec.field(name=each.encode_name, **_default(each)))
        for each in msgspec.structs.fields(kind)
        if each.type is not Options
    ]
    names = {each.encode_name for each in msgspec.structs.fields(kind)}
    options = [(name, OPTIONS[name].kind | None, None) for name in sorted(kind.takes - names)]
    doc = {"__doc__": kind.__doc__}
    return msgspec.defstruct(kind.__name__, [*own, *options], kw_only=True, namespace=doc)


def _default(member: FieldInfo) -> dict[str, Any]:
    """Return what a member has for a default, as arguments of a field."""
    if member.default_factory is not msgspec.NODEFAULT:
        return {"default_factory": member.default_factory}
    return {} if member.required else {"default": member.default}


def _key(kind: Any) -> Any:
    return kind if isinstance(kind, type) else str(kind)


def _hooked(kind: type) -> dict[str, Any]:
    if kind is StoredDocument:
        return {"type": "object"}
    raise NotImplementedError(kind)


def _paths(served: Iterable[Described], said: Mapping[str, Any], schemas: Mapping[Any, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for each in served:
        shared = [{"$ref": f"#/components/parameters/{name}"} for name in ("app_id", "version")]
        paths[DATA + each.name] = {"parameters": shared, "post": _action(each, said[each.name], schemas)}
    for operation in OPERATIONS:
        path = CLIENT + operation.path
        names = [name for name in PARAMETERS if f"{{{name}}}" in path]
        item = paths.setdefault(path, {})
        if names:
            item["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
        item[operation.method] = _operation(operation, schemas)
    return paths | _about()


def _action(action: Described, said: Mapping[str, Any], schemas: Mapping[Any, Any]) -> dict[str, Any]:
    examples = {str(number): {"value": each["request"]} for number, each in enumerate(said["examples"], 1)}
    replies = {str(number): {"value": each["reply"]} for number, each in enumerate(said["examples"], 1)}
    reply = schemas[_key(REPLIES[action.name])]
    content: dict[str, Any] = {
        "application/json": {"schema": reply, "examples": replies},
        "application/ejson": {"schema": ANY_OBJECT},
    }
    if action.lists:
        content |= {name: {"schema": {"type": "string"}} for name in ("application/x-ndjson", "text/csv")}
    statuses = [*_ALWAYS, *_statuses(action)]
    success = {"description": action.success.phrase, "content": content, **headers(_answered(action))}
    found: dict[str, Any] = {str(action.success.value): success}
    if action.reads:
        found["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase, **headers(["ETag", *OF_QUOTAS])}
    summary, _, more = said["summary"].partition(". ")
    return {
        "operationId": action.name,
        "tags": ["data"],
        "summary": summary.rstrip(".") + ".",
        **({"description": said["summary"]} if more else {}),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _headers(action)],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schemas[action.request], "examples": examples},
                "application/ejson": {"schema": schemas[action.request]},
            },
        },
        "responses": found | refusals(statuses),
    }


def _statuses(action: Described) -> list[int]:
    found = [412] if action.changes_one else []
    found += [422] if not action.reads and action.can_be_undone else []
    return found + ([410] if action.name == "changes" else [])


def _headers(action: Described) -> list[str]:
    if action.reads:
        return ["If-None-Match"]
    terms = ["Idempotency-Key", "Dozen-Max-Affected", "Dozen-Dry-Run", "Prefer"] if action.can_be_undone else []
    return terms + (["If-Match"] if action.changes_one else [])


def _answered(action: Described) -> list[str]:
    """Return the headers that the success of an action may have."""
    if action.reads:
        return ["ETag", *OF_LISTS, *OF_QUOTAS]
    return [*(OF_WRITES if action.can_be_undone else ()), "Dozen-Truncated", "Dozen-Scan", *OF_QUOTAS]


def _operation(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    is_only = operation.method == "post" or operation.name not in {"session", "appSession", "apiKeys", "apiKey"}
    prefix = "" if is_only and operation.name != "apiKeys" else operation.method
    name = f"{prefix}{operation.name[0].upper()}{operation.name[1:]}" if prefix else operation.name
    token = {"access": "bearer", "refresh": "refresh"}.get(operation.session)
    statuses = [*_OF_CLIENT, *([501] if "functions/" in operation.path else [])]
    statuses += [409] if operation.name == "register" else []
    media = "text/event-stream" if operation.streams else "application/json"
    reply = {media: {"schema": schemas.get(_key(operation.reply), {})}}
    made: dict[str, Any] = {
        "operationId": name,
        "tags": ["client"],
        "summary": operation.summary,
        "security": [{token: []}] if token else [],
        "responses": {
            str(operation.success.value): {"description": operation.success.phrase, "content": reply},
            **refusals(statuses),
        },
    }
    if operation.streams:
        made["description"] = _STREAM
    if operation.query:
        made["parameters"] = [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in operation.query.items()
        ]
    if operation.body is not None:
        content = {"schema": schemas[_key(operation.body)], "examples": {"1": {"value": EXAMPLES[operation.body]}}}
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    return made


def _about() -> dict[str, Any]:
    plain: dict[str, Any] = {"application/json": {"schema": ANY_OBJECT}}
    ok = {"200": {"description": "OK", "content": plain}}
    common, tagged = {"tags": ["about"], "security": []}, headers(["ETag", *OF_QUOTAS])
    status = {"description": HTTPStatus.SERVICE_UNAVAILABLE.phrase, "content": plain}
    return {
        "/openapi.json": {
            "get": common
            | {"operationId": "openapi", "summary": "This document, of what the caller may do.",
               "security": [{}, *CREDENTIALS],
               "parameters": [{"$ref": "#/components/parameters/If-None-Match"}],
               "responses": {"200": ok["200"] | tagged, "304": {"description": "Not Modified", **tagged}}
               | refusals(_OF_CALLERS)},
        },
        "/health/live": {"get": common | {"operationId": "live", "summary": "Is the process up?", "responses": ok}},
        "/health/ready": {
            "get": common
            | {"operationId": "ready", "summary": "Does every data source answer?", "responses": ok | {"503": status}},
        },
    }  # fmt: skip
