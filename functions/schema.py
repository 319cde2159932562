"""getSchema."""

from shared.access.protocol import Reply
from shared.access.sampling import open_sampling
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Placed
from shared.options import OF_READS, whole
from shared.requests import Request

bp = Actions()

_MOST = 10_000


class GetSchema(Request, frozen=True, kw_only=True):
    """The members of getSchema."""

    takes = OF_READS

    detail: bool = False
    sample_size: int | float = 1_000

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing."""
        return ()

    @property
    def size(self) -> int:
        """How many documents are looked at; raise InvalidParameterError for too many or none."""
        size = whole("sampleSize", self.sample_size)
        if not 1 <= size <= _MOST:
            raise InvalidParameterError(f"'sampleSize' must be 1 to {_MOST}")
        return size


@bp.route(ACTION_ROUTE + "getSchema", methods=ALL_METHODS)
@bp.action("getSchema", GetSchema, reads=True)
async def get_schema(call: Call) -> Reply:
    """Return the fields of a sample of documents, with their types."""
    request = await call.typed(GetSchema)
    size = request.size
    async with call.opened(request, open_sampling) as sampling:
        return await sampling.get_schema(size, is_detailed=request.detail)
