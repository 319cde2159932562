"""Functions of the app that no caller from outside calls: by triggers, and by the operator."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from shared.auth.accounts import NOBODY, Caller
from shared.endpoint.contexts import CallContext
from shared.endpoint.function_calls import FunctionCall
from shared.endpoint.request_view import NO_REQUEST
from shared.endpoint.trigger_calls import TriggerCall
from shared.endpoint.user_functions import tell_left_over
from shared.mongo.deadlines import driver_call
from shared.service import process
from shared.telemetry.requests import RequestLine

if TYPE_CHECKING:
    from shared.service import Service

type Said = Callable[[str, str, str], None]
"""Takes what a function wrote to its console: its name, the level, the text."""

RUN_MS = 300_000
"""How long a run may take, as in Atlas: nobody waits for its answer."""


class OperatorCall(FunctionCall):
    """A call whose console is shown."""

    said: Said

    def logged(self, function: str, level: str, text: str) -> None:
        """Show what a function wrote to its console."""
        self.said(function, level, text)


async def call_of_trigger(service: "Service", function: str, arguments: Sequence[Any], run_ms: int = RUN_MS) -> None:
    """Call a function; raise UnavailableError if it failed where MongoDB could not do what it asked."""
    context = CallContext(service, RequestLine("trigger"), process.actions)
    with driver_call(run_ms):
        async with context:
            await TriggerCall(context, NOBODY, NO_REQUEST).done(function, arguments)


async def tell_left_over_once(service: "Service") -> bool:
    """Tell an authentication trigger what another process should have; return whether there was anything."""
    context = CallContext(service, RequestLine("trigger"), process.actions)
    with driver_call(service.settings.mongo_db_timeout_ms):
        async with context:
            return await tell_left_over(context)


async def call_of_operator(
    service: "Service", caller: Caller | None, function: str, arguments: Sequence[Any], said: Said
) -> str:
    """Return what a function returns to a caller, or where nobody calls, as canonical Extended JSON."""
    context = CallContext(service, RequestLine("admin"), process.actions)
    with driver_call(RUN_MS):
        async with context:
            made = OperatorCall(context, caller or NOBODY, NO_REQUEST)
            made.said = said
            return await made.result(function, arguments)
