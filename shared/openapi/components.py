"""What the operations of the document share: credentials, parameters, and the responses of what fails."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from shared.errors import DataAPIError
from shared.openapi.client import PARAMETERS
from shared.openapi.schemas import REFERENCE
from shared.openapi.told import Told

DATA = "/app/{app_id}/endpoint/data/{version}/action/"

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
CREDENTIALS: tuple[dict[str, list[str]], ...] = (
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

_ANSWERED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ETag": ("The tag of the document or of the reply.", {"type": "string", "pattern": '^(W/)?"[^"]*"$'}),
    "Dozen-Truncated": ("There were more documents than these.", {"type": "string"}),
    "Dozen-Cursor": ("What getMore goes on with, of lines and rows.", {"type": "string"}),
    "Dozen-Scan": ("A query had no index.", {"type": "string"}),
    "Idempotent-Replayed": ("The write was done before.", {"const": "true"}),
    "Dozen-Dry-Run": ("Nothing was written.", {"const": "true"}),
    "Preference-Applied": ("What of Prefer was heeded.", {"type": "string"}),
    "Retry-After": ("In how many seconds to try again.", {"type": "integer", "minimum": 0}),
    "RateLimit-Policy": ("The limits of the key.", {"type": "string"}),
    "RateLimit": ("What is left of them.", {"type": "string"}),
    "RateLimit-Limit": ("The limit that is nearest.", {"type": "integer", "minimum": 0}),
    "RateLimit-Remaining": ("What is left of that one.", {"type": "integer", "minimum": 0}),
    "RateLimit-Reset": ("In how many seconds it begins anew.", {"type": "integer", "minimum": 0}),
}
OF_QUOTAS = tuple(name for name in _ANSWERED if name.startswith("RateLimit"))
OF_LISTS = ("Dozen-Truncated", "Dozen-Cursor", "Dozen-Scan")
OF_WRITES = ("Idempotent-Replayed", "Dozen-Dry-Run", "Preference-Applied")
_OF_FAILURES: Mapping[int, tuple[str, ...]] = {400: ("Dozen-Scan",), 429: ("Retry-After",), 503: ("Retry-After",)}

NOT_OF_AN_OPERATION = frozenset({405})
"""Of methods that are not described."""

CALLER_LEFT = 499
"""Of a status that nobody is there to read."""


def parameters(told: Told) -> dict[str, Any]:
    """Return the parameters of paths and headers."""
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


def answered() -> dict[str, Any]:
    """Return the headers of responses."""
    return {name: {"description": text, "schema": schema} for name, (text, schema) in _ANSWERED.items()}


def headers(names: Iterable[str]) -> dict[str, Any]:
    """Return references to some of them, as a member of a response."""
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}


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


def failures() -> dict[str, Any]:
    """Return the responses of what is refused or fails, which `server` may send for what is no request, too."""
    failed: dict[str, Any] = {"$ref": REFERENCE.format(name="Failed")}
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
            **headers([*_OF_FAILURES.get(status, ()), *OF_QUOTAS]),
        }
        for status, names in codes().items()
        if status != CALLER_LEFT and status not in NOT_OF_AN_OPERATION
    }


def refusals(statuses: Iterable[int]) -> dict[str, Any]:
    """Return references to the responses of some statuses."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
