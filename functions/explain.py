"""explain."""

from typing import Literal

from msgspec import field

from shared.access.protocol import Reply
from shared.access.whole import open_whole
from shared.documents.ejson import Document
from shared.documents.shapes import narrowed
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError, MissingParameterError
from shared.guard.joins import written_by
from shared.mongo.reads import LIMIT
from shared.operators import Place, Placed
from shared.options import OF_ALL, whole
from shared.requests import DEFAULT_LIMIT, MAX_LIMIT, ExactRequest, sort_keys
from shared.rules.ruleset import could_see_all

bp = Actions()


class Explain(ExactRequest, frozen=True, kw_only=True):
    """The members of find, findOne or aggregate, with the name of the one that is explained."""

    takes = OF_ALL | {"allowDiskUse", "collation", "hint", "let", "max", "min", "readPreference"}

    action: Literal["find", "findOne", "aggregate"]
    filter: Document = field(default_factory=dict)
    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)
    limit: int | float = DEFAULT_LIMIT
    skip: int | float = 0
    pipeline: list[Document] | None = None

    def __post_init__(self) -> None:
        """Raise for a pipeline that is missing, or that would write."""
        if self.action == "aggregate" and self.pipeline is None:
            raise MissingParameterError("must provide a 'pipeline' field")
        if self.pipeline and written_by(self.pipeline, self.database) is not None:
            raise InvalidParameterError("'pipeline' writes: only what reads is explained")

    def interpreted(self) -> tuple[Placed, ...]:
        """What either action would have interpreted."""
        found = (Place.QUERY, self.filter), (Place.PROJECTION, self.projection), (Place.SORT, self.sort)
        return found if self.pipeline is None else (*found, (Place.PIPELINE, self.pipeline))

    @property
    def command(self) -> Document:
        """The command that the action would have sent; raise InvalidParameterError for members of another action."""
        if self.action == "aggregate":
            if self.filter or self.projection or self.sort or self.skip or self.limit != DEFAULT_LIMIT:
                raise InvalidParameterError("an aggregate has its 'pipeline' alone")
            return {"aggregate": self.collection, "pipeline": [*(self.pipeline or ()), LIMIT], "cursor": {}}
        if self.pipeline is not None:
            raise InvalidParameterError(f"'pipeline' is not a member of {self.action}")
        limit = min(whole("limit", self.limit) or MAX_LIMIT, MAX_LIMIT) if self.action == "find" else 1
        command: Document = {"find": self.collection, "filter": self.filter, "limit": limit}
        if skip := whole("skip", self.skip):
            command["skip"] = skip
        if self.projection:
            command["projection"] = self.projection
        if self.sort:
            command["sort"] = dict(sort_keys(self.sort) or ())
        return command


@bp.route(ACTION_ROUTE + "explain", methods=ALL_METHODS)
@bp.action("explain", Explain, reads=True, could=could_see_all)
async def explain(call: Call) -> Reply:
    """Return how MongoDB runs a find, a findOne or an aggregate, in words and numbers."""
    request = await call.typed(Explain)
    command = request.command
    async with call.opened(request, open_whole) as collection:
        return await collection.explain(command, *narrowed(command))
