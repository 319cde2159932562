"""Lines of JSON -> rows of CSV, as RFC 4180 has it (pure).

A value stands in a row as it stands in the JSON, byte for byte, but for a text, which has no quotation marks of JSON.
What is missing is empty, as null is; an empty text is two quotation marks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError
from shared.turns import Steps

_MOST_COLUMNS = 200
_CELLS_AT_ONCE = 5_000  # that are made in a step
_LARGE = 256 * 1024  # bytes of a value that is looked into in a step of its own
_SPECIAL = re.compile(rb'[",\r\n]')
_LEAVES_OTHERS = frozenset({"$slice", "$meta"})  # what a projection makes of a member without leaving out the others

type _Members = Mapping[str, msgspec.Raw]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


class _Place(NamedTuple):
    """Where a name leads: to the columns of these numbers, and to what is inside."""

    columns: list[int]
    inside: dict[str, "_Place"]


def named(columns: Sequence[str], projection: Document) -> Sequence[str]:
    """Return the columns that a caller names, by themselves or in a projection; raise if nothing does."""
    names = columns or projected(projection)
    if not names:
        raise InvalidParameterError("text/csv needs 'columns', or a projection that names what is returned")
    if len(names) > _MOST_COLUMNS or not all(names):
        raise InvalidParameterError(f"text/csv: 'columns' must be at most {_MOST_COLUMNS} names, none of them empty")
    if _overlap(names):
        raise InvalidParameterError("text/csv: no column may stand twice, or lead into another")
    return names


def _overlap(names: Sequence[str]) -> bool:
    """Tell whether a part of a document would stand in several columns: a row would be many times as long."""
    paths = [name.split(".") for name in names]
    known = set(names)
    return len(known) < len(names) or any(
        ".".join(path[:length]) in known for path in paths for length in range(1, len(path))
    )


def projected(projection: Document) -> list[str]:
    """Return the names of what a projection leaves; none if it says only what it leaves out."""
    names = [name for name, value in projection.items() if name != "_id" and _is_left(value)]
    has_id = _is_left(projection["_id"]) if "_id" in projection else bool(names)
    return ["_id", *names] if has_id else names


def _is_left(value: Any) -> bool:
    return _LEAVES_OTHERS.isdisjoint(value) if isinstance(value, dict) else isinstance(value, str | list) or bool(value)


def table(parts: list[bytes], names: Sequence[str]) -> Steps[list[bytes]]:
    """Return rows for documents, each a line of a part, under a row of the columns' names; the parts are used up."""
    top = _places(names)
    dotted = [(column, name) for column, name in enumerate(names) if "." in name]
    rows = [_row([_quoted(name.encode()) for name in names])]
    cells = 0
    parts.reverse()
    while parts:
        made = []
        for line in filter(None, parts.pop().splitlines()):
            members = _members(line)
            values = yield from _found(members, top)
            values |= {column: bytes(members[name]) for column, name in dotted if name in members}
            made.append(_row([_cell(values[each]) if each in values else b"" for each in range(len(names))]))
            cells += len(names)
            if cells >= _CELLS_AT_ONCE:
                cells = 0
                yield
        rows.append(b"".join(made))
    return rows


def _places(names: Sequence[str]) -> dict[str, _Place]:
    top: dict[str, _Place] = {}
    for column, name in enumerate(names):
        inside, place = top, _Place([], top)
        for each in name.split("."):
            place = inside.setdefault(each, _Place([], {}))
            inside = place.inside
        place.columns.append(column)
    return top


def _found(members: _Members, places: Mapping[str, _Place]) -> Steps[dict[int, bytes]]:
    """Return what is at some places, by column."""
    found: dict[int, bytes] = {}
    for name, place in places.items():
        if name in members:
            value = bytes(members[name])
            for column in place.columns:
                found[column] = value
            if place.inside:
                found |= yield from _inside(value, place.inside)
    return found


def _inside(value: bytes, places: Mapping[str, _Place]) -> Steps[dict[int, bytes]]:
    """Return what is inside of a value: of an array the lists of what is inside of its elements, as in MongoDB."""
    if value.startswith(b"{"):
        if len(value) > _LARGE:
            yield
        return (yield from _found(_members(value), places))
    if not value.startswith(b"["):
        return {}
    if len(value) > _LARGE:
        raise InvalidParameterError(f"text/csv: a column cannot lead into an array of more than {_LARGE} bytes")
    columns = _columns(places)
    found: dict[int, list[bytes]] = {column: [] for column in columns}
    cells = 0
    for item in _items(value):
        for column, text in (yield from _inside(bytes(item), places)).items():
            found[column].append(text)
        cells += len(columns)
        if cells >= _CELLS_AT_ONCE:
            cells = 0
            yield
    return {column: b"[%b]" % b",".join(texts) for column, texts in found.items()}


def _columns(places: Mapping[str, _Place]) -> list[int]:
    return [column for each in places.values() for column in (*each.columns, *_columns(each.inside))]


def _cell(value: bytes) -> bytes:
    if value == b"null":
        return b""
    if value.startswith(b'"'):
        return _quoted(_text(value).encode() if b"\\" in value else value[1:-1])
    return _quoted(value)


def _quoted(text: bytes) -> bytes:
    """Return a text as a field, in quotation marks if it needs them."""
    return b'"%b"' % text.replace(b'"', b'""') if not text or _SPECIAL.search(text) else text


def _row(cells: Sequence[bytes]) -> bytes:
    return b",".join(cells) + b"\r\n"
