"""Credentials that a process knows from another one, through a real Valkey."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.auth import keys
from shared.cache.entries import MOST_BYTES, Entries
from shared.mongo.control import API_KEYS
from shared.service import process
from tests.admin.test_keys import called
from tests.conftest import ACTION, request_body, restart
from tests.functions.rules.conftest import CLIENT, SETTINGS, send
from tests.hosts import Answer, Worker, eventually
from tests.valkey import Valkey

PASSWORDS = f"{CLIENT}/auth/providers/local-userpass"
ANN = {"email": "ann@shop.example", "password": "secret words"}


@pytest.fixture
def shared(worker: Worker, configured: pytest.MonkeyPatch, valkey: Valkey) -> Valkey:
    """The exported app, whose processes trust what they know for an hour and share it."""
    for name, value in (SETTINGS | {"AUTH_CACHE_SECONDS": "3600", "REDIS_URL": valkey.url}).items():
        configured.setenv(name, value)
    return valkey


@pytest.fixture
async def nobody(driver: Any) -> None:
    """No user is registered."""
    await driver.dozen.users.delete_many({})


async def issue(driver: Any) -> tuple[str, dict[str, Any]]:
    """Store a system key; return it and what is stored of it."""
    made, stored = keys.new_key("shared", system=True)
    await driver.dozen[API_KEYS].insert_one(stored)
    return made, stored


async def find(worker: Worker, **headers: str) -> Answer:
    return await worker.request("POST", ACTION + "find", headers, request_body(collection="public"))


async def asked(worker: Worker, key: str) -> list[int]:
    """Return the statuses of right and wrong credentials of a process that knows none."""
    restart()
    given: list[dict[str, str]] = [{"apiKey": key}, {"apiKey": "nobody"}, ANN, ANN | {"password": "other words"}]
    return [(await find(worker, **headers)).status for headers in given]


def entries() -> Entries:
    """Return the entries of the worker in this process."""
    return process.service().entries


async def entry_of(server: Valkey, purpose: str) -> str:
    names: Any = await server.client.keys(f"dozen:{purpose}:*")
    (name,) = names
    return str(name, "ascii")


async def test_a_key_that_one_process_looked_up_is_known_to_the_others(
    worker: Worker, shared: Valkey, driver: Any
) -> None:
    key, stored = await issue(driver)
    first = await find(worker, apiKey=key)
    await driver.dozen[API_KEYS].delete_one({"_id": stored["_id"]})
    restart()

    assert (first.status, (await find(worker, apiKey=key)).status) == (200, 200)
    await shared.client.flushall()
    restart()
    assert (await find(worker, apiKey=key)).status == 401


async def test_a_process_trusts_a_key_no_longer_than_the_one_that_looked_it_up(
    worker: Worker, shared: Valkey, driver: Any
) -> None:
    key, stored = await issue(driver)
    await find(worker, apiKey=key)
    await driver.dozen[API_KEYS].delete_one({"_id": stored["_id"]})
    restart()
    await shared.client.pexpire(await entry_of(shared, "key"), 1500)
    known = await find(worker, apiKey=key)

    async def is_refused() -> bool:
        return (await find(worker, apiKey=key)).status == 401

    assert known.status == 200
    await eventually(is_refused)


async def test_a_prolonged_entry_counts_no_longer_than_it_was_sealed_for(shared: Valkey) -> None:
    await entries().put("key", "a", content=b"content", seconds=100)
    await shared.client.persist(entries().name("key", "a"))
    forever = await entries().get("key", "a")
    await shared.client.expire(entries().name("key", "a"), 100_000)
    longer = await entries().get("key", "a")
    await entries().put("key", "b", content=b"content", seconds=0.001)
    await shared.client.set(entries().name("key", "b"), entries().sealed(entries().name("key", "b"), b"content", -1))

    assert forever is None
    assert longer is not None
    assert longer.content == b"content"
    assert 0 < longer.seconds <= 100
    assert await entries().get("key", "b") is None


@pytest.mark.parametrize("command", [["disable"], ["delete", "--yes"]], ids=" ".join)
async def test_a_revoked_key_is_not_known_to_a_new_process(
    worker: Worker, shared: Valkey, driver: Any, mongod: Mongod, command: list[str]
) -> None:
    key, stored = await issue(driver)
    await find(worker, apiKey=key)
    env = {"MONGO_DB_URI": mongod.uri, "REDIS_URL": shared.url, "SESSION_SECRET": SETTINGS["SESSION_SECRET"]}

    done = called("keys", *command, str(stored["_id"]), **env)
    restart()

    assert done.returncode == 0, done.stderr
    assert (await find(worker, apiKey=key)).status == 401


@pytest.mark.parametrize(("method", "path"), [("PUT", "/disable"), ("DELETE", "")])
async def test_a_user_revokes_a_key_everywhere(
    worker: Worker, shared: Valkey, nobody: None, method: str, path: str
) -> None:
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    login = await send(worker, "POST", f"{PASSWORDS}/login", {"username": ANN["email"], "password": ANN["password"]})
    token = login.json["refresh_token"]
    made = (await send(worker, "POST", "/api/client/v2.0/auth/api_keys", {"name": "one"}, token)).json
    works = await find(worker, apiKey=made["key"])

    revoked = await send(worker, method, f"/api/client/v2.0/auth/api_keys/{made['_id']}{path}", None, token)

    assert (works.status, revoked.status) == (200, 200)
    assert await shared.client.keys("dozen:key:*") == []
    assert (await find(worker, apiKey=made["key"])).status == 401


async def test_a_password_that_one_process_verified_is_known_to_the_others(
    worker: Worker, shared: Valkey, nobody: None, driver: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "1")
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    first = await find(worker, **ANN)
    wrong = await find(worker, **ANN | {"password": "other words"})  # from now on no password is verified
    restart()
    again = await find(worker, **ANN)
    restart()
    await shared.client.delete(*await shared.client.keys("dozen:password:*"))
    unknown = await find(worker, **ANN)

    assert [each.status for each in (first, wrong, again, unknown)] == [200, 401, 200, 429]


@pytest.mark.parametrize("change", [{"disabled": True}, {"password": None}], ids=str)
async def test_a_password_that_is_known_counts_no_longer_than_what_is_stored(
    worker: Worker, shared: Valkey, nobody: None, driver: Any, change: dict[str, Any]
) -> None:
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    first = await find(worker, **ANN)
    await driver.dozen.users.update_many({}, {"$set": change})
    here = await find(worker, **ANN)
    restart()
    there = await find(worker, **ANN)

    assert [each.status for each in (first, here, there)] == [200, 401, 401]


async def test_a_known_password_does_not_count_where_the_app_takes_none(
    worker: Worker, shared: Valkey, nobody: None, configured: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    taken = await find(worker, **ANN)
    folder = Path(shutil.copytree(SETTINGS["APP_CONFIG_DIR"], tmp_path / "shop"))
    providers = json.loads((folder / "auth" / "providers.json").read_text())
    providers["local-userpass"]["disabled"] = True
    (folder / "auth" / "providers.json").write_text(json.dumps(providers))
    configured.setenv("APP_CONFIG_DIR", str(folder))
    restart()

    assert (taken.status, (await find(worker, **ANN)).status) == (200, 401)


async def test_a_key_of_another_deployment_on_the_same_valkey_is_none(
    worker: Worker, shared: Valkey, driver: Any, configured: pytest.MonkeyPatch
) -> None:
    key, _ = await issue(driver)
    there = await find(worker, apiKey=key)
    configured.setenv("DOZEN_DATABASE", "dozen_of_another")
    restart()

    assert (there.status, (await find(worker, apiKey=key)).status) == (200, 401)


async def test_the_store_holds_no_secret(worker: Worker, shared: Valkey, nobody: None, driver: Any) -> None:
    key, stored = await issue(driver)
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    statuses = [(await find(worker, apiKey=key)).status, (await find(worker, **ANN)).status]
    names: Any = await shared.client.keys("dozen:[kp]*")
    values: Any = [await shared.client.get(name) for name in names]
    held = b" ".join([*names, *values])

    assert (statuses, len(names)) == ([200, 200], 2)
    assert not any(text.encode() in held for text in (key, stored["hash"], *ANN.values(), SETTINGS["SESSION_SECRET"]))


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(lambda good: good[:0], id="nothing"),
        pytest.param(lambda good: b"x" * len(good), id="no seal"),
        pytest.param(lambda good: good + b"x" * MOST_BYTES, id="too large"),
        pytest.param(lambda good: good[:-1], id="cut"),
        pytest.param(lambda good: good + b"x", id="longer"),
        pytest.param(lambda good: bytes([good[0] ^ 1]) + good[1:], id="another seal"),
        pytest.param(lambda good: good[:35] + bytes([good[35] ^ 1]) + good[36:], id="another time"),
    ],
)
async def test_a_poisoned_entry_is_none(
    worker: Worker, shared: Valkey, driver: Any, poison: Callable[[bytes], bytes]
) -> None:
    key, _ = await issue(driver)
    await find(worker, apiKey=key)
    entry = await entry_of(shared, "key")
    good: Any = await shared.client.get(entry)
    await shared.client.set(entry, poison(good), px=100_000)
    restart()

    assert entries().unsealed(entry, good) is not None
    assert await entries().get("key", keys._hash(key)) is None
    assert (await find(worker, apiKey=key)).status == 200


async def test_an_entry_of_another_type_is_none(worker: Worker, shared: Valkey, driver: Any) -> None:
    key, _ = await issue(driver)
    await shared.client.rpush(entries().name("key", keys._hash(key)), "a", "list")

    assert (await find(worker, apiKey=key)).status == 200


async def test_an_entry_does_not_count_in_anothers_place(worker: Worker, shared: Valkey, driver: Any) -> None:
    key, _ = await issue(driver)
    await find(worker, apiKey=key)
    await shared.client.copy(await entry_of(shared, "key"), entries().name("key", keys._hash("mine")))

    assert (await find(worker, apiKey="mine")).status == 401


async def test_another_secret_opens_nothing(configured: pytest.MonkeyPatch, shared: Valkey) -> None:
    name = entries().name("key", "a")
    value = entries().sealed(name, b"content", 100)
    assert entries().unsealed(name, value) is not None

    configured.setenv("SESSION_SECRET", "another secret of the tests, long enough")
    restart()

    assert entries().unsealed(name, value) is None


async def test_without_a_secret_nothing_is_kept(worker: Worker, configured: pytest.MonkeyPatch, valkey: Valkey) -> None:
    configured.setenv("REDIS_URL", valkey.url)
    configured.setenv("SESSION_SECRET", "")

    await entries().put("key", "a", content=b"content", seconds=100)

    assert await valkey.client.keys("*") == []


async def test_credentials_are_the_same_with_valkey_away(
    worker: Worker, shared: Valkey, nobody: None, driver: Any
) -> None:
    key, _ = await issue(driver)
    await send(worker, "POST", f"{PASSWORDS}/register", ANN)
    shared.kill()

    answers = [await asked(worker, key) for _ in range(3)]

    assert answers == [[200, 401, 200, 401]] * 3
