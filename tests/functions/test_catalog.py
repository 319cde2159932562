"""listDatabases, listCollections, listIndexes: what there is, without what is nobody's to know of."""

from typing import Any

import pytest

from tests.conftest import Post, errors_only

PLACE = {"dataSource": "mongodb-atlas"}
IN_SHOP = PLACE | {"database": "shop"}


async def test_databases_are_listed_with_their_sizes(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post("listDatabases", PLACE)

    assert answer.status == 200
    assert list(answer.json) == ["databases", "totalSize", "ok"]
    (shop,) = [each for each in answer.json["databases"] if each["name"] == "shop"]
    assert (shop.keys(), shop["empty"]) == ({"name", "sizeOnDisk", "empty"}, False)
    assert answer.json["totalSize"] == sum(each["sizeOnDisk"] for each in answer.json["databases"])


async def test_databases_are_listed_by_name_alone(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post("listDatabases", PLACE | {"nameOnly": True}, accept="application/ejson")

    assert answer.json.keys() == {"databases", "ok"}
    assert answer.json["ok"] == {"$numberDouble": "1.0"}
    assert {"name": "shop"} in answer.json["databases"]
    assert answer.json["databases"] == sorted(answer.json["databases"], key=lambda each: each["name"])


async def test_databases_of_the_system_and_of_dozen_are_not_listed(post: Post, driver: Any) -> None:
    assert "dozen" in await driver.list_database_names()

    answer = await post("listDatabases", PLACE)

    names = {each["name"] for each in answer.json["databases"]}
    assert names.isdisjoint({"admin", "config", "local", "dozen"})


async def test_collections_are_listed_with_what_they_are(post: Post, database: Any) -> None:
    await database.create_collection("b", validator={"n": {"$gt": 1}}, collation={"locale": "en"})
    await database.create_collection("a", viewOn="b", pipeline=[])  # with system.views, which is not listed

    answer = await post("listCollections", IN_SHOP)

    view, collection = answer.json["collections"]
    assert (view["name"], view["type"], view["options"]["viewOn"]) == ("a", "view", "b")
    assert (collection["name"], collection["type"], collection["idIndex"]["name"]) == ("b", "collection", "_id_")
    assert collection["options"]["validator"] == {"n": {"$gt": 1}}
    assert collection["info"]["readOnly"] is False


async def test_collections_are_listed_by_name_alone(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post("listCollections", IN_SHOP | {"nameOnly": True})

    assert answer.json == {"collections": [{"name": "items", "type": "collection"}]}


async def test_a_database_that_is_not_there_has_no_collections(post: Post) -> None:
    assert (await post("listCollections", PLACE | {"database": "nowhere"})).json == {"collections": []}


@pytest.mark.parametrize("database_name", ["admin", "Config", "local", "dozen", "a$b"])
async def test_collections_of_a_closed_database_are_not_listed(post: Post, database_name: str) -> None:
    answer = await post("listCollections", PLACE | {"database": database_name})

    assert (answer.status, errors_only(answer)["error_code"]) == (403, "NoMatchingRuleFound")


async def test_indexes_are_listed(post: Post, database: Any) -> None:
    await database.items.create_index([("n", -1)], unique=True, partialFilterExpression={"n": {"$gt": 2**40}})

    answer = await post("listIndexes", IN_SHOP | {"collection": "items"}, accept="application/ejson")

    first, second = answer.json["indexes"]
    assert (first["name"], first["key"]) == ("_id_", {"_id": {"$numberInt": "1"}})
    assert (second["name"], second["unique"]) == ("n_-1", True)
    assert second["partialFilterExpression"] == {"n": {"$gt": {"$numberLong": str(2**40)}}}


async def test_a_collection_that_is_not_there_has_no_indexes(post: Post) -> None:
    assert (await post("listIndexes", collection="nowhere")).json == {"indexes": []}


async def test_very_many_collections_are_all_listed(post: Post, database: Any) -> None:
    for number in range(150):  # more than MongoDB sends at once by itself
        await database.create_collection(f"c{number:03}")

    answer = await post("listCollections", IN_SHOP)

    assert [each["name"] for each in answer.json["collections"]] == [f"c{number:03}" for number in range(150)]


@pytest.mark.parametrize("action", ["listDatabases", "listCollections", "listIndexes"])
@pytest.mark.parametrize(
    "member",
    [{"filter": {"name": "x"}}, {"authorizedCollections": True}, {"readConcern": {"level": "local"}}, {"limit": 1}],
    ids=str,
)
async def test_what_cannot_be_honoured_is_refused(post: Post, action: str, member: dict[str, Any]) -> None:
    answer = await post(action, **member)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert f"'{next(iter(member))}'" in answer.json["error"]


@pytest.mark.parametrize("action", ["listDatabases", "listCollections", "listIndexes"])
@pytest.mark.parametrize(
    ("member", "status", "code"),
    [
        ({"nameOnly": "true"}, 400, "InvalidJSONFieldType"),
        ({"database": 1}, 400, "InvalidJSONFieldType"),
        ({"database": "x" * 64}, 400, "InvalidParameter"),
        ({"dataSource": None}, 400, "MissingParameter"),
        ({"dataSource": []}, 400, "InvalidJSONFieldType"),
        ({"maxTimeMS": -1}, 400, "InvalidParameter"),
    ],
    ids=str,
)
async def test_bad_members_are_refused(post: Post, action: str, member: Any, status: int, code: str) -> None:
    answer = await post(action, **member)

    assert (answer.status, answer.json["error_code"]) in {(status, code), (400, "InvalidParameter")}


@pytest.mark.parametrize("action", ["listDatabases", "listCollections", "listIndexes", "explain"])
async def test_a_list_is_asked_for_again_when_a_connection_is_lost(post: Post, fail_point: Any, action: str) -> None:
    command = action if action != "explain" else "explain"
    await fail_point(command, closeConnection=True)

    answer = await post(action, **({"action": "find"} if action == "explain" else {}))

    assert answer.status == 200


@pytest.mark.parametrize("action", ["listDatabases", "listCollections", "listIndexes"])
async def test_a_list_ends_at_the_deadline_of_the_call(post: Post, fail_point: Any, action: str) -> None:
    await fail_point(action, errorCode=50)

    answer = await post(action)

    assert (answer.status, answer.json["error_code"]) == (504, "ExecutionTimeLimitExceeded")
