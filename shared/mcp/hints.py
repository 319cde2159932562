"""What an agent is told to do about an error, beside the words of the action that failed (pure)."""

import re
from collections.abc import Mapping

_BY_CODE: Mapping[str, str] = {
    "IdempotencyKeyReused": "another write needs another idempotencyKey; the same write has all arguments as before",
    "MaxAffectedExceeded": "narrow the filter, or allow so many with maxAffected",
    "NoMatchingRuleFound": "list_collections names the collections that you may use",
    "QueryWithoutIndex": "filter by a field that an index begins with, such as _id; explain says whether one is used",
    "ReadSizeLimitExceeded": "narrow the filter, or leave large fields out by a projection",
}

_REPEAT = "send the same call with the same idempotencyKey again: it happens once"
_LOOK = "look whether it has happened before you send it again; with an idempotencyKey you need not look"

_WRITTEN: Mapping[str, str] = {
    "$binary": '{"$binary": {"base64": "AQID", "subType": "00"}}',
    "$code": '{"$code": "function() {}"}',
    "$date": '{"$date": "2024-01-31T12:00:00Z"}',
    "$dbPointer": '{"$dbPointer": {"$ref": "shop.orders", "$id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}}',
    "$maxKey": '{"$maxKey": 1}',
    "$minKey": '{"$minKey": 1}',
    "$numberDecimal": '{"$numberDecimal": "9.99"}',
    "$numberDouble": '{"$numberDouble": "0.5"}',
    "$numberInt": '{"$numberInt": "5"}',
    "$numberLong": '{"$numberLong": "5"}',
    "$oid": '{"$oid": "65a1b2c3d4e5f60718293a4b"}',
    "$regularExpression": '{"$regularExpression": {"pattern": "^a", "options": "i"}}',
    "$symbol": '{"$symbol": "a"}',
    "$timestamp": '{"$timestamp": {"t": 1706702400, "i": 1}}',
    "$undefined": '{"$undefined": true}',
    "$uuid": '{"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}',
}
"""A value of each type, as Extended JSON has it."""

_NAME = re.compile(r"\$\w+")


def hint(code: str | None) -> str | None:
    """Return what to do about an error with this code; None where its own words say it."""
    return _BY_CODE.get(code or "")


def of_lost_write(*, has_key: bool) -> str:
    """Return what to do about the error of a write that may have happened."""
    return _REPEAT if has_key else _LOOK


def written(reason: str) -> str:
    """Return what is wrong with a body, and how the value is written that it names."""
    named = _NAME.search(reason)
    example = _WRITTEN.get(named[0]) if named else None
    return reason if example is None else f"{reason}: write it as in {example}"
