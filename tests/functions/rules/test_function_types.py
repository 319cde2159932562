"""The traps of types that programs of App Services know: what is stored and found has the type that it had."""

import json
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from tests.bson_types import ROWS, document, element, text
from tests.functions.rules.conftest import PASSWORD, Known, Person, Scripts, log_in, send
from tests.functions.rules.test_app_functions import PUBLIC, returned
from tests.functions.rules.test_function_collections import SYSTEM
from tests.functions.rules.test_sessions import SESSION
from tests.hosts import Worker

BIG = Int64(2**53 + 1)


@pytest.fixture
async def person(worker: Worker, known: Known, scripts: Scripts, database: Any) -> Person:
    """A user of an app, with a document of numbers."""
    numbers = {"int": 1, "long": Int64(1), "double": 1.0, "big": BIG, "decimal": Decimal128("1.0")}
    await database.public.insert_one({"_id": 1, "name": "Ann", **numbers})
    return await known(worker, "ann@shop.example")


@pytest.mark.parametrize(
    ("update", "types"),
    [
        ("{ $inc: { int: 1, long: 1, double: 1, big: 1, decimal: 1 } }", [int, Int64, float, Int64, Decimal128]),
        ("{ $set: { int: 2 ** 31, long: 5, double: 1.5, big: BSON.Long(5), decimal: 0.5 } }",
         [Int64, int, float, Int64, float]),
        ("{ $set: { int: BSON.Double(1), long: BSON.Int32(1), double: 3.0, big: 2 ** 60, decimal: -0 } }",
         [float, int, int, float, float]),
    ],
)  # fmt: skip
async def test_numbers_of_a_change_are_what_programs_expect(
    person: Person, scripts: Scripts, database: Any, update: str, types: list[type]
) -> None:
    scripts(f=f"exports = () => {PUBLIC}.updateOne({{ _id: 1 }}, {update})")

    await returned(person, "f")

    found = await database.public.find_one({"_id": 1})
    assert [type(found[name]) for name in ("int", "long", "double", "big", "decimal")] == types


async def test_a_document_that_is_read_changed_and_written_keeps_its_types(
    person: Person, scripts: Scripts, database: Any
) -> None:
    scripts(
        f=f"""exports = async () => {{
      const c = {PUBLIC}, document = await c.findOne({{ _id: 1 }});
      document._id = 2;
      document.seen = document.int + document.long + document.double;
      await c.insertOne({{ _id: 3, nested: document }});
      await c.insertOne(document);
    }}"""
    )

    await returned(person, "f")

    before = await database.public.find_one({"_id": 1}, {"_id": 0})
    copies = [await database.public.find_one({"_id": 2}), (await database.public.find_one({"_id": 3}))["nested"]]
    for each in copies:
        assert (each.pop("_id"), type(each["seen"]), each.pop("seen")) == (2, int, 3)
        assert [(type(value), value) for value in each.values()] == [(type(value), value) for value in before.values()]


async def test_a_number_that_is_put_elsewhere_has_the_type_of_its_size(
    person: Person, scripts: Scripts, database: Any
) -> None:
    copied = "{ ...order, _id: 2, of: { n: order.double }, again: BSON.Double(order.double), all: order }"
    scripts(f=f"exports = async () => {{ const c = {PUBLIC}, order = await c.findOne(); await c.insertOne({copied}) }}")

    await returned(person, "f")

    found = await database.public.find_one({"_id": 2})
    assert [type(found[name]) for name in ("int", "long", "double", "big", "decimal")] == [
        int, int, int, Int64, Decimal128,
    ]  # fmt: skip
    assert (type(found["of"]["n"]), type(found["again"]), type(found["all"]["double"])) == (int, float, float)


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("{ int: { $gt: BSON.MinKey, $lt: BSON.MaxKey } }", True),
        ("{ big: BSON.Long.fromString('9007199254740993') }", True),
        ("{ big: BSON.Long.fromString('9007199254740992') }", False),
        ("{ decimal: BSON.Decimal128.fromString('1') }", True),
        ("{ name: { $regex: BSON.BSONRegExp('^ann$', 'i') } }", True),
        ("{ name: /^ann$/i }", True),
        ("{ name: BSON.BSONRegExp('^ann$') }", False),
        ("{ name: { $ne: null } }", True),
        ("{ missing: null }", True),
        ("{ int: { $type: 'int' } }", True),
    ],
)
async def test_values_of_a_query_are_what_they_are(person: Person, scripts: Scripts, query: str, finds: bool) -> None:
    scripts({"f": SYSTEM}, f=f"exports = async () => (await {PUBLIC}.findOne({query})) !== null")

    assert await returned(person, "f") is finds


async def test_ids_are_new_where_the_caller_has_some(person: Person, scripts: Scripts, database: Any) -> None:
    scripts(f="exports = () => [context.user.custom_data._id, new BSON.ObjectId(), new BSON.ObjectId()]")
    await database.people.insert_one({"_id": ObjectId(), "user_id": person.id})
    renewed = await send(person.host, "POST", SESSION, token=person.refresh_token)
    person = person._replace(access_token=renewed.json["access_token"])

    first, second = await returned(person, "f"), await returned(person, "f")

    ids = [ObjectId(each["$oid"]) for each in [*first, *second[1:]]]
    assert len(set(ids)) == 5
    assert [await database.people.count_documents({"_id": each}) for each in ids] == [1, 0, 0, 0, 0]


async def test_what_the_app_knows_of_a_user_is_of_every_type(person: Person, scripts: Scripts, database: Any) -> None:
    scripts(f="exports = () => [context.user.custom_data, context.user.id]")
    members = [element(row.kind, row.payload, f"n{at}") for at, row in enumerate(ROWS)]
    custom = document(element(0x02, text(person.id), "user_id"), *members)
    await database.people.insert_one(RawBSONDocument(custom))
    again = await log_in(person.host, "local-userpass", {"username": "ann@shop.example", "password": PASSWORD})

    data, user_id = await returned(again, "f")

    assert user_id == person.id
    assert [data[f"n{at}"] for at in range(len(ROWS))] == [json.loads(row.as_ejson) for row in ROWS]
