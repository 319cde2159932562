"""The typed requests of writes (pure)."""

from typing import Any

from msgspec import field

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError, WrongTypeError
from shared.operators import Place, Placed
from shared.requests import Request, wrong_type

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    document: Document

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
            if type(each) is not dict:
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
    replacement: Document

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for update operators."""
        super().__post_init__()
        if any(key.startswith("$") for key in self.replacement):
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
