"""Tokens that prove an e-mail address, to confirm it or to reset its password: stored as hashes, used once."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, Literal

from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from shared.errors import BadRequestError
from shared.mongo import clients as mongo

CONFIRMATIONS = "confirmations"
"""The collection of {_id, user_id, kind, hash, expires}; `expires` has a TTL index."""

type Purpose = Literal["confirm", "reset"]

LIFE = timedelta(minutes=30)
_TOKEN_BYTES = 64


async def issue(user_id: str, purpose: Purpose) -> tuple[str, str]:
    """Return a token and its id, to be sent to the user; those that were issued before stop working."""
    await _collection().create_index("expires", expireAfterSeconds=0)
    token, token_id = token_hex(_TOKEN_BYTES), ObjectId()
    await _collection().delete_many({"user_id": ObjectId(user_id), "kind": purpose})
    await _collection().insert_one({
        "_id": token_id, "user_id": ObjectId(user_id), "kind": purpose, "hash": _hash(token),
        "expires": datetime.now(UTC) + LIFE,
    })  # fmt: skip
    return token, str(token_id)


async def take(token: str, token_id: str, purpose: Purpose) -> str:
    """Return the id of the user whose token this is, once; raise BadRequestError if it is not valid."""
    try:
        chosen = {"_id": ObjectId(token_id), "kind": purpose}
    except InvalidId:
        raise BadRequestError("invalid token data") from None
    stored = await _collection().find_one(chosen)
    if stored is None or not hmac.compare_digest(stored["hash"], _hash(token)):
        raise BadRequestError("invalid token data")
    if stored["expires"].replace(tzinfo=UTC) < datetime.now(UTC):  # TTL indexes work once a minute
        raise BadRequestError("invalid token data")
    if not (await _collection().delete_one(chosen)).deleted_count:  # two calls at once: one of them was first
        raise BadRequestError("invalid token data")
    await _collection().delete_many({"user_id": stored["user_id"], "kind": purpose})  # others issued at the same time
    return str(stored["user_id"])


def _collection() -> AsyncCollection[dict[str, Any]]:
    return mongo.control_database()[CONFIRMATIONS]


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
