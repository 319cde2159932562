"""Stored documents cut to what is visible: for MongoDB to compute on, to take values from, or only to be counted."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from shared.documents import replies
from shared.documents.elements import decoded_all, split
from shared.errors import InvalidParameterError
from shared.rules.masks import cut, cut_stored
from shared.rules.values import Path

if TYPE_CHECKING:
    from shared.rules.ruleset import Rights

MOST_COMPUTED = 16 * 1024 * 1024 - 64 * 1024
"""Bytes of documents that one command holds beside its stages."""

_TOO_MUCH = (
    "what you may see of the documents found is more than the 16 MB on which MongoDB can compute for you:"
    " narrow the filter or the first $match by fields that you may read"
)
_ELEMENT = 8  # bytes of a document's place in an array: its type and its position


class Visible(NamedTuple):
    """A document as MongoDB sent it, if that is needed again, and the bytes of what is visible of it."""

    sent: bytes
    shown: bytes


class Cutting:
    """Cuts documents to what is visible, in the bytes in which they are stored."""

    def __init__(self, rights: "Rights") -> None:
        """Take what the rules come to."""
        self._rights = rights
        self.hidden = 0

    def visible(self, batch: bytes, used: Iterable[Path], _form: replies.Format) -> Iterator[bytes | None]:
        """Give what is visible of each document of a batch."""
        return (shown for _, shown in self.cut(batch, used))

    def cut(self, batch: bytes, used: Iterable[Path]) -> Iterator[tuple[bytes, bytes | None]]:
        """Give each document, and what is visible of it."""
        documents, projection = decoded_all(batch), self._rights.projection
        masks = self._rights.masks(documents, used)
        for sent, document, mask in zip(split(batch), documents, masks, strict=True):
            if mask is None:
                self.hidden += 1
                yield sent, None
                continue
            shown = cut_stored(sent, mask)
            if projection is not None:
                shown = cut_stored(shown, projection.mask(cut(document, mask)))
            yield sent, shown


class StoredTrimming:
    """Cuts documents in the same way, for MongoDB to compute on."""

    def __init__(self, rights: "Rights", *, keeps_sent: bool = False) -> None:
        """Take what the rules come to; `keeps_sent` keeps documents as they are sent, where they are needed again."""
        self._cutting = Cutting(rights)
        self._keeps_sent = keeps_sent
        self._size = 0

    @property
    def hidden(self) -> int:
        """How many documents no role has shown so far."""
        return self._cutting.hidden

    def visible(self, batch: bytes, used: Iterable[Path], _form: replies.Format) -> Iterator[Visible | None]:
        """Give what is visible of a batch; raise InvalidParameterError where all of it is too much for a command."""
        for sent, shown in self._cutting.cut(batch, used):
            if shown is None:
                yield None
                continue
            self._size += len(shown) + _ELEMENT
            if self._size > MOST_COMPUTED:
                raise InvalidParameterError(_TOO_MUCH)
            yield Visible(sent if self._keeps_sent else b"", shown)


class Sighting:
    """Leaves of documents, as they are stored, those that are visible."""

    def __init__(self, rights: "Rights") -> None:
        """Take what the rules come to."""
        self._rights = rights
        self.hidden = 0

    def visible(self, batch: bytes, used: Iterable[Path], _form: replies.Format) -> Iterator[bytes | None]:
        """Give the visible ones of a batch, None for each of the others."""
        masks = self._rights.masks(decoded_all(batch), used)
        self.hidden += masks.count(None)
        return (None if mask is None else stored for stored, mask in zip(split(batch), masks, strict=True))


class Tally(Sighting):
    """Counts the visible ones: there is something for each, but not the document."""

    def visible(self, batch: bytes, used: Iterable[Path], _form: replies.Format) -> Iterator[bytes | None]:
        """Give an empty text for each."""
        return (None if each is None else b"" for each in super().visible(batch, used, _form))
