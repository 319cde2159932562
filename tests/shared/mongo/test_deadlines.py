"""Transactions: what MongoDB's refusal of one is told apart from."""

import asyncio
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from local.mongod import Mongod
from shared.errors import DeadlinePassedError, Unavailable, UnavailableError
from shared.mongo.deadlines import Session, driver_call, transaction
from shared.mongo.refusals import translated

ILLEGAL = 20


@pytest.mark.parametrize(
    ("text", "is_of_transactions"),
    [
        ("Transaction numbers are only allowed on a replica set member or mongos", True),
        ("Plan executor error during findAndModify :: caused by :: Cannot call setValue on the root object", False),
    ],
)
async def test_an_illegal_operation_is_not_a_lack_of_transactions(
    database: Any, text: str, is_of_transactions: bool
) -> None:
    async def refused(_session: Session) -> None:
        raise OperationFailure(text, ILLEGAL, {"code": ILLEGAL, "codeName": "IllegalOperation", "errmsg": text})

    with pytest.raises((UnavailableError, OperationFailure)) as raised:
        await transaction(database["items"], refused, 1_000)

    told = translated(raised.value)
    assert (str(told) == Unavailable.NO_TRANSACTIONS) is is_of_transactions
    assert isinstance(told, UnavailableError) is is_of_transactions


@pytest.mark.parametrize("milliseconds", [200, 60_000], ids=["for itself", "for its call"])
async def test_a_transaction_that_is_late_keeps_nothing_from_others(
    mongod: Mongod, database: Any, milliseconds: int
) -> None:
    items = database["items"]
    await items.insert_one({"_id": 1})

    async def late(session: Session) -> None:
        await items.update_one({"_id": 1}, {"$set": {"a": 1}}, session=session)
        await asyncio.sleep(0.4)
        await items.find_one({"_id": 1}, session=session)

    with pytest.raises(DeadlinePassedError), driver_call(350):
        await transaction(items, late, milliseconds)

    async with AsyncMongoClient[Any](mongod.uri) as other, asyncio.timeout(20):
        await other[database.name]["items"].update_one({"_id": 1}, {"$set": {"b": 1}})
    assert await items.find_one() == {"_id": 1, "b": 1}
