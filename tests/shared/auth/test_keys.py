"""Credentials, through both hosts: what is accepted, what is refused and with which words."""

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.auth.keys import _hash, new_key
from shared.mongo.control import API_KEYS
from shared.service import process
from tests.conftest import ACTION, Post, errors_only, request_body, restart
from tests.hosts import Host, Server, Worker
from tests.valkey import Valkey

pytestmark = pytest.mark.both_hosts  # headers come through each host in its way

NONE = {"error": "no authentication methods were specified", "error_code": "InvalidParameter"}
HALF = {
    "error": "must specify some form of authentication (either email+password, api-key, or jwt) "
    "in the request header or body",
    "error_code": "MissingParameter",
}
NOBODY = {"error": "invalid session: error finding user for endpoint", "error_code": "InvalidSession"}
BAD_TOKEN = {"error": "invalid session", "error_code": "InvalidSession"}


class Clock:
    """A clock that may be ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


type Issue = Callable[..., Awaitable[str]]


@pytest.fixture
def issue(driver: Any) -> Issue:
    """Store a key in the control database and return it."""

    async def issue(**members: Any) -> str:
        made, stored = new_key("issued by a test", system=True)
        await driver.dozen[API_KEYS].insert_one(stored | members)
        return made

    return issue


async def find(host: Host, headers: dict[str, str]) -> Any:
    return await host.request("POST", ACTION + "find", headers, request_body())


@pytest.mark.parametrize("name", ["apiKey", "api-key", "apikey", "APIKEY", "API-KEY", "Api-Key", "ApiKey", "aPI-kEY"])
async def test_a_key_is_accepted_in_both_headers_however_written(
    host: Host, key: str, database: Any, name: str
) -> None:
    answer = await find(host, {name: key})

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')


@pytest.mark.parametrize(
    ("headers", "status", "members"),
    [
        pytest.param({}, 400, NONE, id="nothing"),
        pytest.param({"x-functions-key": "k"}, 401, NOBODY, id="an unknown x-functions-key"),
        pytest.param({"x-api-key": "k"}, 400, NONE, id="x-api-key"),
        pytest.param({"apiKey": ""}, 400, NONE, id="an empty key"),
        pytest.param({"Authorization": "Basic dTpw"}, 401, NOBODY, id="Basic of nobody"),
        pytest.param({"Authorization": "Basic YXBpa2V5Omtub3du"}, 401, NOBODY, id="Basic with an unknown key"),
        pytest.param({"Authorization": "Basic dTpw", "password": "p"}, 400, HALF, id="Basic and half of an email"),
        *(
            pytest.param({"Authorization": f"Basic {each}".strip()}, 401, NOBODY, id=f"Basic {each}")
            for each in ("", "!", "dTp", "dQ==", "Og==", "YXBpa2V5Og==", "gICA", "dTpw dTpw")
        ),
        pytest.param({"Authorization": ""}, 400, NONE, id="an empty Authorization"),
        pytest.param({"email": "a@example.com"}, 400, HALF, id="email only"),
        pytest.param({"password": "p"}, 400, HALF, id="password only"),
        pytest.param({"email": "a@example.com", "password": ""}, 400, HALF, id="an empty password"),
        pytest.param({"apiKey": "wrong"}, 401, NOBODY, id="an unknown apiKey"),
        pytest.param({"api-key": "unknown" * 9}, 401, NOBODY, id="an unknown api-key"),
        pytest.param({"apiKey": "caf\u00e9"}, 401, NOBODY, id="a key outside ASCII"),
        pytest.param({"apiKey": "k" * 5_000}, 401, NOBODY, id="a very long key"),
        pytest.param({"apiKey": "wrong", "email": "a", "password": "p"}, 401, NOBODY, id="apiKey before email"),
        pytest.param({"email": "a@example.com", "password": "p"}, 401, NOBODY, id="email and password"),
        pytest.param({"jwtTokenString": "eyJ.e30.x"}, 401, NOBODY, id="jwtTokenString"),
        pytest.param({"jwtTokenString": "eyJ", "email": "a"}, 401, NOBODY, id="jwtTokenString and half of an email"),
        pytest.param({"Authorization": "Bearer eyJ"}, 401, BAD_TOKEN, id="Bearer"),
        pytest.param({"Authorization": "bearer eyJ"}, 401, BAD_TOKEN, id="bearer"),
        pytest.param({"AUTHORIZATION": "BEARER eyJ"}, 401, BAD_TOKEN, id="BEARER"),
        pytest.param({"Authorization": "Bearer"}, 401, BAD_TOKEN, id="Bearer without a token"),
    ],
)
async def test_a_refusal_has_the_contracts_words(
    host: Host, database: Any, headers: dict[str, str], status: int, members: dict[str, str]
) -> None:
    answer = await host.request("POST", ACTION + "insertOne", headers, request_body(document={"a": 1}))

    assert answer.status == status
    assert errors_only(answer) == members
    assert await database.list_collection_names() == []


@pytest.mark.parametrize("scheme", ["Bearer x", "bearer", "BEARER x", "Bearer\tx", "BEARER \t x"])
async def test_a_bearer_token_never_falls_through_to_a_valid_key(host: Host, key: str, scheme: str) -> None:
    answer = await find(host, {"apiKey": key, "Authorization": scheme})

    assert answer.status == 401
    assert errors_only(answer) == BAD_TOKEN


@pytest.mark.parametrize("scheme", ["Basic dTpw", "Digest x", "Bearertoken", "", "some-key-itself"])
async def test_any_other_scheme_falls_through_to_the_key(host: Host, key: str, database: Any, scheme: str) -> None:
    answer = await find(host, {"apiKey": key, "Authorization": scheme})

    assert answer.status == 200


@pytest.mark.parametrize(
    "others",
    [
        pytest.param({"email": "a@example.com"}, id="half an email"),
        pytest.param({"email": "a@example.com", "password": "p"}, id="email and password"),
        pytest.param({"jwtTokenString": "eyJ"}, id="jwtTokenString"),
        pytest.param({"x-functions-key": "k"}, id="Azure's key"),
    ],
)
async def test_a_key_decides_before_the_other_credentials(
    host: Host, key: str, database: Any, others: dict[str, str]
) -> None:
    answer = await find(host, {"api-key": key} | others)

    assert answer.status == 200


async def test_a_key_in_the_query_or_the_body_is_none(host: Host, key: str) -> None:
    body = request_body(apiKey=key)

    answer = await host.request("POST", f"{ACTION}find?apiKey={key}&code={key}", {}, body)

    assert answer.status == 400
    assert errors_only(answer) == NONE


async def test_a_disabled_key_is_refused(host: Host, issue: Issue) -> None:
    disabled = await issue(disabled=True)

    answer = await find(host, {"apiKey": disabled})

    assert answer.status == 401
    assert errors_only(answer) == NOBODY


async def test_a_key_that_has_ended_is_refused_as_an_unknown_one(host: Host, issue: Issue) -> None:
    ended = await issue(name="that ends", expires=datetime.now(UTC) - timedelta(milliseconds=1))
    going_on = await issue(name="that ends", expires=datetime.now(UTC) + timedelta(hours=1))
    unknown = await find(host, {"apiKey": "wrong"})

    answer = await find(host, {"apiKey": ended})

    assert (answer.status, answer.body) == (unknown.status, unknown.body)
    assert errors_only(answer) == NOBODY
    assert (await find(host, {"apiKey": going_on})).status == 200


@pytest.fixture
def clock(worker: Worker, configured: pytest.MonkeyPatch) -> Clock:
    """What the worker in this process takes for the time where it caches keys, which it does for an hour."""
    clock = Clock()
    configured.setenv("AUTH_CACHE_SECONDS", "3600")
    configured.setattr("shared.auth.keys.time", clock)
    return clock


@pytest.mark.parametrize("is_shared", [False, True], ids=["in the process", "in the store"])
async def test_a_cached_key_never_outlives_its_end(
    worker: Worker, clock: Clock, configured: pytest.MonkeyPatch, valkey: Valkey, issue: Issue, is_shared: bool
) -> None:
    configured.setenv("REDIS_URL", valkey.url)
    configured.setenv("SESSION_SECRET", "of more than thirty-two characters, for tests")
    key = await issue(name="that ends", expires=datetime.now(UTC) + timedelta(seconds=900))
    before = await find(worker, {"apiKey": key})
    clock.ahead = 600
    still = await find(worker, {"apiKey": key})
    if is_shared:
        restart()
    clock.ahead = 900

    after = await find(worker, {"apiKey": key})

    assert (before.status, still.status, after.status) == (200, 200, 401)
    assert errors_only(after) == NOBODY


async def test_a_cached_key_does_not_outlive_its_end_while_mongodb_is_away(clock: Clock, issue: Issue) -> None:
    key = await issue(name="that ends", expires=datetime.now(UTC) + timedelta(seconds=900))
    keys = process.service().keys

    finding = await keys._found(_hash(key))

    assert finding.seconds <= finding.most <= 900


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda keys, chosen: keys.update_one(chosen, {"$set": {"disabled": True}}), id="disabled"),
        pytest.param(lambda keys, chosen: keys.delete_one(chosen), id="deleted"),
    ],
)
async def test_a_key_stops_working_when_the_cache_is_over(
    worker: Worker, clock: Clock, driver: Any, issue: Issue, change: Any
) -> None:
    key = await issue()
    before = await find(worker, {"apiKey": key})

    await change(driver.dozen[API_KEYS], {"name": "issued by a test", "disabled": False})
    clock.ahead = 3_000
    still = await find(worker, {"apiKey": key})
    clock.ahead = 3_601
    after = await find(worker, {"apiKey": key})

    assert (before.status, still.status, after.status) == (200, 200, 401)


async def test_without_a_cache_a_key_stops_working_at_once(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any, issue: Issue
) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "0")
    key = await issue()
    before = await find(worker, {"apiKey": key})

    await driver.dozen[API_KEYS].update_many({"name": "issued by a test"}, {"$set": {"disabled": True}})

    after = await find(worker, {"apiKey": key})
    assert (before.status, after.status) == (200, 401)


async def test_a_cached_key_is_not_looked_up_again(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any, issue: Issue
) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "60")
    key = await issue()
    await find(worker, {"apiKey": key})

    await driver.dozen[API_KEYS].delete_many({"name": "issued by a test"})

    assert (await find(worker, {"apiKey": key})).status == 200


async def test_a_refusal_is_not_cached(worker: Worker, driver: Any) -> None:
    key, stored = new_key("issued by a test", system=True)
    early = await find(worker, {"apiKey": key})

    await driver.dozen[API_KEYS].insert_one(stored)

    assert (early.status, (await find(worker, {"apiKey": key})).status) == (401, 200)


STORED = frozenset({"_id", "name", "hash", "created", "disabled", "system", "user_id"})
SOMETIMES_STORED = frozenset({"expires", "made_by", "former", "quota", "used"})


async def test_keys_are_stored_only_as_hashes(driver: Any, key: str) -> None:
    stored = [document async for document in driver.dozen[API_KEYS].find()]

    assert key not in repr(stored)
    assert all(len(document["hash"]) == 64 for document in stored)
    assert {frozenset(document) - SOMETIMES_STORED for document in stored} == {STORED}


async def test_nothing_of_a_key_is_in_the_log(server: Server, issue: Issue) -> None:
    key = await issue()
    await find(server, {"apiKey": key})
    await find(server, {"apiKey": key + "x"})
    await find(server, {"Authorization": "Bearer planted-token"})
    await find(server, {"email": "planted-email", "password": "planted-password"})

    log = server.log.read_text()

    assert key[:20] not in log
    assert "planted" not in log


async def test_the_log_names_the_caller_by_the_keys_id(server: Server, driver: Any, key: str, post: Post) -> None:
    owner = await driver.dozen[API_KEYS].find_one({"name": "tests"})
    await find(server, {"apiKey": key})

    line = server.log_lines[-1]

    assert (line["operation"], line["caller"], line["status"]) == ("find", str(owner["_id"]), 200)


async def test_a_refused_caller_has_no_name_in_the_log(server: Server) -> None:
    await find(server, {"apiKey": "wrong"})

    line = server.log_lines[-1]

    assert (line["caller"], line["namespace"], line["status"], line["error_code"]) == (
        None,
        None,
        401,
        "InvalidSession",
    )


def test_keys_are_long_and_never_the_same() -> None:
    made = {new_key("x")[0] for _ in range(100)}

    assert len(made) == 100
    assert {len(key) for key in made} == {64}
    assert json.loads(json.dumps(sorted(made))) == sorted(made)
