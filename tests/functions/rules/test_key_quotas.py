"""What counts for the quota of a key where an app has users, functions and listeners."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from local.mongod import Mongod
from tests.admin.test_keys import called
from tests.conftest import ACTION, request_body
from tests.event_source import StreamError, opened, query_of
from tests.functions.rules.conftest import Known, Scripts, log_in
from tests.functions.rules.test_app_functions import CALL, PUBLIC, returned
from tests.hosts import Host, Server, Worker

pytestmark = pytest.mark.usefixtures("within_an_hour")

type Made = Callable[..., str]


@pytest.fixture
def made(mongod: Mongod) -> Made:
    """Make a key with a quota."""

    def make(limits: str, *more: str) -> str:
        done = called("keys", "create", "--name", "limited", "--quota", limits, *more, MONGO_DB_URI=mongod.uri)
        return done.stdout.strip()

    return make


async def test_a_key_counts_wherever_it_stands_and_not_for_the_user_that_it_acts_as(
    app_host: Host, known: Known, made: Made, database: Any
) -> None:
    ann = await known(app_host, "ann@shop.example")
    key = made("calls=4/day", "--user", ann.id)
    session = await log_in(app_host, "api-key", {"key": key})
    basic = b64encode(f"apikey:{key}".encode()).decode()
    sent = [
        {"apiKey": key}, {"api-key": key}, {"Authorization": f"Basic {basic}"},
        {"Authorization": f"Bearer {session.access_token}"},
    ]  # fmt: skip
    body = request_body(collection="orders")
    answers = [await app_host.request("POST", ACTION + "find", each, body) for each in sent + sent]
    own = await ann("find")

    assert [each.status for each in answers] == [200] * 4 + [429] * 4
    assert [each.headers["ratelimit-remaining"] for each in answers[:4]] == ["3", "2", "1", "0"]
    assert (own.status, "ratelimit" in own.headers) == (200, False)


async def test_what_a_function_reads_and_writes_are_documents_of_the_key(
    worker: Worker, known: Known, made: Made, scripts: Scripts, database: Any
) -> None:
    ann = await known(worker, "ann@shop.example")
    key = made("documents=3/day,calls=1000/day", "--user", ann.id)
    scripts(f=f"exports = async () => {{ await {PUBLIC}.insertMany([{{}}, {{}}]); await {PUBLIC}.find().toArray() }}")
    person = await log_in(worker, "api-key", {"key": key})
    await returned(person, "f")
    sent = {"Authorization": f"Bearer {person.access_token}"}
    refused = await worker.request("POST", CALL, sent, b'{"name":"f","arguments":[]}')

    assert refused.status == 429
    assert refused.json["error"].startswith("the key has used up its quota documents=3/day")
    assert await database.public.count_documents({}) == 2


async def test_who_listens_is_told_of_as_many_documents_as_the_quota_of_the_key_says(
    app_server: Server, made: Made, database: Any
) -> None:
    person = await log_in(app_server, "api-key", {"key": made("documents=2/day")})
    async with opened(app_server.port, CALL + query_of("public"), person.access_token) as source:
        for number in range(2):
            await database.public.insert_one({"_id": number})
            await source.event()
        await database.public.insert_one({"_id": 2})
        ended = await source.event()

    assert source.headers["ratelimit-remaining"] == "2"
    assert isinstance(ended, StreamError)
    assert ended.code == "TooManyRequests"
    async with opened(app_server.port, CALL + query_of("public"), person.access_token) as again:
        assert again.status == 429
