"""Tags of documents as one caller sees them, and writes that expect one: docs/decisions/0039."""

import asyncio
from hashlib import sha256
from typing import NamedTuple

from shared.errors import PreconditionFailedError

_DIGITS = 40
_LARGE = 1024 * 1024  # bytes, of which a digest takes a millisecond


def version(shown: bytes) -> str:
    """Return what tells a document, as it is stored and seen, from what it was before; not from its equals."""
    return sha256(shown).hexdigest()[:_DIGITS]


async def strong(shown: bytes, form: str) -> str:
    """Return the tag of a document in a form, of which a write may expect the version."""
    made = version(shown) if len(shown) < _LARGE else await asyncio.to_thread(version, shown)
    return f'"{made}-{form.lower()}"'


async def weak(body: bytes) -> str:
    """Return the tag of a reply that is no whole document: it may stay while the document changes."""
    made = version(body) if len(body) < _LARGE else await asyncio.to_thread(version, body)
    return f'W/"{made}"'


class Expected(NamedTuple):
    """The document that a write expects to meet: of one of these versions, or any."""

    versions: frozenset[str] | None

    def refuse_other(self, shown: bytes | None) -> None:
        """Raise PreconditionFailedError for a document that is another or has changed, or if there is none."""
        if shown is None:
            raise PreconditionFailedError("If-Match: no document matches the filter")
        if self.versions is not None and version(shown) not in self.versions:
            weakly = "" if self.versions else ": weak tags, as those of a projection, match nothing"
            raise PreconditionFailedError(f"If-Match: the document has another tag{weakly}")
