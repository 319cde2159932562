"""The documents of one reply of a cursor, of what a read gives."""

from collections.abc import AsyncGenerator
from typing import Any

import bson
import pytest

from shared.access.paging import Page, Part
from shared.errors import InvalidParameterError
from tests.steps import share_of_longest_turn

MANY = 20_000


async def is_simple() -> bool:
    return True


async def is_view() -> bool:
    return False


def page(size: int) -> Page:
    return Page([("n", 1), ("_id", 1)], Part(size), lambda _: "next", is_simple, is_view)


def documents(*ids: Any) -> bytes:
    return b"".join(bson.encode({"_id": each, "n": 1}) for each in ids)


class Reads:
    """Gives each time what the next of several reads gives, and the last of them for ever."""

    def __init__(self, *reads: bytes) -> None:
        self.reads = list(reads)

    async def __call__(self, _most: int, _skip: int) -> AsyncGenerator[bytes]:
        yield self.reads.pop(0) if len(self.reads) > 1 else self.reads[0]


async def test_a_document_that_a_write_moved_under_a_read_is_returned_once() -> None:
    reads = Reads(documents("a", "b", "b"), documents("a", "a", "b"), documents("a", "b"))

    assert [each async for each in page(2).computed(reads)] == [documents("a", "b")]


async def test_several_documents_with_one_id_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="only one of them has"):
        await anext(page(2).computed(Reads(documents("a", "b", "b"))))


@pytest.mark.parametrize("size", [MANY // 2, MANY])
async def test_others_have_their_turn_while_a_large_batch_is_put_in_order(size: int) -> None:
    read = Reads(documents(*(f"text {number:06}" for number in range(MANY))))

    assert await share_of_longest_turn(anext(page(size).computed(read))) < 0.05
