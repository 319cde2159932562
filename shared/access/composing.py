"""Replies made of what was read or written, in the form that the call wants."""

from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import turns
from shared.access import tags
from shared.access.protocol import TRUNCATED, Reply, Wanted
from shared.documents import replies
from shared.documents.elements import split
from shared.documents.replies import Format
from shared.documents.transcoder import Writer
from shared.errors import InvalidParameterError

if TYPE_CHECKING:
    from shared.access.paging import Page

_LONGEST_HEADER = 6_000  # which proxies and clients take


class Texts(NamedTuple):
    """Documents as text, in parts with separators between, how many they are, and whether there are more."""

    texts: list[bytes]
    documents: int
    is_cut: bool = False

    def within(self, most: int) -> "Texts":
        """Return no more than so many of them, of which each is a text, or all for 0."""
        return Texts(self.texts[:most], most, is_cut=True) if 0 < most < self.documents else self


class Composing:
    """Composes replies for one call."""

    __slots__ = ("form", "native", "wanted")

    def __init__(self, wanted: Wanted, native: Writer | None) -> None:
        """Take what the call wants; `native` is asked first to write it, if there is native code."""
        self.wanted = wanted
        self.form: Format = wanted.form
        self.native = native

    async def one(self, document: bytes | None, *, is_whole: bool = True) -> Reply:
        """Return the reply with a document, or with none, and its tag."""
        body = replies.one_document(document, self.form, self.native)
        if document is None:
            return Reply([body], 0)
        if not is_whole:
            return await self.part(body)
        return Reply([body], 1, headers={"ETag": await tags.strong(document, self.form)})

    async def part(self, body: bytes) -> Reply:
        """Return the reply with what is not the whole of a document."""
        return Reply([body], 1, headers={"ETag": await tags.weak(body)})

    async def documents(self, batches: AsyncIterable[bytes], most: int = 0, page: "Page | None" = None) -> Reply:
        """Return the reply with all batches, up to so many documents, and the cursor of a page that they are."""
        return self.listed(await self.texts(batches, most), most, page)

    def listed(self, found: Texts, most: int, page: "Page | None" = None) -> Reply:
        """Return the reply with documents that are text already; beside lines a cursor is a header."""
        headers = {TRUNCATED: f"limit={most}"} if found.is_cut else {}
        cursor = None if page is None else page.cursor
        if not self.wanted.are_lines:
            return Reply(replies.many_documents(found.texts, cursor), found.documents, headers=headers)
        if cursor is not None:
            if len(cursor) > _LONGEST_HEADER:
                raise InvalidParameterError(
                    f"'cursor': what it has to hold exceeds the {_LONGEST_HEADER} bytes of a header: ask for JSON"
                )
            headers["Dozen-Cursor"] = cursor
        return Reply(replies.lines(found.texts), found.documents, headers=headers)

    async def texts(self, batches: AsyncIterable[bytes], most: int = 0) -> Texts:
        """Return all batches, each made text while MongoDB prepares the next, without the one that is too many."""
        separator = replies.LINE if self.wanted.are_lines else replies.COMMA
        texts: list[bytes] = []
        documents, last = 0, b""
        async for batch in batches:
            found, count = await turns.taken(replies.texts_of_documents(batch, self.form, self.native, separator))
            texts += found
            documents += count
            last = batch or last
        if not 0 < most < documents:
            return Texts(texts, documents)
        shorter = replies.without_last(texts, split(last)[-1], self.form, self.native, separator)
        return Texts(shorter, documents - 1, is_cut=True)

    def counted(self, count: int) -> Reply:
        """Return the reply of a count."""
        return self.reply({"count": count}, count)

    async def values(self, array: bytes) -> Reply:
        """Return the reply with the values of an array."""
        texts, count = await turns.taken(replies.texts_of_values(array, self.form))
        return Reply(replies.listed("values", texts), count)

    async def inserted(self, ids: list[Any]) -> Reply:
        """Return the reply of an insertMany."""
        text = await turns.taken(replies.long_reply("insertedIds", ids, self.form, self.native))
        return Reply([text], len(ids), {"insertedIds": ids})

    def reply(self, members: Mapping[str, Any], documents: int) -> Reply:
        """Return a reply made of values."""
        return Reply([replies.reply(members, self.form, self.native)], documents, members)
