"""Tokens that prove an e-mail address, to confirm it or to reset its password: stored as hashes, used once."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, Literal

from bson.errors import InvalidId
from bson.objectid import ObjectId

from shared.errors import BadRequestError
from shared.mongo.control import CONFIRMATIONS, Control

type Purpose = Literal["confirm", "reset"]

LIFE = timedelta(minutes=30)
_TOKEN_BYTES = 64
_INVALID = "invalid token data"


class Confirmations:
    """The tokens that are out."""

    def __init__(self, control: Control) -> None:
        """Take where their hashes are stored."""
        self._control = control

    async def issue(self, user_id: str, purpose: Purpose) -> tuple[str, str]:
        """Return a token and its id, to be sent to the user; those that were issued before stop working."""
        await self.withdraw(user_id, purpose)
        return await self.add(user_id, purpose)

    async def add(self, user_id: str, purpose: Purpose) -> tuple[str, str]:
        """Return the same beside those that were issued before."""
        await self._control.ensure_indexes(CONFIRMATIONS)
        token, token_id = token_hex(_TOKEN_BYTES), ObjectId()
        await self._control.confirmations.insert_one({
            "_id": token_id, "user_id": ObjectId(user_id), "kind": purpose, "hash": _hash(token),
            "expires": datetime.now(UTC) + LIFE,
        })  # fmt: skip
        return token, str(token_id)

    async def withdraw(self, user_id: str, purpose: Purpose, before: str | None = None) -> None:
        """Let a user's tokens be of no use any more, or those that were issued before one: of two at once one stays."""
        chosen: dict[str, Any] = {"user_id": ObjectId(user_id), "kind": purpose}
        if before is not None:
            chosen["_id"] = {"$lt": ObjectId(before)}
        await self._control.confirmations.delete_many(chosen)

    async def remove(self, token_id: str) -> None:
        """Let one token be of no use any more."""
        await self._control.confirmations.delete_one({"_id": ObjectId(token_id)})

    async def is_out(self, user_id: str, purpose: Purpose) -> bool:
        """Tell whether a user has a token that still works."""
        out = {"user_id": ObjectId(user_id), "kind": purpose, "expires": {"$gt": datetime.now(UTC)}}
        return await self._control.confirmations.find_one(out) is not None

    async def find(self, token: str, token_id: str, purpose: Purpose) -> dict[str, Any]:
        """Return what is stored of a token; raise BadRequestError if it is not valid."""
        try:
            chosen = {"_id": ObjectId(token_id), "kind": purpose}
        except InvalidId:
            raise BadRequestError(_INVALID) from None
        stored = await self._control.confirmations.find_one(chosen)
        if stored is None or not hmac.compare_digest(stored["hash"], _hash(token)):
            raise BadRequestError(_INVALID)
        if stored["expires"].replace(tzinfo=UTC) < datetime.now(UTC):  # TTL indexes work once a minute
            raise BadRequestError(_INVALID)
        return stored

    async def take(self, token: str, token_id: str, purpose: Purpose) -> str:
        """Return the id of the user whose token this is, once; raise BadRequestError if it is not valid."""
        stored, collection = await self.find(token, token_id, purpose), self._control.confirmations
        if not (await collection.delete_one({"_id": stored["_id"]})).deleted_count:  # two at once: one was first
            raise BadRequestError(_INVALID)
        user_id = str(stored["user_id"])
        await self.withdraw(user_id, purpose)  # others issued at the same time
        return user_id


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
