"""The types of the actions' replies: tests read the replies of every action by them, with no member more or less."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from shared.documents.ejson import Document


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An object of a reply, of which every member is known."""


class FoundDocument(Struct, frozen=True):
    """A document, or null where none matches."""

    document: Document | None


class FoundDocuments(Struct, frozen=True):
    """Documents; `cursor` is what `getMore` goes on with, where it is not the last batch."""

    documents: list[Document]
    cursor: str | UnsetType = UNSET


class InsertedOne(Struct, frozen=True):
    """The `_id` of the document that was inserted."""

    inserted_id: Any


class InsertedMany(Struct, frozen=True):
    """The `_id`s of the documents that were inserted."""

    inserted_ids: list[Any]


class Updated(Struct, frozen=True):
    """How many documents matched and were modified; `upsertedId` is there if one was inserted."""

    matched_count: int
    modified_count: int
    upserted_id: Any | UnsetType = UNSET


class Deleted(Struct, frozen=True):
    """How many documents were deleted."""

    deleted_count: int


class Counted(Struct, frozen=True):
    """How many documents there are."""

    count: int


class Values(Struct, frozen=True):
    """The values of a field, each once."""

    values: list[Any]


class BulkWritten(Struct, frozen=True):
    """What several writes did; ids are by the number of the operation."""

    inserted_count: int
    matched_count: int
    modified_count: int
    deleted_count: int
    upserted_count: int
    inserted_ids: dict[str, Any]
    upserted_ids: dict[str, Any]


class Replies(Struct, frozen=True):
    """The replies of the operations of a transaction, in their order."""

    replies: list[Document]


class Databases(Struct, frozen=True, kw_only=True):
    """The databases that the caller may know of."""

    databases: list[Document]
    total_size: int | UnsetType = UNSET
    ok: float


class Collections(Struct, frozen=True):
    """The collections that the caller may know of."""

    collections: list[Document]


class Indexes(Struct, frozen=True):
    """The indexes of a collection."""

    indexes: list[Document]


class Explained(Struct, frozen=True, kw_only=True):
    """How MongoDB runs a query, in words and in numbers."""

    verdict: str
    indexes: list[str]
    stages: list[str]
    n_returned: int
    total_docs_examined: int
    total_keys_examined: int
    docs_examined_per_returned: float | None
    suggested_index: Document | UnsetType = UNSET


class Changed(Struct, frozen=True):
    """What has changed, and the token behind it."""

    events: list[Document]
    resume_token: str


class MadeIndexes(Struct, frozen=True):
    """The indexes that there are now."""

    names: list[str]
    num_indexes_before: int
    num_indexes_after: int


class DroppedIndexes(Struct, frozen=True):
    """How many indexes there were."""

    n_indexes_was: int


class MadeCollection(Struct, frozen=True):
    """That the collection was made."""

    ok: float


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was refused or failed: a sentence for people, and a code for programs."""

    error: str
    error_code: str | UnsetType = field(default=UNSET)


REPLIES: Mapping[str, Any] = {
    "findOne": FoundDocument, "find": FoundDocuments, "aggregate": FoundDocuments, "getMore": FoundDocuments,
    "insertOne": InsertedOne, "insertMany": InsertedMany,
    "updateOne": Updated, "updateMany": Updated, "replaceOne": Updated,
    "deleteOne": Deleted, "deleteMany": Deleted,
    "findOneAndUpdate": FoundDocument, "findOneAndReplace": FoundDocument, "findOneAndDelete": FoundDocument,
    "countDocuments": Counted, "estimatedDocumentCount": Counted, "distinct": Values,
    "bulkWrite": BulkWritten, "transaction": Replies,
    "listDatabases": Databases, "listCollections": Collections, "listIndexes": Indexes,
    "getSchema": Document, "explain": Explained, "changes": Changed,
    "createIndexes": MadeIndexes, "dropIndexes": DroppedIndexes,
    "createCollection": MadeCollection, "dropCollection": DroppedIndexes,
}  # fmt: skip
"""The type of each action's reply in plain JSON."""
