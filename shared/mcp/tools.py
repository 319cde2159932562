"""The tools: what each takes, and what is said of it (pure)."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, NamedTuple

import msgspec
import orjson
from msgspec import UNSET, Meta, UnsetType

from shared.endpoint.terms import KEY
from shared.errors import InvalidParameterError

_EJSON = "MongoDB Extended JSON"
_VALUES = (
    '{"_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}, {"placed": {"$gte": {"$date": "2024-01-31T00:00:00Z"}}},'
    ' {"price": {"$numberDecimal": "9.99"}}'
)

MOST_DOCUMENTS = 100
"""How many documents one result has."""

DOCUMENTS = 20
"""How many it has where nothing is said."""

MOST_INSERTED = 100
"""How many documents one call inserts."""

MOST_AFFECTED = 10_000
"""How many documents one call may be allowed to affect."""

type _Limit = Annotated[int, Meta(ge=1, le=MOST_DOCUMENTS, description="how many documents one reply has at most")]
type _Filter = Annotated[
    dict[str, Any],
    Meta(
        description=f"a filter of MongoDB, in {_EJSON}: {_VALUES}. No text equals an ObjectId or a date:"
        " collection_schema tells the types"
    ),
]
type _Sort = Annotated[
    dict[str, Any], Meta(description='1 is ascending, -1 descending, such as {"age": -1, "_id": 1}: age counts first')
]
type _Pipeline = Annotated[
    list[dict[str, Any]],
    Meta(
        description='one stage each, such as [{"$match": {"state": "paid"}}, {"$group": {"_id": "$sku", "sold":'
        f' {{"$sum": "$quantity"}}}}}}]; values in {_EJSON}, as in the filter of find; no $out and no $merge'
    ),
]
type _Key = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": f"^{KEY.pattern}$"},  # Python would let a last line feed pass
        min_length=1,
        max_length=255,
        description="of your own making, such as a UUID, another for each write. When no reply came, or an error says"
        " that the write may have happened, send the same call with the same key again: it happens once, and `replayed`"
        " says that the result is that of the first time. A dry run does not use it up",
    ),
]
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


_OWN = frozenset({"limit", "maxAffected", "dryRun", "idempotencyKey"})


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
    projection: Annotated[
        dict[str, Any], Meta(description='which fields, such as {"title": 1, "year": 1}, or {"plot": 0}: all but those')
    ] = msgspec.field(default_factory=dict)
    sort: _Sort = msgspec.field(default_factory=dict)
    limit: _Limit = DOCUMENTS


class Aggregate(InCollection, frozen=True, kw_only=True):
    """Those of aggregate."""

    pipeline: _Pipeline
    limit: _Limit = DOCUMENTS


class More(Arguments, frozen=True, kw_only=True):
    """Those of more."""

    cursor: Annotated[str, Meta(description="as it stands in the result that it goes on from")]
    limit: _Limit = DOCUMENTS


class Count(InCollection, frozen=True, kw_only=True):
    """Those of count."""

    filter: _Filter = msgspec.field(default_factory=dict)


class Explain(InCollection, frozen=True, kw_only=True):
    """Those of explain: of a find, or with a pipeline of an aggregate."""

    filter: _Filter = msgspec.field(default_factory=dict)
    sort: _Sort = msgspec.field(default_factory=dict)
    pipeline: Annotated[list[dict[str, Any]] | None, Meta(description="in the place of filter and sort")] = None


class Write(InCollection, frozen=True, kw_only=True):
    """What every tool takes that writes."""

    dry_run: _Dry = True
    idempotency_key: _Key | UnsetType = UNSET

    def key(self, header: str | None) -> str | None:
        """Return the key of this write; raise InvalidParameterError if it has two."""
        if isinstance(self.idempotency_key, UnsetType):
            return header
        if not KEY.fullmatch(self.idempotency_key):
            raise InvalidParameterError("'idempotencyKey' must be printable characters of ASCII")
        if header not in {None, self.idempotency_key}:
            raise InvalidParameterError("'idempotencyKey' is another than that of the header Idempotency-Key")
        return self.idempotency_key


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
            raise InvalidParameterError(f"arguments of {self.name}: {error}; it takes {self._signature()}") from error

    def _signature(self) -> str:
        """Return the names of all that it takes, those that it must have first."""
        fields = sorted(msgspec.structs.fields(self.takes), key=lambda each: not each.required)
        return ", ".join(each.encode_name + ("" if each.required else "?") for each in fields)


def digest(given: Any) -> bytes:
    """Return a digest of arguments as they were sent, by which a write is known that is sent again."""
    members = given if isinstance(given, dict) else {}
    sent = {name: members[name] for name in sorted(members) if name != "idempotencyKey"}
    return sha256(orjson.dumps(sent)).digest()


_UNSAID = frozenset({"title", "description"})
_DRY = (
    " It is only tried unless dryRun is false: look at what a dry run replies before you write. Write with an"
    " idempotencyKey, so that you may send the call again when no reply comes."
)

TOOLS: Sequence[Tool] = (
    Tool("list_collections", "listCollections", ListCollections, "List collections", "The collections that you see."),
    Tool(
        "collection_schema", "getSchema", InCollection, "Schema of a collection",
        "The fields of a sample of the documents that you see, with their types. Look here before you filter: a value"
        " of another type finds nothing.",
    ),
    Tool("find", "find", Find, "Find documents", "The documents that match a filter; `more` takes the `cursor`."),
    Tool(
        "aggregate", "aggregate", Aggregate, "Run a pipeline",
        "What comes out of an aggregation pipeline that writes nothing; a `cursor` goes on with `more`. Without one,"
        " `truncated` says that there may be more.",
    ),
    Tool(
        "more", "getMore", More, "Next documents",
        "The documents behind a `cursor` of find, aggregate or more, which is good for a day.",
    ),
    Tool("count", "countDocuments", Count, "Count documents", "How many documents match a filter."),
    Tool(
        "explain", "explain", Explain, "Explain a query",
        "Whether a find or an aggregate uses an index, what it costs, and which index would help.",
    ),
    Tool(
        "insert", "insertMany", Insert, "Insert documents",
        f"Insert up to {MOST_INSERTED} documents: all, or none. An `_id` that you leave out is made, in a dry run"
        f" another than in the write.{_DRY}",
    ),
    Tool("update", "updateMany", Update, "Update documents", "Change all documents that match a filter." + _DRY),
    Tool("delete", "deleteMany", Delete, "Delete documents", "Delete all documents that match a filter." + _DRY),
)  # fmt: skip

BY_NAME: Mapping[str, Tool] = {each.name: each for each in TOOLS}
