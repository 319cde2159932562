"""aggregate."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.endpoint.cursors import Asked
from shared.guard.continued import continued
from shared.guard.joins import written_by
from shared.operators import Place, Placed
from shared.options import OF_READS
from shared.requests import Batches, Request, sort_keys

bp = Actions()


class Aggregate(Request, frozen=True, kw_only=True):
    """The members of aggregate; an empty pipeline gives all documents, one without a collection is of a database."""

    takes = OF_READS | {
        "allowDiskUse", "batchSize", "bypassDocumentValidation", "collation", "hint", "let", "writeConcern",
    }  # fmt: skip

    of_database = True

    collection: str = ""
    pipeline: list[Document]
    cursor: Batches | None = None
    columns: list[str] = field(default_factory=list)

    @property
    def written(self) -> tuple[str, str] | None:
        """The last stage may write what comes out."""
        return written_by(self.pipeline, self.database)

    @property
    def last_projection(self) -> Document:
        """What the last stage leaves, if it says so by names."""
        stage = self.pipeline[-1].get("$project") if self.pipeline else None
        return stage if isinstance(stage, dict) else {}

    def interpreted(self) -> tuple[Placed, ...]:
        """All of it is stages and expressions."""
        return ((Place.PIPELINE, self.pipeline),)


@bp.route(ACTION_ROUTE + "aggregate", methods=ALL_METHODS)
@bp.action("aggregate", Aggregate, reads=True, lists=True)
async def aggregate(call: Call) -> Reply:
    """Run a pipeline and return what comes out, cut off at the cap."""
    request = await call.typed(Aggregate)
    call.tabulate(request.columns, request.last_projection)
    if request.cursor is not None:
        stages, sort, skip, limit = continued(request.pipeline)
        page = await call.page(request, Asked("aggregate", request.cursor, sort_keys(sort), limit, skip))
        async with call.access(request) as access:
            return await access.aggregate(stages, page)
    async with call.access(request) as access:
        return await access.aggregate(request.pipeline)
