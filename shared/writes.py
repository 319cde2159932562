"""The typed requests of writes (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from msgspec import field, structs

from shared.documents.ejson import Document
from shared.documents.stored import Encoded
from shared.errors import InvalidParameterError, WrongTypeError
from shared.operators import Place, Placed
from shared.options import OF_WRITES, Options
from shared.requests import Request, StoredDocument, wrong_type

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch
_SHOWN = 100  # characters of a name in an error's text
_OF_OPERATIONS = frozenset({"collation", "hint"})  # options of each; others are the same for all


def replacing(document: Document) -> list[Document]:
    """Return the update that puts a document in the place of each one that is met, for which MongoDB has no command."""
    return [{"$replaceWith": {"$mergeObjects": [{"_id": "$_id"}, {"$literal": document}]}}]


def replaced_by(changes: Any) -> Document | None:
    """Return the document that an update like that puts in the place of others; None for any other update."""
    match changes:
        case [{"$replaceWith": {"$mergeObjects": [_, {"$literal": dict(document)}]}}]:
            is_plain = bool(document) and not any(name.startswith("$") for name in document)
            return document if is_plain and changes == replacing(document) else None
    return None


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    takes = OF_WRITES | {"bypassDocumentValidation"}

    document: StoredDocument

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: a document is stored as it is."""
        return ()


class InsertMany(Request, frozen=True, kw_only=True):
    """The members of insertMany."""

    takes = OF_WRITES | {"bypassDocumentValidation", "ordered"}

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

    takes = OF_WRITES | {"bypassDocumentValidation", "collation", "hint", "let"}
    ignores = frozenset()

    upsert: bool | str = False

    def __post_init__(self) -> None:
        """Raise WrongTypeError for any other text, such as "false"."""
        if type(self.upsert) is str and self.upsert:
            raise WrongTypeError("'upsert': expected `bool`, got `str`")


class Update(Upsertable, frozen=True, kw_only=True):
    """A write by operators or by a pipeline."""

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


class UpdateOne(Update, frozen=True, kw_only=True):
    """The members of updateOne; `update` may be a pipeline, and `sort` needs MongoDB 8.0 where no rules apply."""

    sort: Document = field(default_factory=dict)

    def interpreted(self) -> tuple[Placed, ...]:
        """The sort, too."""
        return *super().interpreted(), (Place.SORT, self.sort)


class UpdateMany(Update, frozen=True, kw_only=True):
    """The members of updateMany; `update` may be a pipeline."""

    def interpreted(self) -> tuple[Placed, ...]:
        """All but a document that takes the place of others, which is stored as it is."""
        filters, array_filters, changes = super().interpreted()
        return (filters, array_filters) if replaced_by(self.update) else (filters, array_filters, changes)


class Replacement(Upsertable, frozen=True, kw_only=True):
    """A write of a whole document."""

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


class ReplaceOne(Replacement, frozen=True, kw_only=True):
    """The members of replaceOne; `sort` needs MongoDB 8.0 where no rules apply."""

    sort: Document = field(default_factory=dict)

    def interpreted(self) -> tuple[Placed, ...]:
        """The sort, too."""
        return *super().interpreted(), (Place.SORT, self.sort)


class Delete(Request, frozen=True, kw_only=True):
    """The members of deleteOne and deleteMany; without a filter nothing is deleted."""

    takes = OF_WRITES | {"collation", "hint", "let"}
    ignores = frozenset()

    filter: Document

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter is a query."""
        return ((Place.QUERY, self.filter),)


type Write = InsertOne | UpdateOne | UpdateMany | ReplaceOne | Delete

KINDS: Mapping[str, type[Write]] = {
    "insertOne": InsertOne,
    "updateOne": UpdateOne,
    "updateMany": UpdateMany,
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

    takes = OF_WRITES | {"bypassDocumentValidation", "let"}
    ignores = frozenset()

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
            request = KINDS[name].from_body(members | namespace)
            for option in request.options.given.keys() - _OF_OPERATIONS:
                raise InvalidParameterError(f"'{option}' is an option of bulkWrite as a whole")
            yield Operation(name, request)

    def with_options(self, name: str, own: Options) -> Self:
        """Return this with the options that an operation of a kind has, its own and those of the whole."""
        if not self.options and not own:
            return self
        shared = {each: value for each, value in self.options.given.items() if each in KINDS[name].takes}
        return structs.replace(self, options=Options({**shared, **own.given}))


class TransactionRequest(Request, frozen=True, kw_only=True):
    """The members of transaction; what of the namespace is here counts for the operations that do not name it."""

    takes = frozenset({"maxTimeMS", "writeConcern"})
    ignores = frozenset()

    data_source: str = ""
    database: str = ""
    collection: str = ""
    operations: list[Any]

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: each operation is a request of its own."""
        return ()
