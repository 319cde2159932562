"""The tools: what each takes, and what is said of it (pure)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from shared.errors import InvalidParameterError

_EJSON = "MongoDB Extended JSON"

MOST_DOCUMENTS = 100
"""How many documents one result has."""

DOCUMENTS = 20
"""How many it has where nothing is said."""

MOST_INSERTED = 100
"""How many documents one call inserts."""

MOST_AFFECTED = 10_000
"""How many documents one call may be allowed to affect."""

type _Limit = Annotated[int, Meta(ge=1, le=MOST_DOCUMENTS, description="how many documents one reply has at most")]
type _Filter = Annotated[dict[str, Any], Meta(description=f"a filter of MongoDB, in {_EJSON}")]
type _Most = Annotated[
    int, Meta(ge=1, le=MOST_AFFECTED, description="how many documents may be affected: with more, none is")
]
type _Dry = Annotated[
    bool, Meta(description="true, as it is unless you say false: everything is tried and checked, and nothing written")
]


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a tool takes."""

    data_source: Annotated[str, Meta(description="only where list_collections names several")] = ""

    def members(self) -> dict[str, Any]:
        """Return them as members of the body of an action, without those that are the door's own."""
        names = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        given = {encoded: getattr(self, name) for name, encoded in names}
        return {name: value for name, value in given.items() if name not in _OWN and value not in ("", None)}


_OWN = frozenset({"limit", "maxAffected", "dryRun"})


class ListCollections(Arguments, frozen=True, kw_only=True):
    """Those of list_collections."""

    database: Annotated[str, Meta(description="only the collections of this one")] = ""


class InCollection(Arguments, frozen=True, kw_only=True):
    """What names a collection."""

    database: str
    collection: str


class Find(InCollection, frozen=True, kw_only=True):
    """Those of find."""

    filter: _Filter = msgspec.field(default_factory=dict)
    projection: dict[str, Any] = msgspec.field(default_factory=dict)
    sort: Annotated[dict[str, Any], Meta(description='such as {"age": -1}')] = msgspec.field(default_factory=dict)
    limit: _Limit = DOCUMENTS


class Aggregate(InCollection, frozen=True, kw_only=True):
    """Those of aggregate."""

    pipeline: list[dict[str, Any]]
    limit: _Limit = DOCUMENTS


class More(Arguments, frozen=True, kw_only=True):
    """Those of more."""

    cursor: str
    limit: _Limit = DOCUMENTS


class Count(InCollection, frozen=True, kw_only=True):
    """Those of count."""

    filter: _Filter = msgspec.field(default_factory=dict)


class Explain(InCollection, frozen=True, kw_only=True):
    """Those of explain: of a find, or with a pipeline of an aggregate."""

    filter: _Filter = msgspec.field(default_factory=dict)
    sort: dict[str, Any] = msgspec.field(default_factory=dict)
    pipeline: Annotated[list[dict[str, Any]] | None, Meta(description="in the place of filter and sort")] = None


class Write(InCollection, frozen=True, kw_only=True):
    """What every tool takes that writes."""

    dry_run: _Dry = True


class Insert(Write, frozen=True, kw_only=True):
    """Those of insert."""

    documents: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_INSERTED, description=f"in {_EJSON}")]


class Update(Write, frozen=True, kw_only=True):
    """Those of update."""

    filter: _Filter
    update: Annotated[dict[str, Any], Meta(description='update operators, such as {"$set": {"a": 1}}')]
    max_affected: _Most = 1


class Delete(Write, frozen=True, kw_only=True):
    """Those of delete."""

    filter: _Filter
    max_affected: _Most = 1


class Tool(NamedTuple):
    """A tool: the action that it is, and what it takes."""

    name: str
    action: str
    takes: type[Arguments]
    title: str
    about: str

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return issubclass(self.takes, Write)

    def described(self, more: str = "") -> dict[str, Any]:
        """Return what `tools/list` says of it."""
        _, components = msgspec.json.schema_components([self.takes])
        schema = {name: value for name, value in components[self.takes.__name__].items() if name not in _UNSAID}
        destroys = self.writes and self.name != "insert"
        hints = {"readOnlyHint": not self.writes, "destructiveHint": destroys, "openWorldHint": False}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.about + more,
            "inputSchema": schema,
            "annotations": hints,
        }

    def arguments(self, given: Any) -> Arguments:
        """Return what is given as this tool takes it; raise InvalidParameterError for anything else."""
        try:
            return msgspec.convert(given, self.takes)
        except msgspec.ValidationError as error:
            raise InvalidParameterError(f"arguments of {self.name}: {error}") from error


_UNSAID = frozenset({"title", "description"})
_DRY = " It is only tried unless dryRun is false: look at what a dry run replies before you write."

TOOLS: Sequence[Tool] = (
    Tool("list_collections", "listCollections", ListCollections, "List collections", "The collections that you see."),
    Tool(
        "collection_schema", "getSchema", InCollection, "Schema of a collection",
        "The fields of a sample of the documents that you see, with their types.",
    ),
    Tool("find", "find", Find, "Find documents", "The documents that match a filter; `more` takes the `cursor`."),
    Tool(
        "aggregate", "aggregate", Aggregate, "Run a pipeline",
        "What comes out of an aggregation pipeline that writes nothing; a `cursor` goes on with `more`. Without one,"
        " `truncated` says that there may be more.",
    ),
    Tool("more", "getMore", More, "Next documents", "The documents behind a `cursor` of find, aggregate or more."),
    Tool("count", "countDocuments", Count, "Count documents", "How many documents match a filter."),
    Tool(
        "explain", "explain", Explain, "Explain a query",
        "Whether a find or an aggregate uses an index, what it costs, and which index would help.",
    ),
    Tool(
        "insert", "insertMany", Insert, "Insert documents",
        f"Insert up to {MOST_INSERTED} documents: all, or none. With an `_id` in each, a call that is repeated inserts"
        f" nothing twice.{_DRY}",
    ),
    Tool("update", "updateMany", Update, "Update documents", "Change all documents that match a filter." + _DRY),
    Tool("delete", "deleteMany", Delete, "Delete documents", "Delete all documents that match a filter." + _DRY),
)  # fmt: skip

BY_NAME: Mapping[str, Tool] = {each.name: each for each in TOOLS}
