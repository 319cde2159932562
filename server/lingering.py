"""Connections that end while their client still sends: it has to read why, which a reset would keep from it."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.draining import DrainingProtocol

LINGER_SECONDS = 1.0
"""How long a client may take to read why its connection ends, while what it still sends is thrown away."""


class LingeringProtocol(DrainingProtocol):
    """A protocol that does not reset a connection on which a body is still arriving behind its answer."""

    is_lingering = False

    def linger(self) -> None:
        """End the connection as soon as the client has had time to read what was written."""
        self.is_lingering = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)  # a close would reset it while bytes are unread

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = _Transport(self, cycle)  # type: ignore[assignment]  # all that is used of one
        super()._start_asgi_task(cycle, app)


class _Transport:
    """The transport of a connection, as far as an answer needs it."""

    __slots__ = ("_cycle", "_protocol", "is_closing", "write")

    def __init__(self, protocol: LingeringProtocol, cycle: RequestResponseCycle) -> None:
        """Take the connection, and the request that is answered."""
        self._protocol = protocol
        self._cycle = cycle
        self.is_closing = protocol.transport.is_closing
        self.write = protocol.transport.write

    def close(self) -> None:
        """Close the connection behind the last answer."""
        if self._cycle.more_body and not self.is_closing():
            self._protocol.linger()
        else:
            self._protocol.transport.close()
