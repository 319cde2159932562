"""Collections and indexes that are made and dropped: by whom no rule binds, or where the app lets callers do it."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.access.cached import invalidating
from shared.access.full import FullAccess
from shared.access.opening import Deployment, open_full
from shared.access.protocol import Reply, Wanted
from shared.app.model import App
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.ejson import Document
from shared.errors import NoRoleError
from shared.mongo import commands
from shared.requests import Request
from shared.rules.expressions import Expansions, holds

_NO_NAMESPACE = 26


class Administration:
    """One collection, with what is made and dropped of it."""

    def __init__(self, full: FullAccess, deployment: Deployment, request: Request) -> None:
        """Take the access that no rule binds, and what else has to know of a change."""
        self._full = full
        self._deployment = deployment
        self._request = request

    async def create_indexes(self, indexes: Sequence[Document]) -> Reply:
        """Make indexes; those that are there already stay."""
        answer = await self._done("createIndexes", indexes=list(indexes))
        counted = {name: answer[name] for name in ("numIndexesBefore", "numIndexesAfter") if name in answer}
        return self._reply({"names": [each["name"] for each in indexes], **counted}, len(indexes))

    async def drop_indexes(self, index: str | Document | list[str]) -> Reply:
        """Drop an index by its name or its keys, several by their names, or all by "*"."""
        answer = await self._done("dropIndexes", index=index)
        count = len(index) if isinstance(index, list) else answer["nIndexesWas"] - 1 if index == "*" else 1
        return self._reply({"nIndexesWas": answer["nIndexesWas"]}, count)

    async def create_collection(self, options: Document) -> Reply:
        """Make a collection."""
        await self._done("create", **options)
        return self._reply({"ok": 1.0}, 1)

    async def drop_collection(self) -> Reply:
        """Drop a collection with its documents and indexes; one that is not there is dropped already."""
        answer = await self._done("drop", allowed=[_NO_NAMESPACE])
        had = answer.get("nIndexesWas", 0)
        return self._reply({"nIndexesWas": had}, 1 if had else 0)

    async def _done(self, command: str, *, allowed: Sequence[int] = (), **members: Any) -> Any:
        full, deployment, request = self._full, self._deployment, self._request
        sent = {command: full.target.name, **members, **full.options.command}
        work = commands.change(full.target, sent, full.settings, allowed=allowed)
        namespace = f"{request.database}.{request.collection}"
        try:
            return await invalidating(work, deployment.generations, [namespace], deployment.settings)
        finally:
            deployment.clients.forget(request.data_source, request.database, request.collection)

    def _reply(self, members: Mapping[str, Any], count: int) -> Reply:
        return Reply([replies.reply(members, self._full.form, self._full.native)], count)


def open_administration(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Administration:
    """Return what makes and drops; raise NoRoleError for a caller who may not.

    A caller whom rules bind may where the app says so, of collections of which one role lets it do everything: what is
    dropped are documents, and an index that cannot be made tells of values.
    """
    full, ruled = open_full(deployment, request, caller, request_view, wanted)
    if not caller.is_system and not may_administer(
        deployment.app, Expansions(caller.user, request_view, wanted.answers)
    ):
        raise NoRoleError("only a system key may do this, or whom the app's dozen.json lets administer")
    if ruled is not None and not ruled.rights.is_full:
        raise NoRoleError("no role lets you do everything in the collection, as who administers it must")
    return Administration(full, deployment, request)


def may_administer(app: App | None, expansions: Expansions) -> bool:
    """Tell whether the app lets a caller make and drop collections and indexes, where rules let it do all."""
    administer = None if app is None else app.administer
    return administer is not None and holds(administer, expansions.context())
