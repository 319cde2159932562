"""The actions on a collection: each kind of access has all of them, and mypy holds that it has."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from shared.access.tags import Expected
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.documents.stored import Storable
from shared.requests import Reading, Returned, Sort
from shared.rules.answers import Answers

if TYPE_CHECKING:
    from shared.access.paging import Page

type Changes = Document | list[Document]
"""Update operators, or a pipeline."""


TRUNCATED = "Dozen-Truncated"
"""The header of a reply that a limit cut which is not the caller's own."""


class Wanted(NamedTuple):
    """What a call wants beside its request: the form of the reply, documents in lines, a document that it expects.

    Where rules ask functions of the app, these answer; None where there are none.
    """

    form: Format
    are_lines: bool = False
    expected: Expected | None = None
    answers: Answers | None = None


class Reply(NamedTuple):
    """The body of a reply, in parts, and how many documents the call read, inserted, matched or deleted, for the log.

    The number is None where a cached reply answered the call.
    """

    parts: list[bytes]
    documents: int | None
    members: Mapping[str, Any] | None = None
    """What the body was made of, if it was made of values: all that writes reply but documents."""
    affected: int | None = None
    """How many documents were inserted, matched or deleted, where reads are counted above, too."""
    headers: Mapping[str, str] = {}
    """What is said of the body beside it."""

    @property
    def size(self) -> int:
        """The bytes of the body."""
        return sum(map(len, self.parts))

    @property
    def body(self) -> bytes:
        """The body as one."""
        return b"".join(self.parts)


class Access(Protocol):
    """One collection as one caller may use it."""

    async def find_one(self, reading: Reading) -> Reply:
        """Return the first document that matches, or null."""

    async def find(self, reading: Reading, page: "Page | None" = None) -> Reply:
        """Return the documents that match, in the order of the sort; of a page those, and its cursor."""

    async def aggregate(self, pipeline: list[Document], page: "Page | None" = None) -> Reply:
        """Run a pipeline and return its documents, cut off at the cap; of a page those, and its cursor."""

    async def count_documents(self, reading: Reading) -> Reply:
        """Return how many documents match, of those that are not skipped up to the limit."""

    async def estimated_document_count(self) -> Reply:
        """Return how many documents there are, without looking at them."""

    async def distinct(self, name: str, condition: Document) -> Reply:
        """Return the values that a field has in the documents that match, each once."""

    async def insert_one(self, document: Storable) -> Reply:
        """Insert a document and return its _id, made here if it brought none."""

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert documents and return their _ids."""

    async def update_one(
        self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        """Change the first document that matches."""

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        """Change all documents that match."""

    async def replace_one(
        self, condition: Document, replacement: Storable, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        """Put another document in the place of the first that matches; its _id stays."""

    async def delete_one(self, condition: Document) -> Reply:
        """Delete the first document that matches."""

    async def delete_many(self, condition: Document) -> Reply:
        """Delete all documents that match."""

    async def find_one_and_update(
        self, condition: Document, changes: Changes, array_filters: Any, returned: Returned, *, upsert: bool
    ) -> Reply:
        """Change the first document that matches, in the order of the sort, and return it."""

    async def find_one_and_replace(
        self, condition: Document, replacement: Storable, returned: Returned, *, upsert: bool
    ) -> Reply:
        """Put another document in the place of the first that matches, and return one of both."""

    async def find_one_and_delete(self, condition: Document, returned: Returned) -> Reply:
        """Delete the first document that matches, and return it."""
