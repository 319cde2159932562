"""The webhook that sends mail: what it is told, it sends to the user."""

import asyncio
import urllib.request
from urllib.error import URLError
from urllib.parse import urlencode

import orjson

from shared import settings
from shared.auth.confirmations import Purpose
from shared.errors import UnavailableError

_SECONDS = 10


async def send(purpose: Purpose, email: str, token: str, token_id: str, page: str) -> None:
    """Hand a token to MAIL_WEBHOOK_URL; without one the token waits for an operator, who can print another.

    Raise UnavailableError if the webhook does not take it.
    """
    webhook = settings.current().mail_webhook_url
    if not webhook:
        return
    url = f"{page}?{urlencode({'token': token, 'tokenId': token_id})}" if page else ""
    message = {"kind": purpose, "email": email, "token": token, "tokenId": token_id, "url": url}
    try:
        await asyncio.to_thread(_post, webhook, orjson.dumps(message))
    except (URLError, OSError, ValueError) as error:
        raise UnavailableError("the mail cannot be sent now") from error


def _post(webhook: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310  the settings allow http and https only
        webhook, body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=_SECONDS).close()  # noqa: S310
