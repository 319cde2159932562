"""The typed requests of writes (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import field

from shared.documents.ejson import Document
from shared.documents.stored import Encoded
from shared.errors import InvalidParameterError, WrongTypeError
from shared.operators import Place, Placed
from shared.requests import Request, StoredDocument, wrong_type

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch
_SHOWN = 100  # characters of a name in an error's text


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    document: StoredDocument

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: a document is stored as it is."""
        return ()


class InsertMany(Request, frozen=True, kw_only=True):
    """The members of insertMany."""

    documents: list[Any]

    def __post_init__(self) -> None:
        """Raise for too many or too few documents, and for what is none; these are not converted, as they are many."""
        if not 1 <= len(self.documents) <= MAX_DOCUMENTS:
            raise InvalidParameterError(f"'documents' must hold 1 to {MAX_DOCUMENTS} documents")
        for place, each in enumerate(self.documents):
            if type(each) is not dict and type(each) is not Encoded:
                raise wrong_type(f"documents[{place}]", each, Document)

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: documents are stored as they are."""
        return ()


class Upsertable(Request, frozen=True, kw_only=True):
    """A write that may insert what it does not find. Swagger-made clients send "" for false."""

    upsert: bool | str = False

    def __post_init__(self) -> None:
        """Raise WrongTypeError for any other text, such as "false"."""
        if type(self.upsert) is str and self.upsert:
            raise WrongTypeError("'upsert': expected `bool`, got `str`")


class Update(Upsertable, frozen=True, kw_only=True):
    """The members of updateOne and updateMany; `update` may be a pipeline."""

    filter: Document
    update: Document | list[Document]
    array_filters: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for a whole document: that would replace what it meets."""
        super().__post_init__()
        if not self.update or (isinstance(self.update, dict) and not all(key.startswith("$") for key in self.update)):
            raise InvalidParameterError("'update' must hold update operators only")

    def interpreted(self) -> tuple[Placed, ...]:
        """A pipeline is all expressions; of the update operators only $pull takes a condition, the rest take data."""
        changes = Place.PIPELINE if isinstance(self.update, list) else Place.UPDATE
        return (Place.QUERY, self.filter), (Place.QUERY, self.array_filters), (changes, self.update)

    def targets(self) -> tuple[list[Document], list[Document]]:
        """What operators change they name by paths, `$rename` on both sides; a pipeline is interpreted as a whole."""
        operators = {} if isinstance(self.update, list) else self.update
        named = [operand for operand in operators.values() if isinstance(operand, dict)]
        if isinstance(renamed := operators.get("$rename"), dict):
            named.append(dict.fromkeys(name for name in renamed.values() if type(name) is str))
        return named, self.array_filters


class ReplaceOne(Upsertable, frozen=True, kw_only=True):
    """The members of replaceOne."""

    filter: Document
    replacement: StoredDocument

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for update operators; what is BSON already has none."""
        super().__post_init__()
        content = self.replacement.content
        if type(content) is dict and any(key.startswith("$") for key in content):
            raise InvalidParameterError("'replacement' must not hold update operators")

    def interpreted(self) -> tuple[Placed, ...]:
        """The replacement is stored as it is."""
        return ((Place.QUERY, self.filter),)


class Delete(Request, frozen=True, kw_only=True):
    """The members of deleteOne and deleteMany; without a filter nothing is deleted."""

    filter: Document

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter is a query."""
        return ((Place.QUERY, self.filter),)


type Write = InsertOne | Update | ReplaceOne | Delete

KINDS: Mapping[str, type[Write]] = {
    "insertOne": InsertOne,
    "updateOne": Update,
    "updateMany": Update,
    "replaceOne": ReplaceOne,
    "deleteOne": Delete,
    "deleteMany": Delete,
}


class Operation(NamedTuple):
    """One of several writes: the name of the action that it would be by itself, and its request."""

    name: str
    request: Write


class BulkWrite(Request, frozen=True, kw_only=True):
    """The members of bulkWrite; each of its requests is an object of one member, the name of a write."""

    requests: list[Any]
    ordered: bool = True

    def __post_init__(self) -> None:
        """Raise for too many or too few; these are not converted, as they are many."""
        if not 1 <= len(self.requests) <= MAX_DOCUMENTS:
            raise InvalidParameterError(f"'requests' must hold 1 to {MAX_DOCUMENTS} operations")

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: each operation is a request of its own."""
        return ()

    def operations(self) -> Iterator[Operation]:
        """Give each operation, all on the collection of this request; raise for the first that is none."""
        namespace = {"dataSource": self.data_source, "database": self.database, "collection": self.collection}
        for each in self.requests:
            if type(each) is not dict or len(each) != 1:
                raise InvalidParameterError(f"expected an object of one member: {', '.join(KINDS)}")
            ((name, members),) = each.items()
            if name not in KINDS:
                raise InvalidParameterError(f"'{name[:_SHOWN]}' is none of {', '.join(KINDS)}")
            if type(members) is not dict:
                raise wrong_type(name, members, Document)
            yield Operation(name, KINDS[name].from_body(members | namespace))
