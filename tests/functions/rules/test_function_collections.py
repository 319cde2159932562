"""What functions of the app do to collections: as their callers under the rules, as others, or as the system."""

import asyncio
import json
from typing import Any

import pytest

from local.mongod import Mongod
from shared import budget
from shared.service import process
from tests.conftest import errors_only
from tests.functions.rules.conftest import Known, Person, Scripts
from tests.functions.rules.test_app_functions import CLIENT_OF, ORDERS, PUBLIC, call, returned
from tests.hosts import Worker

SYSTEM = {"run_as_system": True}
COUNTS = '{"matchedCount":{"$numberInt":"%d"},"modifiedCount":{"$numberInt":"%d"}}'


@pytest.fixture
async def person(worker: Worker, known: Known, scripts: Scripts) -> Person:
    """A user of an app whose functions are still to come."""
    return await known(worker, "ann@shop.example")


@pytest.fixture
async def three(person: Person, database: Any) -> Any:
    """Three documents that everybody may read and write."""
    await database.public.insert_many([{"_id": n, "n": n, "team": "a"} for n in (1, 2, 3)])
    return database.public


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("c.find().toArray()", '[{"_id":{"$numberInt":"1"},"n":{"$numberInt":"1"},"team":"a"},'
         '{"_id":{"$numberInt":"2"},"n":{"$numberInt":"2"},"team":"a"},'
         '{"_id":{"$numberInt":"3"},"n":{"$numberInt":"3"},"team":"a"}]'),
        ("c.find({ n: { $gt: 1 } }, { _id: 1 }).sort({ n: -1 }).skip(1).limit(1)", '[{"_id":{"$numberInt":"2"}}]'),
        ("c.find({ n: 9 }).next()", '{"$undefined":true}'),
        ("c.find({ n: 3 }, { _id: 1 }).next()", '{"_id":{"$numberInt":"3"}}'),
        ("(async () => { const all = []; for await (const { n } of c.find()) all.push(n); return all })()",
         '[{"$numberInt":"1"},{"$numberInt":"2"},{"$numberInt":"3"}]'),
        ("(async () => (await c.find()).toArray().then((all) => all.length))()", '{"$numberInt":"3"}'),
        ("c.findOne({ n: 2 }, { n: 1, _id: 0 })", '{"n":{"$numberInt":"2"}}'),
        ("c.findOne({ n: 9 })", "null"),
        ("c.findOneAndUpdate({ n: 1 }, { $inc: { n: 4 } }, { projection: { n: 1, _id: 0 } })",
         '{"n":{"$numberInt":"1"}}'),
        ("c.findOneAndUpdate({ n: 1 }, { $inc: { n: 4 } }, { returnNewDocument: true })",
         '{"_id":{"$numberInt":"1"},"n":{"$numberInt":"5"},"team":"a"}'),
        ("c.findOneAndUpdate({ n: 9 }, { $inc: { n: 4 } })", "null"),
        ("c.findOneAndReplace({}, { x: 1 }, { sort: { n: -1 }, returnNewDocument: true })",
         '{"_id":{"$numberInt":"3"},"x":{"$numberInt":"1"}}'),
        ("c.findOneAndDelete({ n: 2 }, { projection: { n: 1 } })", '{"_id":{"$numberInt":"2"},"n":{"$numberInt":"2"}}'),
        ("c.insertOne({ _id: 'x' })", '{"insertedId":"x"}'),
        ("c.insertOne({}).then(({ insertedId }) => insertedId.toString().length)", '{"$numberInt":"24"}'),
        ("c.insertMany([{ _id: 'x' }, { _id: 'y' }])", '{"insertedIds":["x","y"]}'),
        ("c.updateOne({ n: 1 }, { $set: { n: 5 } })", COUNTS % (1, 1)),
        ("c.updateOne({ _id: 9 }, { $set: { n: 9 } }, { upsert: true })",
         (COUNTS % (0, 0))[:-1] + ',"upsertedId":{"$numberInt":"9"}}'),
        ("c.updateMany({}, { $set: { 'a.$[each]': 1 } }, { arrayFilters: [{ each: 1 }] })", "MongoError"),
        ("c.updateMany({}, { $set: { team: 'b' } })", COUNTS % (3, 3)),
        ("c.deleteOne({})", '{"deletedCount":{"$numberInt":"1"}}'),
        ("c.deleteMany({ n: { $lt: 3 } })", '{"deletedCount":{"$numberInt":"2"}}'),
        ("c.aggregate([{ $group: { _id: '$team', n: { $sum: '$n' } } }])", '[{"_id":"a","n":{"$numberInt":"6"}}]'),
        ("c.aggregate([{ $sort: { n: 1 } }, { $project: { n: 1, _id: 0 } }]).skip(2).toArray()",
         '[{"n":{"$numberInt":"3"}}]'),
        ("c.count()", '{"$numberInt":"3"}'),
        ("c.count({ n: 1 }, { limit: 2 })", '{"$numberInt":"1"}'),
        ("c.distinct('team')", '["a"]'),
        ("c.distinct('n', { n: { $gt: 1 } })", '[{"$numberInt":"2"},{"$numberInt":"3"}]'),
        ("c.bulkWrite([{ insertOne: { _id: 8 } }, { insertOne: { document: { _id: 9 } } },"
         " { deleteOne: { filter: { _id: 1 } } }])", "null"),
        ("c.find({ name: BSON.BSONRegExp('^a') }).toArray()", "[]"),
        ("c.find({ _id: { $in: [1, BSON.Long(2)] } }, { _id: 1 })",
         '[{"_id":{"$numberInt":"1"}},{"_id":{"$numberInt":"2"}}]'),
    ],
)  # fmt: skip
async def test_each_method_has_its_result(
    person: Person, scripts: Scripts, three: Any, expression: str, result: str
) -> None:
    scripts(f=f"exports = async () => {{ const c = {PUBLIC}; return {expression} }}")

    answer = await call(person, {"name": "f"})

    assert result in answer.body.decode()


