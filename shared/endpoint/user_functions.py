"""The functions of the app that a call asks while users come, log in and go: before, and behind it for triggers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from shared.auth.accounts import NOBODY, User
from shared.auth.user_events import Untold
from shared.auth.user_view import user_view
from shared.endpoint.request_view import NO_REQUEST, RequestView
from shared.errors import DataAPIError, FunctionFailedError, FunctionNotFoundError, InvalidJSONError, LoginRefusedError
from shared.mongo.deadlines import left_ms
from shared.mongo.refusals import late
from shared.telemetry.log import event

if TYPE_CHECKING:
    from shared.endpoint.contexts import CallContext
    from shared.endpoint.function_calls import FunctionCall

_MOST_TRIES = 3  # of telling a trigger: a function may end the process that runs it
_RESERVE_MS = 1_000  # of the call's time, for what follows a trigger


class UserFunctions:
    """Functions that have all rights, and no caller, asked in one call."""

    __slots__ = ("_context", "_view", "untold")

    def __init__(self, context: "CallContext", view: RequestView) -> None:
        """Take what they are counted on, and the request that they see."""
        self._context = context
        self._view = view
        self.untold: list[Untold] = []
        """What is to be told to triggers at the end of the call."""

    async def value(self, name: str, *arguments: Any) -> Any:
        """Return what a function returns; raise FunctionFailedError, or FunctionNotFoundError if there is none."""
        try:
            return await _as_system(self._context, self._view).value(name, arguments)
        except InvalidJSONError as error:
            raise FunctionFailedError("the function returned what cannot be read") from error
        finally:
            self._context.line.namespace = None  # what a function reads is not what the call is about

    async def creating(self, user: User) -> None:
        """Ask the app's function at the creation of users; raise LoginRefusedError if it fails."""
        app = self._context.app
        name = "" if app is None or app.custom_user_data is None else app.custom_user_data.on_user_creation
        if not name:
            return
        try:
            await self.value(name, user_view(user, {}))
        except (FunctionFailedError, FunctionNotFoundError) as error:
            raise LoginRefusedError("the user cannot be created: the app's function failed") from error

    def happened(self, untold: Sequence[Untold]) -> None:
        """Take what is to be told to triggers."""
        self.untold += untold

    async def tell(self) -> None:
        """Tell triggers what happened in this call, and one of them what another has left over; nothing is raised."""
        untold, self.untold = self.untold, []
        try:
            for each in untold:
                await _tell(self._context, each)
            await tell_left_over(self._context)
        except (DataAPIError, PyMongoError, BSONError) as error:  # it stays untold, and is told later
            event(logging.WARNING, "triggers were not told", cause=type(error).__name__)


def _as_system(context: "CallContext", view: RequestView) -> "FunctionCall":
    """Return a call of functions with all rights, and no caller."""
    from shared.endpoint.function_calls import FunctionCall  # noqa: PLC0415  only an app with functions comes here

    return FunctionCall(context, NOBODY, view)


async def tell_left_over(context: "CallContext") -> bool:
    """Tell a trigger what the process that should have told it has not; return whether there was anything.

    It counts as tried, so nothing is taken where no time is left to try it.
    """
    if _left_ms(context) <= 0:
        return False
    untold = await context.service.user_events.left_over()
    if untold is None:
        return False
    await _tell(context, untold)
    return True


async def _tell(context: "CallContext", untold: Untold) -> None:
    """Have a trigger's function run in what is left of the call's time, unless that is nothing; log if it fails."""
    events = context.service.user_events
    function = events.function_of(untold.trigger)
    if _left_ms(context) <= 0:
        return
    if function is None:
        failure = "the app has no such trigger any more"
    elif untold.tries > _MOST_TRIES:
        failure = f"it was tried {_MOST_TRIES} times"
    else:
        failure = await _failure(context, function, untold.event)
    if failure:
        event(
            logging.WARNING,
            "trigger failed",
            trigger=untold.trigger,
            function=function,
            reason=failure,
            trace_id=context.line.trace_id,
        )
    await events.told(untold)


def _left_ms(context: "CallContext") -> int:
    """Return how long a trigger's function may take now, nothing or less if there is no time."""
    settings = context.service.settings
    return min(settings.function_timeout_ms, left_ms(settings.mongo_db_timeout_ms) - _RESERVE_MS)


async def _failure(context: "CallContext", function: str, told: Mapping[str, Any]) -> str:
    """Run a function; return why it failed, never what it said, which may be somebody's secret.

    Raise DeadlinePassedError if it had less time than functions have, UnavailableError if MongoDB could not do what it
    asked: it may end another time.
    """
    from shared.endpoint.trigger_calls import TriggerCall  # noqa: PLC0415  only an app with functions comes here

    most_ms = _left_ms(context)
    try:
        async with asyncio.timeout(most_ms / 1000):
            await TriggerCall(context, NOBODY, NO_REQUEST).done(function, [told])
    except TimeoutError as error:
        if most_ms < context.service.settings.function_timeout_ms:
            raise late(error) from error
        return "it took too long"
    except FunctionFailedError as error:
        return f"it threw an error at {error.thrown_at}" if error.message is not None else str(error)
    finally:
        context.line.namespace = None
    return ""
