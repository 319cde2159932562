"""Kept replies and rights: what one caller reads is never another's answer, nor the same one's with other rights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import ACTION, request_body, restart
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.hosts import ROOT, Answer, Worker
from tests.valkey import Valkey

RULES = "data_sources/mongodb-atlas/shop/orders/rules.json"
EVERYBODY = {"apply_when": {}, "document_filters": {"read": True, "write": True}, "read": True, "write": True,
             "insert": True, "delete": True, "search": True}  # fmt: skip
ANN = {"email": "ann@shop.example", "password": "secret words"}

type Change = Callable[..., None]


@pytest.fixture
def change(tmp_path: Path, configured: pytest.MonkeyPatch, worker: Worker, valkey: Valkey, database: Any) -> Change:
    """Serve the app of the tests with cached collections, and let a test change members of its files."""
    folder = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop"))
    cached = {"CACHED_COLLECTIONS": "shop.orders=3600, shop.notes=3600, shop.public=3600", "REDIS_URL": valkey.url}
    for name, value in (SETTINGS | cached | {"APP_CONFIG_DIR": str(folder)}).items():
        configured.setenv(name, value)

    def change(file: str, **members: Any) -> None:
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | members))
        restart()

    return change


@pytest.fixture
async def ann(change: Change, worker: Worker, known: Known) -> Person:
    """A user."""
    return await known(worker, ANN["email"])


async def replies(server: Valkey) -> int:
    """Return how many replies are kept."""
    return len(await server.client.keys("dozen:reply:*"))


async def find(worker: Worker, collection: str = "orders", **headers: str) -> Answer:
    return await worker.request("POST", ACTION + "find", headers, request_body(collection=collection))


def ids(answer: Answer) -> list[Any]:
    return [each["_id"] for each in answer.json["documents"]]


async def test_each_caller_has_replies_of_its_own(
    ann: Person, known: Known, worker: Worker, key: str, database: Any, valkey: Valkey
) -> None:
    bob = await known(worker, "bob@shop.example")
    owners = (ann.id, bob.id, "else")
    await database.orders.insert_many([{"_id": number, "owner": owner} for number, owner in enumerate(owners)])
    first = [await ann("find"), await bob("find"), await find(worker, apiKey=key)]
    await database.orders.delete_many({})
    again = [await ann("find"), await bob("find"), await find(worker, apiKey=key)]

    assert [ids(each) for each in first] == [[0], [1], [0, 1, 2]]
    assert [each.body for each in again] == [each.body for each in first]
    assert await replies(valkey) == 3


async def test_a_write_of_one_caller_is_seen_by_all(ann: Person, worker: Worker, key: str, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "total": 1})
    stale = [await ann("find"), await find(worker, apiKey=key)]

    written = await ann("updateOne", filter={"_id": 1}, update={"$set": {"total": 2}})

    fresh = [await ann("find"), await find(worker, apiKey=key)]
    assert written.json == {"matchedCount": 1, "modifiedCount": 1}
    assert [each.json["documents"][0]["total"] for each in stale + fresh] == [1, 1, 2, 2]


async def test_a_denied_write_leaves_what_was_kept(ann: Person, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "total": 1})
    kept = await ann("find")
    await database.orders.update_one({}, {"$set": {"total": 2}})

    denied = await ann("deleteOne", filter={"_id": 1})

    assert denied.status == 400
    assert await ann("find") == kept


async def test_another_role_reads_anew(ann: Person, change: Change, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": "else", "visible": True, "title": "t", "total": 1})
    as_visitor = await ann("find")
    change("values/auditors.json", value=[ANN["email"]])
    as_auditor = await ann("find")
    change("values/auditors.json", value=[])

    assert as_visitor.json["documents"] == [{"title": "t"}]
    assert as_auditor.json["documents"][0]["total"] == 1
    assert await ann("find") == as_visitor


async def test_other_rules_read_anew(ann: Person, change: Change, database: Any, valkey: Valkey) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "secret": "s"})
    owner = json.loads((ROOT / "tests" / "apps" / "shop" / RULES).read_text())["roles"][0]
    before = await ann("find")
    change(RULES, roles=[owner | {"fields": {}}])
    after = await ann("find")

    assert "secret" not in before.json["documents"][0]
    assert after.json["documents"][0]["secret"] == "s"
    assert await replies(valkey) == 2


async def test_other_custom_data_read_anew(ann: Person, worker: Worker, database: Any, valkey: Valkey) -> None:
    await database.notes.insert_many([{"_id": "r", "team": "red"}, {"_id": "b", "team": "blue"}])
    await database.people.insert_one({"user_id": ann.id, "team": "red"})
    red = await find(worker, "notes", **ANN)
    await database.people.update_one({}, {"$set": {"team": "blue"}})
    blue = await find(worker, "notes", **ANN)
    await database.people.delete_many({})
    neither = await find(worker, "notes", **ANN)

    assert [ids(each) for each in (red, blue, neither)] == [["r"], ["b"], []]
    assert await replies(valkey) == 3


async def test_other_user_data_read_anew(
    ann: Person, change: Change, worker: Worker, driver: Any, database: Any
) -> None:
    change(RULES, roles=[EVERYBODY | {"name": "teammate", "apply_when": {"team": "%%user.data.team"}}])
    await database.orders.insert_many([{"_id": "r", "team": "red"}, {"_id": "b", "team": "blue"}])
    await driver.dozen.users.update_one({}, {"$set": {"data.team": "red"}})
    red = await find(worker, **ANN)
    await driver.dozen.users.update_one({}, {"$set": {"data.team": "blue"}})
    blue = await find(worker, **ANN)

    assert [ids(each) for each in (red, blue)] == [["r"], ["b"]]


@pytest.mark.parametrize(
    "applies",
    [
        pytest.param({"team": "%%request.requestHeaders.X-Team"}, id="in a query"),
        pytest.param({"%or": [{"a.0": 1}, {"%%root.team": "%%request.requestHeaders.X-Team"}]}, id="in a test"),
    ],
)
async def test_what_depends_on_the_request_is_not_kept(
    ann: Person, change: Change, worker: Worker, database: Any, valkey: Valkey, applies: Any
) -> None:
    change(RULES, roles=[EVERYBODY | {"name": "team", "apply_when": applies}])
    await database.orders.insert_many([{"_id": "r", "team": "red"}, {"_id": "b", "team": "blue"}])
    red = await find(worker, **ANN, **{"X-Team": "red"})
    blue = await find(worker, **ANN, **{"X-Team": "blue"})

    assert [ids(each) for each in (red, blue)] == [["r"], ["b"]]
    assert await replies(valkey) == 0


async def test_whoever_may_do_all_shares_the_replies_of_system_callers(
    ann: Person, worker: Worker, key: str, database: Any, valkey: Valkey
) -> None:
    await database.public.insert_one({"_id": 1})
    by_system = await find(worker, "public", apiKey=key)
    await database.public.delete_many({})

    assert (await find(worker, "public", **ANN)).body == by_system.body
    assert await replies(valkey) == 1


async def test_a_user_who_lost_access_reads_nothing_that_was_kept(
    ann: Person, change: Change, worker: Worker, driver: Any, database: Any
) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id})
    await ann("find")
    change("http_endpoints/data_api_config.json", can_evaluate={"%%user.id": "else"})
    uncallable = await ann("find")
    await driver.dozen.users.update_one({}, {"$set": {"disabled": True}})
    disabled = await ann("find")

    assert (uncallable.status, disabled.status) == (403, 401)


async def test_aggregates_of_callers_bound_by_rules_are_their_own(
    ann: Person, worker: Worker, known: Known, change: Change, database: Any, valkey: Valkey
) -> None:
    change(RULES, roles=[EVERYBODY | {"name": "owner", "apply_when": {"owner": "%%user.id"}}])
    bob = await known(worker, "bob@shop.example")
    await database.orders.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": bob.id}])
    first = [await ann("aggregate", pipeline=[]), await bob("aggregate", pipeline=[])]
    await database.orders.delete_many({})
    again = [await ann("aggregate", pipeline=[]), await bob("aggregate", pipeline=[])]

    assert [ids(each) for each in first] == [[1], [2]]
    assert [each.body for each in again] == [each.body for each in first]


async def test_a_kept_join_is_no_answer_for_one_who_may_not_read_the_other_collection(
    ann: Person, worker: Worker, key: str, database: Any, valkey: Valkey
) -> None:
    await database.public.insert_one({"_id": 1})
    await database.orders.insert_one({"_id": 1, "owner": "else", "secret": "the hidden value"})
    join: dict[str, Any] = {
        "collection": "public",
        "pipeline": [{"$lookup": {"from": "orders", "pipeline": [], "as": "x"}}],
    }

    kept = await worker.request("POST", ACTION + "aggregate", {"apiKey": key}, request_body(**join))
    denied = await ann("aggregate", **join)

    assert (kept.status, await replies(valkey)) == (200, 1)
    assert (denied.status, denied.json["error_code"]) == (403, "NoMatchingRoleFound")


async def test_a_join_that_shows_less_is_neither_kept_for_all_nor_answered_from_there(
    ann: Person, worker: Worker, key: str, database: Any, valkey: Valkey
) -> None:
    await database.public.insert_one({"_id": 0})
    await database.notes.insert_one({"_id": 1, "team": "blue", "internal": "the hidden value"})
    join: dict[str, Any] = {"collection": "public", "pipeline": [{"$unionWith": "notes"}]}

    async def everything() -> Any:
        answer = await worker.request("POST", ACTION + "aggregate", {"apiKey": key}, request_body(**join))
        return answer.json["documents"]

    assert (await ann("aggregate", **join)).json == {"documents": [{"_id": 0}]}
    assert await replies(valkey) == 0
    assert [len(await everything()), await replies(valkey)] == [2, 1]
    assert (await ann("aggregate", **join)).json == {"documents": [{"_id": 0}]}
    assert len(await everything()) == 2


async def test_two_names_of_one_data_source_keep_their_own_rules_apart(
    ann: Person, change: Change, configured: pytest.MonkeyPatch, mongod: Mongod, tmp_path: Path, database: Any
) -> None:
    configured.setenv("MONGO_DB_URI__REPORTS", mongod.uri)
    sources = tmp_path / "shop" / "data_sources"
    shutil.copytree(sources / "mongodb-atlas", sources / "reports")
    change("data_sources/reports/config.json", name="reports")
    owner = json.loads((sources / "reports" / "shop" / "orders" / "rules.json").read_text())["roles"][0]
    change("data_sources/reports/shop/orders/rules.json", roles=[owner | {"fields": {}}])
    restart()
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "secret": "the hidden value"})

    lax = await ann("find", dataSource="reports")
    strict = await ann("find", dataSource="mongodb-atlas")

    assert lax.json["documents"][0]["secret"] == "the hidden value"
    assert "secret" not in strict.json["documents"][0]


async def test_a_reply_for_which_a_function_was_asked_is_not_kept(
    ann: Person, change: Change, worker: Worker, valkey: Valkey, database: Any, tmp_path: Path
) -> None:
    await database.orders.insert_one({"_id": 1, "team": "red"})
    (tmp_path / "shop" / "functions" / "isOpen.js").write_text("exports = (team) => team === 'red';")
    kept = []
    for argument in ("%%root.team", "red"):
        asked = {"%%true": {"%function": {"name": "isOpen", "arguments": [argument]}}}
        change(RULES, roles=[EVERYBODY | {"name": "r", "apply_when": asked}])
        assert (await ann("find")).json["documents"] == [{"_id": 1, "team": "red"}]
        kept.append(await replies(valkey))
    change(RULES, roles=[EVERYBODY | {"name": "r", "apply_when": {"team": "red"}}])
    assert (await ann("find")).json["documents"] == [{"_id": 1, "team": "red"}]

    assert [*kept, await replies(valkey)] == [0, 0, 1]
