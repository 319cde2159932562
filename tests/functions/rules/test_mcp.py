"""The door for agents under the rules of an app: an agent is no more than the user whose credentials it has."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import restart
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.hosts import Worker
from tests.mcp import Client

THINGS = {"database": "shop", "collection": "things"}
CALLS: dict[str, dict[str, Any]] = {
    "list_collections": {"database": "shop"},
    "collection_schema": THINGS,
    "find": {**THINGS, "filter": {"n": 1}},
    "aggregate": {**THINGS, "pipeline": [{"$group": {"_id": None, "n": {"$sum": "$n"}}}]},
    "count": {**THINGS, "filter": {"n": 1}},
    "explain": {**THINGS, "filter": {"n": 1}},
    "insert": {**THINGS, "documents": [{"_id": "new", "owner": "ANN"}], "dryRun": False},
    "update": {**THINGS, "filter": {"n": 1}, "update": {"$set": {"m": 1}}, "maxAffected": 2, "dryRun": False},
    "delete": {**THINGS, "filter": {"n": 1}, "maxAffected": 2, "dryRun": False},
}
"""A call of each tool that finds the documents where n is 1, or makes one of the owner ANN, who is the caller."""

HIDDEN = [{"_id": 0, "owner": "else", "n": 1, "secret": 7}, {"_id": 9, "owner": "else", "n": 1}]


@pytest.fixture
async def ann(configured: pytest.MonkeyPatch, worker: Worker, known: Known, database: Any) -> Person:
    """A user, and two documents of hers in shop.things, at a door where tools may write."""
    for name, value in (SETTINGS | {"MCP": "write"}).items():
        configured.setenv(name, value)
    person = await known(worker, "ann@shop.example")
    await database.things.insert_many([{"_id": n, "owner": person.id, "n": 1} for n in (1, 2)])
    return person


def client(person: Person) -> Client:
    return Client(person.host, {"Authorization": f"Bearer {person.access_token}"})


async def things(database: Any) -> list[Any]:
    return [each async for each in database.things.find().sort("_id")]


def arguments(name: str, person: Person) -> dict[str, Any]:
    given = CALLS[name]
    return given | ({"documents": [{"_id": "new", "owner": person.id}]} if name == "insert" else {})


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_hidden_makes_no_difference_to_a_tool(ann: Person, database: Any, name: str) -> None:
    before = await things(database)
    listed = await client(ann)("tools/list")
    alone = await client(ann).tool(name, **arguments(name, ann))
    without = await things(database)
    await database.things.delete_many({})
    await database.things.insert_many([HIDDEN[0], *before, HIDDEN[1]])

    among = await client(ann).tool(name, **arguments(name, ann))

    assert among == alone
    assert alone["isError"] is (name == "explain")
    assert sorted(await things(database), key=repr) == sorted(HIDDEN + without, key=repr)
    assert (await client(ann)("tools/list")).body == listed.body


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_what_is_hidden_makes_no_difference_to_whether_there_are_more(
    ann: Person, database: Any, limit: int
) -> None:
    alone = (await client(ann).tool("find", **THINGS, limit=limit))["structuredContent"]
    await database.things.insert_many([*HIDDEN, {"_id": 1.5, "owner": "else", "n": 1}])
    among = (await client(ann).tool("find", **THINGS, limit=limit))["structuredContent"]

    assert (among["documents"], "cursor" in among) == (alone["documents"], "cursor" in alone)


async def test_what_is_hidden_makes_no_difference_to_the_next_documents(ann: Person, database: Any) -> None:
    first = (await client(ann).tool("find", **THINGS, limit=1))["structuredContent"]
    alone = await client(ann).tool("more", cursor=first["cursor"])
    await database.things.insert_many([HIDDEN[0], HIDDEN[1], {"_id": 1.5, "owner": "else", "n": 1}])

    assert await client(ann).tool("more", cursor=first["cursor"]) == alone
    assert [each["_id"] for each in alone["structuredContent"]["documents"]] == [{"$numberInt": "2"}]


async def test_a_cursor_is_of_its_caller(ann: Person, known: Known) -> None:
    found = (await client(ann).tool("find", **THINGS, limit=1))["structuredContent"]
    bob = await known(ann.host, "bob@shop.example")
    refused = await client(bob).tool("more", cursor=found["cursor"])

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "InvalidParameter")


async def test_wrong_passwords_are_counted_at_the_door(ann: Person, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "2")
    restart()
    sent = Client(ann.host, {"email": "ann@shop.example", "password": "wrong"})
    *wrong, last = [await sent("tools/list") for _ in range(3)]

    assert [each.status for each in wrong] == [400, 400]
    assert (last.status, last.json["error"]["code"]) == (429, 429)
    assert int(last.headers["retry-after"]) > 0


@pytest.mark.parametrize(("name", "more"), [("find", {}), ("aggregate", {"pipeline": []})], ids=["find", "aggregate"])
async def test_who_may_not_read_ids_gets_documents_without_a_cursor(
    ann: Person, to_all: Callable[..., None], name: str, more: dict[str, Any]
) -> None:
    to_all(fields={"n": {"read": True}}, insert=False, delete=False)
    found = (await client(ann).tool(name, **THINGS, **more, limit=1))["structuredContent"]

    assert found == {"documents": [{"n": {"$numberInt": "1"}}], "truncated": True}


async def test_a_write_that_the_rules_deny_is_denied_to_an_agent(ann: Person, database: Any) -> None:
    before = await things(database)
    refused = await client(ann).tool("insert", **THINGS, documents=[{"_id": "x", "owner": "else"}], dryRun=False)

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "NoMatchingRoleFound")
    assert await things(database) == before


@pytest.fixture
def to_all(changed: Any) -> Callable[..., None]:
    """Give all collections of the app one role for everybody."""

    def write(*filters: Any, **rights: Any) -> None:
        role = {"name": "r", "apply_when": {}, **rights}
        for path in ("default_rule", *(f"shop/{each}/rules" for each in COLLECTIONS)):
            changed(f"data_sources/mongodb-atlas/{path}.json", roles=[role], filters=list(filters))

    return write


COLLECTIONS = ("notes", "orders", "people", "public", "tickets")
READS = ["list_collections", "collection_schema", "find", "aggregate", "more", "count"]


@pytest.mark.parametrize(
    ("rights", "names"),
    [
        ({"read": True, "write": False, "insert": False, "delete": False}, [*READS, "explain"]),
        ({"read": True, "write": True, "insert": False, "delete": False}, [*READS, "explain", "update"]),
        ({"fields": {"a": {"read": True}}, "insert": False, "delete": True}, READS),
        ({"fields": {"a": {"write": True}}, "insert": False, "delete": False}, [*READS, "update"]),
        ({"read": True, "write": True, "insert": False, "delete": True}, [*READS, "explain", "update", "delete"]),
        ({"fields": {}, "insert": False, "delete": False}, []),
    ],
    ids=["reads", "changes", "reads-a-field", "changes-a-field", "deletes", "nothing"],
)
async def test_the_list_has_what_a_role_could_do(
    ann: Person, to_all: Callable[..., None], rights: dict[str, Any], names: list[str]
) -> None:
    to_all(**rights)

    assert await client(ann).names() == names


async def test_who_may_insert_what_they_do_not_see_has_the_tool_for_it(
    ann: Person, to_all: Callable[..., None]
) -> None:
    to_all({"name": "none", "apply_when": {}, "query": {"a": "%%user.custom_data.missing"}}, read=True, write=True)

    assert "insert" in await client(ann).names()
    assert not (await client(ann).tool("insert", **THINGS, documents=[{"_id": "x"}]))["isError"]


@pytest.mark.parametrize(
    ("actions", "names"),
    [(["find", "insertMany"], ["find", "insert"]), (["updateMany", "explain"], ["explain", "update"]), (["mcp"], [])],
    ids=["find", "update", "none"],
)
async def test_the_list_has_what_a_role_of_some_actions_could_do(
    ann: Person, to_all: Callable[..., None], actions: list[str], names: list[str]
) -> None:
    to_all(apply_when={"%%request.action": {"$in": actions}}, read=True, write=True)

    assert await client(ann).names() == names


async def test_an_app_that_lets_nobody_call_has_no_tools(ann: Person, changed: Any) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate={"%%user.id": "nobody"})
    refused = await client(ann).tool("find", **THINGS)

    assert await client(ann).names() == []
    assert refused["structuredContent"]["error_code"] == "FunctionNotCallable"


async def test_an_app_without_a_data_api_has_no_door(ann: Person, changed: Any) -> None:
    changed("http_endpoints/data_api_config.json", disabled=True)

    assert (await client(ann)("tools/list")).status == 404


async def test_a_user_is_told_of_no_index(ann: Person, configured: pytest.MonkeyPatch, database: Any) -> None:
    configured.setenv("SCAN_GUARD", "warn")
    restart()
    scanned = (await client(ann).tool("find", **THINGS, filter={"n": 1}))["structuredContent"]

    assert scanned["scan"] == "no-index"


async def test_users_have_keys_of_their_own(ann: Person, known: Known, database: Any, driver: Any) -> None:
    await driver["dozen"]["replies"].delete_many({})
    bob = await known(ann.host, "bob@shop.example")
    of_ann = {**THINGS, "documents": [{"owner": ann.id}], "dryRun": False, "idempotencyKey": "a"}
    first = await client(ann).tool("insert", **of_ann)
    forged = await client(bob).tool("insert", **of_ann)
    own = await client(bob).tool("insert", **of_ann | {"documents": [{"owner": bob.id}]})

    assert [each["isError"] for each in (first, forged, own)] == [False, True, False]
    assert forged["structuredContent"]["error_code"] == "NoMatchingRoleFound"
    assert "replayed" not in own["structuredContent"]
    assert await database.things.count_documents({"owner": {"$in": [ann.id, bob.id]}}) == 4
