"""What a connection does for the admission of calls: it tells who has left, and refuses cheaply."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.lingering import LingeringProtocol
from server.plain import is_plain
from shared.admission import Departure


class AdmittingProtocol(LingeringProtocol):
    """A protocol whose calls know when their client has left, and are refused unread where there is no place."""

    _departure: Departure | None = None  # of the newest request that was begun
    _begun: RequestResponseCycle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End: what waits behind another request is not begun."""
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._begun is not None:
            self._begun.disconnected = True  # which Uvicorn says to the newest that has arrived
            self._begun.message_event.set()
        if self._departure is not None:
            self._departure.happen()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._begun = cycle
        cycle.scope["departure"] = self._departure = Departure()  # type: ignore[typeddict-unknown-key]
        cycle.scope["drop"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        super()._start_asgi_task(cycle, app)

    def is_refused_whole(self, data: bytes) -> bool:
        """Answer a request that gets no place as cheaply as that can be: without looking into it.

        Return False where there may be a place, or where these bytes are not just one plain request.
        """
        state = self.server_state
        if not state.limits.admission.is_full or state.draining or self.flow.write_paused or not is_plain(data):
            return False
        self.transport.write(state.limits.overloaded)
        state.limits.admission.refusal()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        return True
