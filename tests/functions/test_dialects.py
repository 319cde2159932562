"""The same door in the words of others: Azure DocumentDB's Data API, MongoDB's stop-gap and its connector, FerretDB."""

import json
import re
import shlex
from base64 import b64encode
from typing import Any

import pytest
from bson.objectid import ObjectId

from tests.conftest import ACTION, errors_only
from tests.hosts import ROOT, Answer, Host, Server

PREFIXES = ["/data/v1/action/", "/api/mdb_dataapi/action/", "/action/"]
NOWHERE = {"database": "shop", "collection": "items"}


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"}


async def post(host: Host, path: str, headers: dict[str, str], **members: Any) -> Answer:
    return await host.request("POST", path, headers, json.dumps(NOWHERE | members).encode())


@pytest.mark.both_hosts
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_where_no_app_is_named_no_data_source_has_to_be(host: Host, key: str, database: Any, prefix: str) -> None:
    made = await post(host, f"{prefix}insertOne", {"apiKey": key}, document={"_id": 1})
    found = await post(host, f"{prefix}find", {"apiKey": key}, dataSource=None)
    both = await post(
        host, f"{prefix}transaction", {"apiKey": key},
        operations=[{"action": "deleteOne", "filter": {"_id": 1}}, {"action": "insertOne", "document": {}}],
    )  # fmt: skip

    assert (made.status, found.body, both.status) == (201, b'{"documents":[{"_id":1}]}', 200)


async def test_where_an_app_is_named_a_data_source_has_to_be(host: Host, key: str, database: Any) -> None:
    answer = await post(host, f"{ACTION}find", {"apiKey": key})

    assert (answer.status, errors_only(answer)["error"]) == (400, "must provide a 'dataSource' field")


async def test_of_several_data_sources_the_first_is_meant(mongod: Any, key: str, database: Any, tmp_path: Any) -> None:
    away = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    await database.items.insert_one({"_id": 1})
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MONGO_DB_URI__AAA=away) as server:
        answer = await post(server, "/action/find", {"apiKey": key})

    assert (answer.status, answer.body) == (200, b'{"documents":[{"_id":1}]}')


async def test_another_data_source_is_meant_where_a_cursor_or_an_operation_names_it(
    mongod: Any, key: str, database: Any, tmp_path: Any
) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}])
    other = f"{mongod.uri}&appName=other"
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MONGO_DB_URI__OTHER=other) as server:
        headers = {"apiKey": key}
        first = await post(server, "/action/find", headers, dataSource="other", cursor={"batchSize": 1})
        rest = await post(server, "/action/getMore", headers, cursor=first.json["cursor"])
        both = await post(
            server, "/action/transaction", headers,
            operations=[{"action": "deleteOne", "dataSource": "other", "filter": {"_id": 1}}],
        )  # fmt: skip

    assert (rest.status, rest.json["documents"]) == (200, [{"_id": 2}])
    assert (both.status, both.json) == (200, {"replies": [{"deletedCount": 1}]})


@pytest.mark.both_hosts
async def test_a_call_as_azure_documentdb_documents_it(host: Host, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "name": "pen"})
    headers = {"Content-Type": "application/ejson", "Accept": "application/ejson"} | basic("apikey", key)

    answer = await post(host, "/data/v1/action/aggregate", headers, pipeline=[{"$match": {"name": "pen"}}])

    assert (answer.status, answer.body) == (200, b'{"documents":[{"_id":{"$numberInt":"1"},"name":"pen"}]}')


