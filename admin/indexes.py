"""`indexes`: list, make and drop the indexes of a collection."""

from typing import Annotated, Any

import orjson
import typer
from bson import json_util
from pymongo import IndexModel
from rich.markup import escape

from admin import namespace
from admin.namespace import DataSource, Namespace, RawCollection
from admin.options import parsed
from admin.output import AsJSON, Yes, show_json, show_table, start_table, tell
from admin.process import EXIT_CODES, WRONG_USAGE, NoSuchError, confirm, fail, run
from shared.documents import ejson
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

_DIRECTIONS: dict[str, int | str] = {
    "1": 1, "asc": 1, "-1": -1, "desc": -1, "2dsphere": "2dsphere", "2d": "2d", "text": "text", "hashed": "hashed",
}  # fmt: skip
_OPTIONS = ("unique", "sparse", "hidden", "expireAfterSeconds", "partialFilterExpression", "collation", "weights")

Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="FIELD[:KIND]...", help="KIND: 1, -1, 2dsphere, 2d, text, hashed. $** takes all fields."),
]
MaybeNamespace = Annotated[
    str | None, typer.Option("--namespace", metavar="DB.COLLECTION", help="The collection.", show_default=False)
]
Control = Annotated[bool, typer.Option("--control", help="Make those that the service needs for keys and users.")]
OfControl = Annotated[bool, typer.Option("--control", help="Also in the control database, as `doctor` advises.")]
Unique = Annotated[bool, typer.Option("--unique", help="No two documents with equal values.")]
Sparse = Annotated[bool, typer.Option("--sparse", help="Leave out documents without the fields.")]
Ttl = Annotated[int | None, typer.Option("--ttl", min=0, metavar="SECONDS", help="Remove documents that much later.")]
Name = Annotated[str | None, typer.Option("--name", help="The index's name; MongoDB's own without it.")]
Partial = Annotated[str | None, typer.Option("--partial", metavar="EJSON", help="Only documents that this matches.")]
IndexName = Annotated[str, typer.Argument(metavar="NAME", help="The index's name, as `indexes list` shows it.")]


@app.command("list", epilog=EXIT_CODES)
def list_(name: Namespace, data_source: DataSource = namespace.DEFAULT, as_json: AsJSON = False) -> None:
    """List the indexes of a collection: name, keys, options."""
    names = namespace.split(name)
    indexes = run(lambda service: _indexes(service, data_source, names))
    if as_json:
        show_json(orjson.loads(json_util.dumps(indexes, json_options=json_util.RELAXED_JSON_OPTIONS)))
        return
    table = start_table("Name", "Keys", "Options", elastic=("Name", "Keys", "Options"))
    for each in indexes:
        keys = " ".join(f"{field}:{_direction(kind)}" for field, kind in each["key"].items())
        options = " ".join(f"{option}={_text(each[option])}" for option in _OPTIONS if option in each)
        table.add_row(escape(each["name"]), escape(keys), escape(options))
    show_table(table)


@app.command(epilog=EXIT_CODES)
def create(  # noqa: PLR0913  each is an option of the command line
    keys: Keys = None,
    *,
    name: MaybeNamespace = None,
    unique: Unique = False,
    sparse: Sparse = False,
    ttl: Ttl = None,
    index_name: Name = None,
    partial: Partial = None,
    control_: Control = False,
    data_source: DataSource = namespace.DEFAULT,
    as_json: AsJSON = False,
) -> None:
    """Make an index and print its name; one that exists already stays. Documents can be used meanwhile.

    Example: indexes create --namespace shop.orders customer:1 placed:-1 --unique
    """
    possible = {
        "unique": unique or None,
        "sparse": sparse or None,
        "expireAfterSeconds": ttl,
        "name": index_name,
        "partialFilterExpression": None if partial is None else parsed(ejson.document, "--partial", partial),
    }
    options = {option: value for option, value in possible.items() if value is not None}
    if control_:
        if keys or name or options or data_source != namespace.DEFAULT:
            raise fail("--control takes neither fields nor another option than --json", WRONG_USAGE)
        made = run(lambda service: service.control.create_indexes(), endless=True)
    else:
        if not keys or not name:
            raise fail("name the collection with --namespace, and the fields", WRONG_USAGE)
        model = IndexModel([_key(each) for each in keys], **options)
        names = namespace.split(name)
        made = run(lambda service: _create(service, data_source, names, model), endless=True)
    if as_json:
        show_json({"names": made})
    else:
        typer.echo("\n".join(made))


@app.command(epilog=EXIT_CODES)
def drop(
    index_name: IndexName,
    name: Namespace,
    data_source: DataSource = namespace.DEFAULT,
    control_: OfControl = False,
    yes: Yes = False,
    as_json: AsJSON = False,
) -> None:
    """Drop an index. Queries that used it read all documents from then on; a unique index no longer refuses."""
    names = namespace.split(name)
    if index_name == "_id_":
        raise fail("_id_ cannot be dropped: MongoDB needs it", WRONG_USAGE)
    confirm(f"Drop the index {index_name} of {name}?", yes)
    find = namespace.collection if control_ else namespace.changeable
    run(lambda service: _drop(find(service, data_source, names), index_name))
    tell(f"the index {index_name} of {name} is dropped", {"namespace": name, "name": index_name}, as_json=as_json)


def _key(text: str) -> tuple[str, int | str]:
    field, colon, kind = text.rpartition(":")
    if not colon:
        return text, 1
    if kind not in _DIRECTIONS or not field:
        raise fail(f"{text!r}: after the colon stands one of {', '.join(_DIRECTIONS)}", WRONG_USAGE)
    return field, _DIRECTIONS[kind]


def _direction(kind: Any) -> str:
    return str(int(kind)) if isinstance(kind, float) else str(kind)


def _text(value: Any) -> str:
    is_document = isinstance(value, dict)
    return json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS) if is_document else str(value).lower()


async def _indexes(service: Service, data_source: str, names: tuple[str, str]) -> list[dict[str, Any]]:
    return [dict(each) async for each in await namespace.collection(service, data_source, names).list_indexes()]


async def _create(service: Service, data_source: str, names: tuple[str, str], model: IndexModel) -> list[str]:
    return await namespace.changeable(service, data_source, names).create_indexes([model])


async def _drop(target: RawCollection, index_name: str) -> None:
    if index_name not in {each["name"] async for each in await target.list_indexes()}:
        raise NoSuchError(f"there is no index {index_name} of {target.full_name}")
    await target.drop_index(index_name)
