"""Settings that change what a caller sees, in Azure's worker."""

import pytest

from tests.conftest import ACTION, Post, errors_only, request_body
from tests.hosts import Worker


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", "application/{{CONTENT_TYPE}}", "application/ejson;q=0"])
async def test_return_type_decides_where_accept_does_not(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, accept: str | None
) -> None:
    configured.setenv("RETURN_TYPE", "EJSON")

    answer = await Post(worker, key)("deleteMany", accept=accept, filter={"_id": "none"})

    assert answer.headers["content-type"] == "application/ejson"
    assert answer.body == b'{"deletedCount":{"$numberInt":"0"}}'


async def test_accept_wins_over_return_type(worker: Worker, configured: pytest.MonkeyPatch, key: str) -> None:
    configured.setenv("RETURN_TYPE", "EJSON")

    answer = await Post(worker, key)("deleteMany", accept="application/json", filter={"_id": "none"})

    assert answer.body == b'{"deletedCount":0}'


async def test_errors_are_plain_whatever_the_return_type(
    worker: Worker, configured: pytest.MonkeyPatch, key: str
) -> None:
    configured.setenv("RETURN_TYPE", "EJSON")

    answer = await Post(worker, key)("deleteMany")

    assert errors_only(answer)["error_code"] == "MissingParameter"


@pytest.mark.parametrize(("size", "status"), [(500, 200), (501, 413)])
async def test_a_body_may_be_as_long_as_the_limit(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, size: int, status: int
) -> None:
    configured.setenv("MAX_BODY_BYTES", "500")

    answer = await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body().ljust(size))

    assert answer.status == status


async def test_a_body_over_the_limit_is_told_the_limit(
    worker: Worker, configured: pytest.MonkeyPatch, key: str
) -> None:
    configured.setenv("MAX_BODY_BYTES", "500")

    answer = await worker.request("POST", ACTION + "find", {"apiKey": key}, b" " * 501)

    assert errors_only(answer) == {
        "error": "request body too large: the limit is 500 bytes", "error_code": "BadRequest",
    }  # fmt: skip


async def test_the_control_database_is_a_setting(worker: Worker, configured: pytest.MonkeyPatch, key: str) -> None:
    configured.setenv("DOZEN_DATABASE", "elsewhere")

    answer = await Post(worker, key)("find")

    assert answer.status == 401  # the key is not in that database