@pytest.mark.both_hosts
async def test_azure_documentdb_s_actions_tell_what_there_is(host: Host, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": ObjectId(), "name": "pen"})
    headers = {"Content-Type": "application/ejson", "Accept": "application/ejson"} | basic("apikey", key)
    bodies = {
        "listDatabases": b"{}",
        "listCollections": b'{"database":"shop"}',
        "getSchema": b'{"database":"shop","collection":"items"}',
    }

    answers = {
        name: await host.request("POST", f"/data/v1/action/{name}", headers, body) for name, body in bodies.items()
    }

    assert {each.status for each in answers.values()} == {200}
    listed = answers["listDatabases"].json
    assert (list(listed), listed["ok"]) == (["databases", "totalSize", "ok"], {"$numberDouble": "1.0"})
    (items,) = answers["listCollections"].json["collections"]
    assert list(items) == ["name", "type", "options", "info", "idIndex"]
    assert answers["getSchema"].body == b'{"_id":{"bsonType":"objectId"},"name":{"bsonType":"string"}}'


@pytest.mark.both_hosts
async def test_replies_have_the_shapes_that_azure_documentdb_documents(host: Host, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": ObjectId(), "name": "pen", "n": 1, "at": None, "tags": ["a"], "deep": {}})
    headers = {"Content-Type": "application/ejson", "Accept": "application/ejson"} | basic("apikey", key)
    bodies = {"listDatabases": {}, "listCollections": {"database": "shop"}, "getSchema": NOWHERE}

    databases, collections, schema = [
        (await host.request("POST", f"/data/v1/action/{name}", headers, json.dumps(body).encode())).json
        for name, body in bodies.items()
    ]

    [shop] = [each for each in databases["databases"] if each["name"] == "shop"]
    assert (list(shop), shop["empty"]) == (["name", "sizeOnDisk", "empty"], False)
    assert shop["sizeOnDisk"].keys() <= {"$numberInt", "$numberLong"}
    assert databases["totalSize"].keys() <= {"$numberInt", "$numberLong"}
    [items] = collections["collections"]
    assert (items["type"], items["options"], items["info"]["readOnly"]) == ("collection", {}, False)
    assert items["info"]["uuid"]["$binary"]["subType"] == "04"
    assert (items["idIndex"]["name"], items["idIndex"]["key"]) == ("_id_", {"_id": {"$numberInt": "1"}})
    assert schema == {
        "_id": {"bsonType": "objectId"}, "name": {"bsonType": "string"}, "n": {"bsonType": "int"},
        "at": {"bsonType": "null"}, "tags": {"bsonType": "array"}, "deep": {"bsonType": "object"},
    }  # fmt: skip


FERRETDB: list[tuple[str, dict[str, Any], int, str]] = [
    ("find", {"filter": {}}, 200, '{"documents":[]}'),
    ("findOne", {"filter": {}}, 200, '{"document":null}'),
    ("insertOne", {"document": {"_id": 1, "v": "foo"}}, 201, '{"insertedId":1}'),
    ("insertMany", {"documents": [{"_id": 2, "v": 42}, {"_id": 3, "v": {"foo": "bar"}}]}, 201,
     '{"insertedIds":[2,3]}'),
    ("updateOne", {"filter": {"v": 42}, "update": {"$set": {"v": "foo"}}}, 200,
     '{"matchedCount":1,"modifiedCount":1}'),
    ("updateMany", {"filter": {"v": "foo"}, "update": {"$set": {"v": 42.13}}}, 200,
     '{"matchedCount":2,"modifiedCount":2}'),
    ("findOne", {"filter": {"v": 42.13}}, 200, '{"document":{"_id":1,"v":42.13}}'),
    ("aggregate", {"pipeline": [{"$group": {"_id": "$v"}}, {"$sort": {"_id": 1}}]}, 200,
     '{"documents":[{"_id":42.13},{"_id":{"foo":"bar"}}]}'),
    ("deleteOne", {"filter": {"v": 42.13}}, 200, '{"deletedCount":1}'),
    ("deleteMany", {"filter": {"v": 42.13}}, 200, '{"deletedCount":1}'),
    ("find", {"filter": {}}, 200, '{"documents":[{"_id":3,"v":{"foo":"bar"}}]}'),
    ("updateOne", {"filter": {"v": 0}, "update": {"$set": {"_id": "string_id", "v": 1}}, "upsert": True}, 200,
     '{"matchedCount":0,"modifiedCount":0,"upsertedId":"string_id"}'),
    ("insertOne", {"document": {"v": "foo"}}, 201, '{"insertedId":"<oid>"}'),
    ("updateMany", {"filter": {"v": 0}, "update": {"$set": {"v": 1}}, "upsert": True}, 200,
     '{"matchedCount":0,"modifiedCount":0,"upsertedId":"<oid>"}'),
]  # fmt: skip


@pytest.mark.both_hosts
async def test_the_calls_of_ferretdb_s_own_test_are_answered(host: Host, key: str, database: Any) -> None:
    headers = {"Content-Type": "application/json"} | basic("apikey", key)

    answers = [await post(host, f"/action/{name}", headers, **members) for name, members, *_ in FERRETDB]

    assert [(each.status, re.sub("[0-9a-f]{24}", "<oid>", each.body.decode())) for each in answers] == [
        told for *_, status, reply in FERRETDB for told in [(status, reply)]
    ]


CONNECTOR: list[tuple[str, dict[str, Any], int, str]] = [
    ("insertOne", {"document": {"_id": 1, "n": 1}}, 201, '{"insertedId":1}'),
    ("insertMany", {"documents": [{"_id": 2, "n": 2}, {"_id": 3, "n": 3}]}, 201, '{"insertedIds":[2,3]}'),
    ("findOne", {"filter": {"n": 1}, "projection": {"n": 1}}, 200, '{"document":{"_id":1,"n":1}}'),
    ("find", {"filter": {}, "projection": {"_id": 1}, "sort": {"n": -1}, "limit": 1, "skip": 1}, 200,
     '{"documents":[{"_id":2}]}'),
    ("find", {}, 200, '{"documents":[{"_id":1,"n":1},{"_id":2,"n":2},{"_id":3,"n":3}]}'),
    ("updateOne", {"filter": {"n": 1}, "update": {"$set": {"n": 4}}, "upsert": False}, 200,
     '{"matchedCount":1,"modifiedCount":1}'),
    ("updateMany", {"filter": {}, "update": {"$inc": {"n": 1}}, "upsert": True}, 200,
     '{"matchedCount":3,"modifiedCount":3}'),
    ("aggregate", {"pipeline": [{"$count": "all"}]}, 200, '{"documents":[{"all":3}]}'),
    ("deleteOne", {"filter": {}}, 200, '{"deletedCount":1}'),
    ("deleteMany", {"filter": {}}, 200, '{"deletedCount":2}'),
]  # fmt: skip


@pytest.mark.both_hosts
@pytest.mark.parametrize("credential", ["api-key", "x-functions-key"])
@pytest.mark.parametrize("accept", ["application/json", "application/{{CONTENT_TYPE}}"])
async def test_the_operations_of_the_connector_are_answered(
    host: Host, key: str, database: Any, credential: str, accept: str
) -> None:
    headers = {"Content-Type": "application/json", "Access-Control-Request-Headers": "*", credential: key}
    accepts = {"findOne": {"Accept": accept}, "find": {"Accept": accept}, "aggregate": {"Accept": accept}}

    answers = [
        await post(host, f"/api/mdb_dataapi//action/{name}", headers | accepts.get(name, {}), dataSource="x", **members)
        for name, members, *_ in CONNECTOR
    ]

    assert [(each.status, each.body.decode()) for each in answers] == [
        told for *_, status, reply in CONNECTOR for told in [(status, reply)]
    ]
    assert {each.headers["content-type"] for each in answers} == {"application/json"}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"x-functions-key": "wrong"}, 401),
        ({"Authorization": "Basic !"}, 401),
        (basic("apikey", "wrong"), 401),
        (basic("", ""), 401),
        (basic("a", "b:c"), 401),
    ],
    ids=str,
)
async def test_who_has_no_credential_is_refused_under_each_path(
    host: Host, database: Any, prefix: str, headers: dict[str, str], status: int
) -> None:
    answer = await post(host, f"{prefix}find", headers)

    assert answer.status == status
    errors_only(answer)


