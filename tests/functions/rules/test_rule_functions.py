"""Functions of the app that its rules ask: they decide as any condition does, and what has no answer is denied."""

import asyncio
import json
import re
from typing import Any

import pytest

from shared.budget import Share
from tests.conftest import errors_only, restart
from tests.functions.rules.conftest import Known, Person, Scripts
from tests.functions.rules.test_app_functions import call, returned
from tests.hosts import ROOT, Worker

OPEN = {"read": True, "write": True}
ALL = {"name": "all", "apply_when": {}, **OPEN}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, **OPEN}
COLLECTION = 'context.services.get("mongodb-atlas").db("shop").collection'
NOTES = {"collection": "notes"}
RULES = "data_sources/mongodb-atlas/shop/notes/rules.json"
DATA_API = "http_endpoints/data_api_config.json"
SYSTEM = {"run_as_system": True, "private": True}
FAILING = {
    "throws": "exports = () => { throw new Error('no'); };",
    "rejects": "exports = async () => { await null; throw 'secret text'; };",
    "nothing": "exports = () => {};",
    "null": "exports = () => null;",
    "text": "exports = () => 'true';",
    "number": "exports = () => 1;",
    "object": "exports = () => ({});",
    "never": "exports = () => new Promise(() => {});",
    "broken": "exports = (",
    "none": "const f = 1;",
    "cursor": f'exports = () => {COLLECTION}("public").find();',
}


def asks(name: str, *arguments: Any) -> dict[str, Any]:
    return {"%function": {"name": name, "arguments": list(arguments)}}


@pytest.fixture
async def person(worker: Worker, known: Known, scripts: Scripts, app: Any) -> Person:
    """A user of an app whose functions, and rules of shop.notes, are still to come."""
    return await known(worker, "ann@shop.example")


async def ids(person: Person, **members: Any) -> list[Any]:
    """Return the ids that a find shows."""
    answer = await person("find", **NOTES | {"sort": {"_id": 1}} | members)
    assert answer.status == 200, answer.body
    return [each.get("_id") for each in answer.json["documents"]]


@pytest.fixture
async def notes(database: Any) -> Any:
    """Three notes of two teams."""
    await database.notes.insert_many(
        [{"_id": place, "team": team} for place, team in enumerate(["red", "blue", "red"])]
    )
    return database.notes


@pytest.mark.parametrize(
    "condition",
    [
        {"%%true": asks("isRed", "%%root.team")},
        asks("isRed", "%%root.team"),
        {"%not": {"%%false": asks("isRed", "%%root.team")}},
        {"%%true": asks("isRed", "%%prevRoot.team")},
        {"team": asks("redOf", "%%user.id")},
        {"team": {"%in": asks("teamsOf", {"id": "%%user.id", "of": ["%%root._id"]})}},
        {"team": {"%in": asks("teamsOf", {"id": "%%user.id"})}},
        {"%%user.id": {"%eq": asks("whose", "%%root")}},
        {"%or": [{"team": "green"}, asks("isRed", "%%root.team")]},
        {"%and": [{"_id": {"%gte": 0}}, asks("isRed", "%%root.team")]},
        {"$function": {"name": "isRed", "arguments": ["%%root.team"]}},
        asks("isRed", asks("teamOf", "%%root._id")),
    ],
    ids=json.dumps,
)
async def test_a_role_applies_where_functions_say_so(
    person: Person, scripts: Scripts, app: Any, notes: Any, condition: Any
) -> None:
    scripts(
        {"isRed": {"private": True}, "teamOf": SYSTEM},
        isRed="exports = async (team) => team === 'red';",
        redOf="exports = (id) => id.length === 24 ? 'red' : null;",
        teamsOf="exports = ({ id, of }) => id && (of === undefined || of.length) ? ['red', 'green'] : [];",
        whose="exports = (note) => note.team === 'red' ? context.user.id : '';",
        teamOf=f'exports = async (id) => (await {COLLECTION}("notes").findOne({{ _id: id }})).team;',
    )
    app({"name": "team", "apply_when": condition, **OPEN})

    assert await ids(person) == [0, 2]
    assert await ids(person, limit=1) == [0]
    assert await ids(person, skip=1) == [2]
    assert (await person("findOne", **NOTES, filter={"team": "blue"})).json == {"document": None}
    assert (await person("countDocuments", **NOTES)).json == {"count": 2}
    assert (await person("estimatedDocumentCount", **NOTES)).json == {"count": 2}
    assert (await person("distinct", **NOTES, fieldName="team")).json == {"values": ["red"]}
    found = (await person("aggregate", **NOTES, pipeline=[{"$group": {"_id": "$team", "n": {"$sum": 1}}}])).json
    assert found == {"documents": [{"_id": "red", "n": 2}]}


