"""How often a login may fail, with a real Valkey and without."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.objectid import ObjectId

from local.mongod import Mongod
from shared.auth.limits import LoginLimits
from shared.auth.passwords import Passwords
from shared.endpoint.addresses import client_address
from shared.errors import TooManyLoginsError
from shared.service import process
from tests.admin.test_keys import called
from tests.conftest import restart
from tests.functions.rules.conftest import CLIENT, SETTINGS, send
from tests.hosts import Answer, PatientServer, Worker, eventually
from tests.valkey import Valkey

pytestmark = pytest.mark.usefixtures("worker", "patient")
LOGIN = f"{CLIENT}/auth/providers/local-userpass/login"
REGISTER = f"{CLIENT}/auth/providers/local-userpass/register"
RESET = f"{CLIENT}/auth/providers/local-userpass/reset"


def limits() -> LoginLimits:
    """Return the limits of the worker in this process."""
    return process.service().limits


async def attempts(number: int, account: str = "a@b", address: str = "1.1.1.1") -> int:
    """Return how many of so many attempts are looked at."""
    taken, waits = 0, []
    for _ in range(number):
        try:
            await limits().attempt(limits().logins(account, address))
            taken += 1
        except TooManyLoginsError as error:
            waits.append(int(error.headers["Retry-After"]))
    assert all(1 <= seconds <= 300 for seconds in waits)
    return taken


async def test_an_account_and_an_address_have_so_many_attempts(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")

    assert await attempts(5) == 3
    assert await attempts(1, address="2.2.2.2") == 0  # the account
    assert await attempts(1, account="c@d") == 0  # the address
    assert await attempts(4, account="e@f", address="3.3.3.3") == 3


@pytest.mark.parametrize(
    ("addresses", "accepted"),
    [
        pytest.param(["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:DB8:1:2::3%eth0"], 2, id="of one network"),
        pytest.param(["2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1"], 3, id="of several"),
        pytest.param(["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"], 2, id="of IPv4"),
        pytest.param(["192.0.2.1", "192.0.2.2", "unknown"], 3, id="others"),
    ],
)
async def test_who_has_a_network_has_no_more_attempts(
    configured: pytest.MonkeyPatch, addresses: list[str], accepted: int
) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "2")
    restart()

    found = [await attempts(1, account=f"{each}@b", address=each) for each in addresses]

    assert sum(found) == accepted


@pytest.fixture
async def unlocks(driver: Any) -> AsyncIterator[Any]:
    """What operators unlock, of which no other test hears."""
    yield driver.dozen.unlocks
    await driver.dozen.unlocks.delete_many({})


@pytest.mark.usefixtures("unlocks")
@pytest.mark.parametrize("with_valkey", [False, True], ids=["without", "with Valkey"])
async def test_an_operator_lets_in_again_who_was_locked_out(
    configured: pytest.MonkeyPatch, valkey: Valkey, mongod: Mongod, with_valkey: bool
) -> None:
    env = {"LOGIN_ATTEMPTS": "3"} | ({"REDIS_URL": valkey.url} if with_valkey else {})
    for name, value in env.items():
        configured.setenv(name, value)
    configured.setattr("shared.auth.limits.UNLOCK_SECONDS", 0)
    locked = [await attempts(4), await attempts(1, address="2.2.2.2"), await attempts(1, account="c@d")]

    by_account = called("logins", "unlock", "--email", "a@b", MONGO_DB_URI=mongod.uri, **env)
    account = [await attempts(1, address="3.3.3.3"), await attempts(1, account="c@d")]
    called("logins", "unlock", "--address", "1.1.1.1", MONGO_DB_URI=mongod.uri, **env)
    address = [await attempts(1, account="e@f"), await attempts(9, account="g@h"), await attempts(9)]

    assert by_account.stderr.startswith("failed logins of a@b count anew within ")
    assert (locked, account) == ([3, 0, 0], [1, 0])
    assert address[0] == 1
    assert sum(address) == 3  # locked out again, which one unlocking does not undo twice


async def test_nobody_is_unlocked_where_the_counter_cannot_be_reached(mongod: Mongod) -> None:
    env = {"MONGO_DB_URI": mongod.uri, "REDIS_URL": "redis://127.0.0.1:1/0"}
    away, of_nobody = called("logins", "unlock", "--email", "a@b", **env), called("logins", "unlock", **env)

    assert (away.returncode, away.stderr) == (
        1,
        "error: Valkey, which counts, cannot be reached: nothing was unlocked\n",
    )
    assert (of_nobody.returncode, of_nobody.stdout) == (2, "")


async def test_who_is_refused_makes_a_process_ask_seldom(configured: pytest.MonkeyPatch, unlocks: Any) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")
    configured.setattr("shared.auth.limits.UNLOCK_SECONDS", 3600)
    await attempts(4)
    mark = {"mark": ObjectId(), "expires": datetime.now(UTC) + timedelta(hours=1)}
    for counter in limits().logins("a@b", "1.1.1.1"):
        await unlocks.replace_one({"_id": counter.key}, mark, upsert=True)

    assert await attempts(20) == 0


async def test_an_address_that_has_to_wait_locks_nobody_out(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")
    await attempts(20, account="the thief's own")

    assert await attempts(20, account="victim") == 0
    assert await attempts(4, account="victim", address="2.2.2.2") == 3


async def test_an_attempt_that_was_right_does_not_count(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "2")
    for _ in range(10):
        await limits().attempt(limits().logins("a@b", "1.1.1.1"))
        await limits().succeeded(limits().logins("a@b", "1.1.1.1"))


@pytest.fixture
async def shared(configured: pytest.MonkeyPatch, valkey: Valkey) -> Valkey:
    """Three attempts, counted in a Valkey."""
    configured.setenv("LOGIN_ATTEMPTS", "3")
    configured.setenv("REDIS_URL", valkey.url)
    return valkey


async def test_counters_are_those_of_all_processes(shared: Valkey) -> None:
    taken = await attempts(2)
    restart()  # as in another process
    more = await attempts(2)
    keys = await shared.client.keys("*")
    lives = [await shared.client.ttl(key) for key in keys]

    assert (taken, more) == (2, 1)
    assert all(0 < life <= 300 for life in lives)
    assert not any(b"a@b" in key or b"1.1.1.1" in key for key in keys)


async def test_two_processes_count_together(tmp_path: Path, mongod: Mongod, valkey: Valkey) -> None:
    env = SETTINGS | {"MONGO_DB_URI": mongod.uri, "LOGIN_ATTEMPTS": "3", "REDIS_URL": valkey.url}
    body = {"username": "a@b", "password": "wrong words"}

    async with PatientServer(tmp_path / "one", **env) as one, PatientServer(tmp_path / "two", **env) as two:
        statuses = [(await send(each, "POST", LOGIN, body)).status for each in (one, two, one, two, one)]

    assert statuses == [401, 401, 401, 429, 429]


async def test_without_valkey_answers_stay_the_same(shared: Valkey) -> None:
    assert await attempts(2) == 2
    shared.kill()
    assert await attempts(3) == 1


async def test_counters_are_shared_again_when_valkey_is_back(shared: Valkey) -> None:
    shared.kill()
    assert await attempts(3) == 3
    await shared.start()

    async def is_shared() -> bool:
        await attempts(1, account="c@d", address="2.2.2.2")
        return bool(await shared.client.keys("dozen:logins:*"))

    await eventually(is_shared, 60)


@pytest.mark.parametrize("spelling", ["valkey://", "redis://"])
async def test_a_url_may_say_what_it_is(configured: pytest.MonkeyPatch, shared: Valkey, spelling: str) -> None:
    configured.setenv("REDIS_URL", shared.url.replace("redis://", spelling))

    await attempts(1)

    assert len(await shared.client.keys("dozen:logins:*")) == 2


@pytest.mark.parametrize("url", ["redis://127.0.0.1/0?db=x", "redis://127.0.0.1/0?max_connections=many"])
async def test_a_url_that_cannot_be_used_leaves_the_counters_here(configured: pytest.MonkeyPatch, url: str) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")
    configured.setenv("REDIS_URL", url)

    assert await attempts(5) == 3


async def test_a_poisoned_counter_counts_here(shared: Valkey) -> None:
    for counter in limits().logins("a@b", "1.1.1.1"):
        await shared.client.rpush(counter.key, "not", "a", "number")

    assert await attempts(5) == 3
    assert await attempts(1, account="c@d", address="2.2.2.2") == 1
    assert len(await shared.client.keys("*")) == 4  # other counters are still shared


async def test_a_counter_that_would_last_for_ever_ends_with_the_window(shared: Valkey) -> None:
    _, account = limits().logins("a@b", "1.1.1.1")
    await shared.client.set(account.key, 1000)

    assert await attempts(1) == 0
    assert 0 < await shared.client.ttl(account.key) <= 300


async def test_an_attempt_taken_back_after_its_window_leaves_no_more_than_others_have(shared: Valkey) -> None:
    for _ in range(3):
        await limits().succeeded(limits().logins("a@b", "1.1.1.1"))

    taken = await attempts(2)
    restart()  # as in another process
    more = await attempts(2)

    assert (taken, more) == (2, 1)


async def test_an_unknown_user_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    passwords = Passwords()
    verify = passwords._verify

    def noted(given: str, stored: str | None) -> bool:
        asked.append(stored)
        return verify(given, stored)

    monkeypatch.setattr(passwords, "_verify", noted)
    stored = await passwords.hashed("secret words")

    outcomes = [await passwords.verified("secret words", each) for each in (stored, None)]

    assert outcomes == [True, False]
    assert asked == [stored, None]  # argon2 worked both times
    assert not await passwords.verified("nobody has this password", None)


async def test_too_many_logins_have_to_wait(worker: Worker, configured: pytest.MonkeyPatch) -> None:
    for name, value in (SETTINGS | {"LOGIN_ATTEMPTS": "3"}).items():
        configured.setenv(name, value)
    body = {"username": "a@b", "password": "wrong words"}

    statuses = [(await send(worker, "POST", LOGIN, body)).status for _ in range(3)]
    answer = await send(worker, "POST", LOGIN, body)

    assert statuses == [401, 401, 401]
    assert answer.status == 429
    assert answer.json["error_code"] == "TooManyRequests"
    assert int(answer.headers["retry-after"]) > 0


async def test_what_a_school_does_at_once_keeps_no_right_password_out(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any
) -> None:
    few = {"LOGIN_ATTEMPTS": "2", "ANONYMOUS_LOGINS": "4"}
    for name, value in (SETTINGS | few).items():
        configured.setenv(name, value)
    await driver.dozen.users.delete_many({})
    anonymous = [await send(worker, "POST", f"{CLIENT}/auth/providers/anon-user/login") for _ in range(5)]
    registered = [
        await send(worker, "POST", REGISTER, {"email": f"{number}@school.example", "password": "secret words"})
        for number in range(5)
    ]
    right = {"username": "0@school.example", "password": "secret words"}
    logins = [await send(worker, "POST", LOGIN, right) for _ in range(5)]

    assert [each.status for each in anonymous] == [200, 200, 200, 200, 429]
    assert [each.status for each in registered] == [201, 201, 201, 201, 429]
    assert [each.status for each in logins] == [200] * 5
    assert anonymous[-1].json["error"].startswith("too many anonymous logins: try again in ")
    assert registered[-1].json["error"].startswith("too many registrations: try again in ")


async def test_whoever_has_to_wait_locks_nobody_out_over_http(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any
) -> None:
    for name, value in (SETTINGS | {"LOGIN_ATTEMPTS": "3"}).items():
        configured.setenv(name, value)
    await driver.dozen.users.delete_many({})
    await process.service().users.register("victim@b", "secret words", confirmed=True)

    async def login(address: str, email: str, password: str) -> int:
        headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        body = json.dumps({"username": email, "password": password}).encode()
        return (await worker.request("POST", LOGIN, headers, body)).status

    own = [await login("1.1.1.1", "thief@b", "wrong words") for _ in range(3)]
    victims = [await login("1.1.1.1", "victim@b", "wrong words") for _ in range(11)]

    assert (set(own), set(victims)) == ({401}, {429})
    assert await login("2.2.2.2", "victim@b", "secret words") == 200


async def test_a_token_that_resets_nothing_takes_no_time_of_others(
    worker: Worker, configured: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, driver: Any
) -> None:
    for name, value in (SETTINGS | {"LOGIN_ATTEMPTS": "3"}).items():
        configured.setenv(name, value)
    await driver.dozen.users.delete_many({})
    user = await process.service().users.register("ann@shop.example", "secret words", confirmed=True)
    hashed: list[str] = []

    async def noted(password: str) -> str:
        hashed.append(password)
        return "a hash"

    monkeypatch.setattr(process.service().users, "password_hash", noted)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": "1.1.1.1"}

    async def reset(token: str, token_id: str) -> Answer:
        body = json.dumps({"token": token, "tokenId": token_id, "password": "other words"}).encode()
        return await worker.request("POST", RESET, headers, body)

    for _ in range(4):
        right = await reset(*await process.service().confirmations.issue(user.id, "reset"))
        assert right.status == 200
    bogus = [await reset("x", "65a1b2c3d4e5f60718293a4b") for _ in range(4)]

    assert len(hashed) == 4
    assert [each.status for each in bogus] == [400, 400, 400, 429]
    assert bogus[-1].json["error"].startswith("too many failed resets: try again in ")


async def test_mails_go_to_one_address_seldom(worker: Worker, configured: pytest.MonkeyPatch, driver: Any) -> None:
    for name, value in (SETTINGS | {"LOGIN_ATTEMPTS": "2"}).items():
        configured.setenv(name, value)
    await driver.dozen.users.delete_many({})

    sent = [await send(worker, "POST", f"{RESET}/send", {"email": "nobody@b"}) for _ in range(3)]
    another = await send(worker, "POST", f"{RESET}/send", {"email": "another@b"})

    assert [each.status for each in sent] == [404, 404, 429]
    assert another.status == 404
    assert sent[-1].json["error"].startswith("too many mails: try again in ")


@pytest.mark.parametrize(
    ("spellings", "other"),
    [
        (("ann@b.c", "Ann@B.C", "ann+x@b.c", "ann+y+z@b.c", "ANN@b.c"), "a.nn@b.c"),
        (("ann@gmail.com", "a.nn@gmail.com", "A.N.N+x.y@Gmail.com", "an.n@googlemail.com"), "anna@gmail.com"),
        (("ann@b.c", "\uff41nn@b.c", "ann\uff0bx@b.c", "ANN@b.c"), "\xe5nn@b.c"),
    ],
)
async def test_a_mailbox_is_one_however_it_is_written(
    configured: pytest.MonkeyPatch, spellings: tuple[str, ...], other: str
) -> None:
    configured.setenv("MAILS_PER_ADDRESS", "3")
    configured.setenv("LOGIN_ATTEMPTS", "1000")

    async def wait(account: str) -> int:
        """Return after how many seconds another mail is sent, 0 for this one."""
        try:
            await limits().attempt(limits().mails(account, ""))
        except TooManyLoginsError as error:
            return int(error.headers["Retry-After"])
        return 0

    same = [await wait(each) for each in spellings]
    others = [await wait(each) for each in ("bob@b.c", "ann@c.b", other, "no address")]

    assert same[:3] == [0, 0, 0]
    assert min(same[3:]) > 80_000
    assert others == [0, 0, 0, 0]


async def test_a_day_of_mails_is_counted_by_all_processes(shared: Valkey, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("MAILS_PER_ADDRESS", "1")
    configured.setenv("LOGIN_ATTEMPTS", "1000")
    restart()
    await limits().attempt(limits().mailbox("ann@b.c"))
    restart()  # as in another process
    (counter,) = limits().mailbox("ann@b.c")

    with pytest.raises(TooManyLoginsError):
        await limits().attempt([counter])
    assert 80_000 < await shared.client.ttl(counter.key) <= 86_400


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        (None, 0, ""),
        ("1.1.1.1", 0, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1:4711", 0, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1, 10.0.0.1", 1, "1.1.1.1"),
        ("1.1.1.1", 5, "1.1.1.1"),
        ("[2001:db8::1]:443", 0, "2001:db8::1"),
        ("2001:db8::1", 0, "2001:db8::1"),
        (" , ", 0, ""),
        ("x" * 1000, 0, "x" * 64),
    ],
)
def test_the_address_behind_trusted_proxies(forwarded: Any, proxies: int, address: str) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}

    assert client_address(headers, proxies) == address


async def test_hashing_leaves_the_loop_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await Passwords().hashed("secret words")
    ticking.cancel()

    assert ticks > 3