async def test_a_cursor_that_was_read_from_is_not_changed(person: Person, scripts: Scripts, three: Any) -> None:
    scripts(f=f"exports = async () => {{ const c = {PUBLIC}.find(); await c.next(); c.sort({{ n: 1 }}) }}")

    assert "'sort' cannot change a cursor that was read from" in (await call(person, {"name": "f"})).json["error"]


@pytest.fixture
async def orders(person: Person, database: Any) -> Any:
    """An order of the caller and one of somebody else."""
    own = {"_id": 1, "owner": person.id, "total": 1, "secret": "s"}
    await database.orders.insert_many([own, {"_id": 2, "owner": "somebody", "total": 2, "secret": "s"}])
    return database.orders


IDS = f"{ORDERS}.find({{}}, {{ secret: 1 }}).toArray()"
OWN = [{"_id": {"$numberInt": "1"}}]
ALL = [{"_id": {"$numberInt": "1"}, "secret": "s"}, {"_id": {"$numberInt": "2"}, "secret": "s"}]


async def test_a_function_has_the_rights_of_its_caller(person: Person, scripts: Scripts, orders: Any) -> None:
    scripts(
        f=f"exports = () => {IDS}",
        count=f"exports = () => {ORDERS}.count()",
        drop=f"exports = () => {ORDERS}.deleteMany({{}})",
        nowhere=f"exports = () => {CLIENT_OF}.db('nowhere').collection('c').insertOne({{}})",
    )

    assert await returned(person, "f") == OWN
    assert await returned(person, "count") == {"$numberInt": "1"}
    for name in ("drop", "nowhere"):
        assert errors_only(await call(person, {"name": name}))["error_code"] == "FunctionExecutionError"
    assert await orders.count_documents({}) == 2


