"""findOneAndUpdate, findOneAndReplace, findOneAndDelete."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.documents.stored import Stored
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Place, Placed
from shared.options import OF_WRITES
from shared.requests import Request, Returned, sort_keys
from shared.rules.ruleset import could_delete, could_update
from shared.writes import Replacement, Update

bp = Actions()

_STORED = Stored("replacement", are_new=False)


class FindOneAndUpdate(Update, frozen=True, kw_only=True):
    """The members of findOneAndUpdate; `update` may be a pipeline."""

    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)
    return_document: str = "Before"

    def interpreted(self) -> tuple[Placed, ...]:
        """Those of an update, and of what is returned."""
        return *super().interpreted(), (Place.PROJECTION, self.projection), (Place.SORT, self.sort)


class FindOneAndReplace(Replacement, frozen=True, kw_only=True):
    """The members of findOneAndReplace."""

    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)
    return_document: str = "Before"

    def interpreted(self) -> tuple[Placed, ...]:
        """Those of a replacement, and of what is returned."""
        return *super().interpreted(), (Place.PROJECTION, self.projection), (Place.SORT, self.sort)


class FindOneAndDelete(Request, frozen=True, kw_only=True):
    """The members of findOneAndDelete; without a filter nothing is deleted."""

    takes = OF_WRITES | {"collation", "hint", "let"}
    ignores = frozenset()

    filter: Document
    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)

    def interpreted(self) -> tuple[Placed, ...]:
        """All of it."""
        return (Place.QUERY, self.filter), (Place.PROJECTION, self.projection), (Place.SORT, self.sort)


def _returned(request: FindOneAndUpdate | FindOneAndReplace) -> Returned:
    if request.return_document not in {"Before", "After"}:
        raise InvalidParameterError('\'returnDocument\' must be "Before" or "After"')
    return Returned(request.projection, sort_keys(request.sort), request.return_document == "After")


@bp.route(ACTION_ROUTE + "findOneAndUpdate", methods=ALL_METHODS)
@bp.action("findOneAndUpdate", FindOneAndUpdate, reads=False, changes_one=True, could=could_update)
async def find_one_and_update(call: Call) -> Reply:
    """Change the first document that matches, and return it."""
    request = await call.typed(FindOneAndUpdate)
    returned = _returned(request)
    async with call.access(request) as access:
        return await access.find_one_and_update(
            request.filter, request.update, request.array_filters or None, returned, upsert=bool(request.upsert)
        )


@bp.route(ACTION_ROUTE + "findOneAndReplace", methods=ALL_METHODS)
@bp.action("findOneAndReplace", FindOneAndReplace, reads=False, changes_one=True, stores=_STORED, could=could_update)
async def find_one_and_replace(call: Call) -> Reply:
    """Put another document in the place of the first that matches, and return one of both."""
    request = await call.typed(FindOneAndReplace)
    returned = _returned(request)
    async with call.access(request) as access:
        return await access.find_one_and_replace(
            request.filter, request.replacement.content, returned, upsert=bool(request.upsert)
        )


@bp.route(ACTION_ROUTE + "findOneAndDelete", methods=ALL_METHODS)
@bp.action("findOneAndDelete", FindOneAndDelete, reads=False, changes_one=True, could=could_delete)
async def find_one_and_delete(call: Call) -> Reply:
    """Delete the first document that matches, and return it."""
    request = await call.typed(FindOneAndDelete)
    returned = Returned(request.projection, sort_keys(request.sort))
    async with call.access(request) as access:
        return await access.find_one_and_delete(request.filter, returned)
