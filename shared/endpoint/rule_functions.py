"""What rules ask functions of the app: they run beside the call that is decided on, with the rights of its caller."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from shared.auth.accounts import Caller
from shared.budget import held_by
from shared.endpoint.bodies import document_in
from shared.endpoint.contexts import CallContext
from shared.endpoint.openings import away
from shared.endpoint.request_view import RequestView
from shared.errors import DataAPIError, FunctionFailedError
from shared.mongo.deadlines import outside
from shared.rules.answers import Answer, Answers, Question
from shared.rules.values import MISSING
from shared.telemetry.log import event
from shared.telemetry.requests import RequestLine

_AT_ONCE = 4
_NOTHING = '{"$undefined":true}'


class RuleContext(CallContext):
    """What a function is counted on that a rule asks: the place of its call, but a line and a share of its own."""

    __slots__ = ()

    def __init__(self, around: CallContext) -> None:
        """Take the call that is decided on."""
        line = RequestLine("rule")
        line.trace_id = around.line.trace_id
        super().__init__(around.service, line, around.actions)


def answers_of(context: CallContext, caller: Caller, view: RequestView) -> Answers | None:
    """Return what answers the rules in a call of a caller, None where no function can be asked."""
    app = context.app
    if app is None or not app.functions.by_name:
        return None
    return Answers(_Functions(context, caller, view), context.service.settings.function_rule_calls)


class _Functions:
    """Runs functions for the rules of one call."""

    def __init__(self, context: CallContext, caller: Caller, view: RequestView) -> None:
        self._context = context
        self._caller = caller
        self._view = view

    async def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """Run the functions, some at a time, outside of the transaction of the call, which keeps no connection."""
        found: list[Answer] = []
        async with away():
            for start in range(0, len(questions), _AT_ONCE):
                found += await self._together(questions[start : start + _AT_ONCE])
        return found

    async def _together(self, questions: Sequence[Question]) -> list[Answer]:
        tasks = [asyncio.create_task(self._answer(*each), context=outside()) for each in questions]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, name: str, arguments: Sequence[Any]) -> Answer:
        from shared.endpoint.function_calls import FunctionCall  # noqa: PLC0415  only where rules ask

        if isinstance(self._context, RuleContext):
            self.note(name, "a function that a rule asks has asked for what rules decide by functions")
            return None
        context = RuleContext(self._context)
        try:
            with held_by(context.share):
                text = await FunctionCall(context, self._caller, self._view).result(name, arguments)
            if text == _NOTHING:
                return (MISSING,)
            return ((await document_in(f'{{"value":{text}}}'.encode(), context.service))["value"],)
        except DataAPIError as error:
            if error.status >= 500:
                raise
            self.note(name, _reason(error))
            return None
        finally:
            context.share.end()

    def note(self, name: str, reason: str) -> None:
        """Log that what depends on a function is denied."""
        line = self._context.line
        event(logging.WARNING, "a rule has no answer", function=name, reason=reason, trace_id=line.trace_id)


def _reason(error: DataAPIError) -> str:
    """Return why a function failed, without what it threw, which may repeat a document."""
    if isinstance(error, FunctionFailedError) and error.message is not None:
        return f"it threw an error, {error.thrown_at}" if error.thrown_at else "it threw an error"
    return str(error)