async def test_a_system_function_has_all_rights_but_to_the_control_database(
    person: Person, scripts: Scripts, orders: Any
) -> None:
    lookup = "[{ $lookup: { from: { db: 'dozen', coll: 'users' }, pipeline: [], as: 'x' } }]"
    scripts(
        {"f": SYSTEM, "users": SYSTEM, "join": SYSTEM, "admin": SYSTEM},
        f=f"exports = () => {IDS}",
        users=f"exports = () => {CLIENT_OF}.db('dozen').collection('users').find().toArray()",
        join=f"exports = () => {ORDERS}.aggregate({lookup}).toArray()",
        admin=f"exports = () => {CLIENT_OF}.db('admin').collection('system.users').findOne()",
    )

    assert await returned(person, "f") == ALL
    for name in ("users", "join", "admin"):
        answer = await call(person, {"name": name})
        assert (answer.status, "identities" in answer.body.decode()) == (400, False)


async def test_a_function_may_have_the_rights_of_a_user(
    person: Person, known: Known, scripts: Scripts, orders: Any
) -> None:
    bob = await known(person.host, "bob@shop.example")
    await orders.update_one({"_id": 2}, {"$set": {"owner": bob.id}})
    scripts(
        {"f": {"run_as_user_id": bob.id}, "gone": {"run_as_user_id": "65a1b2c3d4e5f60718293a4b"}},
        f=f"exports = async () => [context.user.id, context.runningAsSystem(), await {IDS}]",
        gone=f"exports = () => {IDS}",
    )

    assert await returned(person, "f") == [person.id, False, [{"_id": {"$numberInt": "2"}}]]
    assert (await call(person, {"name": "gone"})).status == 400


async def test_rights_are_those_of_the_function_that_asks(person: Person, scripts: Scripts, orders: Any) -> None:
    """One without its own has those of the function that calls it, and none keeps what another had."""
    scripts(
        {"system": SYSTEM, "outer": SYSTEM},
        f=f"""exports = async () => [
          (await {IDS}).length,
          (await context.functions.execute("system")).length,
          (await context.functions.execute("plain")).length,
          (await context.functions.execute("outer")).length,
          (await context.functions.execute("calls", () => {IDS})).length,
          (await {IDS}).length,
        ]""",
        system=f"exports = () => {IDS}",
        plain=f"exports = () => {IDS}",
        outer="exports = () => context.functions.execute('plain')",
        calls="exports = (callback) => callback()",
    )

    assert [int(each["$numberInt"]) for each in await returned(person, "f")] == [1, 2, 1, 2, 1, 1]


async def test_what_is_not_awaited_is_done_before_the_answer(person: Person, scripts: Scripts, three: Any) -> None:
    scripts(f=f"exports = () => {{ {PUBLIC}.deleteOne({{ _id: 1 }}).then(() => {PUBLIC}.insertOne({{ _id: 'x' }})) }}")

    assert await returned(person, "f") == {"$undefined": True}
    assert [each["_id"] async for each in three.find().sort("n", -1)] == [3, 2, "x"]


