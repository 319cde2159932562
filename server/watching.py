"""Connections whose client takes nothing of what is written to it."""

import asyncio
import socket

from server.admission import AdmittingProtocol


class WatchedProtocol(AdmittingProtocol):
    """A protocol that drops a client who stops reading, and leaves its time to one who is slow."""

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a client that does not even confirm what was written has vanished without a word."""
        super().connection_made(transport)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.timeout_keep_alive * 1000)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_watching()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self.watch_client()

    def pause_writing(self) -> None:
        """Write no more until the client has taken what is there."""
        super().pause_writing()
        self.watch_client()

    def resume_writing(self) -> None:
        """Write again."""
        super().resume_writing()
        self._stop_watching()

    def watch_client(self) -> None:
        """Drop the connection if its client takes nothing of what is written for as long as it may be idle."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._watch is None:
            self._watch = self.loop.call_later(self.timeout_keep_alive, self._end_stalled, unsent)

    def _end_stalled(self, before: int) -> None:
        self._watch = None
        if self.transport.get_write_buffer_size() >= before:
            self.transport.abort()
        else:
            self.watch_client()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
