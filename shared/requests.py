"""A request's body -> a typed request (pure)."""

from typing import Any, NamedTuple, Self

import msgspec
from bson.code import Code

from shared.documents.ejson import Document
from shared.documents.stored import Encoded, Storable
from shared.errors import InvalidParameterError, MissingParameterError, WrongTypeError
from shared.operators import Placed

_MISSING = "Object missing required field `"
_MAX_INT64 = 2**63 - 1


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every action names: a collection of a database behind a data source. Subclasses add their members."""

    data_source: str
    database: str
    collection: str

    def interpreted(self) -> tuple[Placed, ...]:
        """Return what MongoDB will interpret rather than store, with how: where operators are looked for."""
        raise NotImplementedError

    def targets(self) -> tuple[list[Document], list[Document]]:
        """Return documents whose names are paths to what a write changes, and the filters of arrays in those paths."""
        return [], []

    @classmethod
    def from_body(cls, body: Document) -> Self:
        """Raise MissingParameterError or WrongTypeError naming the member. Null means absent, others are ignored."""
        given = {name: member for name, member in body.items() if member is not None}
        for name, member in given.items():
            if isinstance(member, Code):  # which is a str to Python
                raise WrongTypeError(f"'{name}': expected another type, got code")
        try:
            return msgspec.convert(given, cls, dec_hook=_stored)
        except msgspec.ValidationError as error:
            raise _refusal(str(error)) from error


class StoredDocument:
    """A member that is stored as it is."""

    __slots__ = ("content",)

    def __init__(self, content: Storable) -> None:
        """Take it as it was read."""
        self.content = content


class Reading(NamedTuple):
    """What a call wants to read: a limit of 0 is none, as to MongoDB; a sort is a list of keys or None."""

    filter: Document
    projection: Document
    sort: list[tuple[str, Any]] | None
    limit: int = 1
    skip: int = 0

    @property
    def end(self) -> int | None:
        """How many documents are wanted together with those that are skipped; None for all."""
        return self.skip + self.limit if self.limit else None


def whole(name: str, number: float) -> int:
    """Return a count that a caller may have written as 5, 5.0 or a long; raise if it is negative or a fraction."""
    if number != number // 1 or number < 0:
        raise InvalidParameterError(f"'{name}' must be a whole number of at least 0")
    return min(int(number), _MAX_INT64)


def sort_keys(sort: Document) -> list[tuple[str, Any]] | None:
    """Return the keys in the order the caller wrote them, with directions that the driver takes."""
    keys: list[tuple[str, Any]] = []
    for key, direction in sort.items():
        if isinstance(direction, int | float) and type(direction) is not bool and direction in {1, -1}:
            keys.append((key, int(direction)))
        elif type(direction) is dict:
            keys.append((key, direction))
        else:
            raise InvalidParameterError(f"'sort': '{key}' must be 1, -1 or a $meta expression")
    return keys or None


def wrong_type(path: str, given: Any, kind: Any) -> WrongTypeError:
    """Return the error for a value that is not of a type, as for a member of a request."""
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        return WrongTypeError(f"'{path}': {_lower(str(error))}")
    return WrongTypeError(f"'{path}': expected another type")


def _lower(expected: str) -> str:
    return expected[0].lower() + expected[1:]


def _stored(_kind: type, member: Any) -> StoredDocument:
    """Return what the only type is made of that msgspec does not know; raise its own words for all else."""
    try:
        return StoredDocument(member if type(member) is Encoded else msgspec.convert(member, Document))
    except msgspec.ValidationError as error:
        raise TypeError(str(error)) from error


def _refusal(reason: str) -> MissingParameterError | WrongTypeError:
    if reason.startswith(_MISSING):
        return MissingParameterError(f"must provide a '{reason.removeprefix(_MISSING).partition('`')[0]}' field")
    expected, _, path = reason.partition(" - at `$.")
    return WrongTypeError(f"'{path.rstrip('`')}': {_lower(expected)}")
