"""The body of a request, of which no more is read than somebody asks for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.errors import CallerLeftError

FIRST_BYTES = 64 * 1024
"""How long a body may be that is read before anybody knows who sends it."""

type Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Body:
    """What has arrived of a body."""

    __slots__ = ("_parts", "_receive", "has_left", "is_whole", "size")

    def __init__(self, receive: Receive) -> None:
        """Take what gives its parts; nothing is read yet."""
        self._receive = receive
        self._parts: list[bytes] = []
        self.size = 0
        self.is_whole = self.has_left = False

    async def begin(self, most: int) -> None:
        """Read it, or its first bytes if it has more than these."""
        while not self.is_whole and self.size <= most and not self.has_left:
            await self._read()

    async def read(self, limit: int, hold: Callable[[int], Awaitable[None]]) -> None:
        """Read the rest, having said how many bytes come; of a body that is too large, what shows that it is.

        Raise CallerLeftError if the client leaves meanwhile.
        """
        await hold(self.size)
        while not self.is_whole and self.size <= limit:
            await hold(await self._read())
            if self.has_left:
                raise CallerLeftError

    def content(self) -> bytes:
        """Return what has been read."""
        if len(self._parts) != 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0]

    async def _read(self) -> int:
        """Read another part and return its size."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.has_left = True
            return 0
        part = message.get("body", b"")
        self._parts.append(part)
        self.size += len(part)
        self.is_whole = not message.get("more_body", False)
        return len(part)
