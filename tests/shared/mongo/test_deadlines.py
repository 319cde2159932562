"""Transactions: what MongoDB's refusal of one is told apart from."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from shared.errors import Unavailable, UnavailableError
from shared.mongo.deadlines import Session, transaction
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