async def test_writes_are_decided_by_the_document_that_is_written(
    person: Person, scripts: Scripts, app: Any, notes: Any
) -> None:
    scripts(mayWrite="exports = (before, after) => before === undefined ? after.n === 0 : after.n === before.n + 1;")
    app(ALL | {"write": {"%%true": asks("mayWrite", "%%prevRoot", "%%root")}})

    async def status(action: str, **members: Any) -> int:
        return (await person(action, **NOTES, **members)).status

    assert await status("insertOne", document={"_id": 7, "n": 1}) == 400
    assert await status("insertMany", documents=[{"_id": 7, "n": 0}, {"_id": 8, "n": 1}]) == 400
    assert await status("insertMany", documents=[{"_id": 7, "n": 0}, {"_id": 8, "n": 0}]) == 201
    assert await status("updateOne", filter={"_id": 7}, update={"$inc": {"n": 2}}) == 400
    assert await status("updateMany", filter={"n": 0}, update={"$inc": {"n": 1}}) == 200
    assert await status("findOneAndUpdate", filter={"_id": 7}, update=[{"$set": {"n": 5}}]) == 400
    assert await status("findOneAndReplace", filter={"_id": 7}, replacement={"n": 2}) == 200
    assert await status("replaceOne", filter={"_id": 8}, replacement={"n": 7}) == 400
    assert await status("updateOne", filter={"_id": 9}, update={"$set": {"n": 3}}, upsert=True) == 400
    assert await status("updateOne", filter={"_id": 9}, update={"$set": {"n": 0}}, upsert=True) == 200
    assert await status("deleteOne", filter={"_id": 9}) == 400
    assert {each["_id"]: each["n"] async for each in notes.find({"n": {"$exists": True}})} == {7: 2, 8: 1, 9: 0}


async def test_permissions_to_insert_and_delete_ask(person: Person, scripts: Scripts, app: Any, notes: Any) -> None:
    scripts(isRed="exports = (team) => team === 'red';")
    asked = {"%%true": asks("isRed", "%%root.team")}
    app(ALL | {"insert": asked, "delete": asked, "document_filters": {"read": True, "write": asked}})

    statuses = [
        (await person("insertOne", **NOTES, document={"team": team})).status for team in ("red", "blue")
    ]  # fmt: skip
    assert statuses == [201, 400]
    assert (await person("deleteMany", **NOTES, filter={})).status == 400
    assert (await person("findOneAndDelete", **NOTES, filter={"team": "blue"})).status == 400
    assert (await person("deleteMany", **NOTES, filter={"team": "red"})).json == {"deletedCount": 3}
    assert await ids(person) == [1]


async def test_fields_are_shown_and_written_as_functions_say(
    person: Person, scripts: Scripts, app: Any, database: Any
) -> None:
    await database.notes.insert_many([{"_id": n, "n": n, "parts": [{"n": n}, {"n": 5}]} for n in range(3)])
    scripts(small="exports = (value, before) => value < 2;", counts="exports = (now, before) => now === before + 1;")
    fields = {
        "_id": OPEN,
        "n": {"read": asks("small", "%%this"), "write": asks("counts", "%%this", "%%prev")},
        "parts": {"fields": {"n": {"read": asks("small", "%%this")}}},
    }
    app({"name": "r", "apply_when": {}, "fields": fields})

    answer = await person("find", **NOTES, sort={"_id": 1})
    assert answer.json["documents"] == [
        {"_id": 0, "n": 0, "parts": [{"n": 0}]},
        {"_id": 1, "n": 1, "parts": [{"n": 1}]},
        {"_id": 2},
    ]
    assert (await person("find", **NOTES, filter={"n": {"$gte": 1}})).json["documents"] == [
        {"_id": 1, "n": 1, "parts": [{"n": 1}]}
    ]
    assert (await person("updateOne", **NOTES, filter={"_id": 1}, update={"$inc": {"n": 2}})).status == 400
    assert (await person("updateOne", **NOTES, filter={"_id": 1}, update={"$inc": {"n": 1}})).status == 200
    assert (await person("updateOne", **NOTES, filter={"_id": 2}, update={"$inc": {"n": 1}})).status == 400


