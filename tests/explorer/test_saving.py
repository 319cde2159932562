"""What is saved in the explorer keeps the bytes of all that was not changed, whatever is stored."""

from collections.abc import Callable
from random import Random
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from playwright.async_api import Page

from tests.bson_types import ROWS, STORED_ROWS, Row, document, element, text
from tests.explorer.conftest import Opened, sign_in

SOME_ROWS = ROWS[::6]
OLD, NEW = b"old!", b"new!"
NAMES = ("a", "b", "10", "2", "é", "__proto__", "constructor", "toString", "x.y", "$z", "", "_id2", "old", "\u2028")
TWICE = element(0x10, b"\1\0\0\0", "twice") + element(0x10, b"\2\0\0\0", "twice")

SAVE_ALL = """async ([ids, old, now]) => {
    const { readNow, save } = await import("./explorer/saving.js");
    const names = { database: '"shop"', collection: '"items"' };
    const said = [];
    for (const id of ids) {
        const filter = `{"_id":${id}}`;
        const read = await readNow(names, filter);
        said.push(await save(names, filter, read, read.text.replace(old, now)).catch(error => error.message));
    }
    return said;
}"""
"""Reads documents one by one as the page does, changes each in one place, and saves; gives what was said."""


def element_of(row: Row, name: str) -> bytes:
    return element(row.kind, row.payload, name)


def identified(number: int, *members: bytes) -> bytes:
    return document(element(0x10, number.to_bytes(4, "little"), "_id"), *members)


def random_document(random: Random, number: int) -> bytes:
    """Return a document of any types in which somewhere, beside others, stands the text that is changed."""
    return identified(number, *_members(random, depth=random.randrange(4)))


def _members(random: Random, depth: int) -> list[bytes]:
    names = random.sample(NAMES, random.randrange(2, 7))
    others = [element_of(random.choice([*ROWS, *STORED_ROWS]), name) for name in names]
    if random.random() < 0.2:
        others.append(TWICE)
    inner = (
        element(0x02, text(OLD), "note") if depth == 0 else element(0x03, document(*_members(random, depth - 1)), "in")
    )
    others.insert(random.randrange(len(others) + 1), inner)
    return others


async def saved(
    page: Page, database: Any, documents: list[bytes], old: str = '"old!"', now: str = '"new!"'
) -> tuple[list[str], list[bytes]]:
    """Store documents, have the page change and save each, and return what it said and what is stored then."""
    await database.items.insert_many([RawBSONDocument(each) for each in documents])
    said = await page.evaluate(SAVE_ALL, [list(range(len(documents))), old, now])
    raw = database.items.with_options(codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    return said, [each.raw async for each in raw.find().sort("_id")]


async def test_all_that_was_not_changed_keeps_its_bytes(opened: Opened, key: str, database: Any) -> None:
    page = await opened()
    await sign_in(page, key)
    random = Random(3)
    documents = [random_document(random, number) for number in range(60)]
    said, after = await saved(page, database, documents)

    assert said == ["Saved"] * len(documents)
    assert after == [each.replace(OLD, NEW) for each in documents]


FIRST = element(0x10, b"\1\0\0\0", "first")
PLACES: dict[str, tuple[Callable[[int, Row], tuple[bytes, bytes]], str, str]] = {
    "beside it in an array": (
        lambda number, row: (_in_array(number, row, OLD), _in_array(number, row, NEW)), '"old!"', '"new!"',
    ),
    "in a document whose order is another": (
        lambda number, row: (
            identified(number, element_of(row, "v")), identified(number, FIRST, element_of(row, "v"))
        ), "{", '{"first":1,',
    ),
}  # fmt: skip
"""What is stored and what is to be stored then, and the change that means it, where more than that is written."""


def _in_array(number: int, row: Row, beside: bytes) -> bytes:
    array = document(element_of(row, "0"), element(0x02, text(beside), "1"))
    return identified(number, element(0x04, array, "a"))


def outcome(said: str, before: bytes, wanted: bytes, after: bytes) -> str:
    """Return whether a document was saved or refused; anything else has bent it."""
    if said == "Saved" and after == wanted:
        return "saved"
    return "refused" if said != "Saved" and after == before else f"bent: {said} {after!r}"


@pytest.mark.parametrize("place", PLACES)
async def test_what_the_page_cannot_write_as_it_is_is_not_written(
    opened: Opened, key: str, database: Any, place: str
) -> None:
    made, old, now = PLACES[place]
    pairs = [made(number, row) for number, row in enumerate([*SOME_ROWS, *STORED_ROWS])]
    page = await opened()
    await sign_in(page, key)
    said, after = await saved(page, database, [before for before, _ in pairs], old, now)
    outcomes = [outcome(*each) for each in zip(said, *zip(*pairs, strict=True), after, strict=True)]

    assert outcomes == ["saved"] * len(SOME_ROWS) + ["refused"] * len(STORED_ROWS)
