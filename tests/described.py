"""Whether a reply is one that the description allows: its status, its content type, its headers and its body."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from shared.endpoint.http import EXPOSED
from tests.hosts import Answer

_UNSERVED = (404, 405)
_PARAMETER = re.compile(r"\\{\w+\\}")


class Description:
    """An OpenAPI document, which is asked about replies."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document."""
        self.document = document
        self._validators: dict[str, Any] = {}
        self._paths = [
            (re.compile(_PARAMETER.sub("[^/]+", re.escape(path))), item) for path, item in document["paths"].items()
        ]

    @cached_property
    def _registry(self) -> Registry[Any]:
        registry: Registry[Any] = Registry().with_resource(
            "urn:api", Resource.from_contents(self.document, DRAFT202012)
        )
        return registry

    def faults(self, method: str, url: str, answer: Answer) -> list[str]:
        """Return what of a reply the description does not allow; nothing of a path that is not described."""
        item = self._item(url)
        if item is None or method == "OPTIONS":
            return []
        operation = item.get({"HEAD": "get"}.get(method, method.lower()))
        if operation is None or (method == "HEAD" and answer.status in _UNSERVED):
            return [] if answer.status in _UNSERVED else [f"{method} is not described, and answers {answer.status}"]
        return list(self._faults(operation, method, answer))

    def errors(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        """Return what keeps a value from following a schema of the document."""
        return [each.message for each in self._validator(schema).iter_errors(value)]

    def _item(self, url: str) -> Mapping[str, Any] | None:
        path = unquote(re.sub("%2[Ff]", "%252F", url.partition("?")[0]))
        return next((item for pattern, item in self._paths if pattern.fullmatch(path)), None)

    def _faults(self, operation: Mapping[str, Any], method: str, answer: Answer) -> Iterator[str]:
        name, responses = operation["operationId"], operation["responses"]
        response = self._resolved(responses.get(str(answer.status)) or responses.get("default"))
        if response is None:
            yield f"{name}: {answer.status} is not described"
            return
        yield from self._of_headers(f"{name}: {answer.status}", response.get("headers", {}), answer)
        content = response.get("content", {})
        if method == "HEAD":  # of which the host sends no body
            return
        if not content:
            yield from [f"{name}: {answer.status} has a body"] if answer.body else []
            return
        media = answer.headers.get("content-type", "").partition(";")[0].strip()
        schema = content.get(media, content.get("*/*"))
        if schema is None:
            yield f"{name}: {answer.status} as {media!r} is not described"
        elif "json" in media and "ndjson" not in media:
            found = self.errors(schema["schema"], json.loads(answer.body))
            yield from (f"{name}: {answer.status}: {each[:200]}" for each in found)
            codes = next((each["examples"] for each in _objects(schema) if "examples" in each), None)
            code = json.loads(answer.body).get("error_code") if answer.status >= 400 else None
            if code is not None and code not in (codes or ()):
                yield f"{name}: {answer.status} with {code} is not described"

    def _of_headers(self, where: str, headers: Mapping[str, Any], answer: Answer) -> Iterator[str]:
        """Give what is wrong with the headers that pages may read; others are of HTTP, or of the host."""
        for name in EXPOSED.split(", "):
            value, told = answer.headers.get(name.lower()), self._resolved(headers.get(name))
            if value is not None and told is None:
                yield f"{where}: {name} is not described"
            elif value is not None and told is not None:
                found = self.errors(told["schema"], _read(value))
                yield from (f"{where}: {name}: {each[:200]}" for each in found)

    def _resolved(self, found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if found is None or "$ref" not in found:
            return found
        _, *parts = found["$ref"].split("/")
        target: Any = self.document
        for each in parts:
            target = target[each]
        resolved: Mapping[str, Any] = target
        return resolved

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        text = json.dumps(schema)
        if text not in self._validators:
            absolute = json.loads(text.replace('"#/', '"urn:api#/'))
            self._validators[text] = Draft202012Validator(absolute, registry=self._registry)
        return self._validators[text]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Give all objects inside a value."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _objects(each)


def _read(value: str) -> Any:
    return int(value) if value.isascii() and value.isdigit() else value