@pytest.mark.parametrize(
    "others", [{"x-functions-key": "<key>"}, {"apiKey": "<key>"} | basic("u", "p"), {"Authorization": "bAsIc <key>"}]
)
async def test_a_key_has_other_spellings(host: Host, key: str, database: Any, others: dict[str, str]) -> None:
    encoded = b64encode(f"apikey:{key}".encode()).decode()
    headers = {
        name: value.replace("<key>", encoded if name == "Authorization" else key) for name, value in others.items()
    }

    answer = await post(host, "/api/mdb_dataapi/action/find", headers)

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')


@pytest.mark.parametrize(
    ("member", "left"), [("sort", "{{SORT}}"), ("limit", "{{LIMIT}}"), ("filter", "{{FILTER}}"), ("skip", "{{SKIP}}")]
)
async def test_a_placeholder_that_was_left_is_named(
    host: Host, key: str, database: Any, member: str, left: str
) -> None:
    answer = await post(host, "/action/find", {"apiKey": key}, **{member: left})

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidJSONFieldType"
    assert errors_only(answer)["error"].startswith(f"'{member}': expected ")
    assert errors_only(answer)["error"].endswith(f": the placeholder {left} of a designer was left in place")


async def test_a_text_that_looks_like_a_placeholder_is_a_text(host: Host, key: str, database: Any) -> None:
    answer = await post(host, "/action/insertOne", {"apiKey": key}, document={"_id": "{{SORT}}"})
    other = await post(host, "/action/find", {"apiKey": key}, sort="{{ what is this }}")

    assert (answer.status, answer.body) == (201, b'{"insertedId":"{{SORT}}"}')
    assert errors_only(other)["error"] == "'sort': expected `object`, got `str`"


PAGE = (ROOT / "docs" / "coming-from-the-stop-gap.md").read_text()
FLOWS = (ROOT / "docs" / "power-automate.md").read_text()
FOUND = [
    b'{"documents":[{"_id":{"$numberInt":"1"},"item":"pen"}]}',
    b'{"documents":[{"_id":1,"item":"pen"}]}',
]


async def test_the_calls_of_the_page_are_answered(host: Host, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "item": "pen"})
    [script] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    calls = [
        shlex.split(each.replace("$KEY", key).replace("\\\n", " "))
        for each in re.findall(r"^curl .*\\\n.*$", script, re.MULTILINE)
    ]
    replies = []
    for _, _, url, *words in calls:
        given = list(zip(words[::2], words[1::2], strict=True))
        headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
        headers |= basic(*value.split(":", 1)) if (value := dict(given).get("-u")) else {}
        answer = await host.request("POST", url.removeprefix("$URL"), headers, dict(given)["-d"].encode())
        replies.append(answer.body)

    assert replies == FOUND


@pytest.mark.parametrize("base", ["/app/data/endpoint/data/v1", "/api/mdb_dataapi"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_addresses_of_a_connection_work(host: Host, key: str, database: Any, base: str, slash: str) -> None:
    assert f"`https://<your host>{base}`" in FLOWS
    headers = {"api-key": key, "Content-Type": "application/json", "Access-Control-Request-Headers": "*"}

    answer = await post(host, f"{base}{slash}/action/find", headers, dataSource="mongodb-atlas")

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')
