"""A call of a function of the app: who may make it, and what the function asks of MongoDB, as actions."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from shared import turns
from shared.access.protocol import Reply
from shared.app.model import Functions
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.transcoder import Writer
from shared.endpoint.bodies import document_in
from shared.endpoint.function_http import FunctionHttp
from shared.endpoint.function_services import asked_of
from shared.endpoint.function_transactions import FunctionTransaction, raise_told
from shared.endpoint.function_users import FunctionUsers
from shared.endpoint.request_view import RequestView
from shared.errors import (
    BodyTooLargeError,
    DataAPIError,
    FunctionFailedError,
    FunctionNotFoundError,
    FunctionRefusedError,
    InvalidParameterError,
    ReadTooLargeError,
)
from shared.javascript.messages import Frame, Line, Started, Texts
from shared.javascript.run import Run
from shared.rules.answers import Answers, answered
from shared.rules.expressions import Expansions, holds
from shared.rules.values import MISSING
from shared.telemetry.log import event

if TYPE_CHECKING:
    from shared.endpoint.contexts import CallContext

_AT_ONCE = 8  # what one call asks of MongoDB; the rest waits, so that it takes no connection from others
_TRANSACTIONS = 2  # open at a time, each of which has a connection
_LONGEST_NAME = 100
_ONLY_ASKS = frozenset({"get", "head"})  # of other hosts
_SESSION = re.compile(r'\{"session":(\d+)')
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_OF_REQUEST = ("remoteIPAddress", "rawQueryString")
_IF_SENT = ("httpReferrer", "httpUserAgent")
_OF_ENDPOINT = ("webhookUrl", "httpMethod")


class FunctionCall:
    """A call of a function, with all that it calls and asks."""

    def __init__(
        self,
        context: "CallContext",
        caller: Caller,
        view: RequestView,
        functions: Functions | None = None,
        *,
        is_of_script: bool = False,
    ) -> None:
        """Take what the call is counted on, who calls, the request that functions see; others than the app's functions.

        No script is run for a script.
        """
        self._is_of_script = is_of_script
        self._functions = functions or (Functions() if context.app is None else context.app.functions)
        self._context = context
        self._service = context.service
        self._caller = caller
        self._users = FunctionUsers(self._functions, caller, self._service.credentials)
        self._view = view
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._transactions: dict[int, FunctionTransaction] = {}
        self._http = FunctionHttp(self._service.http_client, self._service.settings, context.share)
        self.documents = 0

    async def reply(self, name: str, arguments: Sequence[Any], answers: Answers | None = None) -> Reply:
        """Return what a function returns to a caller from outside, as canonical Extended JSON.

        Where its `can_evaluate` asks functions, `answers` has what they answer.

        Raise FunctionNotFoundError for a function that callers have not, FunctionRefusedError if it is not for this
        one, FunctionFailedError if it fails.
        """
        function = self._functions.by_name.get(name)
        if function is None or function.private:
            raise _not_found(name)
        self._context.line.function = name
        expansions = Expansions(self._caller.user, self._view, answers)
        if not await answered(lambda: holds(function.can_evaluate, expansions.context())):
            raise FunctionRefusedError(f'rule not matched for function "{name}"')
        try:
            text = await self.result(name, arguments)
        finally:
            self._context.line.namespace, self._context.line.documents = None, self.documents
        return Reply([text.encode()], self.documents)

    async def result(self, name: str, arguments: Sequence[Any]) -> str:
        """Return what a function returns that the app itself calls, as canonical Extended JSON.

        Raise FunctionNotFoundError if there is none, FunctionFailedError if it fails.
        """
        writer = self._service.transcoder.writer
        if any(each is MISSING for each in arguments):
            return await self.result_of(name, f"[{','.join(_text(each, writer) for each in arguments)}]")
        given = await turns.taken(replies.long_reply("", arguments, "EJSON", writer))
        return await self.result_of(name, given.decode().removeprefix('{"":').removesuffix("}"))

    async def result_of(self, name: str, arguments: str, requires: str = "", *, is_anybodys: bool = False) -> str:
        """Return the same for arguments that are Extended JSON; what it requires may be that of another function.

        It computes in the turns of its caller, or of the address that it is called from if anybody may call it.
        """
        if name not in self._functions.by_name:
            raise _not_found(name)
        line = self._context.line
        line.function = name
        whose = "" if is_anybodys else self._caller.id
        whose = whose or f"{self._view['remoteIPAddress']} {requires or name}"
        run = Run(self._service.engine, self, self._context.share, self._service.settings.function_operations, whose)
        try:
            return await run.result(self._started(name, arguments, requires or name))
        except FunctionFailedError as error:
            line.thrown_at = error.thrown_at
            raise
        finally:
            for each in self._transactions.values():
                await each.close()

    async def value(self, name: str, arguments: Sequence[Any]) -> Any:
        """Return what `result` does as a value of ours, None also for nothing at all."""
        text = await self.result(name, arguments)
        return (await document_in(f'{{"value":{text}}}'.encode(), self._service))["value"]

    def _started(self, name: str, arguments: str, requires: str) -> Started:
        writer = self._service.transcoder.writer
        call = {
            "objectIds": self._service.engine.object_ids(),
            "user": {"custom_data": {}, **self._caller.user},
            "request": _request(self._view),
        }
        return Started(
            name,
            self._caller.is_system,
            replies.reply(call, "EJSON", writer).decode(),
            self._functions.seen,
            self._functions.sources,
            self._functions.packages.get(requires, Texts()),
            arguments,
        )

    def served(self, line: Line, chain: tuple[Frame, ...]) -> Coroutine[Any, Any, str]:
        """Begin what a function asks: a method of a collection, a step of a transaction, a request, or its user."""
        found = _SESSION.match(line.text)
        session = int(found[1]) if found else 0
        if line.word == "call":
            work = partial(self._called, line.text, chain, session)
            return self._transactions[session].do(work) if session else self._one_of_few(work)
        if line.word == "begin":
            if sum(each.is_open for each in self._transactions.values()) == _TRANSACTIONS:
                raise FunctionFailedError(f"a call has no more than {_TRANSACTIONS} transactions open at a time")
            name = json.loads(line.text)["service"]
            self._transactions[session] = FunctionTransaction(self._service, name, self._context.departure)
            return self._transactions[session].begin()
        if line.word == "user":
            return self._user(line.text, chain[0])
        if line.word == "http":
            return self._asked_by_http(line.text)
        transaction = self._transactions[session]
        if line.word == "abort":
            return transaction.abort()
        self._context.has_acted = True
        return transaction.commit()

    def logged(self, function: str, level: str, text: str) -> None:
        """Log what a function wrote to its console."""
        event(_LEVELS[level], "console", function=function, text=text, trace_id=self._context.line.trace_id)

    async def _one_of_few(self, work: Callable[[], Awaitable[str]]) -> str:
        async with self._places:
            return await work()

    async def _asked_by_http(self, text: str) -> str:
        asked = await self._given(text.encode())
        self._context.has_acted |= asked["method"] not in _ONLY_ASKS
        return await self._http.reply(asked["method"], asked["argument"])

    async def _given(self, text: bytes) -> Document:
        """Return what a function asks with; raise BodyTooLargeError if it is more than a caller could send."""
        most = self._service.settings.max_body_bytes
        if len(text) > most:
            raise BodyTooLargeError(f"the arguments are too large: MAX_BODY_BYTES allows {most}")
        return await document_in(text, self._service)

    async def _called(self, text: str, chain: tuple[Frame, ...], session: int) -> str:
        """Do a method of a collection as the action that it is, with the rights of the function that asks."""
        settings = self._service.settings
        given = text.encode()
        body = await self._given(given)
        caller = await self._users.of(chain)
        asked = asked_of(body, caller)
        action = self._context.actions[asked.action]
        if session:
            self._transactions[session].note(body["service"], asked.body, writes=not action.reads)
        try:
            call = action.call(self._context, asked.body, caller, self._view, len(given))
            call.sent_headers = {}  # what the caller sent is for the function
            self._context.has_acted |= not (action.reads or session)
            reply = await action.handle(call)
            self._context.has_acted |= call.writes
        except (DataAPIError, PyMongoError, BSONError) as error:
            raise_told(error)
        self.documents += reply.documents or 0
        if reply.size > settings.function_memory_bytes:
            raise ReadTooLargeError(f"the result exceeds FUNCTION_MEMORY_BYTES: {settings.function_memory_bytes}")
        return asked.result_of(reply).body.decode()

    async def _user(self, text: str, frame: Frame) -> str:
        """Have the script of a function choose whom it runs as."""
        if self._is_of_script:
            raise FunctionFailedError("a script that chooses a user calls no function for which another one does")
        given = await self._given(text.encode())
        return await self._users.choose(frame, given["arguments"], self._script)

    async def _script(self, name: str, caller: Caller, arguments: Sequence[Any]) -> str:
        functions = self._functions.scripts[name]
        call = FunctionCall(self._context, caller, self._view, functions, is_of_script=True)
        return await call.result(name, arguments)


def arguments_of(body: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """Return the name and the arguments of a functions/call without a service."""
    name, arguments = body.get("name"), body.get("arguments")
    if type(name) is not str:
        raise InvalidParameterError("'name' must be the name of a function")
    if arguments is None:
        return name, []
    if type(arguments) is not list:
        raise InvalidParameterError("'arguments' must be an array")
    return name, arguments


def _text(value: Any, writer: Writer | None) -> str:
    """Return the Extended JSON of a value that may be undefined."""
    if value is MISSING:
        return '{"$undefined":true}'
    return replies.reply({"": value}, "EJSON", writer).decode().removeprefix('{"":').removesuffix("}")


def _not_found(name: str) -> FunctionNotFoundError:
    return FunctionNotFoundError(f"function not found: '{name[:_LONGEST_NAME]}'")


def _request(view: RequestView) -> dict[str, Any]:
    """Return `context.request`, whose headers have the case that Go gives them."""
    headers = {
        "-".join(part.capitalize() for part in name.split("-")): values
        for name, values in view["requestHeaders"].items()
    }
    known = {name: view[name] for name in (*_OF_REQUEST, *_IF_SENT) if name in _OF_REQUEST or view[name]}
    if "webhookUrl" in view:
        known |= {name: view[name] for name in _OF_ENDPOINT}
    return {**known, "requestHeaders": headers, "service": "", "action": ""}
