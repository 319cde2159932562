"""Custom user data: the document of the app's own database that belongs to a user."""

from collections.abc import Mapping
from typing import Any

import bson

from shared.app.exported import ExportedApp
from shared.documents.elements import OPTIONS
from shared.mongo.clients import Clients


class CustomData:
    """The collection that the app names for it."""

    def __init__(self, clients: Clients, exported: ExportedApp) -> None:
        """Take where it is, and what names it."""
        self._clients = clients
        self._exported = exported

    async def of(self, user_id: str) -> Mapping[str, Any] | None:
        """Return the document whose field holds the user's id as a string; None if there is none, or no collection."""
        app = self._exported.app
        if app is None or app.custom_user_data is None:
            return None
        place = app.custom_user_data
        target = self._clients.collection(place.service, place.database, place.collection)
        found: Any = await target.find_one({place.user_id_field: user_id})
        return None if found is None else bson.decode(found.raw, OPTIONS)

    @property
    def is_fetched(self) -> bool:
        """Whether calls with credentials in their headers have it, as those with an access token do."""
        app = self._exported.app
        return app is not None and app.data_api.fetch_custom_user_data
