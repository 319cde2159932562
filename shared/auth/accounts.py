"""Whoever can hold a session: a user, or a server key, which is a user by itself (its id is the key's)."""

from collections.abc import Mapping
from typing import Any

from shared.auth import keys, users
from shared.auth.users import User

SERVER = "server"


async def find(account_id: str) -> User | None:
    """Return a user by id, or the user that a working server key is; None for nobody, and for a system key."""
    return await users.find(account_id) or await server(account_id)


async def server(key_id: str) -> User | None:
    """Return the user that a key is by itself; None if the key is not there, is disabled, or is no such key."""
    stored = await keys.working(key_id)
    if stored is None or stored.get("system") or stored.get("user_id"):
        return None
    return of_key(stored)


def of_key(stored: Mapping[str, Any]) -> User:
    """Return the user that a server key is, of what is stored of the key."""
    key_id = str(stored["_id"])
    identities = [{"id": key_id, "provider_type": "api-key", "provider_id": key_id}]
    return User(
        id=key_id, identities=identities, data={"name": stored["name"]}, created=stored.get("created"), type=SERVER
    )
