"""distinct."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Place, Placed
from shared.options import OF_READS
from shared.requests import Request

bp = Actions()


class Distinct(Request, frozen=True, kw_only=True):
    """The members of distinct."""

    takes = OF_READS | {"collation", "hint"}

    field_name: str
    filter: Document = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for what MongoDB takes for no path of a field."""
        if not self.field_name or self.field_name.startswith("$") or "\0" in self.field_name:
            raise InvalidParameterError("'fieldName' must be the path of a field")

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter is a query."""
        return ((Place.QUERY, self.filter),)

    def targets(self) -> tuple[list[Document], list[Document]]:
        """The name is a path, too."""
        return [{self.field_name: 1}], []


@bp.route(ACTION_ROUTE + "distinct", methods=ALL_METHODS)
@bp.action("distinct", Distinct, reads=True)
async def distinct(call: Call) -> Reply:
    """Return the values that a field has in the documents that match, each once; of arrays, those of the elements."""
    request = await call.typed(Distinct)
    async with call.access(request) as access:
        return await access.distinct(request.field_name, request.filter)
