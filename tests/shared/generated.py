"""Any BSON document that a request can say, for hypothesis, and a JSON parser that knows no NaN."""

import json
import uuid
from typing import Any

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import strategies as st

_SPECIAL_KEYS = [
    "",
    "$",
    "$ref",
    "$id",
    "$db",
    "$regex",
    "$options",
    "$type",
    "$scope",
    "$oid ",
    "a.b",
    "__proto__",
    "document",
]
_INT64 = st.integers(-(2**63), 2**63 - 1)
_UINT32 = st.integers(0, 2**32 - 1)

_plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_text = _plain_text | st.sampled_from(["\0", '"', "\\", "\x1f\x7f", "\u2028", "𝄞", "$oid", '{"$oid":"', "NaN"])
_without_nul = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
# a name that starts with `$` and a capital is no wrapper of the specification
_keys = _without_nul.map(lambda name: f"$X{name}" if name.startswith("$") else name) | st.sampled_from(_SPECIAL_KEYS)


def _regex(pattern: str, options: set[str]) -> Regex[str]:
    return Regex(pattern, "".join(sorted(options)))


def _decimal(sign: str, digits: int, exponent: int) -> Decimal128:
    return Decimal128(f"{sign}{digits}E{exponent}")


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    _INT64.map(Int64),
    st.floats(allow_nan=False),
    st.just(float("nan")),
    st.sampled_from([-0.0, 2.0**53, -(2.0**53), 2.0**53 + 2, 1e21, 1e22, 123456789012345680000.0]),
    st.builds(_decimal, st.sampled_from(["", "-"]), st.integers(0, 10**34 - 1), st.integers(-6176, 6111)),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "-0E+3"]).map(Decimal128),
    _text,
    st.builds(Binary, st.binary(max_size=20), st.integers(0, 255)),
    st.binary(max_size=20),
    st.uuids().map(lambda value: Binary(uuid.UUID(str(value)).bytes, 4)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    _INT64.map(DatetimeMS),
    st.integers(-62_135_596_800_000, 253_402_300_799_999).map(DatetimeMS),
    st.builds(_regex, _without_nul, st.sets(st.sampled_from("ilmsux"))),
    _text.map(Code),
    st.builds(Timestamp, _UINT32, _UINT32),
    st.just(MinKey()),
    st.just(MaxKey()),
)


def _nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    inner = st.dictionaries(_keys, values, max_size=4)
    return st.lists(values, max_size=4) | inner | st.builds(Code, _text, inner)


documents = st.dictionaries(_keys, st.recursive(_scalars, _nested, max_leaves=8), max_size=6)
"""Documents of all types, with keys that look like something else."""


def strict_json(data: bytes) -> Any:
    """Parse as browsers do: NaN and Infinity are no JSON."""
    return json.loads(data, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def keys(value: Any, *, like: Any) -> Any:
    """Return the names in a value, in order and at every depth where `like` has plain documents and arrays."""
    if type(like) is dict:
        return [(name, keys(item, like=like[name])) for name, item in value.items()]
    if type(like) is list:
        return [keys(item, like=example) for item, example in zip(value, like, strict=True)]
    return None
