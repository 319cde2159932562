"""Functions that triggers call: where MongoDB could not do what one asked, it has not failed for good."""

from collections.abc import Coroutine, Sequence
from typing import Any

from shared.endpoint.function_calls import FunctionCall
from shared.errors import DataAPIError, UnavailableError
from shared.javascript.messages import Frame, Line


class TriggerCall(FunctionCall):
    """A call by a trigger."""

    refused: UnavailableError | None = None
    """What MongoDB could not do for it."""

    at_last: UnavailableError | None = None
    """The same if the function asked for nothing else then: it may have returned without waiting for it."""

    async def done(self, function: str, arguments: Sequence[Any]) -> None:
        """Call a function; raise UnavailableError if it failed where MongoDB could not do what it asked."""
        try:
            await self.result(function, arguments)
        except DataAPIError as error:
            if self.refused is not None:
                raise self.refused from error
            raise
        if self.at_last is not None:
            raise self.at_last

    def served(self, line: Line, chain: tuple[Frame, ...]) -> Coroutine[Any, Any, str]:
        """Begin what a function asks, and remember if MongoDB is away."""
        self.at_last = None
        return self._noted(super().served(line, chain))

    async def _noted(self, work: Coroutine[Any, Any, str]) -> str:
        try:
            return await work
        except UnavailableError as error:
            self.refused = self.at_last = error
            raise
