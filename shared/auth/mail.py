"""The webhook that sends mail to users."""

import asyncio
import urllib.request
from urllib.error import URLError
from urllib.parse import urlencode

import orjson

from shared.auth.confirmations import Purpose
from shared.errors import Unavailable, UnavailableError

_SECONDS = 10


async def send(webhook: str, purpose: Purpose, email: str, token: tuple[str, str], page: str) -> None:
    """Post a token and its id to MAIL_WEBHOOK_URL; without one they wait for an operator, who can print others.

    Raise UnavailableError if the webhook does not take it.
    """
    if not webhook:
        return
    text, token_id = token
    url = f"{page}?{urlencode({'token': text, 'tokenId': token_id})}" if page else ""
    message = {"kind": purpose, "email": email, "token": text, "tokenId": token_id, "url": url}
    try:
        await asyncio.to_thread(_post, webhook, orjson.dumps(message))
    except (URLError, OSError, ValueError) as error:
        raise UnavailableError(Unavailable.NO_MAIL) from error


def _post(webhook: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310  the settings allow http and https only
        webhook, body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=_SECONDS).close()  # noqa: S310
