"""Custom user data: the document of the app's own database that belongs to a user."""

from collections.abc import Mapping
from typing import Any

import bson

from shared import app
from shared.mongo import clients as mongo
from shared.rules.ruleset import OPTIONS


async def of(user_id: str) -> Mapping[str, Any] | None:
    """Return the document whose field holds the user's id as a string; None if there is none, or none is configured."""
    known = app.current()
    if known is None or known.custom_user_data is None:
        return None
    place = known.custom_user_data
    target = mongo.collection(place.service, place.database, place.collection)
    found: Any = await target.find_one({place.user_id_field: user_id})
    return None if found is None else bson.decode(found.raw, OPTIONS)
