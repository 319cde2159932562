"""updateOne, updateMany, replaceOne."""

from typing import Any

import azure.functions as func
from msgspec import field

from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Call, action
from shared.errors import InvalidParameterError
from shared.requests import Upsertable

bp = func.Blueprint()


class Update(Upsertable, frozen=True, kw_only=True):
    """The members of updateOne and updateMany; `update` may be a pipeline."""

    filter: Document
    update: Document | list[Document]
    array_filters: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for a whole document: that would replace what it meets."""
        super().__post_init__()
        if not self.update or (isinstance(self.update, dict) and not all(key.startswith("$") for key in self.update)):
            raise InvalidParameterError("'update' must hold update operators only")

    def interpreted(self) -> tuple[Any, ...]:
        """A pipeline is all expressions; of the update operators only $pull takes a condition, the rest take data."""
        changes = self.update if isinstance(self.update, list) else self.update.get("$pull")
        return self.filter, self.array_filters, changes


class ReplaceOne(Upsertable, frozen=True, kw_only=True):
    """The members of replaceOne."""

    filter: Document
    replacement: Document

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for update operators."""
        super().__post_init__()
        if any(key.startswith("$") for key in self.replacement):
            raise InvalidParameterError("'replacement' must not hold update operators")

    def interpreted(self) -> tuple[Any, ...]:
        """The replacement is stored as it is."""
        return (self.filter,)


@bp.route(ACTION_ROUTE + "updateOne", methods=ALL_METHODS)
@action("updateOne")
async def update_one(call: Call) -> bytes:
    """Change the first document that matches."""
    asked = call.typed(Update)
    return await call.access(asked).update_one(
        asked.filter, asked.update, asked.array_filters or None, upsert=bool(asked.upsert)
    )


@bp.route(ACTION_ROUTE + "updateMany", methods=ALL_METHODS)
@action("updateMany")
async def update_many(call: Call) -> bytes:
    """Change all documents that match."""
    asked = call.typed(Update)
    return await call.access(asked).update_many(
        asked.filter, asked.update, asked.array_filters or None, upsert=bool(asked.upsert)
    )


@bp.route(ACTION_ROUTE + "replaceOne", methods=ALL_METHODS)
@action("replaceOne")
async def replace_one(call: Call) -> bytes:
    """Put another document in the place of the first that matches; its _id stays."""
    asked = call.typed(ReplaceOne)
    return await call.access(asked).replace_one(asked.filter, asked.replacement, upsert=bool(asked.upsert))
