"""The rows of a CSV file as documents, under a header that names fields and their types: `qty.int32(),when.date()`."""

import base64
import binascii
import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import bson
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.errors import BSONError
from bson.int64 import Int64
from bson.objectid import ObjectId

from admin.output import counted
from admin.process import StoppedError
from admin.transfer import lines
from admin.transfer.lines import LineError
from admin.transfer.source import LONGEST, Item, Source
from shared.documents import ejson
from shared.errors import InvalidJSONError

_TYPED = re.compile(r"(.+)\.(\w+)\(([^()]*)\)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_DOUBLE = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?|[+-]?inf(inity)?|nan", re.ASCII | re.IGNORECASE
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_LAYOUT = {  # of Go, as mongoimport has them: the longer ones first
    "2006": "%Y", "January": "%B", "Jan": "%b", "01": "%m", "02": "%d", "15": "%H", "03": "%I", "04": "%M", "05": "%S",
    "Monday": "%A", "Mon": "%a", "PM": "%p", "-0700": "%z", "-07:00": "%z", "Z07:00": "%z", "06": "%y",
}  # fmt: skip
_LAYOUT_PARTS = re.compile("|".join(sorted(map(re.escape, _LAYOUT), key=len, reverse=True)) + "|%")
_DECODERS: dict[str, Callable[[str], bytes]] = {
    "": lambda text: base64.b64decode(text, validate=True),
    "base64": lambda text: base64.b64decode(text, validate=True),
    "base32": base64.b32decode,
    "hex": bytes.fromhex,
}

type Read = Callable[[str], Any]


class _Column(NamedTuple):
    name: str
    path: list[str]
    read: Read


def has_types(header: bytes) -> bool:
    """Tell whether a line names a field with a type that is known."""
    names = (_TYPED.fullmatch(name.strip(' "\r')) for name in header.decode(errors="replace").split(","))
    return any(match is not None and match[2].lower() in _TYPES for match in names)


class CsvRows:
    """Reads rows as RFC 4180 has them, each a document; an empty field without quotation marks is left out."""

    name, noun = "CSV", "row"

    def __init__(self, source: Source) -> None:
        """Read the header; raise StoppedError if it names no fields."""
        self._source = source
        header = self.read()
        try:
            names = _fields(header)
        except LineError as error:
            raise StoppedError(f"the header: {error}") from None
        self._columns = [_column(name, number) for number, name in enumerate(names, 1)]
        _refuse_overlaps([each.path for each in self._columns])
        source.count()

    def read(self) -> bytes:
        """Return the lines of the next row, of which there are several where a text in quotation marks has some."""
        row = self._source.line()
        while row.count(b'"') % 2:
            more = self._source.line()
            if not more or len(row) + len(more) > LONGEST:
                raise StoppedError(f"row {self._source.number + 1}: a quotation mark has no other")
            row += more
        return row

    def decode(self, item: Item) -> bytes:
        """Return the document of a row; raise LineError if it has other fields than the header, or of other types."""
        fields = _fields(item.text)
        if len(fields) != len(self._columns):
            raise LineError(f"it has {counted(len(fields), 'field')}, and the header {len(self._columns)}")
        document: dict[str, Any] = {}
        for column, text in zip(self._columns, fields, strict=True):
            if text is not None:
                _put(document, column, text)
        if "_id" in document:
            document = {"_id": document["_id"]} | document
        try:
            return lines.sized(bson.encode(document))
        except (BSONError, OverflowError) as error:
            raise LineError(f"BSON cannot hold it: {error}") from None


def _fields(row: bytes) -> list[str | None]:
    try:
        text = row.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise LineError("it is not UTF-8") from None
    before = csv.field_size_limit(LONGEST)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True) or [""], strict=True, quoting=csv.QUOTE_NOTNULL))
    except csv.Error as error:
        raise LineError(str(error)) from None
    finally:
        csv.field_size_limit(before)
    if len(rows) != 1:
        raise LineError("it is several rows")
    return [*rows[0]] or [None]


def _column(header: str | None, number: int) -> _Column:
    if not header:
        raise StoppedError(f"the header: column {number} has no name")
    match = _TYPED.fullmatch(header)
    name, kind, argument = match.groups() if match else (header, "string", "")
    path = name.split(".")
    if not all(path) or "\0" in name:
        raise StoppedError(f"the header: {name!r} is no path of a field")
    make = _TYPES.get(kind.lower())
    if make is None:
        raise StoppedError(f"the header: {kind}() is no type: there are {', '.join(sorted(_TYPES))}")
    return _Column(name, path, make(argument))


def _refuse_overlaps(paths: list[list[str]]) -> None:
    known = {tuple(path) for path in paths}
    inside = [path for path in paths if any(tuple(path[:length]) in known for length in range(1, len(path)))]
    if len(known) < len(paths) or inside:
        name = ".".join((inside or [path for path in paths if paths.count(path) > 1])[0])
        raise StoppedError(f"the header: {name!r} stands twice, or inside of another column")


def _put(document: dict[str, Any], column: _Column, text: str) -> None:
    try:
        value = column.read(text)
    except (ValueError, ArithmeticError, BSONError, InvalidJSONError, binascii.Error):
        shown = text if len(text) < 50 else f"{text[:50]}…"
        raise LineError(f"{column.name}: {shown!r} is not of its type") from None
    for name in column.path[:-1]:
        document = document.setdefault(name, {})
    document[column.path[-1]] = value


def _integer(bits: int) -> Read:
    def read(text: str) -> Int64 | int:
        if not _INTEGER.fullmatch(text) or not -(1 << bits - 1) <= int(text) < 1 << bits - 1:
            raise ValueError
        return int(text) if bits == 32 else Int64(text)

    return read


def _double(text: str) -> float:
    if not _DOUBLE.fullmatch(text):
        raise ValueError
    return float(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text.lower()]


def _date(layout: str) -> Read:
    if not layout:
        return lambda text: _in_utc(datetime.fromisoformat(text))
    form = _LAYOUT_PARTS.sub(lambda part: _LAYOUT.get(part[0], "%%"), layout)
    if form == layout:
        raise StoppedError(f"the header: date({layout}) has no layout such as 2006-01-02 15:04:05")
    return lambda text: _in_utc(datetime.strptime(text, form))


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _binary(encoding: str) -> Read:
    decode = _DECODERS.get(encoding.lower())
    if decode is None:
        raise StoppedError(f"the header: binary({encoding}) is none of base64, base32 and hex")
    return decode


def _guessed(text: str) -> Any:
    """Return what a text looks like, as mongoimport does without types."""
    for read in (_integer(32), _integer(64), _double):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _plain(read: Read) -> Callable[[str], Read]:
    def make(argument: str) -> Read:
        if argument:
            raise StoppedError(f"the header: a type takes no {argument!r}")
        return read

    return make


_TYPES: dict[str, Callable[[str], Read]] = {
    "auto": _plain(_guessed),
    "binary": _binary,
    "boolean": _plain(_boolean),
    "date": _date,
    "date_go": _date,
    "decimal": _plain(Decimal128),
    "double": _plain(_double),
    "ejson": _plain(lambda text: ejson.value(text.encode())),
    "int32": _plain(_integer(32)),
    "int64": _plain(_integer(64)),
    "objectid": _plain(ObjectId),
    "string": _plain(str),
    "uuid": _plain(lambda text: Binary.from_uuid(UUID(text))),
}
