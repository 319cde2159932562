"""A collection of Postman, v2.1: every action and function with its examples, of the document in OpenAPI 3.1 (pure)."""

import json
import re
from collections.abc import Mapping
from typing import Any

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_JSON = [{"key": "Content-Type", "value": "application/json"}]
_TITLES = {"data": "Data API", "client": "Client API", "endpoints": "Endpoints of the app", "about": "About"}


def postman(document: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the collection for a deployment at a URL."""
    folders: dict[str, list[dict[str, Any]]] = {name: [] for name in _TITLES}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters" and not _streams(operation):
                folders[operation["tags"][0]].append(_item(path, method, operation))
    parameters = document["components"]["parameters"]
    values = {name: each.get("example", "") for name, each in parameters.items() if each["in"] == "path"}
    given = {"baseUrl": url.rstrip("/"), "apiKey": "", "token": ""}
    variables = given | values | {"provider": "local-userpass", "key_id": "unknown"}
    key = {"key": "apiKey", "value": "{{apiKey}}", "in": "header"}
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "version": document["info"]["version"],
            "schema": SCHEMA,
        },
        "auth": {"type": "apikey", "apikey": [_text(name, value) for name, value in key.items()]},
        "variable": [_text(name, value) for name, value in variables.items()],
        "item": [{"name": _TITLES[name], "item": items} for name, items in folders.items() if items],
    }


def _streams(operation: Mapping[str, Any]) -> bool:
    """Tell whether a call has no end, which a runner of collections would wait for."""
    return any("text/event-stream" in each.get("content", {}) for each in operation["responses"].values())


def _text(name: str, value: str) -> dict[str, str]:
    return {"key": name, "value": value, "type": "string"}


def _item(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    sent = [each["value"] for each in content.get("examples", {}).values()]
    request = _request(path, method, operation, sent[0] if sent else ({} if content else None))
    status, success = next((each, made) for each, made in operation["responses"].items() if each.startswith("20"))
    replied = success.get("content", {}).get("application/json", {}).get("examples", {}).values()
    return {
        "name": operation["operationId"],
        "request": request,
        "response": [
            {
                "name": f"Example {number}",
                "originalRequest": _request(path, method, operation, body),
                "code": int(status),
                "status": success["description"],
                "header": _JSON,
                "body": _written(reply["value"]),
            }
            for number, (body, reply) in enumerate(zip(sent, replied, strict=False), 1)
        ],
    }


def _request(path: str, method: str, operation: Mapping[str, Any], body: Any) -> dict[str, Any]:
    steps = re.sub(r"\{(\w+)\}", r"{{\1}}", path)
    made: dict[str, Any] = {
        "method": method.upper(),
        "header": [] if body is None else _JSON,
        "url": {"raw": "{{baseUrl}}" + steps, "host": ["{{baseUrl}}"], "path": steps.strip("/").split("/")},
        "description": operation.get("description", operation["summary"]),
    }
    if operation["tags"] == ["client"]:
        is_open = not operation["security"]
        token = {"type": "bearer", "bearer": [_text("token", "{{token}}")]}
        made["auth"] = {"type": "noauth"} if is_open else token
    if body is not None:
        made["body"] = {"mode": "raw", "raw": _written(body), "options": {"raw": {"language": "json"}}}
    return made


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
