"""The ports of a server: that of the service, and one for probes alone, in front of which no calls stand."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config

from server.draining import DrainingServer
from server.limits import Limits
from server.refusals import RefusedError

ACCEPTED_AT_ONCE = 64
"""How many connections are taken before those that are there have their turn."""

QUEUE = 512
"""How many connections wait for that in the kernel: behind more, clients would have left before their turn."""

type Application = Callable[[Any, Any, Any], Awaitable[None]]


def only_probes(app: Application) -> Application:
    """Return the part of an application that answers probes and scrapes."""

    async def probes(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/health/") or scope["path"] == "/metrics":
            await app(scope, receive, send)
        else:
            await RefusedError(HTTPStatus.NOT_FOUND, "This port is for /health/ and /metrics.").answer(
                scope, receive, send
            )

    return probes


class ListeningServer(DrainingServer):
    """A server that takes connections by and by, and probes on a port of their own."""

    def __init__(self, config: Config, limits: Limits, end: Callable[[], None], probes: Config | None = None) -> None:
        """Take what DrainingServer takes, and how probes are answered."""
        super().__init__(config, limits, end)
        self._probes = probes
        self._probed: socket.socket | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the end; of sockets that are given, the second is that of probes."""
        if sockets is not None:
            sockets, rest = sockets[:1], sockets[1:]
            self._probed = rest[0] if rest else None
        elif self._probes is not None:
            self._probed = self._probes.bind_socket()
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on all ports."""
        await super().startup(sockets)
        if self._probes is not None and self._probed is not None:
            self._probes.load()
            kind: Any = self._probes.http_protocol_class
            protocol = partial(kind, self._probes, self.server_state, self.lifespan.state)
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(protocol, sock=self._probed, backlog=ACCEPTED_AT_ONCE))
        for server in self.servers:
            for each in server.sockets:
                with each.dup() as listener:
                    listener.listen(QUEUE)
