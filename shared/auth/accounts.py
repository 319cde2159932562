"""Who calls: users, and server keys, which are users by themselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from shared.auth.quota import Quota

SERVER = "server"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, or a server key; the password's hash is left out of its repr."""

    id: str
    identities: list[dict[str, Any]]
    data: dict[str, Any]
    disabled: bool = False
    confirmed: bool = True
    new: bool = False
    pending: bool = False
    password: str | None = None
    created: datetime | None = None
    revoked: datetime | None = None
    revocations: int = 0
    """How often all tokens were ended: those that were made of what was known of the user before are of no use."""
    type: str = "normal"

    def __repr__(self) -> str:
        """Name the user by id only."""
        return f"User(id={self.id!r})"


class LoginKey(NamedTuple):
    """The API key that somebody logs in with; what it begins ends when it does."""

    id: str
    ends: datetime | None
    secret: str = ""
    """What tells its secret from others that the key has or had."""


class Caller(msgspec.Struct, frozen=True):
    """A caller: `id` is what the log has, `user` is `%%user`.

    A system caller is bound by no rules; a server caller is an API key of its own; the others are users.
    """

    id: str
    kind: Literal["system", "server", "normal"] = "normal"
    user: Mapping[str, Any] = {}
    quota: Quota | None = None
    """How much the key may do with which the caller came."""

    @property
    def is_system(self) -> bool:
        """Whether no rules apply."""
        return self.kind == "system"


NOBODY = Caller("", "system", {"type": "system", "data": {}, "identities": []})
"""Who calls the functions that nobody calls: no rules bind it, and it has no id."""


def server_key(key_id: str, name: str, created: datetime | None = None) -> User:
    """Return the user that an API key is by itself: its id is the key's."""
    identity = {"id": key_id, "provider_type": "api-key", "provider_id": key_id}
    return User(id=key_id, identities=[identity], data={"name": name}, created=created, type=SERVER)
