"""What one agent may do, and does: tools as actions of the Data API, with their rules, limits and refusals."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import orjson

from shared.access.opening import Rules
from shared.access.protocol import Reply
from shared.auth.accounts import Caller
from shared.documents.ejson import Document
from shared.endpoint.accept import Media
from shared.endpoint.actions import Action, Call, refuse_uncallable
from shared.endpoint.cursors import Cursors
from shared.endpoint.http import Exchange, scan_of
from shared.endpoint.request_view import RequestView
from shared.endpoint.rule_functions import answers_of
from shared.endpoint.terms import REPLAYED, Terms
from shared.errors import DataAPIError, InvalidParameterError, NoRoleError, NotCallableError, ReadTooLargeError
from shared.guard.joins import written_by
from shared.mcp import tools
from shared.mcp.tools import TOOLS, Arguments, Tool
from shared.mcp.visible import visible
from shared.requests import GetMore
from shared.rules.answers import answered
from shared.rules.expressions import Expansions
from shared.rules.ruleset import Rights

MOST_BYTES = 64 * 1024
"""The largest result: an agent has little room."""

MOST_NAMES = 1_000
"""How many collections a list has."""

MOST_NAMED = 100
"""How many of them the description of a tool names."""

_PLAIN = re.compile(r"[\w./-]{1,120}")
"""What such a name is made of: whoever may name a collection must not speak to models in a description."""

_NO_CURSOR = (InvalidParameterError, NoRoleError)
"""What may mean that a cursor cannot continue a call, such as one whose caller may not read `_id`."""


class Sent(NamedTuple):
    """The arguments of a tool with their values, a digest of them as they were sent, and the key of the request."""

    arguments: Any
    digest: bytes
    key: str | None


class Result(NamedTuple):
    """What a tool replies, an object in Extended JSON, and how many documents count for it.

    It has both, so that what was read in vain counts for nothing.
    """

    text: bytes
    documents: int | None = None


class Agent:
    """One caller at the door."""

    def __init__(
        self, exchange: Exchange, actions: Mapping[str, Action], caller: Caller, view: RequestView, size: int
    ) -> None:
        """Take what calls are counted on, the actions, who calls, and the bytes of the body."""
        self._exchange = exchange
        self._service = exchange.service
        self._actions = actions
        self._caller = caller
        self._view = view
        self._size = size

    async def listed(self) -> list[dict[str, Any]]:
        """Return what the caller may do, always in one order."""
        found, known = [], dict[int, Rights | None]()
        for each in TOOLS:
            if each.writes and self._service.settings.mcp != "write":
                continue
            view = self._view.of(each.action)
            try:
                await self._refuse_uncallable(view)
            except NotCallableError:
                continue
            if self._caller.is_system or await answered(partial(self._could, self._actions[each.action], view, known)):
                more = await self._names() if each.takes is tools.ListCollections else ""
                found.append(each.described(more))
        return found

    def tool(self, name: str) -> Tool | None:
        """Return a tool that this door has."""
        found = tools.BY_NAME.get(name)
        return None if found is None or (found.writes and self._service.settings.mcp != "write") else found

    async def result(self, tool: Tool, sent: Sent) -> Result:
        """Return what a tool replies, and what SCAN_GUARD says of it; raise as its action does."""
        result, line = await self._result(tool, sent), self._exchange.line
        if line.scan is None:
            return result
        said = b",%b" % orjson.dumps({"scan": scan_of(line)})[1:]
        has_room = len(result.text) + len(said) <= MOST_BYTES
        return result._replace(text=result.text[:-1] + said) if has_room else result

    async def _result(self, tool: Tool, sent: Sent) -> Result:
        asked = tool.arguments(sent.arguments)
        if isinstance(asked, tools.Find):
            return await self._few(asked.limit, partial(self._found, asked))
        if isinstance(asked, tools.Aggregate):
            if written_by(asked.pipeline, asked.database) is not None:
                raise InvalidParameterError("'pipeline' writes: this tool only reads")
            return await self._few(asked.limit, partial(self._piped, asked))
        if isinstance(asked, tools.More):
            return await self._few(asked.limit, partial(self._continued, asked))
        if isinstance(asked, tools.ListCollections):
            return _fitting(await self._collections(asked))
        if isinstance(asked, tools.Write):
            return await self._written(tool, asked, sent)
        return _fitting(await self._other(tool, asked))

    async def _other(self, tool: Tool, asked: Arguments) -> Result:
        body = self._members(asked)
        if tool.action == "getSchema":
            detail = await self._done("getSchema", body | {"detail": True})
            return detail if len(detail.text) <= MOST_BYTES else await self._done("getSchema", body)
        if tool.action == "explain":
            body |= {"action": "find" if body.get("pipeline") is None else "aggregate"}
        return await self._done(tool.action, body)

    async def _written(self, tool: Tool, asked: tools.Write, sent: Sent) -> Result:
        """Do a write, which has happened however large its reply is."""
        action, most = self._actions[tool.action], getattr(asked, "max_affected", None)
        terms = Terms(asked.key(sent.key), most, asked.dry_run, is_preferred=False, expected=None)
        call = await self._call(action, self._members(asked))
        call.digest = sent.digest
        reply = _result(await call.on_terms(action, terms))
        members = {"dryRun": asked.dry_run} | ({"replayed": True} if REPLAYED in self._exchange.headers else {})
        return reply._replace(text=_told(reply.text, members))

    async def _found(self, asked: tools.Find, most: int) -> Result:
        body = self._members(asked)
        try:
            return await self._done("find", body | {"cursor": {"batchSize": most}})
        except _NO_CURSOR:
            return _cut(await self._done("find", body | {"limit": most}), most)

    async def _piped(self, asked: tools.Aggregate, most: int) -> Result:
        body = self._members(asked)
        try:
            return await self._done("aggregate", body | {"cursor": {"batchSize": most}})
        except _NO_CURSOR:
            pipeline = [*asked.pipeline, {"$limit": most}]
            return _cut(await self._done("aggregate", body | {"pipeline": pipeline}), most)

    async def _continued(self, asked: tools.More, most: int) -> Result:
        await self._refuse_uncallable(self._view.of("getMore"))
        continued = await Cursors(self._service, self._caller).opened(GetMore.from_body(asked.members()))
        action = self._actions[continued.action]
        call = await self._call(action, continued.body | {"cursor": {"batchSize": most}})
        call.continued = continued
        return _result(await action.handle(call))

    async def _few(self, most: int, work: Callable[[int], Awaitable[Result]]) -> Result:
        """Return a reply with so many documents, or with fewer where they are large."""
        while True:
            try:
                result = await work(most)
            except ReadTooLargeError:
                if most == 1:
                    raise
                most = max(1, most // 4)
                continue
            if len(result.text) <= MOST_BYTES or most == 1:
                return _fitting(result)
            most = max(1, min(most - 1, most * MOST_BYTES // len(result.text)))

    async def _collections(self, asked: tools.ListCollections) -> Result:
        """Return what the caller may know of, in the order of names."""
        sources = [asked.data_source] if asked.data_source else sorted(self._sources())
        found: list[dict[str, str]] = []
        for source in sources:
            place = {"dataSource": source}
            databases = [asked.database] if asked.database else await self._databases(place)
            for database in databases:
                body = place | {"database": database, "nameOnly": True}
                listed = orjson.loads((await self._done("listCollections", body)).text)["collections"]
                named = place if len(sources) > 1 else {}
                found += [{**named, "database": database, "collection": each["name"]} for each in listed]
                if len(found) > MOST_NAMES:
                    return _named(found)
        return _named(found)

    async def _databases(self, place: Document) -> list[str]:
        listed = await self._done("listDatabases", place | {"nameOnly": True})
        return [each["name"] for each in orjson.loads(listed.text)["databases"]]

    async def _names(self) -> str:
        """Say in words which collections there are; nothing where that cannot be told now."""
        try:
            found = orjson.loads((await self._collections(tools.ListCollections())).text)["collections"]
        except DataAPIError:
            return ""
        paths = ["/".join(each.values()) for each in found]
        form = "/".join(found[0]) if found else "database/collection"
        names = [path for path in paths if _PLAIN.fullmatch(path)][:MOST_NAMED]
        rest = ", and others" if len(paths) > len(names) else ""
        return f" Now, as {form}: {orjson.dumps(names).decode()}{rest}."

    def _sources(self) -> list[str]:
        app, settings = self._exchange.app, self._service.settings
        return list(settings.data_sources) if app is None or self._caller.is_system else list(app.data_sources)

    def _could(self, action: Action, view: RequestView, known: dict[int, Rights | None]) -> bool:
        """Tell whether an action could do anything for the caller."""
        app = self._exchange.app
        expansions = Expansions(self._caller.user, view, answers_of(self._exchange, self._caller, view))
        found: list[Rights | None] = []
        for source in [] if app is None else app.data_sources.values():
            rules = Rules(source, expansions, known)
            found += [rules.usable(*name) for name in source.rules if not self._service.guard.closes(*name)]
            found.append(rules.usable_default())
        return any(action.could(each) for each in found if each is not None)

    def _members(self, asked: Arguments) -> Document:
        return {"dataSource": self._sources()[0], **asked.members()}

    async def _done(self, name: str, body: Document) -> Result:
        action = self._actions[name]
        return _result(await action.handle(await self._call(action, body)))

    async def _call(self, action: Action, body: Document) -> Call:
        view = self._view.of(action.name)
        await self._refuse_uncallable(view)
        call = Call(self._exchange, body, self._caller, view, Media("EJSON"), size=self._size)
        call.answers = answers_of(self._exchange, self._caller, view)
        call.sent_headers = {}
        return call

    async def _refuse_uncallable(self, view: RequestView) -> None:
        if not self._caller.is_system:
            answers = answers_of(self._exchange, self._caller, view)
            expansions = Expansions(self._caller.user, view, answers)
            await answered(partial(refuse_uncallable, self._exchange.app, expansions))


def _result(reply: Reply) -> Result:
    return Result(visible(reply.body), reply.documents)


def _fitting(result: Result) -> Result:
    """Raise InvalidParameterError for more than an agent gets."""
    if len(result.text) > MOST_BYTES:
        raise InvalidParameterError(
            f"the result has {len(result.text)} bytes, more than {MOST_BYTES}: ask for less, such as by a projection"
        )
    return result


def _told(reply: bytes, members: dict[str, Any]) -> bytes:
    """Say what a write did, with as many ids as have room."""
    text = orjson.dumps({**members, "result": orjson.Fragment(reply)})
    while len(text) > MOST_BYTES:
        result = orjson.loads(text)["result"]
        ids = result["insertedIds"]
        del ids[len(ids) * MOST_BYTES // len(text) :]
        text = visible(orjson.dumps({**members, "result": result, "truncated": True}))
    return text


def _named(found: list[dict[str, str]]) -> Result:
    """Return a list of collections, as many as have room."""
    text, most = visible(orjson.dumps({"collections": found})), MOST_NAMES
    while len(found) > most or len(text) > MOST_BYTES:
        found = found[: min(most, len(found) * MOST_BYTES // len(text))]
        text = visible(orjson.dumps({"collections": found, "truncated": True}))
    return Result(text, len(found))


def _cut(result: Result, most: int) -> Result:
    """Say in a reply without a cursor that there may be others."""
    if len(result.text) > MOST_BYTES or len(orjson.loads(result.text)["documents"]) < most:
        return result
    return result._replace(text=result.text.removesuffix(b"}") + b',"truncated":true}')
