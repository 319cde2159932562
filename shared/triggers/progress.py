"""How far the events of a stream are done: behind which of them it goes on after a crash."""

import asyncio
from collections import deque
from typing import Any

type Token = Any
"""A resume token, as MongoDB gave it, or the time that a stream begins at."""


class Begun:
    """An event whose function was begun."""

    __slots__ = ("is_done", "token")

    def __init__(self, token: Token) -> None:
        """Take the token of the event."""
        self.token = token
        self.is_done = False


class Progress:
    """The events that are begun, in their order, and what is not stored yet of those that are done."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._begun: deque[Begun] = deque()
        self._token: Token = None
        self._failures: list[dict[str, Any]] = []
        self.changed = asyncio.Event()
        """Set while there is something to store."""

    def begin(self, token: Token) -> Begun:
        """Note that the function of an event begins."""
        begun = Begun(token)
        self._begun.append(begun)
        return begun

    def end(self, begun: Begun, failures: list[dict[str, Any]]) -> None:
        """Note that a function has ended, and how it failed."""
        begun.is_done = True
        self._failures += failures
        while self._begun and self._begun[0].is_done:
            self._token = self._begun.popleft().token
        self.changed.set()

    def pass_by(self, token: Token) -> None:
        """Note that nothing is to be done before a token, unless something is."""
        if not self._begun and token is not None:
            self._token = token
            self.changed.set()

    def taken(self) -> tuple[Token, list[dict[str, Any]]]:
        """Return the token behind all that is done without a gap, None if it is stored already, and what failed."""
        taken = self._token, self._failures
        self._token, self._failures = None, []
        self.changed.clear()
        return taken

    def put_back(self, token: Token, failures: list[dict[str, Any]]) -> None:
        """Take back what could not be stored."""
        self._token = token if self._token is None else self._token
        self._failures = failures + self._failures
        self.changed.set()
