"""One collection as the rules of the app open it to one call: what its reads and its writes share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import pieces, split
from shared.errors import NoRoleError
from shared.mongo import reads
from shared.mongo.clients import SIMPLE, Collection, Options
from shared.mongo.deadlines import Session
from shared.options import Options as CallOptions
from shared.rules import field_paths
from shared.rules.answers import answered
from shared.rules.expressions import Expansions
from shared.rules.field_paths import Uses
from shared.rules.schema import Schema
from shared.rules.values import Path, has_number

if TYPE_CHECKING:
    from shared.access.full import FullAccess
    from shared.rules.ruleset import Rights

_SMALLEST_BATCH, _LARGEST_BATCH = 32, 1_000
_AT_A_TURN = 200  # documents
_MANY_PATHS = 20
_OF_COMPUTING = frozenset({"allowDiskUse", "comment", "let"})

type OptionsOf = Callable[[Collection], Awaitable[Options | None]]
"""Says what a collection is: shared.mongo.clients.Clients.options."""


type Paths = set[Path] | tuple[()]


class Trims[T](Protocol):
    """Makes of a batch what is visible of its documents."""

    @property
    def hidden(self) -> int:
        """How many documents no role has shown so far."""

    def visible(self, batch: bytes, used: Iterable[Path], form: replies.Format) -> Iterable[T | None]:
        """Give what is visible of each document of a batch, of which a call uses these paths; None of a hidden one."""


class Ruled:
    """The collection, and what the rules come to for this call."""

    def __init__(
        self, full: "FullAccess", rights: "Rights", schema: Schema | None, expansions: Expansions, options: OptionsOf
    ) -> None:
        """Take the unbound access, the rights of the caller, the schema of the collection, and what expansions mean."""
        self.full = full
        self.target = full.target
        self.settings = full.settings
        self.rights = rights
        self.schema = schema
        self.expansions = expansions
        self._options = options
        self.compares_otherwise = full.options.collation is not None and not rights.hides_nothing
        """Whether the call compares texts in a way of its own, which must not decide for the rules: MongoDB compares so
        only what is visible."""
        self.stored_options = full.options.without("collation") if self.compares_otherwise else full.options
        """What holds for commands that read stored documents, where rules hide some of them."""

    @property
    def exact_options(self) -> CallOptions:
        """What holds for commands that find, skip and count what is visible without asking rules of each document.

        They compare as rules do, whatever the collection has become since it was last looked at.
        """
        if not self.rights.query.query:
            return self.stored_options
        return CallOptions({**self.stored_options.given, "collation": SIMPLE})

    def required(self, used: set[Path]) -> set[Path]:
        """Return the paths that must be readable for a document to match; refuse those that never can be."""
        if self.settings.rules_allow_hidden_field_queries:
            return set()
        hidden = self.rights.hidden(used)
        if hidden is not None:
            raise NoRoleError(f"no role lets you read the field '{'.'.join(hidden)[:200]}', which the call uses")
        return used

    def is_unsure(self, uses: Uses) -> bool:
        """Tell whether MongoDB may find less of the stored documents than of what is visible of them.

        Where elements of arrays may be hidden, the others are at other places, and there is one less without a value.
        RULES_ALLOW_HIDDEN_FIELD_QUERIES asks of what is stored, where nothing is computed.
        """
        if self.settings.rules_allow_hidden_field_queries:
            return uses.is_computed
        return uses.is_computed or any(map(self.rights.drops_elements, uses.gaps))

    def asked_of_each(self, used: set[Path]) -> set[Path]:
        """Return the paths that must be readable in a document before MongoDB selects by its visible part.

        Which element a number in a path means is seen there alone.
        """
        return {each for each in used if not (has_number(each) and self.rights.drops_elements(each))}

    async def seen[T](self, trims: Trims[T], batch: bytes, used: Paths) -> list[T]:
        """Return what is visible of a batch of documents; between its pieces others have their turn.

        They are the smaller the more paths each document is asked about.
        """
        return [each for each in await self.seen_each(trims, batch, used) if each is not None]

    async def seen_each[T](self, trims: Trims[T], batch: bytes, used: Paths) -> list[T | None]:
        """Return the same with None for each document that is hidden."""
        found: list[T | None] = []
        for piece in pieces(batch, replies.PIECE // (1 + len(used) // _MANY_PATHS)):
            if found:
                await asyncio.sleep(0)
            found += await answered(partial(self._visible_of, trims, piece, used))
        return found

    def _visible_of[T](self, trims: Trims[T], piece: bytes, used: Paths) -> list[T | None]:
        return list(trims.visible(piece, used, self.full.form))

    async def stored(self, session: Session, condition: Document, projection: Document | None = None) -> list[bytes]:
        """Return what is stored of the documents that match, inside a transaction."""
        cursor = self.target.find_raw_batches(condition, projection, session=session)
        batches = reads.batches(cursor, self.settings)
        return [raw async for batch in batches for raw in split(batch)]

    async def condition(self, condition: Document) -> Document:
        """Return the caller's condition with what is known of the documents that are visible."""
        visible = self.rights.query.query
        if visible and not await self.is_compared_exactly():
            visible = self.rights.query_under_collation.query
        return {"$and": [condition, visible]} if condition and visible else condition or visible

    async def is_compared_exactly(self) -> bool:
        """Tell whether MongoDB compares texts of the collection as rules do."""
        if not self.rights.query.query:
            return True
        options = await self._options(self.target)
        return options is not None and options.is_simple

    async def is_counted_exactly(self) -> bool:
        """Tell whether MongoDB may skip what it finds by rules that find just what is visible."""
        options = await self._options(self.target)
        return options is not None and options.is_simple and not options.is_view

    async def is_found_exactly(self, used: set[Path]) -> bool:
        """Tell whether MongoDB finds just what is visible, so that it may sort and count all that it finds."""
        rights = self.rights
        return rights.hides_nothing or (rights.finds_just_visible(used) and await self.is_counted_exactly())

    async def collation(self) -> Mapping[str, Any] | None:
        """Return how MongoDB compares texts for this call, None if it cannot say now how the collection does."""
        if self.full.options.collation is not None:
            return self.full.options.collation
        options = await self._options(self.target)
        return None if options is None else options.collation

    async def computing(self) -> dict[str, Any]:
        """Return the options of commands that compute on what is visible."""
        options = {name: self.full.options.command[name] for name in _OF_COMPUTING & self.full.options.command.keys()}
        collation = await self.collation()
        return options if collation is None else options | {"collation": collation}

    def asked_of_stored(self, condition: Document) -> Document:
        """Return what stored documents are asked of a condition that MongoDB then asks of what is visible."""
        asked = field_paths.without(condition, self.is_unsure)
        return field_paths.without_texts(asked) if self.compares_otherwise else asked


async def in_parts[T](items: Sequence[T], paths: int = 0) -> AsyncIterator[Sequence[T]]:
    """Give many items in parts of some milliseconds of work each, between which others have their turn.

    They are the smaller the more paths each item is asked about.
    """
    at_a_turn = max(1, _AT_A_TURN // (1 + paths // _MANY_PATHS))
    for start in range(0, len(items), at_a_turn):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + at_a_turn]


def batch_size(wanted: int) -> int:
    """Return how many documents to read at once where some of them may not be visible."""
    return max(_SMALLEST_BATCH, min(wanted, _LARGEST_BATCH))
