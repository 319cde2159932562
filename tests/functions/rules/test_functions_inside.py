"""Functions of the app that the app itself calls, where nobody has sent a request."""

from typing import Any

import pytest
from bson.int64 import Int64

from shared.auth.accounts import NOBODY
from shared.endpoint.contexts import CallContext
from shared.endpoint.function_calls import FunctionCall
from shared.endpoint.request_view import NO_REQUEST
from shared.errors import FunctionFailedError, FunctionNotFoundError
from shared.service import process
from shared.telemetry.requests import RequestLine
from tests.functions.rules.conftest import Scripts
from tests.hosts import Worker

ORDERS = 'context.services.get("mongodb-atlas").db("shop").collection("orders")'


async def value(name: str, *arguments: Any) -> Any:
    context = CallContext(process.service(), RequestLine("test"), process.actions)
    async with context:
        return await FunctionCall(context, NOBODY, NO_REQUEST).value(name, arguments)


async def test_it_has_all_rights_and_no_caller(worker: Worker, scripts: Scripts, database: Any) -> None:
    seen = "{ ...context.user, system: context.runningAsSystem(), request: context.request.requestHeaders }"
    scripts(
        {"f": {"private": True, "can_evaluate": {"%%user.id": "somebody"}}},
        f=f"exports = async (order) => {{ await {ORDERS}.insertOne(order); return {seen}; }};",
    )

    found = await value("f", {"n": Int64(7)})

    assert found == {
        "type": "system", "data": {}, "custom_data": {}, "identities": [], "system": True, "request": {},
    }  # fmt: skip
    assert [type(each["n"]) for each in await database.orders.find().to_list()] == [Int64]


@pytest.mark.parametrize("body", ["", "return null", "return undefined"])
async def test_nothing_is_none(worker: Worker, scripts: Scripts, body: str) -> None:
    scripts(f=f"exports = () => {{ {body} }};")

    assert await value("f") is None


async def test_what_fails_raises_and_gives_back_all_it_held(worker: Worker, scripts: Scripts) -> None:
    scripts(f="exports = () => { throw new Error('no'); };")
    service = process.service()
    before = service.admission.is_full, service.budget.held

    with pytest.raises(FunctionFailedError, match="no"):
        await value("f")
    with pytest.raises(FunctionNotFoundError, match="function not found: 'g'"):
        await value("g")

    assert (service.admission.is_full, service.budget.held) == before == (False, 0)
