"""Commands that change a collection or its indexes."""

from collections.abc import Sequence
from typing import Any

from pymongo import ReadPreference

from shared.documents.ejson import Document
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import server_deadline
from shared.settings import Settings


async def change(target: Collection, command: Document, settings: Settings, *, allowed: Sequence[int] = ()) -> Any:
    """Return the reply to a command, acknowledged as a write is; whether it may have happened is noted as of a write.

    A reply with one of the `allowed` codes is none that fails.
    """
    database = target.database

    async def attempt(session: Any, connection: Any, _is_retryable: bool) -> Any:
        return await connection.command(
            database.name,
            command,
            ReadPreference.PRIMARY,
            RAW,
            allowable_errors=allowed,
            write_concern=target.write_concern,
            parse_write_concern_error=True,
            session=session,
            client=database.client,
        )

    async with server_deadline(target, settings.mongo_db_timeout_ms):
        return await database.client._retryable_write(False, attempt, None, next(iter(command)))
