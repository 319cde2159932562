"""Responses whose body stays in parts, so that a large one is in memory once."""

from collections.abc import Mapping

import azure.functions as func


class PartedResponse(func.HttpResponse):
    """A response that `server` sends part by part; in Azure's host they are put together."""

    def __init__(
        self, parts: list[bytes], *, status_code: int, headers: Mapping[str, str], mimetype: str, charset: str = "utf-8"
    ) -> None:
        """Take the parts, which whoever sends them may drop."""
        super().__init__(status_code=status_code, headers=headers, mimetype=mimetype, charset=charset)
        self.parts = parts
        self.size = sum(map(len, parts))

    def get_body(self) -> bytes:
        """Return all parts as one."""
        return b"".join(self.parts)


def size_of(response: func.HttpResponse) -> int:
    """Return how many bytes a response has."""
    return response.size if isinstance(response, PartedResponse) else len(response.get_body())
