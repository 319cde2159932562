"""How calls to a Data API or an endpoint prove themselves, beside their caller: a secret in the query, a signature."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from shared.app.model import Terms
from shared.errors import ValidationFailedError

SIGNATURE = "endpoint-signature"
_REFUSED = "request authorization failed"


def verify(
    terms: Terms, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, header: str = SIGNATURE
) -> None:
    """Raise ValidationFailedError if `?secret=` or the header of the signature is missing or wrong.

    The signature is `sha256=` and the HMAC of the raw body in hexadecimal digits; one colon before it is let pass,
    because the documentation prints one.
    """
    if terms.validation == "NO_VALIDATION":
        return
    secret = (terms.secret or "").encode()
    if terms.validation == "SECRET_AS_QUERY_PARAM":
        expected, given = secret, query.get("secret", "")
    else:
        expected = f"sha256={hmac.new(secret, body, sha256).hexdigest()}".encode()
        given = headers.get(header, "").removeprefix(":")
    if not secret or not hmac.compare_digest(expected, given.encode(errors="surrogateescape")):
        raise ValidationFailedError(_REFUSED)
