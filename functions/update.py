"""updateOne, updateMany, replaceOne."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.documents.stored import Stored
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Place, Placed
from shared.requests import StoredDocument, Upsertable

bp = Actions()


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

    def interpreted(self) -> tuple[Placed, ...]:
        """A pipeline is all expressions; of the update operators only $pull takes a condition, the rest take data."""
        changes = Place.PIPELINE if isinstance(self.update, list) else Place.UPDATE
        return (Place.QUERY, self.filter), (Place.QUERY, self.array_filters), (changes, self.update)

    def targets(self) -> tuple[list[Document], list[Document]]:
        """What operators change they name by paths, `$rename` on both sides; a pipeline is interpreted as a whole."""
        operators = {} if isinstance(self.update, list) else self.update
        named = [operand for operand in operators.values() if isinstance(operand, dict)]
        if isinstance(renamed := operators.get("$rename"), dict):
            named.append(dict.fromkeys(name for name in renamed.values() if type(name) is str))
        return named, self.array_filters


class ReplaceOne(Upsertable, frozen=True, kw_only=True):
    """The members of replaceOne."""

    filter: Document
    replacement: StoredDocument

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for update operators; what is BSON already has none."""
        super().__post_init__()
        content = self.replacement.content
        if type(content) is dict and any(key.startswith("$") for key in content):
            raise InvalidParameterError("'replacement' must not hold update operators")

    def interpreted(self) -> tuple[Placed, ...]:
        """The replacement is stored as it is."""
        return ((Place.QUERY, self.filter),)


@bp.route(ACTION_ROUTE + "updateOne", methods=ALL_METHODS)
@bp.action("updateOne", reads=False)
async def update_one(call: Call) -> Reply:
    """Change the first document that matches."""
    request = await call.typed(Update)
    async with call.access(request) as access:
        return await access.update_one(
            request.filter, request.update, request.array_filters or None, upsert=bool(request.upsert)
        )


@bp.route(ACTION_ROUTE + "updateMany", methods=ALL_METHODS)
@bp.action("updateMany", reads=False)
async def update_many(call: Call) -> Reply:
    """Change all documents that match."""
    request = await call.typed(Update)
    async with call.access(request) as access:
        return await access.update_many(
            request.filter, request.update, request.array_filters or None, upsert=bool(request.upsert)
        )


@bp.route(ACTION_ROUTE + "replaceOne", methods=ALL_METHODS)
@bp.action("replaceOne", reads=False, stores=Stored("replacement", are_new=False))
async def replace_one(call: Call) -> Reply:
    """Put another document in the place of the first that matches; its _id stays."""
    request = await call.typed(ReplaceOne)
    async with call.access(request) as access:
        return await access.replace_one(request.filter, request.replacement.content, upsert=bool(request.upsert))
