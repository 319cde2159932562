"""Functions that triggers call: which failures are MongoDB's, so that the function is called again."""

from typing import Any

import pytest

from shared.endpoint.inner_calls import call_of_trigger
from shared.errors import FunctionFailedError, FunctionNotFoundError, UnavailableError
from shared.service import process
from tests.conftest import FailPoint
from tests.functions.rules.conftest import Scripts
from tests.hosts import Worker

INSERT = 'context.services.get("mongodb-atlas").db("shop").collection("seen").insertOne(event)'
AWAY = {"errorCode": 16500}  # as Azure throttles, of which the driver knows nothing


@pytest.mark.parametrize(
    "body",
    [
        f"return {INSERT};",
        f"try {{ await {INSERT}; }} catch (error) {{ throw new Error('mine'); }}",
        f"{INSERT};",
    ],
    ids=["the error", "another error", "no error, as it does not wait"],
)
async def test_a_function_that_failed_while_mongodb_was_away_may_be_called_again(
    worker: Worker, scripts: Scripts, database: Any, fail_point: FailPoint, body: str
) -> None:
    scripts(f=f"exports = async (event) => {{ {body} }};")
    await fail_point("insert", **AWAY)

    with pytest.raises(UnavailableError):
        await call_of_trigger(process.service(), "f", [{"n": 1}])


async def test_a_function_that_did_without_has_done_its_work(
    worker: Worker, scripts: Scripts, database: Any, fail_point: FailPoint
) -> None:
    scripts(f=f"exports = async (event) => {{ try {{ await {INSERT}; }} catch {{ await {INSERT}; }} }};")
    await fail_point("insert", **AWAY)

    await call_of_trigger(process.service(), "f", [{"n": 1}])

    assert await database["seen"].count_documents({}) == 1


async def test_a_function_that_fails_by_itself_has_failed(worker: Worker, scripts: Scripts, database: Any) -> None:
    scripts(f=f"exports = async (event) => {{ await {INSERT}; throw new Error('no'); }};")

    with pytest.raises(FunctionFailedError, match="no"):
        await call_of_trigger(process.service(), "f", [{"n": 1}])
    with pytest.raises(FunctionNotFoundError):
        await call_of_trigger(process.service(), "g", [])
