"""What is told of a collection only where nothing of it is hidden from the caller: its indexes.

An index names fields and may hold values.
"""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import OperationFailure

from shared.access.full import FullAccess
from shared.access.opening import Deployment, open_full
from shared.access.protocol import Reply
from shared.auth.accounts import Caller
from shared.documents import replies
from shared.documents.elements import decoded_all
from shared.documents.replies import Format
from shared.errors import NoRoleError
from shared.mongo import reads
from shared.requests import Request

_NO_NAMESPACE = 26


class WholeCollection:
    """One collection, of which the caller sees everything."""

    def __init__(self, full: FullAccess) -> None:
        """Take the access that no rule binds."""
        self._full = full

    async def list_indexes(self) -> Reply:
        """Return the indexes, none where there is no such collection."""
        full = self._full
        command = {"listIndexes": full.target.name}
        try:
            batch = await reads.listed(full.target, command | full.options.command, full.settings)
        except OperationFailure as error:
            if error.code != _NO_NAMESPACE:
                raise
            batch = b""
        indexes = decoded_all(batch) if batch else []
        return Reply([replies.reply({"indexes": indexes}, full.form, full.native)], len(indexes))


def open_whole(
    deployment: Deployment, request: Request, caller: Caller, request_view: Mapping[str, Any], form: Format
) -> WholeCollection:
    """Return what may be told of a collection; raise NoRoleError where something of it is hidden from the caller."""
    full, ruled = open_full(deployment, request, caller, request_view, form)
    if ruled is not None and not ruled.rights.hides_nothing:
        raise NoRoleError("no role lets you read all of the collection, which the reply would tell of")
    return WholeCollection(full)