@pytest.mark.parametrize("end", ["return 1", "throw new Error('x')"])
async def test_what_fails_after_the_function_has_ended_is_logged(
    person: Person, scripts: Scripts, three: Any, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    scripts(f=f"exports = () => {{ {PUBLIC}.insertOne({{ _id: 1 }}); {PUBLIC}.insertOne({{ _id: 7 }}); {end} }}")
    caplog.set_level("INFO", "dozen")

    await call(person, {"name": "f"})

    lines = [json.loads(each) for each in caplog.messages]
    assert [(line["function"], line["text"]) for line in lines if line["message"] == "console"] == [
        ("f", "failed after the function had ended: MongoDBError")
    ]
    assert await three.count_documents({}) == 4


async def test_what_is_asked_at_once_is_done_side_by_side(person: Person, scripts: Scripts, three: Any) -> None:
    ids = f"Array.from({{ length: 40 }}, (_, n) => {PUBLIC}.insertOne({{ _id: 'n' + n }}))"
    scripts(f=f"exports = async () => (await Promise.all({ids})).length")

    assert await returned(person, "f") == {"$numberInt": "40"}
    assert await three.count_documents({}) == 43


def in_transaction(body: str, end: str = "") -> str:
    return f"""exports = async () => {{
      const client = {CLIENT_OF}, c = {PUBLIC}, session = client.startSession();
      try {{ await session.withTransaction(async () => {{ {body} }}); }}
      catch (error) {{ await session.abortTransaction(); return error.message }}
      finally {{ session.endSession() }}
      {end}
    }}"""


async def test_a_transaction_counts_as_a_whole(person: Person, scripts: Scripts, three: Any) -> None:
    scripts(
        f=in_transaction("await c.insertOne({ _id: 7 }, { session }); await c.deleteOne({ _id: 1 }, { session })"),
        late=in_transaction("c.insertOne({ _id: 8 }, { session }); c.insertOne({ _id: 9 }, { session })"),
    )

    for name in ("f", "late"):
        assert await returned(person, name) == {"$undefined": True}
    assert [each["_id"] async for each in three.find().sort("_id")] == [2, 3, 7, 8, 9]


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        ("throw new Error('no')", "no"),
        ("await c.insertOne({ _id: 2 }, { session })", "E11000"),
        (f"await {ORDERS}.insertOne({{ owner: 'somebody' }}, {{ session }})", "role"),
        ("await session.abortTransaction(); await session.startTransaction(); throw new Error('twice')", "twice"),
    ],
)
async def test_a_transaction_that_fails_leaves_nothing(
    person: Person, scripts: Scripts, three: Any, failure: str, text: str
) -> None:
    scripts(f=in_transaction(f"await c.insertOne({{ _id: 7 }}, {{ session }}); {failure}"))

    assert text in await returned(person, "f")
    assert [each["_id"] async for each in three.find().sort("_id")] == [1, 2, 3]


async def test_a_transaction_that_nobody_ends_is_undone(person: Person, scripts: Scripts, three: Any) -> None:
    begun = f"const session = {CLIENT_OF}.startSession(); session.startTransaction();"
    scripts(f=f"exports = async () => {{ {begun} await {PUBLIC}.insertOne({{ _id: 7 }}, {{ session }}) }}")

    assert await returned(person, "f") == {"$undefined": True}
    assert await three.count_documents({}) == 3
    await three.update_one({"_id": 1}, {"$set": {"n": 1}})  # nothing is locked


@pytest.mark.parametrize(
    ("end", "told"), [("commitTransaction", "all connections to MongoDB are in use"), ("abortTransaction", "done")]
)
async def test_nothing_is_done_outside_of_a_transaction_that_could_not_begin(  # noqa: PLR0913, PLR0917
    person: Person, scripts: Scripts, three: Any, mongod: Mongod, configured: pytest.MonkeyPatch, end: str, told: str
) -> None:
    """Another one has the only connection until the first write of it was refused."""
    configured.setenv("MONGO_DB_URI", f"{mongod.uri}&maxPoolSize=1")
    scripts(
        {"f": SYSTEM},
        f=f"""exports = async () => {{
      const client = {CLIENT_OF}, c = {PUBLIC}, other = client.startSession(), session = client.startSession();
      const told = (work) => work.then(() => "done", (error) => error.message);
      other.startTransaction();
      await c.findOne({{ _id: 1 }}, {{}}, {{ session: other }});
      session.startTransaction();
      const all = [await told(c.insertOne({{ _id: 7 }}, {{ session }}))];
      await other.commitTransaction();
      return [...all, await told(c.insertOne({{ _id: 8 }}, {{ session }})), await told(session.{end}())];
    }}""",
    )

    assert await returned(person, "f") == ["all connections to MongoDB are in use"] * 2 + [told]
    assert [each["_id"] async for each in three.find().sort("_id")] == [1, 2, 3]


