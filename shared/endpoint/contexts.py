"""Where calls come from, and what they are counted on: a request, or else what calls a function of the app."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.admission import Departure, placed
from shared.budget import Share, held_by
from shared.telemetry.requests import RequestLine

if TYPE_CHECKING:
    from shared.endpoint.actions import Action
    from shared.service import Service


class CallContext:
    """The service and the app that answer, the actions that functions come to, a log line, a place, a share of memory.

    It is entered once, with `async with`, and what is done inside is done in its place and held by its share.
    """

    __slots__ = (
        "_held", "_placed", "actions", "app", "departure", "has_acted", "has_place", "headers", "line", "service",
        "share",
    )  # fmt: skip

    def __init__(
        self,
        service: "Service",
        line: RequestLine,
        actions: "Mapping[str, Action]",
        departure: Departure | None = None,
    ) -> None:
        """Begin without a place."""
        self.service = service
        self.app = service.app
        self.line = line
        self.actions = actions
        self.departure = departure
        self.share = Share(service.budget, departure)
        self.has_place = False
        self.has_acted = False
        """Whether a function of the app has begun to change something, which stays whatever becomes of the call."""
        self.headers: dict[str, str] = {}
        """What the response says beside its body."""

    @property
    def sent_headers(self) -> Mapping[str, str]:
        """The headers of the request."""
        return {}

    async def __aenter__(self) -> None:
        """Take a place; raise OverloadedError if there is none in time."""
        try:
            await self.enter()
        except BaseException:
            self.end()
            raise
        self._held, self._placed = held_by(self.share), placed(self)
        self._held.__enter__()
        self._placed.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """Give back the place and the share."""
        try:
            self._placed.__exit__()
            self._held.__exit__()
        finally:
            del self._held, self._placed  # else the call, its body with it, is there until garbage is collected
            self.end()

    async def enter(self) -> None:
        """Take a place among the calls that the process works on."""
        await self.service.admission.enter(self.departure)
        self.has_place = True

    def leave(self) -> None:
        """Give the place back, if it has one."""
        if self.has_place:
            self.has_place = False
            self.service.admission.leave()

    def end(self) -> None:
        """Give back the place and the share."""
        self.leave()
        self.share.end()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Have a place among those who wait for changes instead of one among calls, which is taken again at the end.

        Whoever waits looks itself whether the caller has left. Raise OverloadedError where too many wait.
        """
        streams = self.service.change_streams
        await streams.enter()
        self.leave()
        self.line.waits = True
        if self.departure is not None:
            self.departure.tell(None)
        try:
            yield
        finally:
            streams.leave()
        await self.enter()
