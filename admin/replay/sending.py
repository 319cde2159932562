"""Requests to the deployment that is tried, one after the other."""

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from admin.process import StoppedError
from admin.replay.plan import NotSentError
from admin.replay.recording import LONGEST

_SECONDS = 120
_LOGINS = frozenset({"email", "password", "jwttokenstring"})
_CREDENTIALS = frozenset({"apikey", "api-key", "x-functions-key", "authorization"}) | _LOGINS
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,65536}")


class Reply(NamedTuple):
    """What the deployment answered."""

    status: int
    body: bytes


class Sender:
    """Sends actions over one connection."""

    def __init__(self, url: str, app_id: str, key: str | None, *, may_log_in: bool) -> None:
        """Take where to send, and the key to send; None sends the credentials that were recorded."""
        try:
            parts = urlsplit(url)
            is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port above 65535, or half an address
            is_url = False
        if not is_url or not parts.hostname:
            raise StoppedError(f"--url: {url!r} is no URL such as https://api.example.com")
        self._url = url
        self._path = f"{parts.path.rstrip('/')}/app/{quote(app_id, safe='')}/endpoint/data/v1/action/"
        self._key = key
        self._may_log_in = may_log_in
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
        """Send a call; what reads is sent again where the connection had ended.

        Raise StoppedError without a reply, and where the key is none, as no other call would be answered either.
        """
        sent = self._headers(headers)
        try:
            reply = self._sent(action, sent, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            if may_repeat and isinstance(error, http.client.RemoteDisconnected | BrokenPipeError):
                return self.send(action, headers, body, may_repeat=False)
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise StoppedError(f"{self._url} does not answer {action}: {reason}") from None
        if self._key is not None and reply.status == HTTPStatus.UNAUTHORIZED:
            raise StoppedError(f"{self._url} does not know this key, or it has ended: see dozen keys list")
        return reply

    def refuse(self, headers: Mapping[str, str]) -> None:
        """Raise NotSentError for a call whose recorded credentials log in: that is stored, and may make a user."""
        sent = {name.lower(): value for name, value in self._headers(headers).items()}
        is_login = bool(sent.keys() & _LOGINS) or sent.get("authorization", "").strip().lower().startswith("basic")
        if self._key is None and is_login and not self._may_log_in:
            raise NotSentError("its credentials log in, which is stored: --logins sends it")

    def _headers(self, recorded: Mapping[str, str]) -> dict[str, str]:
        """Return what is sent of the recorded headers; raise NotSentError where one cannot be."""
        kept = {"content-type", "accept"} | (_CREDENTIALS if self._key is None else set())
        sent = {name: value for name, value in recorded.items() if name in kept}
        if not all(map(_HEADER.fullmatch, sent.values())):
            raise NotSentError("a header of it cannot be sent")
        return {"content-type": "application/json"} | sent | ({} if self._key is None else {"apiKey": self._key})

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
