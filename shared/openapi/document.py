"""The document of the API in OpenAPI 3.1: made of the types that requests and replies are read by."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib import resources
from typing import Any, Protocol

import msgspec
import orjson
from msgspec.structs import FieldInfo

from shared.errors import DataAPIError
from shared.openapi import endpoints
from shared.openapi.client import EXAMPLES, OPERATIONS, PARAMETERS, Operation
from shared.openapi.documents import document_schema, wrapper_schemas
from shared.openapi.replies import REPLIES, Failed
from shared.openapi.schemas import tidied
from shared.openapi.told import NOTHING, Told, ToldNamespace
from shared.options import OPTIONS, Options
from shared.requests import Request, StoredDocument
from shared.settings import VERSION

DATA, CLIENT = "/app/{app_id}/endpoint/data/{version}/action/", "/api/client/v2.0/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_REF = "#/components/schemas/{name}"
_ONE = ("findOne", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete")
_INSERTS = ("insertOne",)
_CONDITIONAL = (
    "What the rules hide does not exist for you, and they decide on each document: a write that they do not allow is"
    " refused with 403, and nothing of it is done."
)
_ANY_OBJECT: Mapping[str, Any] = {"type": "object", "additionalProperties": True}
_STREAM = (
    "Server-sent events, for as long as the caller listens: the data of each is a change event in Extended JSON, and of"
    " an event named `error` why the stream ends. A host that cannot stream answers with 501: call `changes` there."
)
_ABOUT = """The Data API of MongoDB Atlas, served by Dozen: docs/actions.md says what each action does.