async def test_filters_ask_whether_they_apply_and_for_what(
    person: Person, scripts: Scripts, app: Any, notes: Any
) -> None:
    scripts(team="exports = () => 'red';", isClerk="exports = (id) => id.length === 24;", code="exports = () => /./;",
            field="exports = () => '$team';")  # fmt: skip
    query = {"team": asks("team")}

    def filtered(condition: Any, query: Any) -> None:
        app(ALL, filters=[{"name": "f", "apply_when": condition, "query": query}])

    filtered({"%%true": asks("isClerk", "%%user.id")}, query)
    assert await ids(person) == [0, 2]
    filtered({"%%true": asks("isClerk", "x")}, query)
    assert await ids(person) == [0, 1, 2]
    filtered({}, {"team": {"$in": [asks("team")]}})
    assert await ids(person) == [0, 2]
    filtered({}, {"team": asks("code")})
    assert await ids(person) == []
    filtered({}, {"$expr": {"$eq": ["$team", asks("team")]}})
    assert await ids(person) == [0, 2]
    filtered({}, {"$expr": {"$eq": ["$team", asks("field")]}})
    assert await ids(person) == []


async def test_a_schema_asks(person: Person, scripts: Scripts, app: Any, changed: Any, tmp_path: Any) -> None:
    scripts(isEven="exports = (n, before) => n % 2 === 0 && n !== before;")
    app(ALL)
    folder = tmp_path / "shop" / "data_sources" / "mongodb-atlas" / "shop" / "notes"
    schema = {"bsonType": "object", "properties": {"n": {"validate": {"%%true": asks("isEven", "%%this", "%%prev")}}}}
    (folder / "schema.json").write_text(json.dumps(schema))
    restart()

    assert (await person("insertOne", **NOTES, document={"_id": 1, "n": 2})).status == 201
    answer = await person("insertOne", **NOTES, document={"_id": 2, "n": 3})
    assert errors_only(answer)["error_code"] == "SchemaValidationFailedWrite"
    assert (await person("updateOne", **NOTES, filter={"_id": 1}, update={"$inc": {"n": 1}})).status == 400
    assert (await person("updateOne", **NOTES, filter={"_id": 1}, update={"$inc": {"n": 2}})).status == 200


@pytest.mark.parametrize("name", FAILING)
async def test_what_has_no_answer_opens_nothing(
    person: Person, scripts: Scripts, app: Any, notes: Any, name: str
) -> None:
    scripts({name: SYSTEM}, **{name: FAILING[name]})
    asked = {"%not": asks(name, "%%root.team")}
    app({"name": "first", "apply_when": asked, "read": True}, ALL)

    assert await ids(person) == []
    assert (await person("deleteMany", **NOTES, filter={})).json == {"deletedCount": 0}
    assert (await person("insertOne", **NOTES, document={})).status == 403
    app(ALL | {"write": asked, "read": False}, filters=[{"name": "f", "apply_when": {"%not": asks(name)}, "query": {}}])
    assert await ids(person) == []
    assert (await person("insertOne", **NOTES, document={})).status == 400
    assert await notes.count_documents({}) == 3


