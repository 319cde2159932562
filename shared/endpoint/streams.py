"""Responses that go on: `server` sends their pieces as they come, and Azure's host cannot have them."""

from collections.abc import AsyncGenerator, Callable, Mapping
from http import HTTPStatus
from typing import Protocol

import azure.functions as func


class Feed(Protocol):
    """What a response is fed from."""

    def pieces(self) -> AsyncGenerator[bytes]:
        """Give each piece when it is there; the last says why there are no more."""

    def tell(self, callback: Callable[[], object]) -> None:
        """Have this called when only the last piece is to come."""

    def leave(self) -> None:
        """Give no more: the client has left."""


class StreamedResponse(func.HttpResponse):
    """A response without an end of its own."""

    def __init__(self, feed: Feed, *, headers: Mapping[str, str], mimetype: str) -> None:
        """Take what it is fed from; it has a place to leave as soon as this is made."""
        super().__init__(status_code=HTTPStatus.OK, headers=headers, mimetype=mimetype)
        self.feed = feed
