"""What MongoDB sorted stored documents by, and the values that it made that of."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from bson.raw_bson import RawBSONDocument

from shared.access.continuation import Key, SortKeys
from shared.documents import order
from shared.documents.elements import ARRAY, Element, elements, split, wrapped
from shared.documents.order import members, rank
from shared.mongo import reads
from shared.mongo.clients import Collection
from shared.options import Options
from shared.requests import Reading
from shared.settings import Settings

_KEY, _VALUES = "key", "values"
_MADE_OTHERWISE = frozenset({order.TEXT, order.DOCUMENTS, order.ARRAYS})
"""The types whose sort keys are not what is stored where a collation compares texts."""

type Tell = Callable[[], Awaitable[bool | None]]
"""Tells something of the collection, None if MongoDB cannot say it now."""


class Source(NamedTuple):
    """Where documents are read, and how."""

    target: Collection
    settings: Settings
    options: Options


def stored_key(mark: bytes) -> Key:
    """Return what a mark says that a document is sorted by."""
    return tuple(members(mark))


async def stored_values(
    source: Source, sort: SortKeys, key: Key, identity: Element, is_simple: Tell
) -> Sequence[Element | None]:
    """Return the stored values of a sort key, in which a collation may have made something else of texts."""
    values: list[Element | None] = [None if rank(each) in _MADE_OTHERWISE else each for each in key]
    values[-1] = identity
    if None not in values:
        return values
    projection = {_KEY: {"$meta": "sortKey"}, _VALUES: [f"${path}" for path, _ in sort]}
    same = RawBSONDocument(wrapped("$eq", identity.value, identity.kind))
    reading = Reading({"_id": same}, projection, list(sort), limit=0)
    given = source.options.given
    collated = Options({name: given[name] for name in given if name == "collation"})
    async for batch in reads.find(source.target, reading, source.settings, options=collated):
        for each in split(batch):
            found = elements(each)
            if found["_id"] == identity and stored_key(found[_KEY].value) == key:
                is_exact = bool(await is_simple())
                stored = members(found[_VALUES].value)
                return [known or _value(value, part, is_simple=is_exact)
                        for value, known, part in zip(stored, values, key, strict=True)]  # fmt: skip
    return values


def _value(stored: Element, key: Element, *, is_simple: bool) -> Element | None:
    """Return the value that a sort key was made of, None where it is one of several and not known which."""
    if rank(stored) == rank(key):
        return stored
    return key if is_simple and stored.kind == ARRAY and key in members(stored.value) else None