CHANGED = [
    pytest.param("await c.insertOne({ _id: 7 })", True, id="a write"),
    pytest.param("await c.insertOne({ _id: 7 }, { session }); await session.commitTransaction()", True, id="a commit"),
    pytest.param("await c.insertOne({ _id: 7 }, { session }); await session.abortTransaction()", False, id="undone"),
    pytest.param("await c.findOne({ _id: 1 })", False, id="a read"),
]


def changes(before: str, after: str) -> str:
    return f"""exports = async () => {{
      const session = {CLIENT_OF}.startSession(), c = {PUBLIC};
      session.startTransaction();
      {before};
      await c.count();
      {after};
    }}"""


@pytest.mark.parametrize(("before", "is_done"), CHANGED)
async def test_a_function_that_had_no_time_left_after_a_write_is_not_told_of_as_if_nothing_were_done(
    person: Person, scripts: Scripts, three: Any, configured: pytest.MonkeyPatch, before: str, is_done: bool
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "700")
    scripts({"f": SYSTEM}, f=changes(before, "await new Promise((done) => setTimeout(done, 60000))"))

    answer = await call(person, {"name": "f"})

    told = "the call took longer than its time limit"
    may = ": the write may have happened, check before you send it again"
    assert (answer.status, answer.json["error"]) == (504, told + may if is_done else told)


@pytest.mark.parametrize(("before", "is_done"), CHANGED)
async def test_a_function_that_had_no_memory_left_after_a_write_is_not_to_be_called_again_at_once(
    person: Person, scripts: Scripts, three: Any, monkeypatch: pytest.MonkeyPatch, before: str, is_done: bool
) -> None:
    scripts(
        {"f": SYSTEM}, f=changes(before, "globalThis.all = Array.from({ length: 500000 }, String); await c.count()")
    )
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.1)
    other = budget.Share(process.service().budget)
    await other.hold(process.service().budget.most - (1 << 22))

    answer = await call(person, {"name": "f"})

    other.end()
    assert answer.status == 503
    assert ("may have happened" in answer.json["error"], answer.headers.get("retry-after")) == (
        (True, None) if is_done else (False, "1")
    )


async def test_transactions_that_meet_are_done_again(person: Person, scripts: Scripts, three: Any) -> None:
    read = "const { n } = await c.findOne({ _id: 1 }, {}, { session })"
    scripts(f=in_transaction(f"{read}; await c.updateOne({{ _id: 1 }}, {{ $set: {{ n: n + 1 }} }}, {{ session }})"))

    results = await asyncio.gather(*[returned(person, "f") for _ in range(3)])

    assert results == [{"$undefined": True}] * 3
    assert await three.find_one({"_id": 1}) == {"_id": 1, "n": 4, "team": "a"}


async def test_undefined_in_a_document_is_null(person: Person, scripts: Scripts, three: Any) -> None:
    scripts(f=f"exports = () => {PUBLIC}.insertOne({{ _id: 7, a: undefined, b: [undefined] }})")

    await returned(person, "f")

    assert await three.find_one({"_id": 7}) == {"_id": 7, "a": None, "b": [None]}


async def test_the_log_counts_documents_and_names_no_namespace(
    person: Person, scripts: Scripts, three: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scripts(f=f"exports = () => {PUBLIC}.find().toArray().then(() => {PUBLIC}.insertOne({{}}))")
    caplog.set_level("INFO", "dozen")

    await returned(person, "f")

    line = json.loads(caplog.messages[-1])
    assert (line["documents"], line["namespace"], line["function"]) == (4, None, "f")


async def test_a_call_has_few_transactions_at_a_time(person: Person, scripts: Scripts, three: Any) -> None:
    begin = f"await {CLIENT_OF}.startSession().withTransaction(() => begin(n - 1))"
    scripts(f=f"const begin = async (n) => {{ if (n > 0) {begin} }}; exports = async (n) => begin(n)")

    assert await returned(person, "f", 2) == {"$undefined": True}
    answer = await call(person, {"name": "f", "arguments": [3]})
    assert answer.json["error"] == "a call has no more than 2 transactions open at a time"
