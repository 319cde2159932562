"""The HTTPS endpoints of an app, as far as somebody is told of them: what their functions take and answer."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from shared.openapi.told import Told, ToldEndpoint

_ROOT = "/app/{app_id}/endpoint"
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_PLAIN = re.compile(r"(?:/[A-Za-z0-9]+)+")
_UNPLAIN = re.compile(r"[^A-Za-z0-9]+")
_LONGEST = 80  # characters of a route in an id
_QUERY: Mapping[str, Any] = {
    "name": "query", "in": "query", "style": "form", "explode": True,
    "description": "What the function is given as `query`.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}  # fmt: skip
_PROOFS: Mapping[str, Mapping[str, Any]] = {
    "SECRET_AS_QUERY_PARAM": {
        "name": "secret", "in": "query", "required": True, "description": "The secret of the endpoint.",
        "schema": {"type": "string"},
    },
    "VERIFY_PAYLOAD": {
        "name": "Endpoint-Signature", "in": "header", "required": True,
        "description": "`sha256=` and the signature of the body by the secret of the endpoint, in hexadecimal digits.",
        "schema": {"type": "string"},
    },
}  # fmt: skip


def paths(told: Told) -> dict[str, Any]:
    """Return the paths of endpoints."""
    found: dict[str, Any] = {}
    for each in told.endpoints:
        path = _ROOT + quote(each.route, safe="/!$&'()*+,;=:@-._~")
        item = found.setdefault(path, {"parameters": [{"$ref": "#/components/parameters/app_id"}]})
        item[each.method.lower()] = _operation(each)
    return found


def operation_id(method: str, route: str) -> str:
    """Return the id of an endpoint's operation, an identifier that stays what it is whatever other endpoints there are.

    It reads as the route; where that is not all of it, a digest follows, behind two underscores, which no route has.
    """
    plain = _UNPLAIN.sub("_", route.strip("/"))[:_LONGEST]
    name = f"endpoint_{method.lower()}_{plain}"
    if _PLAIN.fullmatch(route) and len(route) <= _LONGEST:
        return name
    return f"{name}__{sha256(route.encode()).hexdigest()[:16]}"


def _operation(endpoint: ToldEndpoint) -> dict[str, Any]:
    kinds = ("application/json", "application/ejson") if endpoint.responds else ("*/*",)
    proof = _PROOFS.get(endpoint.validation)
    made: dict[str, Any] = {
        "operationId": operation_id(endpoint.method, endpoint.route),
        "tags": ["endpoints"],
        "summary": f"{endpoint.method} {endpoint.route}",
        "description": "A function of the app answers: it may set the status, the headers and the body.",
        "parameters": [_QUERY, *([] if proof is None else [proof])],
        "responses": {
            "200": {
                "description": "What the function answers, unless it says otherwise.",
                "content": {each: {"schema": {}} for each in kinds},
            },
            "default": {
                "description": "Refused or failed, or what the function makes of it.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failed"}}},
            },
        },
    }
    if not endpoint.needs_credentials:
        made["security"] = []
    if endpoint.method not in _WITHOUT_BODY:
        made["requestBody"] = {
            "description": "Any bytes, which the function is given as `body`.",
            "content": {"*/*": {"schema": {}}},
        }
    return made
