"""What a caller may know of the databases and collections behind a data source: the names of what rules open to it."""

from collections.abc import Mapping
from typing import Any

from shared import turns
from shared.access.opening import Deployment, Rules, rules_of
from shared.access.protocol import Reply, Wanted
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import decoded_all
from shared.documents.replies import Format
from shared.mongo import reads
from shared.mongo.clients import DATABASE, Collection
from shared.mongo.deadlines import within
from shared.requests import Request
from shared.rules.answers import answered

_ADMIN = "admin"
_NAMES: Mapping[str, Any] = {"nameOnly": True}


class Catalog:
    """The databases and collections of one data source, as far as one caller may know of them."""

    def __init__(self, deployment: Deployment, request: Request, form: Format, rules: Rules | None) -> None:
        """Take what the request asks for; `rules` are None for whom no rule binds."""
        self._deployment = deployment
        self._request = request
        self._form: Format = form
        self._rules = rules
        self._admin = self._collection(_ADMIN)
        self._settings = within(deployment.settings, request.options)

    async def list_databases(self, *, is_name_only: bool) -> Reply:
        """Return the databases; where rules bind the caller, the names of those with a collection that they open.

        The size of a database is that of all that is stored in it.
        """
        is_name_only = is_name_only or self._rules is not None
        command = {"listDatabases": 1, **(_NAMES if is_name_only else {}), **self._request.options.command}
        answer = await reads.answer(self._admin, command, self._settings)
        found = [dict(each) for each in answer["databases"] if not self._deployment.guard.closes(each["name"])]
        databases = [each for each in found if await self._opens(each["name"])]
        if is_name_only:
            return self._reply({"databases": _by_name(databases), "ok": 1.0}, len(databases))
        total = sum(each["sizeOnDisk"] for each in databases)
        return self._reply({"databases": _by_name(databases), "totalSize": total, "ok": 1.0}, len(databases))

    async def list_collections(self, *, is_name_only: bool) -> Reply:
        """Return the collections of a database; where rules bind the caller, names and types of those that they open.

        The validator of a collection and the pipeline of a view may tell of what is hidden.
        """
        found = await self._collections(self._request.database, is_name_only=is_name_only or self._rules is not None)
        writer = self._deployment.transcoder.writer
        text = await turns.taken(replies.long_reply("collections", _by_name(found), self._form, writer))
        return Reply([text], len(found))

    async def _collections(self, database: str, *, is_name_only: bool) -> list[Document]:
        command: Document = {"listCollections": 1}
        command |= self._request.options.command
        if is_name_only:  # which needs no more of the deployment's own user than to read them
            command |= {**_NAMES, "authorizedCollections": True}
        batch = await reads.listed(self._collection(database), command, self._settings)
        found = [each for each in decoded_all(batch) if not self._deployment.guard.closes(database, each["name"])]
        if (rules := self._rules) is not None:
            found = await answered(lambda: [each for each in found if rules.opens(database, each["name"])])
        return [{name: each[name] for name in ("name", "type")} for each in found] if is_name_only else found

    async def _opens(self, database: str) -> bool:
        """Tell whether a collection of a database may be known."""
        rules = self._rules
        known = True if rules is None else await answered(lambda: rules.opens_database(database))
        return bool(await self._collections(database, is_name_only=True)) if known is None else known

    def _collection(self, database: str) -> Collection:
        return self._deployment.clients.collection(self._request.data_source, database, DATABASE)

    def _reply(self, members: Mapping[str, Any], count: int) -> Reply:
        return Reply([replies.reply(members, self._form, self._deployment.transcoder.writer)], count)


def open_catalog(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], wanted: Wanted
) -> Catalog:
    """Return what this caller may know; raise NoRuleError where no app says what rules open to it."""
    return Catalog(deployment, request, wanted.form, rules_of(deployment, request, caller, request_view, wanted))


def _by_name(found: list[Document]) -> list[Document]:
    return sorted(found, key=lambda each: each["name"])
