"""Identities that users get beside their first one."""

from collections.abc import Mapping
from typing import Any

from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError

from shared.auth.accounts import User
from shared.auth.users import EMAIL_PASSWORD, identity_of
from shared.errors import BadRequestError, LoginRefusedError
from shared.mongo.control import USERS, Control
from shared.mongo.deadlines import Session


class Links:
    """Adds identities to users."""

    def __init__(self, control: Control) -> None:
        """Take where users are stored."""
        self._control = control

    async def link(self, user_id: str, provider_type: str, identity: str, data: Mapping[str, Any]) -> None:
        """Add an identity to a user; raise LoginRefusedError if it is somebody else's."""
        await self._control.ensure_indexes(USERS)
        try:
            await self._link(user_id, identity_of(provider_type, identity), data, {}, None)
        except DuplicateKeyError:
            raise LoginRefusedError("unauthorized") from None

    async def link_registered(self, user_id: str, registered: User) -> None:
        """Make a registration that nobody has logged in with another identity of a user, with its password.

        Raise LoginRefusedError if somebody was first, BadRequestError if the user has an address already.
        """

        async def move(session: Session) -> None:
            # gone before it comes: identities are unique
            stored = await self._control.users.find_one_and_delete(
                {"_id": ObjectId(registered.id), "pending": True, "disabled": False, "confirmed": True}, session=session
            )
            if stored is None:
                raise LoginRefusedError("unauthorized")
            [identity] = stored["identities"]
            others = {"password": stored["password"], "confirmed": True}
            if not await self._link(user_id, identity, stored["data"], others, session):
                raise BadRequestError("the user has an e-mail address already: only one can be linked")

        await self._control.ensure_indexes(USERS)
        await self._control.transaction(move)

    async def _link(
        self,
        user_id: str,
        identity: Mapping[str, Any],
        data: Mapping[str, Any],
        members: Mapping[str, Any],
        session: Session | None,
    ) -> bool:
        """Add an identity, and what comes with it, unless the user has it, or one with an address like it."""
        named = {"provider_type": identity["provider_type"], "id": identity["id"]}
        if identity["provider_type"] == EMAIL_PASSWORD:
            del named["id"]  # there is one password
        changed = {
            f"data.{name}": value for name, value in data.items() if "." not in name and not name.startswith("$")
        }
        changed |= members
        result = await self._control.users.update_one(
            {"_id": ObjectId(user_id), "identities": {"$not": {"$elemMatch": named}}},
            {
                "$push": {"identities": dict(identity)},
                "$unset": {"expires": ""},  # not anonymous any more
                **({"$set": changed} if changed else {}),
            },
            session=session,
        )
        return result.matched_count == 1
