"""What functions have of MongoDB beside the methods of a collection: names, bulks, pipelines of a database."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Known, Person, Scripts
from tests.functions.rules.test_app_functions import CLIENT_OF, ORDERS, PUBLIC, call, returned
from tests.functions.rules.test_function_collections import SYSTEM
from tests.hosts import Worker

NAMES = f"{CLIENT_OF}.db('shop').getCollectionNames()"
DATABASES = f"{CLIENT_OF}.admin().getDBNames()"


@pytest.fixture
async def person(worker: Worker, known: Known, scripts: Scripts, database: Any) -> Person:
    """A user of an app, with documents that everybody may read and write."""
    await database.public.insert_many([{"_id": n, "n": n} for n in (1, 2, 3)])
    return await known(worker, "ann@shop.example")


def number(n: int) -> dict[str, str]:
    return {"$numberInt": str(n)}


async def test_names_are_listed_for_functions_of_the_system(person: Person, scripts: Scripts) -> None:
    scripts(
        {"names": SYSTEM, "databases": SYSTEM, "then": SYSTEM},
        names=f"exports = async () => {{ const names = await {NAMES}; return names.includes('public') }}",
        databases=f"exports = () => {DATABASES}",
        then=f"exports = () => {NAMES}.then((all) => all.length > 0).catch(() => false).finally(() => 1)",
        own=f"exports = async () => await {NAMES}",
        owns=f"exports = async () => await {DATABASES}",
    )

    assert await returned(person, "names") is True
    assert await returned(person, "then") is True
    databases = await returned(person, "databases")
    assert ("shop" in databases, {"admin", "config", "dozen", "local"} & set(databases)) == (True, set())
    for name, method in (("own", "getCollectionNames"), ("owns", "getDBNames")):
        error = errors_only(await call(person, {"name": name}))["error"]
        assert f"'{method}' is for functions that run as the system" in error


@pytest.mark.parametrize(
    "use",
    ["names.length", "names[0]", "names.includes('x')", "[...names]", "Object.keys(names)", "'0' in names",
     "`${names}`", "JSON.stringify(names)", "names.map((each) => each)", "({ ...names })", "[].concat(names)",
     "({ names })", "{ for (const each of names) return each }", "{ names.x = 1 }"],
)  # fmt: skip
async def test_names_that_are_not_awaited_say_so(person: Person, scripts: Scripts, use: str) -> None:
    body = use if use.startswith("{") else f"return {use}"
    scripts({"f": SYSTEM}, f=f"exports = () => {{ const names = {NAMES}; {body} }}")

    error = errors_only(await call(person, {"name": "f"}))["error"]

    assert "'getCollectionNames' has no result before it is awaited" in error


async def test_a_pipeline_may_be_of_a_database(person: Person, scripts: Scripts) -> None:
    pipeline = "[{ $documents: [{ n: 1 }, { n: 2 }] }, { $match: { n: 2 } }]"
    scripts({"f": SYSTEM}, f=f"exports = () => {CLIENT_OF}.db('shop').aggregate({pipeline}).toArray()")

    assert await returned(person, "f") == [{"n": number(2)}]


@pytest.mark.parametrize("method", ["initializeOrderedBulkOp", "initializeUnorderedBulkOp"])
async def test_writes_are_gathered_and_sent_together(
    person: Person, scripts: Scripts, database: Any, method: str
) -> None:
    scripts(
        f=f"""exports = async () => {{
      const bulk = {PUBLIC}.{method}();
      bulk.insert({{ _id: 4 }});
      bulk.find({{ _id: 1 }}).updateOne({{ $set: {{ n: 10 }} }});
      bulk.find({{ _id: 1 }}).update({{ $set: {{ seen: true }} }});
      bulk.find({{ _id: 5 }}).upsert().replaceOne({{ n: 50 }});
      bulk.find({{ _id: 6 }}).arrayFilters([{{ each: 1 }}]).update({{ $set: {{ "a.$[each]": 2 }} }});
      bulk.find({{ _id: 2 }}).deleteOne();
      bulk.find({{ _id: 3 }}).remove();
      const {{ nInserted, nMatched, nModified, nRemoved, nUpserted }} = await bulk.execute();
      return [nInserted, nMatched, nModified, nRemoved, nUpserted];
    }}"""
    )

    assert await returned(person, "f") == [number(n) for n in (1, 2, 2, 2, 1)]
    assert [each async for each in database.public.find().sort("_id")] == [
        {"_id": 1, "n": 10, "seen": True}, {"_id": 4}, {"_id": 5, "n": 50},
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "left"), [("Ordered", [1, 2, 3]), ("Unordered", [1, 2, 3, 9])])
async def test_a_bulk_that_fails_goes_on_unless_it_is_ordered(
    person: Person, scripts: Scripts, database: Any, method: str, left: list[int]
) -> None:
    bulk = f"{PUBLIC}.initialize{method}BulkOp().insert({{ _id: 1 }}).insert({{ _id: 9 }})"
    scripts(f=f"exports = () => {bulk}.execute().catch((error) => error.name)")

    assert await returned(person, "f") == "MongoError"
    assert [each["_id"] async for each in database.public.find().sort("_id")] == left


async def test_a_bulk_has_the_rights_of_its_function_and_is_sent_once(
    person: Person, scripts: Scripts, database: Any
) -> None:
    scripts(
        foreign=f"exports = () => {ORDERS}.initializeOrderedBulkOp().insert({{ owner: 'x' }}).execute()",
        twice=f"""exports = async () => {{
          const bulk = {PUBLIC}.initializeOrderedBulkOp().insert({{ _id: 9 }});
          await bulk.execute();
          await bulk.execute();
        }}""",
        late=f"""exports = async () => {{
          const bulk = {PUBLIC}.initializeOrderedBulkOp().insert({{ _id: 10 }});
          await bulk.execute();
          bulk.find({{}}).remove();
        }}""",
    )

    assert "role" in errors_only(await call(person, {"name": "foreign"}))["error"]
    for name in ("twice", "late"):
        assert "the bulk was executed already" in errors_only(await call(person, {"name": name}))["error"]
    assert await database.orders.count_documents({}) == 0
    assert await database.public.count_documents({}) == 5


async def test_a_bulk_may_be_a_part_of_a_transaction(person: Person, scripts: Scripts, database: Any) -> None:
    scripts(
        f=f"""exports = async () => {{
      const session = {CLIENT_OF}.startSession();
      try {{
        await session.withTransaction(async () => {{
          await {PUBLIC}.initializeOrderedBulkOp().insert({{ _id: 9 }}).execute({{ session }});
          throw new Error("no");
        }});
      }} catch (error) {{ return error.message }}
    }}"""
    )

    assert await returned(person, "f") == "no"
    assert await database.public.count_documents({}) == 3


@pytest.mark.parametrize(
    "write",
    [
        "c.bulkWrite([{ deleteMany: { filter: { owner: undefined } } }])",
        "c.bulkWrite([{ insertOne: { a: 1 } }, { updateMany: { filter: { $or: [{ owner: undefined }] }, update } }])",
        "c.bulkWrite([{ updateOne: { filter: {}, update, arrayFilters: [{ x: undefined }] } }])",
        "c.initializeOrderedBulkOp().find({ owner: undefined }).remove().execute()",
        "c.initializeUnorderedBulkOp().find({ owner: undefined }).upsert().update(update).execute()",
    ],
    ids=str,
)  # fmt: skip
async def test_undefined_in_what_a_bulk_searches_by_is_refused(
    person: Person, scripts: Scripts, database: Any, write: str
) -> None:
    scripts(f=f"exports = async () => {{ const c = {PUBLIC}, update = {{ $set: {{ n: 0 }} }}; await {write} }}")

    error = errors_only(await call(person, {"name": "f"}))["error"]

    assert "cannot compare to undefined" in error
    assert [each async for each in database.public.find().sort("_id")] == [{"_id": n, "n": n} for n in (1, 2, 3)]


async def test_undefined_in_what_a_bulk_stores_is_null(person: Person, scripts: Scripts, database: Any) -> None:
    update = "{ updateOne: { filter: { _id: 1 }, update: { $set: { n: undefined } }, hint: undefined } }"
    scripts(f=f"exports = () => {PUBLIC}.bulkWrite([{{ insertOne: {{ _id: 4, n: undefined }} }}, {update}])")

    await returned(person, "f")

    assert await database.public.distinct("_id", {"n": {"$type": "null"}}) == [1, 4]
