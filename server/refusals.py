"""What the server answers by itself, before any function: why this is no request, or that there is no place."""

from http import HTTPStatus
from typing import Any

import azure.functions as func


class RefusedError(Exception):
    """Bytes that are no request to serve; the connection ends with this status."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        """Take the status, and the line of text that is its body."""
        super().__init__(text)
        self.status = status

    def response(self) -> bytes:
        """Return the response as it is sent."""
        text = f"{self}\n".encode()
        lines = [f"HTTP/1.1 {self.status} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in self._headers(text)]
        return "\r\n".join([*lines, "", ""]).encode() + text

    async def answer(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer a request of a pipeline when it is its turn: an application of ASGI."""
        text = f"{self}\n".encode()
        headers = [(name.encode(), value.encode()) for name, value in self._headers(text)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    def _headers(self, text: bytes) -> list[tuple[str, str]]:
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("content-length", str(len(text))),
            ("connection", "close"),
        ]
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("retry-after", "5"))
        return headers


def rendered(response: func.HttpResponse) -> bytes:
    """Return the bytes of a response on a connection that stays open."""
    status, body = HTTPStatus(response.status_code), response.get_body()
    lines = [f"HTTP/1.1 {status} {status.phrase}"]
    lines += [f"{name.lower()}: {value}" for name, value in response.headers.items()]
    lines += [f"content-type: {response.mimetype}", "x-content-type-options: nosniff", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
