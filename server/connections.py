"""The open connections of a process: how many there may be, and which end first when there are too many."""

import errno
import logging
import os
import sys
import time
from collections import OrderedDict
from typing import Protocol

from shared.telemetry.log import event

_UNLIMITED = 1_000_000
_LOG_SECONDS = 60.0  # the same line is not repeated sooner


class Connection(Protocol):
    """A connection, as far as it matters here."""

    def drop(self) -> None:
        """End at once: nothing is owed to the client."""

    def turn_away(self) -> None:
        """Say that there is no room, and end."""


def most_connections(wanted: int | None) -> int:
    """Return how many connections a process may have: what is set, else three quarters of its file descriptors."""
    if wanted is not None:
        return wanted
    if sys.platform == "win32":
        return _UNLIMITED
    import resource  # noqa: PLC0415  which Windows has not

    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _UNLIMITED if descriptors == resource.RLIM_INFINITY else max(descriptors * 3 // 4, 1)


class Connections:
    """All connections: those that wait for their client, in the order in which they began to, and the others.

    A connection waits while no request has arrived whole. When there are too many, the one that has waited longest
    makes room for the newest, so that whoever holds connections open keeps nobody out.
    """

    def __init__(self, most: int) -> None:
        """Take how many there may be."""
        self._most = most
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._answered: set[Connection] = set()
        self._logged: dict[str, float] = {}

    def opened(self, connection: Connection) -> None:
        """Take a new one in; if there are too many, one that waits is dropped, or the new one is turned away."""
        self._waiting[connection] = None
        if len(self._waiting) + len(self._answered) <= self._most:
            return
        if self._is_due("most"):
            event(logging.WARNING, "the most connections are open", limit=self._most)
        oldest, _ = self._waiting.popitem(last=False)
        if oldest is connection:
            connection.turn_away()
        else:
            oldest.drop()

    def begun(self, connection: Connection) -> None:
        """Let one whose request has begun to arrive wait as if it were new."""
        if connection in self._waiting:
            self._waiting.move_to_end(connection)

    def arrived(self, connection: Connection) -> None:
        """Keep one whose request is there until it is answered."""
        self._waiting.pop(connection, None)
        self._answered.add(connection)

    def answered(self, connection: Connection) -> None:
        """Let one wait for its client's next request."""
        self._answered.discard(connection)
        self._waiting[connection] = None

    def closed(self, connection: Connection) -> None:
        """Forget one."""
        self._waiting.pop(connection, None)
        self._answered.discard(connection)

    def see_descriptors(self) -> None:
        """If no file descriptor is left, so that nobody can connect, log it and drop a part of those that wait."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            if self._is_due("descriptors"):
                connections = len(self._waiting) + len(self._answered)
                event(logging.ERROR, "no file descriptors are left", connections=connections)
            for _ in range(len(self._waiting) // 4 + 1):
                if self._waiting:
                    self._waiting.popitem(last=False)[0].drop()

    def _is_due(self, line: str) -> bool:
        now = time.monotonic()
        if now - self._logged.get(line, -_LOG_SECONDS) < _LOG_SECONDS:
            return False
        self._logged[line] = now
        return True
