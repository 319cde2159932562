"""What is told of a collection only where nothing of it is hidden from the caller: its indexes, and how queries run.

An index names fields and may hold values, and what a query examines depends on every document that is stored.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pymongo.errors import OperationFailure

from shared import turns
from shared.access.full import FullAccess
from shared.access.opening import Deployment, open_full
from shared.access.protocol import Reply, Wanted
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import decoded_all
from shared.documents.plans import Plan
from shared.errors import NoRoleError
from shared.guard.joins import joined
from shared.mongo import reads
from shared.mongo.clients import Options
from shared.requests import Request

_NO_NAMESPACE = 26

type KindOf = Callable[[str, str], Awaitable[Options | None]]
"""Says what a collection is, by its database and its name."""


class WholeCollection:
    """One collection, of which the caller sees everything."""

    def __init__(self, full: FullAccess, kind_of: KindOf | None) -> None:
        """Take the access that no rule binds, and for whom one does what tells a view from a collection."""
        self._full = full
        self._kind_of = kind_of

    async def list_indexes(self) -> Reply:
        """Return the indexes, none where there is no such collection."""
        full = self._full
        command = {"listIndexes": full.target.name}
        try:
            batch = await reads.listed(full.target, command | full.options.command, full.settings)
        except OperationFailure as error:
            if error.code != _NO_NAMESPACE:
                raise
            batch = b""
        indexes = decoded_all(batch) if batch else []
        return Reply([replies.reply({"indexes": indexes}, full.form, full.native)], len(indexes))

    async def explain(self, command: Document, condition: Document, sort: Sequence[tuple[str, Any]]) -> Reply:
        """Return how MongoDB runs a command, and which index would help with this condition and this sort."""
        full = self._full
        await self._refuse_hidden(command.get("pipeline", []))
        explained = {"explain": command | full.options.command, "verbosity": "executionStats"}
        plan = await turns.taken(Plan.read(await reads.answer(full.target, explained, full.settings)))
        if plan.failure is not None:
            code, text = plan.failure
            raise OperationFailure(text, code, {"code": code, "errmsg": text})
        helpful = plan.helpful(condition, sort)
        made: Document = {
            "verdict": plan.verdict(helpful, condition),
            "indexes": plan.indexes,
            "stages": plan.stages,
            "nReturned": plan.returned,
            "totalDocsExamined": plan.examined,
            "totalKeysExamined": plan.keys_examined,
            "docsExaminedPerReturned": round(plan.examined / plan.returned, 2) if plan.returned else None,
        }
        if helpful is not None:
            collation = {} if full.options.collation is None else {"collation": full.options.collation}
            made["suggestedIndex"] = {"key": helpful, **collation}
        return Reply([replies.reply(made, full.form, full.native)], plan.returned)

    async def _refuse_hidden(self, pipeline: list[Document]) -> None:
        """Raise NoRoleError where hidden documents might be counted: of what is joined, or behind a view."""
        full, database = self._full, self._full.target.database.name
        if not (await full.bound(pipeline)).is_whole:
            raise NoRoleError("no role lets you read all of what a stage joins, which the explanation would count")
        if self._kind_of is not None:
            for each in [(database, full.target.name), *joined(pipeline, database)]:
                kind = await self._kind_of(*each)
                if kind is None or kind.is_view:
                    raise NoRoleError("an explanation would count what is behind a view")


def open_whole(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> WholeCollection:
    """Return what may be told of a collection; raise NoRoleError where something of it is hidden from the caller."""
    full, ruled = open_full(deployment, request, caller, request_view, wanted)
    if ruled is not None and not ruled.rights.hides_nothing:
        raise NoRoleError("no role lets you read all of the collection, which the reply would tell of")

    def kind_of(database: str, name: str) -> Awaitable[Options | None]:
        return deployment.clients.options(deployment.clients.collection(request.data_source, database, name))

    return WholeCollection(full, None if caller.is_system else kind_of)
