"""What a file of documents is, by its content or as it is said to be, and its documents as BSON."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Literal, Protocol

from admin.process import StoppedError
from admin.transfer import json_values, lines
from admin.transfer.csv_rows import CsvRows, has_types
from admin.transfer.source import Item, Source

type Name = Literal["ndjson", "json", "csv", "bson"]

_LENGTH = 4  # bytes, in which a document of BSON says how many it has
_LEAST = 5
_ARCHIVE = (0x8199E26D).to_bytes(4, "little")
_MOST = lines.LARGEST + 16 * 1024  # as much as MongoDB passes around


_IS_ARCHIVE = (
    "this is an archive of mongodump, which may hold many collections: read it with mongorestore --archive, or let"
    " mongodump write a folder, by --out in place of --archive, and import one of its .bson files"
)


class Format(Protocol):
    """How documents stand in a file."""

    name: str
    noun: str
    """What holds one document: a line, a row."""

    def read(self) -> bytes:
        """Return the next item, b"" behind the last; raise StoppedError where there is no telling where it ends."""

    def decode(self, item: Item) -> bytes:
        """Return the document of an item as BSON, its _id in front; raise LineError if it is none."""


class _Lines:
    name, noun = "NDJSON", "line"

    def __init__(self, source: Source) -> None:
        self.read = source.line

    def decode(self, item: Item) -> bytes:
        return lines.decode(item.text.strip())


class _Values:
    name, noun = "JSON", "document"

    def __init__(self, source: Source) -> None:
        self.read: Callable[[], bytes] = json_values.JsonValues(source).read

    def decode(self, item: Item) -> bytes:
        return lines.decode(item.text)


class _Bson:
    name, noun = "BSON", "document"

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self) -> bytes:
        start = self._source.take(_LENGTH)
        if not start:
            return b""
        number = self._source.number + 1
        length = int.from_bytes(start, "little", signed=True)
        if len(start) == _LENGTH and not _LEAST <= length <= _MOST:
            raise StoppedError(f"document {number} cannot have {length} bytes: the file is damaged, or no BSON")
        document = start + self._source.take(max(length - _LENGTH, 0))
        if len(document) < max(length, _LEAST):
            raise StoppedError(f"the file ends within document {number}")
        return document

    def decode(self, item: Item) -> bytes:
        return lines.of_bson(item.text)


_FORMATS: dict[Name, Callable[[Source], Format]] = {"ndjson": _Lines, "json": _Values, "csv": CsvRows, "bson": _Bson}


def named(name: Name, source: Source) -> Format:
    """Return the format of a source of which nothing was read; it reads what stands before the first document."""
    if source.peek().startswith(_ARCHIVE):
        raise StoppedError(_IS_ARCHIVE)
    return _FORMATS[name](source)


def detected(source: Source, path: str) -> Name:
    """Return what a source is: CSV by its file's name or by a header with types, the others by how they begin."""
    begin = source.peek()
    length = int.from_bytes(begin[:_LENGTH], "little", signed=True)
    if len(begin) >= _LENGTH and _LEAST <= length <= _MOST:  # no text has so small a number there
        return "bson"
    first, _, rest = begin.lstrip().partition(b"\n")
    if first.startswith(b"["):
        return "json"
    if not first.startswith(b"{"):
        named_csv = ".csv" in [suffix.lower() for suffix in PurePath(path).suffixes[-2:]]
        return "csv" if named_csv or has_types(first) else "ndjson"
    return "json" if rest.strip() and json_values.is_open(first) else "ndjson"
