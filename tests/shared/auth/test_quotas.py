"""How much a key may do: over HTTP, with a real Valkey and without, and beside a model of windows."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from local.mongod import Mongod
from shared.auth import quota
from shared.auth.accounts import Caller
from shared.auth.quota import Limit, Quota, QuotaError
from shared.auth.usage import Usage
from shared.cache.store import LazyStore
from shared.endpoint.event_streams import Standing
from shared.endpoint.http import EXPOSED
from shared.errors import QuotaExceededError
from shared.mongo.control import API_KEYS
from tests.admin.conftest import Told
from tests.admin.test_keys import called, on_a_terminal, without_colours
from tests.conftest import ACTION, request_body
from tests.described import Description
from tests.functions.rules.conftest import CLIENT, SETTINGS, send
from tests.hosts import ROOT, Answer, Host, PatientServer, Server, Worker
from tests.valkey import Valkey

pytestmark = pytest.mark.usefixtures("within_an_hour", "patient")

DAY = "calls=3/day"

type Made = Callable[..., str]


@pytest.fixture
def made(mongod: Mongod) -> Made:
    """Make a key with a quota, which nothing has used yet."""

    def make(limits: str, *more: str) -> str:
        done = called("keys", "create", "--name", "limited", "--quota", limits, *more, MONGO_DB_URI=mongod.uri)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return make


async def stored(driver: Any, key: str) -> Any:
    """Return a key as it is stored."""
    return await driver.dozen[API_KEYS].find_one({"hash": sha256(key.encode()).hexdigest()})


async def find(host: Host, key: str, **members: Any) -> Answer:
    return await host.request("POST", ACTION + "find", {"apiKey": key}, request_body(**members))


@pytest.mark.both_hosts
async def test_a_key_makes_so_many_calls_and_the_next_is_429(host: Host, made: Made, database: Any) -> None:
    key = made(DAY, "--system")
    answers = [await find(host, key) for _ in range(5)]

    assert [each.status for each in answers] == [200, 200, 200, 429, 429]
    assert [each.headers["ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0", "0"]
    last = answers[-1]
    seconds = int(last.headers["retry-after"])
    assert 1 <= seconds <= 86_400
    assert last.json["error"] == f"the key has used up its quota {DAY}: try again in {seconds} seconds"
    assert last.json["error_code"] == "TooManyRequests"
    assert last.headers["ratelimit-policy"] == '"calls/day";q=3;w=86400'
    assert last.headers["ratelimit"] == f'"calls/day";r=0;t={seconds}'
    assert (last.headers["ratelimit-limit"], last.headers["ratelimit-reset"]) == ("3", str(seconds))


async def test_a_key_that_has_used_up_its_quota_gets_no_description(worker: Worker, made: Made) -> None:
    headers = {"apiKey": made("calls=1/day", "--system")}
    answers = [await worker.request("GET", "/openapi.json", headers) for _ in range(2)]

    assert [each.status for each in answers] == [200, 429]
    description = Description(answers[0].json)
    assert [fault for each in answers for fault in description.faults("GET", "/openapi.json", each)] == []


async def test_a_key_without_a_quota_is_told_of_none(host: Host, key: str, database: Any) -> None:
    assert not {name for name in (await find(host, key)).headers if name.startswith("ratelimit")}


async def test_documents_count_once_they_are_read_or_written(host: Host, made: Made, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(5)])
    key = made("documents=6/day,calls=100/min", "--system")
    first, second, third = [await find(host, key) for _ in range(3)]

    assert (first.status, second.status, third.status) == (200, 200, 429)  # the one that goes beyond it is done
    assert third.json["error"].startswith("the key has used up its quota documents=6/day")
    assert third.headers["ratelimit"].startswith('"documents/day";r=0;t=')
    assert first.headers["ratelimit"].startswith('"documents/day";r=1;t=')  # its own documents are counted


async def test_writes_are_documents_and_what_was_refused_counts_nothing(host: Host, made: Made, database: Any) -> None:
    key = made("documents=2/day", "--system")
    body = request_body(documents=[{"_id": 1}, {"_id": 2}])
    written = await host.request("POST", ACTION + "insertMany", {"apiKey": key}, body)
    refused = await host.request("POST", ACTION + "insertMany", {"apiKey": key}, request_body(documents=[{"_id": 3}]))

    assert (written.status, refused.status) == (201, 429)
    assert await database.items.count_documents({}) == 2


async def test_sessions_that_began_with_a_key_share_its_quota(
    configured: pytest.MonkeyPatch, worker: Worker, database: Any, made: Made
) -> None:
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    key = made(DAY)
    answer = await send(worker, "POST", f"{CLIENT}/auth/providers/api-key/login", {"key": key})
    token = answer.json["access_token"]
    headers = [{"apiKey": key}, {"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {token}"}]
    answers = [
        (await worker.request("POST", ACTION + "find", each, request_body(collection="orders"))).status
        for each in (*headers, *headers)
    ]
    called_function = await send(worker, "POST", f"{CLIENT}/functions/call", {"name": "echo", "arguments": []}, token)

    assert answers == [200, 200, 200, 429, 429, 429]
    assert called_function.status == 429


async def test_a_quota_is_changed_and_lifted(server: Server, made: Made, mongod: Mongod, driver: Any) -> None:
    key = made(DAY, "--system")
    found = await stored(driver, key)
    admin: Callable[..., Told] = lambda *arguments: called(*arguments, MONGO_DB_URI=mongod.uri)  # noqa: E731
    changed = admin("keys", "quota", str(found["_id"]), "calls=5/h, documents=1e6/day")
    shown = admin("keys", "show", str(found["_id"]), "--json")
    in_words = admin("keys", "show", str(found["_id"]))
    listed = admin("keys", "list")
    lifted = admin("keys", "quota", str(found["_id"]), "none")

    assert changed.stderr.endswith("has the quota calls=5/h,documents=1000000/day\n")
    assert [(each["noun"], each["most"], each["used"]) for each in json.loads(shown.stdout)["used_of_quota"]] == [
        ("calls", 5, None), ("documents", 1_000_000, None),
    ]  # fmt: skip
    assert "not known" in in_words.stdout  # what other processes have counted
    assert "  calls=5/h  " in listed.stdout
    assert lifted.stderr.endswith("has no quota\n")
    assert "quota" not in await driver.dozen[API_KEYS].find_one({"_id": found["_id"]})
    assert key not in shown.stdout


async def test_processes_count_together_with_valkey_and_alone_without(
    mongod: Mongod, made: Made, database: Any, valkey: Valkey, tmp_path: Path
) -> None:
    key = made("calls=4/day", "--system")
    env = {"MONGO_DB_URI": mongod.uri, "REDIS_URL": valkey.url}
    async with PatientServer(tmp_path / "one", **env) as one, PatientServer(tmp_path / "two", **env) as two:
        together = [(await find(each, key)).status for each in (one, two, one, two, one, two)]
        valkey.kill()
        alone = [(await find(each, key)).status for each in (one, two, one, two, two)]

    assert together == [200, 200, 200, 200, 429, 429]
    assert alone == [429, 429, 429, 429, 429]  # each goes on from what all have counted


async def test_each_process_counts_alone_without_valkey(
    mongod: Mongod, made: Made, database: Any, tmp_path: Path
) -> None:
    key = made("calls=2/day", "--system")
    env = {"MONGO_DB_URI": mongod.uri}
    async with Server(tmp_path / "one", **env) as one, Server(tmp_path / "two", **env) as two:
        statuses = [(await find(each, key)).status for each in (one, one, one, two, two, two)]

    assert statuses == [200, 200, 429, 200, 200, 429]


async def test_operators_see_what_all_have_used_on_80_columns(
    mongod: Mongod, made: Made, valkey: Valkey, database: Any, driver: Any
) -> None:
    key = made("calls=4/day,documents=1e6/day", "--system")
    found = await stored(driver, key)
    key_quota = quota.of_key(found)
    assert key_quota is not None
    await counted_by(valkey, key_quota, calls=3, documents=20_000)
    env = {"MONGO_DB_URI": mongod.uri, "REDIS_URL": valkey.url}
    listed = without_colours(on_a_terminal("keys", "list", program=("tests.patient", "admin"), **os.environ | env))
    shown = called("keys", "show", str(found["_id"]), **env)

    rows = [line.rstrip() for line in listed.splitlines()]
    own = rows.index("  calls=4/day 75%")  # keys of other tests may stand around it
    assert rows[own + 1] == "  documents=1000000/day 2%"
    assert max(map(len, rows)) <= 80
    assert "3 of calls=4/day, 20,000 of documents=1000000/day" in shown.stdout


async def counted_by(valkey: Valkey, of: Quota, *, calls: int = 0, documents: int = 0) -> list[str]:
    """Count as one process with a Valkey does; return for each call how much of the tightest limit is left."""
    store = LazyStore(valkey.url)
    usage = Usage(store)
    try:
        left = [(await usage.begin(of))["RateLimit-Remaining"] for _ in range(calls)]
        await usage.add_documents(of, documents)
        return left
    finally:
        await store.close()


def limited(text: str) -> Quota:
    return Quota(str(ObjectId()), quota.read(text))


async def test_calls_that_come_at_once_are_let_through_as_often_as_the_quota_says(valkey: Valkey) -> None:
    of = limited("calls=2/day,calls=7/h")
    stores = [LazyStore(valkey.url) for _ in range(2)]
    begun = [Usage(store).begin(of) for store in stores for _ in range(20)]
    results = await asyncio.gather(*begun, return_exceptions=True)
    used = await Usage(stores[0]).of(of)
    await asyncio.gather(*(store.close() for store in stores))

    assert Counter(map(type, results)) == {dict: 2, QuotaExceededError: 38}
    assert used is not None
    assert [each.amount for each in used] == [2, 2]  # what was refused has counted nowhere


async def test_a_call_beside_which_others_are_refused_is_not_refused(valkey: Valkey) -> None:
    hours = limited("calls=9/h")
    both = Quota(hours.key_id, quota.read("calls=1/day,calls=9/h"))
    await counted_by(valkey, both, calls=1)
    store = LazyStore(valkey.url)
    refused = [Usage(store).begin(both) for _ in range(20)]
    results = await asyncio.gather(*refused, *(Usage(store).begin(hours) for _ in range(8)), return_exceptions=True)
    await store.close()

    assert Counter(map(type, results)) == {QuotaExceededError: 20, dict: 8}


async def test_windows_are_those_of_the_store(valkey: Valkey) -> None:
    of = limited("calls=2/day")
    store = LazyStore(valkey.url)
    clocks = [lambda: 0.0, lambda: 4e9, time.time]  # processes whose clocks are wrong
    left = [(await Usage(store, clock).begin(of))["RateLimit-Remaining"] for clock in clocks[:2]]
    with pytest.raises(QuotaExceededError) as refused:
        await Usage(store, clocks[2]).begin(of)
    [key] = await valkey.client.keys("dozen:quota:*")
    ends = await valkey.client.pttl(key)
    await store.close()

    assert left == ["1", "0"]
    seconds = int(refused.value.headers["Retry-After"])
    assert 0 < seconds * 1000 - ends <= 2_000
    assert abs(86_400 - time.time() % 86_400 - seconds) <= 2


async def test_a_valkey_that_comes_back_empty_is_told_what_was_counted(valkey: Valkey) -> None:
    of = limited("calls=3/day")
    store = LazyStore(valkey.url)
    usage, other = Usage(store), Usage(store)
    before = [(await usage.begin(of))["RateLimit-Remaining"] for _ in range(2)]
    await valkey.client.flushall()
    after = (await usage.begin(of))["RateLimit-Remaining"]
    with pytest.raises(QuotaExceededError):
        await other.begin(of)
    await store.close()

    assert (before, after) == (["2", "1"], "0")


async def test_a_counter_of_another_type_refuses_nobody(valkey: Valkey) -> None:
    of = limited("calls=3/day")
    await valkey.client.set(f"dozen:quota:{{{of.key_id}}}:calls:86400", "poisoned")

    assert await counted_by(valkey, of, calls=3) == ["2", "1", "0"]


async def test_a_window_that_is_over_counts_no_more(valkey: Valkey) -> None:
    of = limited("calls=3/day")
    await valkey.client.hset(f"dozen:quota:{{{of.key_id}}}:calls:86400", "1", "3")

    assert await counted_by(valkey, of, calls=2) == ["2", "1"]
    assert await valkey.client.hlen(f"dozen:quota:{{{of.key_id}}}:calls:86400") == 1


async def test_who_listens_is_told_of_as_many_documents_as_the_quota_says() -> None:
    caller = Caller("", quota=limited("calls=1/day,documents=3/day"))
    standing = Standing(caller, ask_nobody, 60, Usage(LazyStore("")))
    await standing.tell(2)
    await standing.tell(2)  # the one that goes beyond it is told

    with pytest.raises(QuotaExceededError, match="documents=3/day"):
        await standing.tell(1)


async def ask_nobody() -> Caller:
    raise AssertionError


@pytest.mark.parametrize(
    "text",
    ["", "calls", "calls=0/min", "calls=-1/min", "calls=1e400/min", "calls=1.5/min", "calls=nan/min", "calls=1/week",
     "calls=1/min,calls=2/min", "calls=1/min,", "bytes=1/min", "calls=1", "calls=\u0661/min",
     "calls=1/min;documents=1/day"],
)  # fmt: skip
def test_what_is_no_quota_is_refused_in_words(text: str, mongod: Mongod) -> None:
    done = called("keys", "create", "--name", "x", "--quota", text, MONGO_DB_URI=mongod.uri)

    assert done.returncode == 2
    assert done.stderr.startswith("error: --quota: ")
    with pytest.raises(QuotaError):
        quota.read(text)


@given(st.data())
def test_counting_is_that_of_windows(data: st.DataObject) -> None:
    limits = data.draw(
        st.sampled_from(["calls=3/s", "calls=5/min", "calls=3/s,calls=8/min", "calls=4/min,documents=9/min"])
    )
    key_quota = Quota(str(ObjectId()), quota.read(limits))
    now = 0.0
    usage = Usage(LazyStore(""), lambda: now)
    model: Counter[tuple[Limit, int]] = Counter()

    async def step(seconds: float, documents: int) -> tuple[bool, bool]:
        nonlocal now
        now += seconds
        places = {limit: (limit, int(now // limit.seconds)) for limit in key_quota.limits}
        is_open = all(model[place] < limit.most for limit, place in places.items())
        try:
            told = await usage.begin(key_quota)
        except QuotaExceededError as error:
            return not 1 <= int(error.headers["Retry-After"]) <= 60, is_open
        await usage.add_documents(key_quota, documents)
        model.update({place: 1 if limit.noun == "calls" else documents for limit, place in places.items()})
        assert int(told["RateLimit-Remaining"]) >= 0
        return True, is_open

    steps = data.draw(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 4)), max_size=30))
    for done, expected in [asyncio.run(step(*each)) for each in steps]:
        assert done == expected


def test_pages_may_read_what_is_said_of_a_quota() -> None:
    told = {"Retry-After", "RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}

    assert told <= set(EXPOSED.split(", "))


def test_the_caller_of_a_call_is_noted_in_one_place() -> None:
    places = [
        path.name
        for folder in ("shared/endpoint", "functions")
        for path in sorted((ROOT / folder).glob("*.py"))
        if "line.caller =" in path.read_text()
    ]
    assert places == ["client.py", "http.py"]  # who manages an account makes no call of a quota
