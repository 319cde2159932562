"""What users do that triggers of the app are told of: stored with what they did, and kept until that is told."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bson.objectid import ObjectId
from pymongo import ReturnDocument

from shared.auth.accounts import User
from shared.auth.user_view import user_view
from shared.mongo.control import USER_EVENTS, Control
from shared.mongo.deadlines import Session
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.app.exported import ExportedApp
    from shared.app.model import AuthenticationOperation, AuthenticationTrigger

type Effect = Callable[[Session | None], Awaitable[User | None]]
"""Changes what is stored, in a transaction if there is one; returns whom triggers are told of, None for nobody."""

_MARGIN = timedelta(seconds=60)  # how far the clocks of two processes may differ


class Untold(NamedTuple):
    """What a trigger has not been told yet."""

    id: ObjectId
    trigger: str
    event: dict[str, Any]
    tries: int = 1


class Witness(Protocol):
    """What a call does for the app while users come, log in and go."""

    async def creating(self, user: User) -> None:
        """Do what the app asks for before a user is stored; what is raised keeps the user from being stored."""

    def happened(self, untold: Sequence[Untold]) -> None:
        """Take what is stored and left for this call to tell."""


class UserEvents:
    """The events of users, in the control database."""

    def __init__(self, control: Control, exported: "ExportedApp", settings: Settings) -> None:
        """Take where events are kept, and whose triggers are told."""
        self._control = control
        self._exported = exported
        self._due = timedelta(milliseconds=settings.mongo_db_timeout_ms) + _MARGIN

    async def follow(
        self,
        operation: "AuthenticationOperation",
        provider: str | None,
        effect: Effect,
        witness: Witness | None = None,
    ) -> User | None:
        """Do an effect; if triggers follow, store in the same transaction what they are to be told.

        `provider` is that of the effect, None for all that the user has. Without a witness it is left over at once.
        """
        triggers = [
            each
            for each in self._exported.authentication_triggers
            if operation in each.operations and (provider is None or provider in each.providers)
        ]
        if not triggers:
            return await effect(None)
        await self._control.ensure_indexes(USER_EVENTS)

        async def work(session: Session) -> tuple[User | None, list[Untold]]:
            user = await effect(session)
            untold = [] if user is None else _untold(operation, provider, user, triggers)
            due = datetime.now(UTC) + (timedelta() if witness is None else self._due)
            tries = 0 if witness is None else 1
            for each in untold:
                stored = {"_id": each.id, "trigger": each.trigger, "event": each.event, "tries": tries, "due": due}
                await self._control.user_events.insert_one(stored, session=session)
            return user, untold

        user, untold = await self._control.transaction(work)
        if witness is not None:
            witness.happened(untold)
        return user

    async def told(self, untold: Untold) -> None:
        """Forget what was told."""
        await self._control.user_events.delete_one({"_id": untold.id})

    async def left_over(self) -> Untold | None:
        """Take over what a process should have told long ago and has not; nobody else has it for as long again."""
        now = datetime.now(UTC)
        stored = await self._control.user_events.find_one_and_update(
            {"due": {"$lte": now}},
            {"$set": {"due": now + self._due}, "$inc": {"tries": 1}},
            sort=[("due", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return None if stored is None else Untold(stored["_id"], stored["trigger"], stored["event"], stored["tries"])

    def function_of(self, trigger: str) -> str | None:
        """Return the function of a trigger by name, None if the app has none such any more."""
        triggers = self._exported.authentication_triggers
        return next((each.function for each in triggers if each.name == trigger), None)


def _untold(
    operation: "AuthenticationOperation",
    provider: str | None,
    user: User,
    triggers: "Collection[AuthenticationTrigger]",
) -> list[Untold]:
    providers = [each["provider_type"] for each in user.identities] if provider is None else [provider]
    event: dict[str, Any] = {
        "operationType": operation,
        "providers": list(dict.fromkeys(providers)),
        "user": user_view(user, {}),
        "time": datetime.now(UTC),
    }
    return [
        Untold(ObjectId(), each.name, event) for each in triggers if not each.providers.isdisjoint(event["providers"])
    ]
