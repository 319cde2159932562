"""Credentials that are known go on while MongoDB cannot be asked, for a while, and end at once when it says so."""

import asyncio
import contextlib
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError, WaitQueueTimeoutError

from shared.auth import verified
from shared.auth.verified import ON_SECONDS, Finding, Verified
from shared.errors import InvalidSessionError
from shared.mongo.control import API_KEYS
from tests.conftest import FailPoint, Post
from tests.hosts import Worker

AWAY = [AutoReconnect("x"), ServerSelectionTimeoutError("x"), WaitQueueTimeoutError("x"), OperationFailure("x", 91)]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """MongoDB, which answers or raises what a test says, and counts how often it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.times = 0

    async def __call__(self) -> Finding[Any]:
        self.times += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Finding(*self.answer)


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_what_is_known_goes_on_for_a_while_when_mongodb_is_away(error: Exception) -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30)))
    asked = Asked(error)
    clock.now += 31

    assert owners.get("hash") is None
    assert await owners.find("hash", asked) == "ann"
    assert owners.get("hash") == "ann"  # nobody is asked again at once
    clock.now += ON_SECONDS - 2
    assert owners.get("hash") is None
    assert await owners.find("hash", asked) == "ann"
    clock.now += 2
    assert owners.get("hash") is None
    with pytest.raises(type(error)):
        await owners.find("hash", asked)
    assert asked.times == 3


async def test_what_mongodb_refuses_is_known_no_more() -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30)))
    clock.now += 31

    with pytest.raises(InvalidSessionError):
        await owners.find("hash", Asked(InvalidSessionError("disabled")))
    with pytest.raises(AutoReconnect):
        await owners.find("hash", Asked(AWAY[0]))


@pytest.mark.parametrize("found", [("ann", 0), ("ann", 30, 31)], ids=["without a cache", "a token that expires"])
async def test_nothing_is_known_longer_than_it_may_be(found: Any) -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(found))
    clock.now += 31

    with pytest.raises(AutoReconnect):
        await owners.find("hash", Asked(AWAY[0]))


async def test_a_mistake_of_ours_is_no_absence_of_mongodb() -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30)))
    clock.now += 31

    with pytest.raises(OperationFailure):
        await owners.find("hash", Asked(OperationFailure("no such command", 59)))


async def test_mongodb_is_not_asked_for_long_where_something_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_ASKED_SECONDS", 0.05)
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30)))
    clock.now += 31

    async def hang() -> Finding[str]:
        await asyncio.sleep(60)
        raise AssertionError

    assert await asyncio.wait_for(owners.find("hash", hang), 5) == "ann"


async def test_the_time_that_asking_takes_is_part_of_it() -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30, 60)))

    async def slow() -> Finding[str]:
        clock.now += 2.4
        raise AWAY[0]

    for _ in range(20):
        if owners.get("hash") is None:
            with contextlib.suppress(AutoReconnect):
                await owners.find("hash", slow)
        clock.now += 5
        if clock.now >= 1_060:
            assert owners.get("hash") is None


async def test_what_is_dropped_while_it_is_asked_for_is_known_no_more() -> None:
    clock = Clock()
    owners: Verified[str, str] = Verified(clock)
    await owners.find("hash", Asked(("ann", 30)))
    clock.now += 31

    async def dropped() -> Finding[str]:
        owners.drop("hash")
        raise AWAY[0]

    with pytest.raises(AutoReconnect):
        await owners.find("hash", dropped)
    assert owners.get("hash") is None


async def test_a_key_that_worked_works_while_its_look_up_fails(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any, driver: Any, fail_point: FailPoint
) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "0.01")
    post = Post(worker, key)
    assert (await post("insertOne", document={})).status == 201
    await fail_point("find", times=1_000, errorCode=13436, namespace=f"dozen.{API_KEYS}")

    assert (await post("insertOne", document={})).status == 201
    assert (await Post(worker, "k" * 64)("insertOne", document={})).status == 503
