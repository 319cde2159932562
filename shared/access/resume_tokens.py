"""Where a caller goes on in the changes of a collection: texts in which MongoDB's own tokens are sealed.

MongoDB's token holds the key of a document, which may be hidden, and counts what was written.
"""

from typing import TYPE_CHECKING

import bson

from shared.documents.ejson import Document
from shared.documents.elements import decoded, elements, wrapped
from shared.errors import InvalidParameterError
from shared.requests import Request
from shared.settings import folded

if TYPE_CHECKING:
    from shared.auth.accounts import Caller
    from shared.auth.seals import Seals
    from shared.settings import Settings

_SECONDS = 30 * 24 * 60 * 60
_PURPOSE = "resumeAfter"
_DATA = "_data"
_ROOM = 512  # bytes: how long a text is tells nothing of a key that is hidden


class ResumeTokens:
    """The tokens of one caller and one collection."""

    def __init__(self, seals: "Seals", settings: "Settings", request: Request, caller: "Caller") -> None:
        """Take what seals them."""
        source = folded(request.data_source) if len(settings.data_sources) > 1 else ""
        self._seals = seals
        self._holder = caller.id
        self._of = [source, request.database, request.collection]

    async def load(self) -> None:
        """Know the key, before anything is sealed or opened."""
        await self._seals.load()

    def sealed(self, token: bytes) -> str:
        """Return the text for one of MongoDB's tokens."""
        content = bson.encode({"of": self._of, "token": token, "room": bytes(-len(token) % _ROOM)})
        return self._seals.sealed(_PURPOSE, self._holder, content, _SECONDS)

    def identity(self, token: bytes) -> bytes:
        """Return what stands for a token as the `_id` of an event: the document `{"_id": …}`."""
        return wrapped("_id", bson.encode({_DATA: self.sealed(token)}))

    def opened(self, given: str | Document) -> bytes:
        """Return MongoDB's token of a text, or of an `_id` with it; raise InvalidParameterError for any other."""
        text = given if isinstance(given, str) else given.get(_DATA)
        if not isinstance(text, str):
            raise InvalidParameterError(f"'{_PURPOSE}' must be the 'resumeToken' of a reply, or the '_id' of an event")
        content = self._seals.opened(_PURPOSE, self._holder, text)
        if decoded(content)["of"] != self._of:
            raise InvalidParameterError(f"'{_PURPOSE}' is of another collection")
        return elements(content)["token"].value[5:]  # behind the length and the subtype of binary data
