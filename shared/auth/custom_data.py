"""Custom user data: the document of the app's own database that belongs to a user."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.documents.elements import decoded
from shared.errors import BadRequestError
from shared.mongo.clients import Clients
from shared.rules.values import path, walk

if TYPE_CHECKING:
    from shared.app.exported import ExportedApp


class CustomData:
    """The collection that the app names for it."""

    def __init__(self, clients: Clients, exported: "ExportedApp") -> None:
        """Take where it is, and what names it."""
        self._clients = clients
        self._exported = exported

    async def of(self, user_id: str) -> Mapping[str, Any] | None:
        """Return the document whose field is the user's id as a string; None if there is none, or no collection.

        An array that has the id among others is somebody else's, and so is what a collation takes for it.
        """
        app = self._exported.app
        if app is None or app.custom_user_data is None:
            return None
        place = app.custom_user_data
        target: Any = self._clients.collection(place.service, place.database, place.collection)
        is_id = {"$eq": [f"${place.user_id_field}", user_id]}
        async with target.find({place.user_id_field: user_id, "$expr": is_id}) as cursor:
            async for found in cursor:
                document = decoded(found.raw)
                if walk(document, path(place.user_id_field)) == user_id:
                    return document
        return None

    @property
    def is_named(self) -> bool:
        """Whether the app names a collection."""
        return self._exported.app is not None and self._exported.app.custom_user_data is not None

    async def add(self, user_id: str, document: Mapping[str, Any]) -> bool:
        """Store the document of a user who has none, in the collection that is named; return whether it was stored.

        Raise BadRequestError for one of somebody else, DuplicateKeyError if another document has its _id.
        """
        app = self._exported.app
        if app is None or app.custom_user_data is None or await self.of(user_id) is not None:
            return False
        place = app.custom_user_data
        if "." not in place.user_id_field:
            document = {place.user_id_field: user_id} | dict(document)
        if walk(dict(document), path(place.user_id_field)) != user_id:
            raise BadRequestError(f"'{place.user_id_field}' of 'custom_data' is not the user's id")
        target = self._clients.collection(place.service, place.database, place.collection)
        await target.insert_one(dict(document))
        return True

    @property
    def is_fetched(self) -> bool:
        """Whether calls with credentials in their headers have it, as those with an access token do."""
        app = self._exported.app
        return app is not None and app.data_api.fetch_custom_user_data
