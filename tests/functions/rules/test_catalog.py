"""What rules tell of databases, collections, indexes and plans, and whom they let make and drop them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.auth.keys import new_key
from tests.conftest import Post
from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

SOURCE = "data_sources/mongodb-atlas/"
DEFAULT, PEOPLE, NOTES, PUBLIC = (
    SOURCE + "default_rule.json",
    *(f"{SOURCE}shop/{name}/rules.json" for name in ("people", "notes", "public")),
)
ALL = {"read": True, "write": True}
OPEN = {"name": "open", "apply_when": {}, **ALL}
CLOSED = {"name": "closed", "apply_when": {}, "read": False, "write": False}
ELSE = {"name": "else", "apply_when": {"%%user.id": "somebody else"}, **ALL}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, **ALL}
CALLS: dict[str, dict[str, Any]] = {
    "createIndexes": {"indexes": [{"key": {"n": 1}}]},
    "dropIndexes": {"index": "a_1"},
    "createCollection": {},
    "dropCollection": {},
}
ALMOST = [
    pytest.param({"roles": [OPEN | {"delete": False}]}, id="no deletion"),
    pytest.param({"roles": [OPEN | {"insert": False}]}, id="no insertion"),
    pytest.param({"roles": [OPEN | {"write": False}]}, id="no write"),
    pytest.param({"roles": [OWN]}, id="own documents"),
    pytest.param({"roles": [OWN, OPEN]}, id="several roles"),
    pytest.param({"filters": [{"name": "f", "apply_when": {}, "projection": {"x": 0}}]}, id="a hidden field"),
    pytest.param({"filters": [{"name": "f", "apply_when": {}, "query": {"n": 1}}]}, id="hidden documents"),
]


@pytest.fixture
async def ann(changed: Any, worker: Worker, known: Known) -> Person:
    """A user of an app whose default rules open nothing."""
    changed(DEFAULT, roles=[])
    return await known(worker, "ann@shop.example")


@pytest.fixture
async def others(driver: Any) -> AsyncIterator[Any]:
    """Two databases that no rule of the app names."""
    for name in ("hidden", "other"):
        await driver[name].things.insert_one({"_id": 1})
    yield driver
    for name in ("hidden", "other"):
        await driver.drop_database(name)


async def names(ann: Person, action: str, member: str, **members: Any) -> list[str]:
    answer = await ann(action, **members)
    assert answer.status == 200, answer.body
    return [each["name"] for each in answer.json[member]]


async def test_collections_are_listed_that_rules_open(ann: Person, changed: Any, database: Any) -> None:
    changed(PEOPLE, roles=[CLOSED])
    changed(NOTES, roles=[ELSE], filters=[])
    for name in ("notes", "orders", "people", "public", "secrets"):
        await database[name].insert_one({"_id": 1})

    answer = await ann("listCollections")

    collection = {"type": "collection"}
    assert answer.json == {"collections": [{"name": "orders"} | collection, {"name": "public"} | collection]}


async def test_default_rules_open_all_that_have_no_others(
    ann: Person, changed: Any, database: Any, others: Any
) -> None:
    changed(DEFAULT, roles=[OPEN])
    changed(PEOPLE, roles=[CLOSED])
    for name in ("people", "secrets"):
        await database[name].insert_one({"_id": 1})

    assert await names(ann, "listCollections", "collections") == ["secrets"]
    listed = await names(ann, "listDatabases", "databases")
    assert {"hidden", "other", "shop"} <= set(listed)
    assert {"admin", "config", "local", "dozen"}.isdisjoint(listed)


async def test_databases_are_listed_in_which_rules_open_a_collection(ann: Person, database: Any, others: Any) -> None:
    await database.secrets.insert_one({"_id": 1})
    without = await names(ann, "listDatabases", "databases")
    await database.orders.insert_one({"_id": 1})

    answer = await ann("listDatabases", nameOnly=False)

    assert without == []  # of shop there is only what is hidden
    assert answer.json == {"databases": [{"name": "shop"}], "ok": 1}


async def test_filters_that_contradict_each_other_open_nothing(ann: Person, changed: Any, database: Any) -> None:
    projections: list[dict[str, int]] = [{"a": 0}, {"b": 1}]
    filters = [{"name": str(each), "apply_when": {}, "projection": each} for each in projections]
    changed(PUBLIC, filters=filters)
    await database.public.insert_one({"_id": 1})

    assert await names(ann, "listCollections", "collections") == []


async def test_options_of_collections_are_not_told(ann: Person, database: Any) -> None:
    await database.create_collection("public", validator={"hidden": {"$gt": 5}})

    answer = await ann("listCollections", nameOnly=False)

    assert answer.json == {"collections": [{"name": "public", "type": "collection"}]}


@pytest.mark.parametrize("action", ["listDatabases", "listCollections"])
async def test_without_an_app_only_system_keys_may_know(
    worker: Worker, database: Any, action: str, driver: Any
) -> None:
    key, stored = new_key("plain", system=False)
    await driver["dozen"]["api_keys"].insert_one(stored)

    answer = await Post(worker, key)(action)

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


@pytest.mark.parametrize(
    ("action", "members"), [("listIndexes", {}), ("explain", {"action": "find"})], ids=["listIndexes", "explain"]
)
async def test_what_tells_of_everything_needs_a_role_that_shows_everything(
    ann: Person, changed: Any, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.public.create_index([("hidden", 1)], partialFilterExpression={"n": {"$gt": 7777}})
    assert (await ann(action, collection="public", **members)).status == 200
    changed(PUBLIC, roles=[OPEN | {"write": False, "insert": False, "delete": False}])
    assert (await ann(action, collection="public", **members)).status == 200

    for rules in ({"roles": [OWN]}, {"filters": [{"name": "f", "apply_when": {}, "projection": {"x": 0}}]}):
        changed(PUBLIC, **rules)
        answer = await ann(action, collection="public", **members)
        assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRoleFound")
    answer = await ann(action, collection="secrets", **members)
    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


async def test_an_explanation_counts_nothing_hidden_of_what_it_joins(ann: Person, changed: Any, database: Any) -> None:
    changed(PEOPLE, roles=[OWN])
    await database.people.insert_many({"_id": number, "owner": "else"} for number in range(50))
    lookup = {"from": "people", "localField": "n", "foreignField": "n", "as": "found"}

    answer = await ann("explain", collection="public", action="aggregate", pipeline=[{"$lookup": lookup}])

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRoleFound")


@pytest.mark.parametrize(
    "members",
    [
        {"collection": "public", "action": "find", "filter": {"n": 1}},
        {"collection": "orders", "action": "aggregate", "pipeline": [{"$unionWith": "public"}]},
        {"collection": "orders", "action": "aggregate", "pipeline": [{"$facet": {"a": [{"$unionWith": "public"}]}}]},
    ],
    ids=["of a view", "of a join of one", "inside"],
)
async def test_an_explanation_tells_nothing_of_what_is_behind_a_view(
    ann: Person, changed: Any, database: Any, members: dict[str, Any], key: str
) -> None:
    changed(SOURCE + "shop/orders/rules.json", roles=[OPEN], filters=[])
    await database.secrets.insert_many({"_id": number, "n": 1} for number in range(50))
    await database.secrets.create_index("hidden")
    await database.create_collection("public", viewOn="secrets", pipeline=[{"$project": {"_id": 1}}])

    answer = await ann("explain", **members)

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRoleFound")
    assert (await Post(ann.host, key)("explain", None, **members)).status == 200


async def test_operators_that_rules_close_stay_closed_where_a_query_is_explained(ann: Person, database: Any) -> None:
    answer = await ann("explain", collection="public", action="aggregate", pipeline=[{"$collStats": {}}])

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")


async def test_a_schema_is_that_of_what_is_visible(ann: Person, changed: Any, database: Any) -> None:
    hiding = {"read": False, "write": False}
    role = {"name": "r", "apply_when": {"owner": "%%user.id"}, "fields": {"secret": hiding}, "additional_fields": ALL}
    changed(NOTES, roles=[role], filters=[{"name": "f", "apply_when": {}, "projection": {"in.secret": 0}}])
    mine = {"_id": 1, "owner": ann.id, "secret": 1, "in": {"x": 1, "secret": 1}, "tags": [{"y": "z"}]}
    await database.notes.insert_one(mine)

    alone = [await ann("getSchema", collection="notes", detail=detail) for detail in (False, True)]
    await database.notes.insert_many({"_id": str(number), "owner": "else", "theirs": 1} for number in range(2, 50))
    among = [await ann("getSchema", collection="notes", detail=detail) for detail in (False, True)]

    assert alone[0].json.keys() == {"_id", "owner", "in", "tags"}
    assert alone[1].json["properties"]["in"]["properties"].keys() == {"x"}
    assert alone[1].json["documents"] == 1
    assert [each.body for each in among] == [each.body for each in alone]
    assert b"secret" not in alone[1].body


async def test_a_sample_has_as_many_visible_documents_as_are_asked_for(
    ann: Person, changed: Any, database: Any
) -> None:
    changed(NOTES, roles=[OWN], filters=[])
    owners = [ann.id if number % 3 == 0 else "else" for number in range(300)]
    await database.notes.insert_many({"_id": number, "owner": owner} for number, owner in enumerate(owners))

    answer = await ann("getSchema", collection="notes", detail=True, sampleSize=20)

    assert answer.json["documents"] == 20


async def test_a_schema_of_a_collection_without_a_rule_is_refused(ann: Person) -> None:
    answer = await ann("getSchema", collection="secrets")

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


async def called(ann: Person, database: Any, action: str) -> tuple[int, Any]:
    """Call an action that administers shop.public; return the status, and what is there before and afterwards."""
    if action != "createCollection":
        await database.public.create_index("a")
    before = await there(database)
    answer = await ann(action, collection="public", **CALLS[action])
    return answer.status, (before, await there(database))


async def there(database: Any) -> Any:
    return await database.list_collection_names(), sorted(await database.public.index_information())


@pytest.mark.parametrize("action", CALLS)
async def test_who_is_bound_by_rules_administers_nothing(ann: Person, database: Any, action: str) -> None:
    status, (before, after) = await called(ann, database, action)

    assert (status, before) == (403, after)


@pytest.mark.parametrize("administer", [True, {"%%user.data.email": "ann@shop.example"}], ids=str)
@pytest.mark.parametrize("action", CALLS)
async def test_an_app_may_let_callers_administer(
    ann: Person, changed: Any, database: Any, action: str, administer: Any
) -> None:
    changed("dozen.json", administer=administer)

    status, (before, after) = await called(ann, database, action)

    assert status == 200
    assert before != after


async def test_an_administrator_makes_and_drops(ann: Person, changed: Any, database: Any) -> None:
    changed("dozen.json", administer=True)

    made = await ann("createCollection", collection="public", validator={"n": {"$gt": 0}})
    indexed = await ann("createIndexes", collection="public", indexes=[{"key": {"n": 1}}])
    unindexed = await ann("dropIndexes", collection="public", index="*")
    dropped = await ann("dropCollection", collection="public")

    assert [each.status for each in (made, indexed, unindexed, dropped)] == [200] * 4
    assert await database.list_collection_names() == []


@pytest.mark.parametrize("administer", [None, False, {"%%user.data.email": "bob@shop.example"}], ids=str)
@pytest.mark.parametrize("action", CALLS)
async def test_an_app_may_let_some_callers_administer(
    ann: Person, changed: Any, database: Any, action: str, administer: Any
) -> None:
    changed("dozen.json", administer=administer)

    status, (before, after) = await called(ann, database, action)

    assert (status, before) == (403, after)


@pytest.mark.parametrize("rules", ALMOST)
@pytest.mark.parametrize("action", CALLS)
async def test_nobody_administers_what_a_role_does_not_let_do_everything_with(
    ann: Person, changed: Any, database: Any, action: str, rules: dict[str, Any]
) -> None:
    changed("dozen.json", administer=True)
    changed(PUBLIC, **rules)

    status, (before, after) = await called(ann, database, action)

    assert (status, before) == (403, after)


@pytest.mark.parametrize("action", CALLS)
async def test_nobody_administers_what_no_rule_opens(ann: Person, changed: Any, database: Any, action: str) -> None:
    changed("dozen.json", administer=True)

    answer = await ann(action, collection="secrets", **CALLS[action])

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")
    assert await database.list_collection_names() == []