A body is Extended JSON. Null is the same as absent, and a member that nobody knows is ignored unless the action
lists, explains or administers. A reply is plain JSON, or Extended JSON with `Accept: application/ejson`.
HTTPS endpoints of an app are described to whom may call them."""

SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "apiKey", "description": "An API key."},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "The same for Power Platform."},
    "x-functions-key": {
        "type": "apiKey", "in": "header", "name": "x-functions-key", "description": "The same for Azure Functions.",
    },
    "bearer": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token of the client API.",
    },
    "basic": {
        "type": "http", "scheme": "basic",
        "description": "An e-mail address and a password, or the name `apikey` and an API key.",
    },
    "email": {"type": "apiKey", "in": "header", "name": "email", "description": "A user's e-mail address."},
    "password": {"type": "apiKey", "in": "header", "name": "password", "description": "That user's password."},
    "jwtTokenString": {
        "type": "apiKey", "in": "header", "name": "jwtTokenString", "description": "A token of another issuer.",
    },
    "refresh": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A refresh token of the client API.",
    },
}  # fmt: skip
"""All credentials."""
_CREDENTIALS: tuple[dict[str, list[str]], ...] = (
    {"apiKey": []}, {"api-key": []}, {"x-functions-key": []}, {"bearer": []}, {"basic": []},
    {"email": [], "password": []}, {"jwtTokenString": []},
)  # fmt: skip
_HEADERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Idempotency-Key": ("A write with it may be sent again.", {"type": "string"}),
    "Dozen-Max-Affected": ("Refuses to write more documents than that.", {"type": "integer", "minimum": 0}),
    "Dozen-Dry-Run": ("Replies what would be, and writes nothing.", {"enum": ["true", "false"]}),
    "Prefer": ("`handling=strict, max-affected=n` is the same as Dozen-Max-Affected.", {"type": "string"}),
    "If-Match": ("Writes only if the document has one of these tags.", {"type": "string"}),
    "If-None-Match": ("304 without a body, if the reply has one of these tags.", {"type": "string"}),
}
_ALWAYS = (400, 401, 403, 404, 405, 406, 411, 413, 415, 429, 500, 503, 504)
_OF_CLIENT = (400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503, 504)


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
        "security": list(_CREDENTIALS),
        "tags": [{"name": "data", "description": "The Data API."}, {"name": "client", "description": "Users log in."},
                 *([{"name": "endpoints", "description": "What the app itself answers."}] if told.endpoints else []),
                 {"name": "about", "description": "The service itself."}],
        "paths": _paths(served, said, schemas) | endpoints.paths(told),
        "components": {
            "securitySchemes": SCHEMES, "schemas": components,
            "parameters": _parameters(told), "responses": _failures(),
        },
    }  # fmt: skip
    _tell(made, told)
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
        [*bodies.values(), *replies], schema_hook=_hooked, ref_template=_REF
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
        "application/ejson": {"schema": _ANY_OBJECT},
    }
    if action.lists:
        content |= {name: {"schema": {"type": "string"}} for name in ("application/x-ndjson", "text/csv")}
    statuses = [*_ALWAYS, *_statuses(action)]
    found: dict[str, Any] = {str(action.success.value): {"description": action.success.phrase, "content": content}}
    if action.reads:
        found["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
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
        "responses": found | _refusals(statuses),
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


def _operation(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    is_only = operation.method == "post" or operation.name not in {"session", "appSession", "apiKeys", "apiKey"}
    prefix = "" if is_only and operation.name != "apiKeys" else operation.method
    name = f"{prefix}{operation.name[0].upper()}{operation.name[1:]}" if prefix else operation.name
    token = {"access": "bearer", "refresh": "refresh"}.get(operation.session)
    statuses = [*_OF_CLIENT, *([501] if "functions/" in operation.path else [])]
    media = "text/event-stream" if operation.streams else "application/json"
    reply = {media: {"schema": schemas.get(_key(operation.reply), {})}}
    made: dict[str, Any] = {
        "operationId": name,
        "tags": ["client"],
        "summary": operation.summary,
        "security": [{token: []}] if token else [],
        "responses": {
            str(operation.success.value): {"description": operation.success.phrase, "content": reply},
            **_refusals(statuses),
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
    plain: dict[str, Any] = {"application/json": {"schema": _ANY_OBJECT}}
    ok = {"200": {"description": "OK", "content": plain}}
    common = {"tags": ["about"], "security": []}
    status = {"description": HTTPStatus.SERVICE_UNAVAILABLE.phrase, "content": plain}
    return {
        "/openapi.json": {
            "get": common
            | {"operationId": "openapi", "summary": "This document, of what the caller may do.",
               "security": [{}, *_CREDENTIALS],
               "parameters": [{"$ref": "#/components/parameters/If-None-Match"}],
               "responses": ok | {"304": {"description": "Not Modified"}} | _refusals([400, 401, 403, 503, 504])},
        },
        "/health/live": {"get": common | {"operationId": "live", "summary": "Is the process up?", "responses": ok}},
        "/health/ready": {
            "get": common
            | {"operationId": "ready", "summary": "Does every data source answer?", "responses": ok | {"503": status}},
        },
    }  # fmt: skip


def _parameters(told: Told) -> dict[str, Any]:
    paths: dict[str, Any] = {
        name: {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in PARAMETERS.items()
    }
    paths["version"]["schema"] = {"type": "string", "enum": [*told.versions]}
    # no default, which generators take for a parameter that may be left out
    paths["version"]["example"], paths["app_id"]["example"] = told.versions[0], told.app_id or "dozen"
    return paths | {
        name: {"name": name, "in": "header", "description": text, "schema": schema}
        for name, (text, schema) in _HEADERS.items()
    }


def codes() -> dict[int, list[str]]:
    """Return the codes of all errors by their status."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for each in _errors(DataAPIError):
        found[int(each.status)].update([each.code] if each.code else [])
    return {status: sorted(names) for status, names in sorted(found.items())}


def _errors(kind: type[DataAPIError]) -> Iterator[type[DataAPIError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == DataAPIError.__module__:
            yield from _errors(each)


def _failures() -> dict[str, Any]:
    """Return the responses of what is refused or fails, which `server` may send for what is no request, too."""
    failed: dict[str, Any] = {"$ref": _REF.format(name="Failed")}
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(names) or 'without a code'}",
            "content": {
                "application/json": {
                    "schema": failed
                    if not names
                    else {"allOf": [failed, {"properties": {"error_code": {"type": "string", "examples": names}}}]}
                }
            },
        }
        for status, names in codes().items()
        if status != CALLER_LEFT
    }


