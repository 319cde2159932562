"""What rendering keeps of values that rules look at, so that documents need not be decoded a second time for them.

A reply's form has fewer types than BSON. It keeps some of them: what is rendered of such a value is the value itself,
or can be read back to one that compares with all others as the stored one does. Whether the values of a field are of
those types alone is read from the bytes of the documents, never from what was rendered.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orjson import Fragment

from shared.documents.elements import kinds_of
from shared.documents.replies import Format

_STRING = b"\x02"
_NUMBERS = frozenset({b"\x01", b"\x10", b"\x12"})  # double, int32, int64
_KEPT = _NUMBERS | {_STRING, b"\x08", b"\x0a"}  # and boolean, null
_BROKEN = "\ufffd"  # how stored bytes that are no UTF-8 are rendered


def values(
    batch: bytes, rendered: Sequence[dict[str, Any]], names: Iterable[str], form: Format
) -> Sequence[Mapping[str, Any]] | None:
    """Return the stored values of these top-level fields in each document of a batch, as good as decoded.

    None if what is rendered of one of them does not tell it. There may be other members, which mean nothing.
    """
    if rendered and type(rendered[0]) is not dict:  # a reference may be among them
        return None
    wanted = list(names)
    kinds = {name: kinds_of(name, batch) for name in wanted}
    if not all(found <= _KEPT for found in kinds.values()):
        return None
    if any(_STRING in kinds[name] and _has_broken_text(name, rendered) for name in wanted):
        return None
    if form == "EJSON":
        return [_read_back(document, wanted) for document in rendered]
    is_written = any(kinds[name] & _NUMBERS and _has_written_number(name, rendered) for name in wanted)
    return None if is_written else rendered


def _has_broken_text(name: str, rendered: Sequence[dict[str, Any]]) -> bool:
    return any(type(value := document.get(name)) is str and _BROKEN in value for document in rendered)


def _has_written_number(name: str, rendered: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a number is rendered as the text it has in the reply: -0.0, and whole doubles of many digits."""
    return Fragment in {type(document.get(name)) for document in rendered}


def _read_back(document: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the values of these fields from canonical Extended JSON: of these types, numbers alone are dicts."""
    found = {}
    for name in names:
        if name in document:
            value = document[name]
            if type(value) is dict:
                digits = value.get("$numberDouble")
                value = int(next(iter(value.values()))) if digits is None else float(digits)
            found[name] = value
    return found
