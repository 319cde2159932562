"""What the SDKs' methods come to: an action, its body, and which part of the reply is the result."""

from typing import Any

import pytest

from shared.access.protocol import Reply
from shared.endpoint import service_calls
from shared.endpoint.service_calls import ServiceCall, service_call
from shared.errors import InvalidParameterError
from tests.hosts import ROOT

PLACE = {"database": "shop", "collection": "items"}


def asked(name: str, **members: Any) -> ServiceCall:
    return service_call({"name": name, "service": "mongodb-atlas", "arguments": [PLACE | members]})


@pytest.mark.parametrize(
    ("name", "members", "action", "body"),
    [
        ("find", {}, "find", {"limit": 0}),
        ("find", {"query": {"a": 1}, "project": {"b": 1}, "limit": 2}, "find",
         {"filter": {"a": 1}, "projection": {"b": 1}, "limit": 2}),
        ("find", {"filter": {"a": 1}, "projection": {"b": 1}, "limit": None}, "find",
         {"filter": {"a": 1}, "projection": {"b": 1}, "limit": 0}),
        ("count", {"query": {"a": 1}}, "countDocuments", {"filter": {"a": 1}}),
        ("distinct", {"key": "a", "query": {}}, "distinct", {"fieldName": "a", "filter": {}}),
        ("bulkWrite", {"operations": []}, "bulkWrite", {"requests": []}),
        ("updateOne", {"query": {}, "update": {"$set": {"a": 1}}, "upsert": True}, "updateOne",
         {"filter": {}, "update": {"$set": {"a": 1}}, "upsert": True}),
        ("updateOne", {"query": {}, "update": {"a": 1}}, "replaceOne", {"filter": {}, "replacement": {"a": 1}}),
        ("updateOne", {"query": {}, "update": {}}, "updateOne", {"filter": {}, "update": {}}),
        ("updateMany", {"update": {"a": "$b"}}, "updateMany",
         {"update": [{"$replaceWith": {"$mergeObjects": [{"_id": "$_id"}, {"$literal": {"a": "$b"}}]}}]}),
        ("updateMany", {"update": [{"$unset": "a"}]}, "updateMany", {"update": [{"$unset": "a"}]}),
        ("findOneAndUpdate", {"filter": {}, "update": {"a": 1}, "returnNewDocument": True}, "findOneAndReplace",
         {"filter": {}, "replacement": {"a": 1}, "returnDocument": "After"}),
        ("findOneAndUpdate", {"filter": {}, "update": {"$inc": {"a": 1}}, "returnNewDocument": False},
         "findOneAndUpdate", {"filter": {}, "update": {"$inc": {"a": 1}}}),
        ("findOneAndReplace", {"filter": {}, "update": {"a": 1}}, "findOneAndReplace",
         {"filter": {}, "replacement": {"a": 1}}),
        ("findOneAndReplace", {"filter": {}, "update": {}}, "findOneAndReplace", {"filter": {}, "replacement": {}}),
        ("findOneAndReplace", {"filter": {}, "sort": {"a": 1}, "projection": {"b": 1}}, "findOneAndDelete",
         {"filter": {}, "sort": {"a": 1}, "projection": {"b": 1}}),
        ("findOneAndReplace", {"filter": {}, "returnNewDocument": True, "upsert": True}, "findOneAndReplace",
         {"filter": {}, "returnDocument": "After", "upsert": True}),
        ("findOneAndDelete", {"filter": {}}, "findOneAndDelete", {"filter": {}}),
    ],
)  # fmt: skip
def test_a_method_is_an_action(name: str, members: dict[str, Any], action: str, body: dict[str, Any]) -> None:
    found = asked(name, **members)

    assert (found.action, found.body) == (action, PLACE | body | {"dataSource": "mongodb-atlas"})


def test_the_page_names_every_method() -> None:
    page = (ROOT / "docs" / "coming-from-realm-web.md").read_text()

    assert [name for name in service_calls.METHODS if f"`{name}`" not in page] == []


def test_the_service_is_the_data_source() -> None:
    assert asked("find", dataSource="another").body["dataSource"] == "mongodb-atlas"


@pytest.mark.parametrize(
    ("name", "parts", "result"),
    [
        ("find", [b'{"documents":[', b'{"documents":[1]}', b"]}"], b'[{"documents":[1]}]'),
        ("find", [b'{"documents":[]}'], b"[]"),
        ("findOne", [b'{"document":{"a":{}}}'], b'{"a":{}}'),
        ("findOne", [b'{"document":null}'], b"null"),
        ("count", [b'{"count":{"$numberInt":"3"}}'], b'{"$numberLong":"3"}'),
        ("distinct", [b'{"values":["a"]}'], b'["a"]'),
        ("insertMany", [b'{"insertedIds":["a"]}'], b'{"insertedIds":["a"]}'),
        ("deleteOne", [b'{"deletedCount":{"$numberInt":"1"}}'], b'{"deletedCount":{"$numberInt":"1"}}'),
    ],
)
def test_a_result_has_no_wrapper(name: str, parts: list[bytes], result: bytes) -> None:
    assert asked(name).result_of(Reply(parts, 1)).body == result


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ({}, InvalidParameterError, "'name' must be"),
        ({"name": 1, "service": "s"}, InvalidParameterError, "'name' must be"),
        ({"name": "hello", "arguments": []}, InvalidParameterError, "'service' must be"),
        ({"name": "find", "service": 1}, InvalidParameterError, "'service' must be"),
        ({"name": "drop", "service": "s", "arguments": [{}]}, InvalidParameterError, "'drop' is not a method"),
        ({"name": "find", "service": "s"}, InvalidParameterError, "'arguments' must hold one object"),
        ({"name": "find", "service": "s", "arguments": []}, InvalidParameterError, "'arguments' must hold one object"),
        ({"name": "find", "service": "s", "arguments": [{}, {}]}, InvalidParameterError, "'arguments' must hold one"),
        ({"name": "find", "service": "s", "arguments": [[]]}, InvalidParameterError, "'arguments' must hold one"),
    ],
)
def test_what_is_no_method_is_refused(body: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        service_call(body)
