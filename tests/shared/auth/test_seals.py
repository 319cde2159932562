"""Texts that callers carry: nobody else can read, make, change or prolong one."""

import asyncio
from typing import Any

import pytest

from shared.auth.seals import MOST_BYTES, Seals
from shared.errors import InvalidParameterError
from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.settings import Settings

SECRET = "a secret of the tests that is long enough"


async def seals(**settings: Any) -> Seals:
    made = Settings(**({"session_secret": SECRET} | settings))
    clients = Clients(made)
    found = Seals(Control(clients, made), made)
    await found.load()
    await clients.close()
    return found


async def refusal(sealed: str, holder: str = "ann", purpose: str = "cursor", **settings: Any) -> str:
    with pytest.raises(InvalidParameterError) as raised:
        (await seals(**settings)).opened(purpose, holder, sealed)
    return str(raised.value)


@pytest.mark.parametrize("content", [b"", b"a", b"secret" * 100, bytes(range(256)) * 300])
async def test_any_process_opens_what_another_sealed(content: bytes) -> None:
    sealed = (await seals()).sealed("cursor", "ann", content, 60)

    assert (await seals()).opened("cursor", "ann", sealed) == content


async def test_a_text_tells_nothing_of_its_content_but_a_rough_length() -> None:
    made = await seals()
    texts = [made.sealed("cursor", "ann", content, 60) for content in (b"", b"secret", b"secret", b"x" * 200)]

    assert len(set(texts)) == 4
    assert len({len(each) for each in texts}) == 1
    assert "secret" not in "".join(texts)


@pytest.mark.parametrize(
    "other",
    [
        {"holder": "bob"}, {"purpose": "another"}, {"session_secret": SECRET + "!"},
        {"dozen_database": "elsewhere"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_text_is_of_no_use_elsewhere(other: dict[str, str]) -> None:
    sealed = (await seals()).sealed("cursor", "ann", b"content", 60)

    assert await refusal(sealed, **other) == f"'{other.get('purpose', 'cursor')}' is none that you were given"


async def test_a_text_ends() -> None:
    assert await refusal((await seals()).sealed("cursor", "ann", b"content", -1)) == "'cursor' has expired"


async def test_no_text_can_be_changed() -> None:
    sealed = (await seals()).sealed("cursor", "ann", b"content", 60)
    others = {sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :] for place in range(300)}
    cut = {sealed[:place] for place in range(0, len(sealed), 7)}
    forged = {"", "=", "AQ", "!", "é", "\ud800", "A" * MOST_BYTES, "A" * (MOST_BYTES + 1), sealed + "AAAA", sealed * 2}

    for each in others | cut | forged:
        assert await refusal(each) == "'cursor' is none that you were given"


async def test_what_is_too_long_is_not_sealed() -> None:
    with pytest.raises(InvalidParameterError, match=f"exceeds {MOST_BYTES} bytes"):
        (await seals()).sealed("cursor", "ann", bytes(MOST_BYTES), 60)


async def test_without_a_secret_all_processes_have_one_in_the_control_database(driver: Any, mongod: Any) -> None:
    await driver["seals"]["secrets"].delete_many({})
    without = {"session_secret": "", "data_sources": {"mongodb-atlas": mongod.uri}, "dozen_database": "seals"}
    first, *others = await asyncio.gather(*(seals(**without) for _ in range(8)))
    sealed = first.sealed("cursor", "ann", b"content", 60)

    assert {each.opened("cursor", "ann", sealed) for each in others} == {b"content"}
    assert await driver["seals"]["secrets"].count_documents({}) == 1
