"""Requests to the deployment that is tried, one after the other."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from admin.process import StoppedError
from admin.replay.recording import LONGEST

_SECONDS = 120
CREDENTIALS = ("apikey", "api-key", "x-functions-key", "authorization", "email", "password", "jwttokenstring")


class Reply(NamedTuple):
    """What the deployment answered."""

    status: int
    body: bytes


class Sender:
    """Sends actions over one connection."""

    def __init__(self, url: str, app_id: str, key: str | None) -> None:
        """Take where to send, and the key to send; None sends the credentials that were recorded."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StoppedError(f"--url: {url!r} is no URL such as https://api.example.com")
        self._url = url
        self._path = f"{parts.path.rstrip('/')}/app/{app_id}/endpoint/data/v1/action/"
        self._key = key
        self._connection = (
            http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
            if parts.scheme == "http"
            else http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_SECONDS, context=ssl.create_default_context()
            )
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, action: str, headers: Mapping[str, str], body: bytes, *, may_repeat: bool) -> Reply:
        """Send a call; what reads is sent again where the connection had ended. Raise StoppedError without a reply."""
        kept = {"content-type", "accept", *(CREDENTIALS if self._key is None else ())}
        sent = {name: value for name, value in headers.items() if name in kept}
        sent = {"content-type": "application/json"} | sent | ({} if self._key is None else {"apiKey": self._key})
        try:
            return self._sent(action, sent, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            if may_repeat and isinstance(error, http.client.RemoteDisconnected | BrokenPipeError):
                return self.send(action, headers, body, may_repeat=False)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise StoppedError(f"{self._url} does not answer {action}: {reason}") from None

    def _sent(self, action: str, headers: dict[str, str], body: bytes) -> Reply:
        self._connection.request("POST", self._path + action, body, headers)
        response = self._connection.getresponse()
        found = response.read(LONGEST + 1)
        if len(found) > LONGEST:
            self._connection.close()
        return Reply(response.status, found)


def parsed(body: bytes) -> Any:
    """Return a reply as values of JSON, or as its bytes in hexadecimal where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.hex()
