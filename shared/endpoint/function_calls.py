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
from shared.app.model import Function, Functions
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.transcoder import Writer
from shared.endpoint.bodies import document_in
from shared.endpoint.function_transactions import FunctionTransaction, raise_told
from shared.endpoint.request_view import RequestView
from shared.endpoint.service_calls import service_call
from shared.errors import (
    BodyTooLargeError,
    DataAPIError,
    FunctionFailedError,
    FunctionNotFoundError,
    FunctionRefusedError,
    InvalidParameterError,
    ReadTooLargeError,
)
from shared.javascript.messages import Line
from shared.javascript.run import Run, Started
from shared.rules.answers import Answers, answered
from shared.rules.expressions import Expansions, holds
from shared.rules.values import MISSING
from shared.telemetry.log import event

if TYPE_CHECKING:
    from shared.endpoint.contexts import CallContext

_AT_ONCE = 8  # what one call asks of MongoDB; the rest waits, so that it takes no connection from others
_TRANSACTIONS = 2  # open at a time, each of which has a connection
_LONGEST_NAME = 100
_SESSION = re.compile(r'\{"session":(\d+)')
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_OF_REQUEST = ("remoteIPAddress", "rawQueryString")
_IF_SENT = ("httpReferrer", "httpUserAgent")


class FunctionCall:
    """A call of a function, with all that it calls and asks."""

    def __init__(self, context: "CallContext", caller: Caller, view: RequestView) -> None:
        """Take what the call is counted on, who calls, and the request that functions see."""
        self._functions = Functions() if context.app is None else context.app.functions
        self._context = context
        self._service = context.service
        self._caller = caller
        self._view = view
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._transactions: dict[int, FunctionTransaction] = {}
        self._documents = 0

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
            self._context.line.namespace, self._context.line.documents = None, self._documents
        return Reply([text.encode()], self._documents)

    async def result(self, name: str, arguments: Sequence[Any]) -> str:
        """Return what a function returns that the app itself calls, as canonical Extended JSON.

        Raise FunctionNotFoundError if there is none, FunctionFailedError if it fails.
        """
        function = self._functions.by_name.get(name)
        if function is None:
            raise _not_found(name)
        line = self._context.line
        line.function = name
        _refuse_script(function)
        whose = self._caller.id or f"function {name}"
        run = Run(self._service.engine, self, self._context.share, self._service.settings.function_operations, whose)
        try:
            return await run.result(await self._started(name, arguments))
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

    async def _started(self, name: str, arguments: Sequence[Any]) -> Started:
        engine, writer = self._service.engine, self._service.transcoder.writer
        call = {
            "name": name,
            "lines": engine.prelude_lines,
            "objectIds": engine.object_ids(),
            "isSystem": self._caller.is_system,
            "user": {"custom_data": {}, **self._caller.user},
            "request": _request(self._view),
        }
        if any(each is MISSING for each in arguments):
            given = b'{"":[%b]}' % b",".join(_text(each, writer) for each in arguments)
        else:
            given = await turns.taken(replies.long_reply("", arguments, "EJSON", writer))
        setup = f'{{"constants":{self._functions.constants},"call":{replies.reply(call, "EJSON", writer).decode()}}}'
        return Started(setup, self._functions.sources, given.decode().removeprefix('{"":').removesuffix("}"))

    def served(self, line: Line, chain: tuple[str, ...]) -> Coroutine[Any, Any, str]:
        """Begin what a function asks: a method of a collection, or the begin or the end of a transaction."""
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
        transaction = self._transactions[session]
        return transaction.commit() if line.word == "commit" else transaction.abort()

    def logged(self, function: str, level: str, text: str) -> None:
        """Log what a function wrote to its console."""
        event(_LEVELS[level], "console", function=function, text=text, trace_id=self._context.line.trace_id)

    async def _one_of_few(self, work: Callable[[], Awaitable[str]]) -> str:
        async with self._places:
            return await work()

    async def _called(self, text: str, chain: tuple[str, ...], session: int) -> str:
        """Do a method of a collection as the action that it is, with the rights of the function that asks."""
        settings = self._service.settings
        given = text.encode()
        if len(given) > settings.max_body_bytes:
            raise BodyTooLargeError(f"the arguments are too large: MAX_BODY_BYTES allows {settings.max_body_bytes}")
        body = await document_in(given, self._service)
        asked = service_call(body)
        action = self._context.actions[asked.action]
        caller = await self._acting(chain)
        if session:
            self._transactions[session].note(body["service"], asked.body, writes=not action.reads)
        try:
            call = action.call(self._context, asked.body, caller, self._view, len(given))
            reply = await action.handle(call)
        except (DataAPIError, PyMongoError, BSONError) as error:
            raise_told(error)
        self._documents += reply.documents or 0
        if reply.size > settings.function_memory_bytes:
            raise ReadTooLargeError(f"the result exceeds FUNCTION_MEMORY_BYTES: {settings.function_memory_bytes}")
        return asked.result_of(reply).body.decode()

    async def _acting(self, chain: Sequence[str]) -> Caller:
        """Return whose rights count: of the innermost function that says so, else of who calls from outside."""
        for name in chain:
            function = self._functions.by_name[name]
            _refuse_script(function)
            if function.run_as_system:
                return Caller(self._caller.id, "system", self._caller.user)
            if function.run_as_user_id:
                return await self._service.credentials.acting(function.run_as_user_id)
        return self._caller


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


def _text(value: Any, writer: Writer | None) -> bytes:
    """Return the Extended JSON of a value that may be undefined."""
    if value is MISSING:
        return b'{"$undefined":true}'
    return replies.reply({"": value}, "EJSON", writer).removeprefix(b'{"":').removesuffix(b"}")


def _not_found(name: str) -> FunctionNotFoundError:
    return FunctionNotFoundError(f"function not found: '{name[:_LONGEST_NAME]}'")


def _refuse_script(function: Function) -> None:
    if function.has_script:
        raise FunctionFailedError(f"function '{function.name}' runs as a user whom a script chooses, which is not done")


def _request(view: RequestView) -> dict[str, Any]:
    """Return `context.request`, whose headers have the case that Go gives them."""
    headers = {
        "-".join(part.capitalize() for part in name.split("-")): values
        for name, values in view["requestHeaders"].items()
    }
    known = {name: view[name] for name in (*_OF_REQUEST, *_IF_SENT) if name in _OF_REQUEST or view[name]}
    return {**known, "requestHeaders": headers, "service": "", "action": ""}
