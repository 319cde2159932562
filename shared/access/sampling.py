"""The schema of a collection, inferred from a sample of the documents that the caller sees, and of what is visible."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from shared import turns
from shared.access.full import FullAccess
from shared.access.opening import Deployment, RuledAccess, open_full
from shared.access.protocol import Reply, Wanted
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.inferred import InferredSchema
from shared.mongo import reads
from shared.mongo.deadlines import left_ms
from shared.requests import Request


class Sampling:
    """One collection, of which some documents are looked at."""

    def __init__(self, full: FullAccess, ruled: RuledAccess | None) -> None:
        """Take the access that no rule binds, and that of a caller from whom rules hide something."""
        self._full = full
        self._ruled = ruled

    async def get_schema(self, size: int, *, is_detailed: bool) -> Reply:
        """Return the top-level fields, each with its most frequent type, or all fields with all their types.

        The documents are random ones; where rules hide something the first that are visible, as how many of random
        ones are would tell how many are not.
        """
        schema, full = InferredSchema(is_nested=is_detailed), self._full
        async with aclosing(self._sample(size)) as batches:
            async for batch in batches:
                await turns.taken(schema.add(batch))
        if is_detailed:
            return Reply([replies.reply(schema.detail(), full.form, full.native)], schema.documents)
        text = await turns.taken(replies.long_members(schema.types(), full.form, full.native))
        return Reply([text], schema.documents)

    async def _sample(self, size: int) -> AsyncGenerator[bytes]:
        if self._ruled is not None:
            for each in await self._ruled.shown(size):
                yield each
            return
        full = self._full
        cursor = await full.target.aggregate_raw_batches(
            [{"$sample": {"size": size}}],
            batchSize=reads.AT_ONCE,
            maxTimeMS=left_ms(full.settings.mongo_db_timeout_ms),
            **full.options.command,
        )
        async with aclosing(reads.batches(cursor, full.settings)) as batches:
            async for batch in batches:
                yield batch


def open_sampling(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Sampling:
    """Return what may be looked at of a collection."""
    full, ruled = open_full(deployment, request, caller, request_view, wanted)
    return Sampling(full, None if ruled is None or ruled.rights.hides_nothing else ruled)
