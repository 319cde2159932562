"""A request's body -> a typed request (pure)."""

import re
from typing import Any, ClassVar, NamedTuple, Self

import msgspec
from bson.code import Code
from msgspec import field

from shared.documents.ejson import Document
from shared.documents.stored import Encoded, Storable
from shared.errors import InvalidParameterError, MissingParameterError, WrongTypeError
from shared.operators import Place, Placed
from shared.options import NO_OPTIONS, OPTIONS, Options

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 50_000
"""Documents that `find` returns: without a limit, and at most."""

_SHOWN = 100  # characters of a name in an error's text
_MOST_IDS = 1_000
_OPTIONS = "options"  # made of members here, never one that is sent
DEFAULT_BATCH = 1_000
_PLACEHOLDER = re.compile(r"\{\{\w{1,40}\}\}")  # what Power Platform has in a field that nobody filled in
_MISSING = "Object missing required field `"


type Sort = list[tuple[str, Any]] | None
"""The keys of a sort with their directions, None for none."""


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every action names: a collection of a database behind a data source. Subclasses add their members."""

    data_source: str
    database: str
    collection: str
    options: Options = NO_OPTIONS

    takes: ClassVar[frozenset[str]] = frozenset()
    """The names of the options that it takes."""

    ignores: ClassVar[frozenset[str]] = frozenset({"limit", "skip", "sort"})
    """Members of find that clients send with other actions, too; a write that they would change refuses them."""

    of_database: ClassVar[bool] = False
    """Whether it may be of a whole database, with an empty name of the collection."""

    @property
    def written(self) -> tuple[str, str] | None:
        """The namespace that a pipeline writes to, as database and collection."""
        return None

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
        given.pop(_OPTIONS, None)
        for name, member in given.items():
            if isinstance(member, Code) and name != "comment":  # which is a str to Python
                raise WrongTypeError(f"'{name}': expected another type, got code")
        if not OPTIONS.keys().isdisjoint(given):
            given[_OPTIONS] = Options.of(given, cls.takes, cls.ignores.union(cls.__struct_encode_fields__))
        try:
            return msgspec.convert(given, cls, dec_hook=_stored)
        except msgspec.ValidationError as error:
            raise _refusal(str(error), given) from error


class ExactRequest(Request, frozen=True, kw_only=True):
    """A request of which every member counts: one that means nothing is refused."""

    ignores = frozenset()

    @classmethod
    def from_body(cls, body: Document) -> Self:
        """Raise InvalidParameterError for a member that means nothing."""
        known = {*cls.__struct_encode_fields__, *OPTIONS} - {_OPTIONS}
        for name, member in body.items():
            if member is not None and name not in known:
                raise InvalidParameterError(f"'{name[:_SHOWN]}' is not a member of this action")
        return super().from_body(body)


class EventsRequest(ExactRequest, frozen=True, kw_only=True):
    """A request for changes: a filter of events, or the `_id`s of documents."""

    filter: Document = field(default_factory=dict)
    ids: list[Any] | None = None

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for too many ids."""
        if len(self.ids or ()) > _MOST_IDS:
            raise InvalidParameterError(f"'ids' must be at most {_MOST_IDS}")

    @property
    def condition(self) -> Document:
        """The condition on events; raise InvalidParameterError for a filter beside ids."""
        if self.ids is None:
            return self.filter
        if self.filter:
            raise InvalidParameterError("give 'filter' or 'ids', not both")
        return {"documentKey._id": {"$in": self.ids}}

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter is a query, and ids are compared with."""
        return (Place.QUERY, self.filter), (Place.DATA, self.ids or [])


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
    sort: Sort
    limit: int = 1
    skip: int = 0
    says_cut: bool = False
    """Whether the reply is to say that there are more than the limit, which is not the caller's own."""

    @property
    def asked(self) -> "Reading":
        """What is asked for: one more, where the reply is to say whether there is one."""
        return self._replace(limit=self.limit + 1) if self.says_cut else self

    @property
    def most(self) -> int:
        """How many are returned of those that are asked for; 0 for all."""
        return self.limit if self.says_cut else 0

    @property
    def end(self) -> int | None:
        """How many documents are wanted together with those that are skipped; None for all."""
        return self.skip + self.limit if self.limit else None


class Batches(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How a caller wants to read what may be more than one reply holds."""

    batch_size: int | float = DEFAULT_BATCH


class GetMore(Request, frozen=True, kw_only=True):
    """The members of getMore: the cursor, in which all else stands; what names the place may be given again."""

    ignores = frozenset()

    data_source: str = ""
    database: str = ""
    collection: str = ""
    cursor: str

    def interpreted(self) -> tuple[Placed, ...]:
        """What the cursor holds is checked as the request that it is."""
        return ()


class Returned(NamedTuple):
    """Which document a write of one finds, and what of it is returned: as it was, or as it is afterwards."""

    projection: Document
    sort: Sort
    is_after: bool = False


def sort_keys(sort: Document) -> Sort:
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


def _stored(kind: type, member: Any) -> StoredDocument | Options:
    """Return what a type is made of that msgspec does not know; raise its own words for all else."""
    if kind is Options:
        return member  # type: ignore[no-any-return]  # made here
    try:
        return StoredDocument(member if type(member) is Encoded else msgspec.convert(member, Document))
    except msgspec.ValidationError as error:
        raise TypeError(str(error)) from error


def _refusal(reason: str, given: Document) -> MissingParameterError | WrongTypeError:
    if reason.startswith(_MISSING):
        return MissingParameterError(f"must provide a '{reason.removeprefix(_MISSING).partition('`')[0]}' field")
    expected, _, path = reason.partition(" - at `$.")
    name = path.rstrip("`")
    left = given.get(name)
    if isinstance(left, str) and _PLACEHOLDER.fullmatch(left):
        return WrongTypeError(f"'{name}': {_lower(expected)}: the placeholder {left} of a designer was left in place")
    return WrongTypeError(f"'{name}': {_lower(expected)}")
