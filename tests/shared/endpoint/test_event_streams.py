"""Server-sent events of one listener: their bytes, signs of life, and how they end."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.mongod import Mongod
from shared.admission import Places
from shared.auth.accounts import Caller
from shared.budget import Budget, Share
from shared.endpoint import event_streams
from shared.endpoint.event_streams import EventStream, Standing, error_frame, frame
from shared.errors import DataAPIError, InvalidSessionError, NoRuleError
from shared.mongo.clients import Clients
from shared.mongo.hubs import Event, Hubs, Listener
from shared.settings import Settings
from shared.telemetry.requests import RequestLine

ANN = Caller("ann")


class Numbers:
    """Tells the number of each event, and whom it tells; text for what is not to be seen fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.caller = ANN
        self.failure = failure

    async def texts(self, events: Sequence[Event]) -> list[bytes]:
        if events and self.failure is not None:
            raise self.failure
        return [f'"{self.caller.id} {each.number}%"'.encode() for each in events]

    def see(self, caller: Caller) -> None:
        self.caller = caller


class World(NamedTuple):
    """A listener, and the collection as others write to it."""

    listener: Listener
    written: Any

    def stream(self, view: Numbers, ask: Callable[[], Awaitable[Caller]], seconds: float = 60) -> EventStream:
        share = Share(Budget(2**20))
        return EventStream(
            self.listener, view, Standing(ANN, ask, seconds), share, RequestLine("watch"), lambda _: DataAPIError("odd")
        )


@pytest.fixture
async def world(mongod: Mongod, database: Any) -> AsyncIterator[World]:
    clients = Clients(Settings.from_environ({"MONGO_DB_URI": mongod.uri}))
    hubs = Hubs(clients, Places.for_streams(1))
    await database.create_collection("items")  # of which nobody is told here
    yield World(await hubs.listen("mongodb-atlas", "shop", "items"), database["items"])
    await hubs.close()
    await clients.close()


async def same() -> Caller:
    return ANN


@given(st.binary())
def test_what_clients_decode_is_encoded_and_nothing_else(data: bytes) -> None:
    framed = frame(data)

    content = framed.removeprefix(b"data: ").removesuffix(b"\n\n")
    assert framed == b"data: " + content + b"\n\n"
    assert b"\n" not in content
    assert b"\r" not in content
    assert content.replace(b"%0A", b"\n").replace(b"%0D", b"\r").replace(b"%25", b"%") == data


def test_an_error_is_an_event_of_that_name() -> None:
    error = InvalidSessionError("a\nb 5%")

    assert error_frame(error) == b'event: error\ndata: {"error_code":"InvalidSession","error":"a\\nb 5%25"}\n\n'


async def test_a_quiet_stream_gives_a_sign_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "KEEP_ALIVE_SECONDS", 0.05)
    stream = world.stream(Numbers(), same)
    pieces = stream.pieces()

    first, second = await anext(pieces), await anext(pieces)
    stream.leave()
    rest = [each async for each in pieces]

    assert (first, second) == (b":\n\n", b":\n\n")
    assert set(rest) <= {b":\n\n"}


async def test_a_caller_who_left_is_told_nothing_more_and_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dozen")
    stream = world.stream(Numbers(), same)
    pieces = stream.pieces()
    await world.written.insert_one({"_id": 1})

    first = await anext(pieces)
    stream.leave()
    rest = [each async for each in pieces]

    assert (first, rest) == (b'data: "ann 1%25"\n\n', [])
    [line] = [json.loads(record.message) for record in caplog.records if "stream of changes" in record.message]
    assert (line["reason"], line["events"], line["reply_bytes"]) == ("the caller has left", 1, len(first))


async def test_a_caller_who_is_another_now_is_seen_as_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "_LEAST_CHECK_SECONDS", 0.0)

    async def another() -> Caller:
        return Caller("bob")

    stream = world.stream(Numbers(), another, seconds=0)
    await world.written.insert_one({"_id": 1})

    pieces = stream.pieces()
    assert await anext(pieces) == b'data: "bob 1%25"\n\n'
    stream.leave()
    assert [each async for each in pieces] == []


async def test_a_caller_who_may_not_be_told_any_more_is_told_that(world: World) -> None:
    async def refused() -> Caller:
        raise InvalidSessionError("invalid session")

    pieces = [each async for each in world.stream(Numbers(), refused, seconds=0).pieces()]

    assert pieces == [error_frame(InvalidSessionError("invalid session"))]
    assert world.listener.ended is not None


@pytest.mark.parametrize(
    ("failure", "text"),
    [(NoRuleError("no rule"), "no rule"), (ZeroDivisionError("secret"), "odd")],
    ids=["known", "unexpected"],
)
async def test_a_failure_ends_the_stream_with_its_reason(
    world: World, failure: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    await world.written.insert_one({"_id": 1})

    [piece] = [each async for each in world.stream(Numbers(failure), same).pieces()]

    assert piece.startswith(b'event: error\ndata: {"error_code":"')
    assert text.encode() in piece
    assert "secret" not in caplog.text