CALLER_LEFT = 499
"""Of a status that nobody is there to read."""


def _refusals(statuses: Iterable[int]) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _tell(made: dict[str, Any], told: Told) -> None:
    """Add what somebody is told of an app to a document."""
    schemas = made["components"]["schemas"]
    if told.namespaces:
        made["x-dozen-namespaces"] = [_named(schemas, each) for each in told.namespaces]
    if any(each.schema is not None for each in told.namespaces):
        schemas |= wrapper_schemas()
    names: dict[tuple[int, ...], str] = {}
    for action in told.actions or ():
        operation = made["paths"][DATA + action.name]["post"]
        if not action.is_sure:
            operation["description"] = f"{operation.get('description', operation['summary'])} {_CONDITIONAL}"
        if action.places is not None and _names_place(schemas, operation):
            places = [told.namespaces[each] for each in action.places]
            name = names.setdefault(action.places, f"Namespace{len(names) + 1}" if names else "Namespace")
            schemas[name] = {"anyOf": [_place(each) for each in places]}
            _narrow(operation, places, _REF.format(name=name))


def _named(schemas: dict[str, Any], each: ToldNamespace) -> dict[str, str]:
    """Return the names of a collection, and make the schemas of its documents components."""
    names = {"dataSource": each.data_source, "database": each.database, "collection": each.collection}
    if each.schema is not None:
        source, name = orjson.loads(each.schema), _component(each)
        names["schema"] = _REF.format(name=name)
        schemas[name] = document_schema(source, "request")
        schemas[f"{name}.json"] = document_schema(source, "JSON")
        schemas[f"{name}.ejson"] = document_schema(source, "EJSON")
    return names


def _names_place(schemas: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    """Tell whether the body of an action has to name a collection."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return "collection" in schemas[schema["$ref"].rpartition("/")[2]].get("required", ())


def _place(each: ToldNamespace, **members: Any) -> dict[str, Any]:
    return {"properties": {"database": {"const": each.database}, "collection": {"const": each.collection}, **members}}


def _narrow(operation: dict[str, Any], namespaces: Sequence[ToldNamespace], reference: str) -> None:
    """Say which collections an action can be about, and what documents are where the action returns or inserts one."""
    place: dict[str, Any] = {"$ref": reference}
    if operation["operationId"] in _INSERTS:
        place = {"anyOf": [_place(each, document=_of(each, "")) for each in namespaces]}
    for content in operation["requestBody"]["content"].values():
        content["schema"] = {"allOf": [content["schema"], place]}
    for media, form in (("application/json", ".json"), ("application/ejson", ".ejson")):
        of_one = {"anyOf": [*(_of(each, form) for each in namespaces)]}
        content = operation["responses"].get("200", {}).get("content", {}).get(media)
        if content and operation["operationId"] in _ONE:
            found: dict[str, Any] = {"document": {"anyOf": [*of_one["anyOf"], {"type": "null"}]}}
            content["schema"] = {"allOf": [content["schema"], {"properties": found}]}
        elif content and operation["operationId"] == "find":
            found = {"documents": {"type": "array", "items": of_one}}
            content["schema"] = {"allOf": [content["schema"], {"properties": found}]}


def _of(each: ToldNamespace, form: str) -> dict[str, Any]:
    return dict(_ANY_OBJECT) if each.schema is None else {"$ref": _REF.format(name=_component(each) + form)}


def _component(each: ToldNamespace) -> str:
    """Return the name of the schema of a collection's documents, of the letters that names of components may have."""
    return "Document." + ".".join(re.sub(r"[^A-Za-z0-9]", _escaped, part) for part in each[:3])


def _escaped(letter: re.Match[str]) -> str:
    return f"_{ord(letter[0]):x}_"
