"""No reply that the description does not allow: random requests to whatever it names, whoever sends them."""

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.depth import examples
from tests.described import Description
from tests.functions.rules.conftest import CLIENT, Person
from tests.functions.test_openapi import DOCUMENT

APP = CLIENT.rpartition("/")[2]
EACH = examples(120)  # requests to each operation
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PARAMETERS = {
    "app_id": [APP, APP, APP, APP, "other", "a b", "\0", "é" * 50],
    "version": ["v1", "v1", "v1", "beta", "v2", "V1", "..", "%"],
    "provider": ["local-userpass", "api-key", "anon-user", "custom-token", "oauth2-google", "none", "", "a/b"],
    "key_id": ["65a1b2c3d4e5f60718293a4b", "0" * 24, "me", "\x7f", "🔑"],
}
ODD: list[Any] = [
    None, True, -1, 2**70, 1e308, "", "x", "$where", "\0", "\ud7ff", "a" * 2_000, [], [[]], {}, {"": 1}, {"$oid": 1},
    {"$foo": 1}, {"$date": []}, {"a.b": {"$gt": {}}}, [{"$match": 1}], {"$numberLong": "x"}, {"token": "x"},
]  # fmt: skip
BODIES = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":' * 300, b"{}", b'{"a":1}{"b":2}', b"\0" * 50]
ACCEPTED = [
    "*/*",
    "application/ejson",
    "text/csv",
    "application/x-ndjson",
    "image/png",
    "text/html;q=0",
    ";;",
    "a" * 400,
]
HEADERS = {
    "Content-Type": [
        "application/json",
        "application/ejson",
        "text/plain",
        "application/json; charset=latin-1",
        "",
        ";",
    ],
    "Content-Encoding": ["gzip", "deflate", "br", "identity", "gzip, gzip", ""],
    "Accept": ACCEPTED,
    "If-Match": ['"a"', "*", 'W/"a"', "a", ""],
    "If-None-Match": ['"a"', "*", 'W/"a", "b"', ""],
    "Idempotency-Key": ["a", "a" * 300, "é".encode().decode("latin-1"), "", '"a"'],
    "Dozen-Max-Affected": ["0", "1", "-1", "x", "9" * 30],
    "Dozen-Dry-Run": ["true", "false", "TRUE", "", "1"],
    "Prefer": ["handling=strict, max-affected=0", "max-affected=x", "return=minimal", ";", "handling=strict"],
    "Origin": ["https://page.example", "null", ""],
    "traceparent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x"],
    "Expect": ["x"],
    "Cache-Control": ["no-cache", "no-store"],
}


class Request(NamedTuple):
    """What is sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Sender:
    """Makes requests from what the description says, most of them wrong in some way."""

    def __init__(self, seed: int, credentials: list[dict[str, str]]) -> None:
        """Take what is known of callers."""
        self._dice = random.Random(seed)
        self._credentials = credentials

    def requests(self, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Request]:
        """Give some requests to an operation."""
        for _ in range(EACH):
            yield self._request(path, method.upper(), operation)

    def _request(self, path: str, method: str, operation: Mapping[str, Any]) -> Request:
        chance = self._dice.random
        url = "/".join(self._part(part) for part in path.split("/"))
        url += self._dice.choice(["", "", "", "?a=1", "?baas_at=x&baas_request=y", "?%00=%ff"])
        headers = dict(self._dice.choice(self._credentials))
        headers |= {name: self._dice.choice(values) for name, values in HEADERS.items() if chance() < 0.12}
        sent = self._dice.choice(METHODS) if chance() < 0.05 else method
        return Request(sent, url, headers, self._body(operation) if sent not in {"GET", "HEAD", "OPTIONS"} else b"")

    def _part(self, part: str) -> str:
        return quote(self._dice.choice(PARAMETERS[part[1:-1]]), safe="") if part.startswith("{") else part

    def _body(self, operation: Mapping[str, Any]) -> bytes:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        known = [each["value"] for each in content.get("examples", {}).values()]
        if not known or self._dice.random() < 0.1:
            return self._dice.choice(BODIES)
        sent = dict(self._dice.choice(known))
        if "dataSource" in sent:
            sent |= {"database": "shop", "collection": self._dice.choice(["orders", "public", "notes", "people"])}
        for _ in range(self._dice.choice([0, 0, 1, 1, 2])):
            sent[self._dice.choice([*sent, "other", "options"])] = self._dice.choice(ODD)
        written = json.dumps(sent).encode()
        return written[: self._dice.randrange(len(written))] if self._dice.random() < 0.05 else written


async def faults(ann: Person, sender: Sender, description: Description) -> list[str]:
    """Return what of the replies is not described, each once with a request that got it."""
    found: dict[str, str] = {}
    for path, item in description.document["paths"].items():
        for method, operation in item.items():
            for each in sender.requests(path, method, operation) if method != "parameters" else ():
                answer = await ann.host.request(*each)
                found |= {fault: f"{fault}: {each}" for fault in description.faults(each.method, each.url, answer)}
    return [*found.values()]


@pytest.mark.long
async def test_no_reply_is_one_that_the_description_does_not_allow(ann: Person, key: str) -> None:
    of_ann = {"Authorization": f"Bearer {ann.access_token}"}
    renewing = {"Authorization": f"Bearer {ann.refresh_token}"}
    wrong = [{}, {"apiKey": "wrong"}, {"Authorization": "Bearer x.y.z"}, {"email": "a", "password": "b"}]
    sender = Sender(7, [of_ann, of_ann, renewing, renewing, {"apiKey": key}, {"apiKey": key}, *wrong])

    assert await faults(ann, sender, Description(DOCUMENT)) == []
