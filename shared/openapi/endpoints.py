"""The HTTPS endpoints of an app, as far as somebody is told of them: what their functions take and answer."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.openapi.told import Told, ToldEndpoint

_ROOT = "/app/{app_id}/endpoint"
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
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
    for number, each in enumerate(told.endpoints, 1):
        path = _ROOT + quote(each.route, safe="/!$&'()*+,;=:@-._~")
        item = found.setdefault(path, {"parameters": [{"$ref": "#/components/parameters/app_id"}]})
        item[each.method.lower()] = _operation(each, f"endpoint{number}")
    return found


def _operation(endpoint: ToldEndpoint, name: str) -> dict[str, Any]:
    kinds = ("application/json", "application/ejson") if endpoint.responds else ("*/*",)
    proof = _PROOFS.get(endpoint.validation)
    made: dict[str, Any] = {
        "operationId": name,
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
