"""The end of a Uvicorn server that answers every request it was sent before."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from server.connections import Connections, most_connections
from server.handshakes import begin_no_more
from server.limits import Limits

SETTLE_SECONDS = 0.2
"""How long connections that the kernel has taken already are still accepted."""

QUIET_SECONDS = 2.0
"""How long an idle connection may still bring a request: one that crossed the signal on its way."""


_CLOSING_SECONDS = 0.01  # the event loop has closed by then what it was told to


class DrainingState(ServerState):
    """What the connections of a server share."""

    draining = False

    def __init__(self, limits: Limits) -> None:
        """Take the limits of connections."""
        super().__init__()
        self.limits = limits
        self.open_connections = Connections(most_connections(limits.max_client_connections))


class DrainingServer(Server):
    """Uvicorn's server, whose own end drops what is accepted but not read yet."""

    server_state: DrainingState

    def __init__(self, config: Config, limits: Limits, end: Callable[[], None]) -> None:
        """Take what Uvicorn's server takes, the limits of connections, and what ends calls that wait for changes."""
        super().__init__(config)
        self._end = end
        self.server_state = DrainingState(limits)

    async def on_tick(self, counter: int) -> bool:
        """Do what is due ten times a second; tell whether to end."""
        self.server_state.open_connections.see_descriptors()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in what has arrived, tell every connection that its next answer is its last, and wait for them."""
        self.server_state.draining = True
        self._end()
        await asyncio.sleep(SETTLE_SECONDS)
        await self._close_port(sockets)
        await super().shutdown(sockets)

    async def _close_port(self, sockets: list[socket.socket] | None) -> None:
        """Close the port, and take the connections that the kernel has made since the event loop last accepted.

        With the last descriptor of the port the kernel resets those that nobody has accepted, so it is one of ours,
        closed once none is left and none is begun. Sockets that were given are of several processes: their parent
        knows when the port ends.
        """
        ours = [each.dup() for server in self.servers for each in server.sockets]
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        await asyncio.sleep(_CLOSING_SECONDS)
        if sockets is None:
            for each in ours:
                begin_no_more(each)
        accepted = [connection for listener in ours for connection in _accepted(listener)]
        kind: Any = self.config.http_protocol_class
        protocol = partial(kind, self.config, self.server_state, self.lifespan.state)
        for connection in accepted:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


class DrainingProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which would close an idle connection at once, whatever is on its way."""

    server_state: DrainingState

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or begin the end if the server's has begun."""
        super().connection_made(transport)
        if self.server_state.draining:
            self.shutdown()

    def on_headers_complete(self) -> None:
        """Take a request; in the end it is the connection's last, which the answer says."""
        super().on_headers_complete()
        if self.server_state.draining:
            make_last(self.cycle)

    def shutdown(self) -> None:
        """Answer what is there, else close after a quiet while."""
        newest = self.cycle  # of several in a pipeline, too
        if newest is None or newest.response_complete:
            self.loop.call_later(QUIET_SECONDS, self._close_if_idle)
        else:
            make_last(newest)

    def _close_if_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


def _accepted(listener: socket.socket) -> list[socket.socket]:
    """Take all connections that wait, and close the listener."""
    connections = []
    with listener, suppress(OSError):  # none waits any more, or no file descriptor is left
        listener.setblocking(False)
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            connections.append(connection)
    return connections


def make_last(cycle: RequestResponseCycle) -> None:
    """Have the answer carry "Connection: close", and close the connection behind it."""
    cycle.keep_alive = False
