"""Identities that users get beside their first one."""

from collections.abc import Mapping
from typing import Any

from bson.objectid import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.auth.accounts import User
from shared.auth.user_events import UserEvents, Witness
from shared.auth.users import EMAIL_PASSWORD, identity_of, read_user
from shared.errors import BadRequestError, LoginRefusedError
from shared.mongo.control import USERS, Control
from shared.mongo.deadlines import Session


class Links:
    """Adds identities to users; triggers are told of one as of a user who comes."""

    def __init__(self, control: Control, events: UserEvents) -> None:
        """Take where users are stored, and what triggers are told of them by."""
        self._control = control
        self._events = events

    async def link(
        self, user: User, provider_type: str, identity: str, data: Mapping[str, Any], witness: Witness | None = None
    ) -> None:
        """Add an identity to a user, unless all tokens were ended meanwhile; raise LoginRefusedError for another's."""

        async def add(session: Session | None) -> User | None:
            return await self._link(user, identity_of(provider_type, identity), data, {}, session)

        await self._control.ensure_indexes(USERS)
        try:
            await self._events.follow("CREATE", provider_type, add, witness)
        except DuplicateKeyError:
            raise LoginRefusedError("unauthorized") from None

    async def link_registered(self, owner: User, registered: User, witness: Witness | None = None) -> None:
        """Make a registration that nobody has logged in with another identity of a user, with its password.

        Raise LoginRefusedError if somebody was first, BadRequestError if the user has an address already, or if all
        tokens were ended meanwhile.
        """

        async def move(session: Session) -> User:
            # gone before it comes: identities are unique
            stored = await self._control.users.find_one_and_delete(
                {"_id": ObjectId(registered.id), "pending": True, "disabled": False, "confirmed": True}, session=session
            )
            if stored is None:
                raise LoginRefusedError("unauthorized")
            [identity] = stored["identities"]
            others = {"password": stored["password"], "confirmed": True}
            user = await self._link(owner, identity, stored["data"], others, session)
            if user is None:
                raise BadRequestError("the user has an e-mail address already: only one can be linked")
            return user

        async def moved(session: Session | None) -> User:
            return await (self._control.transaction(move) if session is None else move(session))

        await self._control.ensure_indexes(USERS)
        await self._events.follow("CREATE", EMAIL_PASSWORD, moved, witness)

    async def _link(
        self,
        user: User,
        identity: Mapping[str, Any],
        data: Mapping[str, Any],
        members: Mapping[str, Any],
        session: Session | None,
    ) -> User | None:
        """Add an identity, and what comes with it, unless the user has it, or one with an address like it.

        Return the user if it was added.
        """
        named = {"provider_type": identity["provider_type"], "id": identity["id"]}
        if identity["provider_type"] == EMAIL_PASSWORD:
            del named["id"]  # there is one password
        changed = {
            f"data.{name}": value for name, value in data.items() if "." not in name and not name.startswith("$")
        }
        changed |= members
        stored = await self._control.users.find_one_and_update(
            {
                "_id": ObjectId(user.id),
                "identities": {"$not": {"$elemMatch": named}},
                "revocations": user.revocations or None,  # there is no number before the first
            },
            {
                "$push": {"identities": dict(identity)},
                "$unset": {"expires": ""},  # not anonymous any more
                **({"$set": changed} if changed else {}),
            },
            session=session,
            return_document=ReturnDocument.AFTER,
        )
        return None if stored is None else read_user(stored)
