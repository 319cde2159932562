"""What every token of another issuer goes through: its signature and its times, and whom it speaks of."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import bson
from bson.errors import BSONError

from shared.app.model import MetadataField
from shared.auth.printable import is_printable
from shared.errors import LoginRefusedError
from shared.rules.values import MISSING, walk

LONGEST = 1_000_000
REFUSED = "unauthorized"
_LONGEST_ID = 1_024
_LARGEST_METADATA = 4_096  # bytes of BSON


class Subject(NamedTuple):
    """Whom a token speaks of: the id that its issuer knows, and what the app keeps of it."""

    id: str
    data: dict[str, Any]
    unsaid: frozenset[str] = frozenset()
    """What the app keeps of others, and the issuer does not say of this one: it counts no more."""


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse a login for whatever is wrong with a token: its claims may be any JSON."""
    import jwt  # noqa: PLC0415  only the process that logs somebody in pays for it

    try:
        yield
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise LoginRefusedError(REFUSED) from None


def header_of(token: str, algorithm: str) -> dict[str, Any]:
    """Return the header of a token of this algorithm; raise LoginRefusedError: no token chooses how it is verified."""
    import jwt  # noqa: PLC0415

    if len(token) > LONGEST:
        raise LoginRefusedError(REFUSED)
    header = jwt.get_unverified_header(token)
    if header.get("alg") != algorithm:
        raise LoginRefusedError(REFUSED)
    return header


def claims_of(
    token: str, keys: Sequence[Any], algorithm: str, leeway: int, required: Sequence[str] = ("exp", "sub")
) -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed and whose time it is; audience and issuer are open."""
    import jwt  # noqa: PLC0415

    options: Any = {"require": list(required), "verify_aud": False}
    for key in keys:
        try:
            return dict(jwt.decode(token, key, algorithms=[algorithm], leeway=leeway, options=options))
        except jwt.InvalidSignatureError:
            continue
    raise LoginRefusedError(REFUSED)


def subject_of(claims: Mapping[str, Any], fields: Sequence[MetadataField]) -> Subject:
    """Return whom claims speak of; raise LoginRefusedError if that is nobody, or a required field is missing."""
    sub = claims["sub"]
    if not isinstance(sub, str) or not 0 < len(sub) <= _LONGEST_ID or not is_printable(sub):
        raise LoginRefusedError(REFUSED)
    return Subject(sub, _metadata(claims, fields))


def _metadata(claims: Mapping[str, Any], fields: Sequence[MetadataField]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in fields:
        value = walk(dict(claims), field.path)
        if value is not MISSING:
            data[field.target] = value
        elif field.required:
            raise LoginRefusedError(REFUSED)
    try:
        size = len(bson.encode(data))
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError):  # MongoDB cannot hold every JSON
        raise LoginRefusedError(REFUSED) from None
    if size > _LARGEST_METADATA:
        raise LoginRefusedError(REFUSED)
    return data
