"""How every call to an app's Data API proves itself, beside its caller: a secret in the query, or a signature."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from shared.app.model import DataAPI
from shared.errors import ValidationFailedError

SIGNATURE = "endpoint-signature"
_REFUSED = "request authorization failed"


def verify(data_api: DataAPI, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
    """Raise ValidationFailedError if `?secret=` or the header Endpoint-Signature is missing or wrong.

    The signature is `sha256=` and the HMAC of the raw body in hexadecimal digits; one colon before it is let pass,
    because the documentation prints one.
    """
    if data_api.validation == "NO_VALIDATION":
        return
    secret = (data_api.secret or "").encode()
    if data_api.validation == "SECRET_AS_QUERY_PARAM":
        expected, given = secret, query.get("secret", "")
    else:
        expected = f"sha256={hmac.new(secret, body, sha256).hexdigest()}".encode()
        given = headers.get(SIGNATURE, "").removeprefix(":")
    if not secret or not hmac.compare_digest(expected, given.encode(errors="surrogateescape")):
        raise ValidationFailedError(_REFUSED)
