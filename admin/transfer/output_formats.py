"""How documents are written: as lines or an array of Extended JSON, as BSON like mongodump's, or as CSV."""

from collections.abc import Sequence
from typing import Literal, Protocol

from admin.transfer import lines
from shared.documents import replies, tables
from shared.turns import at_once

type Name = Literal["ndjson", "json", "csv", "bson"]


class Format(Protocol):
    """How documents stand in a file."""

    begin: bytes
    end: bytes

    def encode(self, document: bytes, *, is_first: bool) -> bytes:
        """Return a document as it stands behind the others."""


class _Lines:
    begin = end = b""

    def encode(self, document: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        return lines.encode(document) + b"\n"


class _Array:
    begin, end = b"[", b"\n]\n"

    def encode(self, document: bytes, *, is_first: bool) -> bytes:
        return (b"\n" if is_first else b",\n") + lines.encode(document)


class _Bson:
    begin = end = b""

    def encode(self, document: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        return document


class _Rows:
    end = b""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self.begin = at_once(tables.table([], fields))[0]

    def encode(self, document: bytes, *, is_first: bool) -> bytes:  # noqa: ARG002
        line, _ = replies.batch_of_documents(document, "JSON", None)
        return b"".join(at_once(tables.table([line], self._fields))[1:])


def named(name: Name, fields: Sequence[str]) -> Format:
    """Return a format; of CSV with these columns, which are names or paths of fields."""
    if name == "csv":
        return _Rows(fields)
    others: dict[Name, Format] = {"ndjson": _Lines(), "json": _Array(), "bson": _Bson()}
    return others[name]