async def test_a_function_that_takes_too_long_opens_nothing(
    person: Person, scripts: Scripts, app: Any, notes: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("FUNCTION_TIMEOUT_MS", "20")
    scripts(loops="exports = () => { for (;;) {} };")
    app({"name": "first", "apply_when": {"%not": asks("loops")}, "read": True}, ALL)

    assert (await person("countDocuments", **NOTES)).json == {"count": 0}


async def test_where_others_decide_a_failure_does_not(person: Person, scripts: Scripts, app: Any, notes: Any) -> None:
    scripts(throws=FAILING["throws"])
    app({"name": "r", "apply_when": {"%or": [asks("throws"), {"team": "red"}]}, **OPEN}, ALL)

    assert await ids(person) == [0, 2]


async def test_a_log_line_says_which_function_failed_and_not_what_it_threw(
    person: Person, scripts: Scripts, app: Any, notes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scripts({"gone": {"run_as_user_id_script_source": "x"}}, gone="", **FAILING)
    told = {}
    for name in ("throws", "rejects", "text", "nothing", "gone"):
        app({"name": "r", "apply_when": asks(name, "%%root.team"), **OPEN})
        caplog.clear()
        assert await ids(person) == []
        lines = [json.loads(each.getMessage()) for each in caplog.records if each.name == "dozen"]
        (line,) = [each for each in lines if each["message"] == "a rule has no answer"][:1]
        assert line["function"] == name
        assert line["trace_id"] == lines[-1]["trace_id"]
        told[name] = line["reason"]

    assert told == {
        "throws": "it threw an error, exports at throws:1:29",
        "rejects": "it threw an error",
        "text": "it returned neither true nor false",
        "nothing": "it returned nothing",
        "gone": "it threw an error",
    }


COUNTING = f'exports = async (x) => {{ await {COLLECTION}("asked").insertOne({{ x }}); return true; }};'


async def test_each_question_is_asked_once_in_a_call(
    person: Person, scripts: Scripts, app: Any, notes: Any, database: Any
) -> None:
    scripts({"count": SYSTEM}, count=COUNTING)
    asked = asks("count", "%%root.team")
    app({"name": "r", "apply_when": asked, "read": asked, "write": {"%%true": asked}})
    transaction = {"operations": [{"action": "find", "collection": "notes"}, {"action": "updateMany", "filter": {},
                   "update": {"$set": {"n": 1}}, "collection": "notes"}]}  # fmt: skip
    bulk = [{"updateMany": {"filter": {}, "update": {"$set": {"n": 2}}}}, {"deleteOne": {"filter": {"_id": 0}}}]

    for action, members in (
        ("find", {}), ("updateMany", {"filter": {}, "update": {"$inc": {"n": 1}}}), ("transaction", transaction),
        ("bulkWrite", {"requests": bulk}),
    ):  # fmt: skip
        await database.asked.delete_many({})
        answer = await person(action, **NOTES | members)
        assert answer.status == 200, answer.body
        assert sorted([each["x"] async for each in database.asked.find()]) == ["blue", "red"], action


async def test_what_one_function_reads_is_held_until_it_has_answered(
    person: Person, scripts: Scripts, app: Any, notes: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.large.insert_one({"_id": 1, "text": "x" * 100_000})
    read = f'exports = async () => (await {COLLECTION}("large").find().toArray())[0].text.length === 100_000;'
    scripts({"reads": SYSTEM}, reads=read)
    app({"name": "r", "apply_when": asks("reads", "%%root._id"), **OPEN})
    held: dict[int, int] = {}
    shares: list[Share] = []
    work_on = Share.work_on

    async def noted(share: Share, size: int) -> None:
        shares.append(share)  # so that no other has its id
        held[id(share)] = held.get(id(share), 0) + size
        await work_on(share, size)

    monkeypatch.setattr(Share, "work_on", noted)

    assert await ids(person) == [0, 1, 2]
    of_functions = [each for each in held.values() if each >= 100_000]
    assert len(of_functions) == 3
    assert len(set(of_functions)) == 1


async def test_too_many_questions_fail_the_call(
    person: Person, scripts: Scripts, app: Any, notes: Any, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("FUNCTION_RULE_CALLS", "2")
    scripts({"count": SYSTEM}, count=COUNTING)
    app({"name": "r", "apply_when": {"%and": [asks("count", "%%root._id"), {"team": {"%in": ["red"]}}]}, **OPEN})

    assert await ids(person) == [0, 2]  # of others the rest of the condition decides
    await notes.insert_one({"_id": 3, "team": "red"})
    answer = await person("find", **NOTES)
    assert (answer.status, errors_only(answer)["error"]) == (
        400,
        "the rules ask functions more often than FUNCTION_RULE_CALLS allows, 2 times: narrow the filter",
    )
    assert await ids(person, filter={"_id": 3}) == [3]


async def test_a_function_that_a_rule_asks_is_not_asked_by_the_rules_that_it_meets(
    person: Person, scripts: Scripts, app: Any, notes: Any
) -> None:
    has = f'exports = async () => (await {COLLECTION}("notes").count()) > 0;'
    scripts({"asSystem": SYSTEM}, asCaller=has, asSystem=has, direct=f'exports = () => {COLLECTION}("notes").count();')
    app({"name": "r", "apply_when": {"%%true": asks("asCaller")}, **OPEN})
    assert (await person("countDocuments", **NOTES)).json == {"count": 0}
    app({"name": "r", "apply_when": {"%%true": asks("asSystem")}, **OPEN})
    assert await ids(person) == [0, 1, 2]
    assert await returned(person, "direct") == {"$numberInt": "3"}


async def test_a_function_has_the_rights_that_it_says(
    person: Person, scripts: Scripts, app: Any, notes: Any, database: Any
) -> None:
    await database.people.insert_one({"user_id": "somebody", "team": "red"})
    team = f'exports = async () => (await {COLLECTION}("people").findOne())?.team ?? "none";'
    scripts({"system": SYSTEM}, system=team, caller=team)
    app({"name": "r", "apply_when": {"team": asks("system")}, **OPEN})
    assert await ids(person) == [0, 2]
    app({"name": "r", "apply_when": {"team": asks("caller")}, **OPEN})
    assert await ids(person) == []


async def test_it_is_no_part_of_a_transaction(
    person: Person, scripts: Scripts, app: Any, notes: Any, database: Any
) -> None:
    scripts({"count": SYSTEM}, count=COUNTING.replace("return true", "return false"))
    app(ALL | {"write": {"%%true": asks("count", "%%root.n")}})
    operations = [{"action": "updateOne", "filter": {"_id": 0}, "update": {"$set": {"n": 1}}}]

    answer = await person("transaction", **NOTES, operations=operations)

    assert answer.status == 400
    assert await database.asked.count_documents({}) == 1
    assert await notes.count_documents({"n": 1}) == 0


async def test_rules_ask_inside_a_transaction_of_a_function(
    person: Person, scripts: Scripts, app: Any, notes: Any
) -> None:
    body = f"""
    exports = async (n) => {{
      const session = context.services.get("mongodb-atlas").startSession();
      await session.withTransaction(async () => {{
        await {COLLECTION}("notes").updateOne({{ _id: 0 }}, {{ $set: {{ n }} }}, {{ session }});
      }});
      return true;
    }};"""
    scripts(change=body, isSmall="exports = (n) => n === undefined || n < 5;")
    app(ALL | {"write": {"%%true": asks("isSmall", "%%root.n")}})

    assert await returned(person, "change", 3) is True
    assert (await call(person, {"name": "change", "arguments": [7]})).status == 400
    assert (await notes.find_one({"_id": 0}))["n"] == 3


@pytest.mark.parametrize(("name", "status"), [("yes", 200), ("no", 403), ("throws", 403), ("nothing", 403)])
async def test_can_evaluate_asks(
    person: Person, scripts: Scripts, app: Any, changed: Any, name: str, status: int
) -> None:
    scripts(
        {"guarded": {"can_evaluate": {"%%true": asks(name, "%%user.id")}}},
        yes="exports = (id) => id === context.user.id;",
        no="exports = () => false;",
        guarded="exports = () => 1;",
        **{each: FAILING[each] for each in ("throws", "nothing")},
    )
    app(ALL)
    assert (await call(person, {"name": "guarded"})).status == status
    changed(DATA_API, can_evaluate={"%%true": asks(name, "%%user.id")})

    answer = await person("find", **NOTES)
    assert answer.status == status
    if status == 403:
        assert errors_only(answer) == {"error": "endpoint not callable", "error_code": "FunctionNotCallable"}
    requests = [{"deleteOne": {"filter": {"_id": 5}}}]
    assert (await person("bulkWrite", **NOTES, requests=requests)).status == status


async def test_can_evaluate_asks_about_each_part(
    person: Person, scripts: Scripts, app: Any, notes: Any, changed: Any
) -> None:
    scripts(reads="exports = (action) => ['find', 'transaction', 'bulkWrite'].includes(action);")
    app(ALL)
    changed(DATA_API, can_evaluate={"%%true": asks("reads", "%%request.action")})
    find, delete = [{"action": each, "filter": dict[str, Any]()} for each in ("find", "deleteOne")]

    assert (await person("transaction", **NOTES, operations=[find])).status == 200
    assert (await person("transaction", **NOTES, operations=[find, delete])).status == 403
    assert (await person("bulkWrite", **NOTES, requests=[{"deleteOne": {"filter": {}}}])).status == 403
    assert await notes.count_documents({}) == 3


async def test_changes_are_not_told_where_rules_ask(person: Person, scripts: Scripts, app: Any, notes: Any) -> None:
    scripts(yes="exports = () => true;")
    app({"name": "r", "apply_when": {"%%true": asks("yes")}, **OPEN})

    answer = await person("changes", **NOTES)

    assert (answer.status, errors_only(answer)["error"]) == (
        403,
        "changes are not told of a collection whose rules ask functions",
    )


async def test_names_of_collections_and_joins_ask(person: Person, scripts: Scripts, app: Any, notes: Any) -> None:
    scripts(isIt="exports = (text) => text === 'odd' ? text : text === 'yes';")
    lookup = {"$lookup": {"from": "notes", "pipeline": [], "as": "notes"}}
    names: list[Any] = []
    for text in ("yes", "no", "odd"):
        app({"name": "r", "apply_when": {"%%true": asks("isIt", text)}, **OPEN})
        listed = await person("listCollections", collection=None)
        names.append("notes" in [each["name"] for each in listed.json["collections"]])
        joined = await person("aggregate", collection="notes", pipeline=[{"$limit": 1}, lookup])
        names.append([len(each["notes"]) for each in joined.json["documents"]])

    assert names == [True, [3], False, [], False, []]


async def test_the_example_of_the_page_is_served(
    person: Person, scripts: Scripts, app: Any, notes: Any, database: Any
) -> None:
    page = (ROOT / "docs" / "functions.md").read_text()
    section = page.partition("## How do rules ask a function?")[2].partition("\n## ")[0]
    (rules,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    scripts({"teamsOf": SYSTEM}, **dict(re.findall(r"```js\n// (\w+)\n(.*?)```", section, re.DOTALL)))
    app(*json.loads(rules)["roles"])
    await database.teams.insert_one({"name": "red", "members": [person.id]})
    await notes.update_many({}, {"$set": {"votes": 1}})

    assert await ids(person) == [0, 2]
    statuses = [
        (await person("updateOne", **NOTES, filter={"_id": place}, update={"$inc": {"votes": more}})).status
        for place, more in ((0, 1), (2, 2))
    ]
    assert statuses == [200, 400]
    assert (await person("updateOne", **NOTES, filter={"_id": 1}, update={"$inc": {"votes": 1}})).json == {
        "matchedCount": 0,
        "modifiedCount": 0,
    }


async def test_no_two_calls_share_an_answer(person: Person, scripts: Scripts, app: Any, notes: Any) -> None:
    team = f'exports = async () => (await {COLLECTION}("notes").findOne({{ _id: 1 }})).team;'
    scripts({"team": SYSTEM}, team=team)
    app({"name": "r", "apply_when": {"team": asks("team")}, **OPEN})
    assert await ids(person) == [1]
    await notes.update_one({"_id": 1}, {"$set": {"team": "red"}})
    assert await ids(person) == [0, 1, 2]


async def test_each_caller_has_answers_of_its_own(
    person: Person, worker: Worker, known: Known, scripts: Scripts, app: Any, notes: Any
) -> None:
    other = await known(worker, "bob@shop.example")
    scripts(who="exports = () => context.user.id;")
    app({"name": "r", "apply_when": {"owner": asks("who")}, **OPEN})
    await notes.update_one({"_id": 1}, {"$set": {"owner": other.id}})

    assert [await ids(person), await ids(other), await ids(person)] == [[], [1], []]


async def test_many_calls_that_wait_for_functions_do_not_keep_connections_from_them(
    person: Person, scripts: Scripts, app: Any, notes: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("MONGO_DB_MAX_POOL_SIZE", "2")
    has = f'exports = async (team) => (await {COLLECTION}("notes").findOne({{ team }})) !== null;'
    scripts({"has": SYSTEM}, has=has)
    app({"name": "r", "apply_when": {"%%true": asks("has", "%%root.team")}, **OPEN})

    found = await asyncio.gather(*(ids(person) for _ in range(12)))

    assert found == [[0, 1, 2]] * 12
