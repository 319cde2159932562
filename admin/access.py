"""`access`: why a caller may do something, or may not."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, NamedTuple

import bson
import typer
from bson.objectid import ObjectId

from admin.changes import Change, made
from admin.output import AsJSON, console, show_json
from admin.process import EXIT_CODES, NoSuchError, fail, run
from shared import app as exported
from shared import settings
from shared.auth import API_KEYS, custom_data, users
from shared.documents import ejson
from shared.errors import InvalidJSONError
from shared.mongo import clients as mongo
from shared.rules import field_paths
from shared.rules.explain import Operation, explain, explain_change, explain_touch
from shared.rules.expressions import Expansions
from shared.rules.ruleset import Rights
from shared.rules.schema import Schema

app = typer.Typer(help="Explain what the rules decide.", no_args_is_help=True, epilog=EXIT_CODES)

_OPERATIONS: dict[str, Operation] = {
    "find": "read", "findOne": "read", "aggregate": "read", "insertOne": "insert", "insertMany": "insert",
    "updateOne": "update", "updateMany": "update", "replaceOne": "update", "deleteOne": "delete",
    "deleteMany": "delete",
}  # fmt: skip

UserId = Annotated[
    str, typer.Option("--user", metavar="ID", help="The id of a user, or of a key that is one by itself.")
]
Action = Annotated[
    str | None,
    typer.Option("--action", help="The action of the Data API, such as find; --update and so on say it too."),
]
Namespace = Annotated[str, typer.Option("--namespace", metavar="DB.COLLECTION", help="The collection.")]
Document = Annotated[str | None, typer.Option("--document", metavar="JSON", help="A document, in Extended JSON.")]
DataSource = Annotated[str, typer.Option("--data-source", help="The data source.")]
Update = Annotated[
    str | None, typer.Option("--update", metavar="JSON", help="Operators or a pipeline that change the document.")
]
ArrayFilters = Annotated[str | None, typer.Option("--array-filters", metavar="JSON", help="The update's arrayFilters.")]
Replacement = Annotated[str | None, typer.Option("--replacement", metavar="JSON", help="What takes its place.")]
Delete = Annotated[bool, typer.Option("--delete", help="Ask whether the document may be deleted.")]


@app.callback()
def main() -> None:
    """Explain what the rules decide."""


@app.command("explain", epilog=EXIT_CODES)
def explain_(  # noqa: PLR0913, PLR0917  each is an option of the command
    user: UserId,
    namespace: Namespace,
    action: Action = None,
    document: Document = None,
    data_source: DataSource = "mongodb-atlas",
    update: Update = None,
    array_filters: ArrayFilters = None,
    replacement: Replacement = None,
    delete: Delete = False,
    as_json: AsJSON = False,
) -> None:
    """Print step by step which filters and roles count for a call, and what they decide on a document.

    With --update or --replacement MongoDB makes the change of the --document in a transaction that is always undone:
    nothing is written, whatever is decided.
    """
    asked = _Asked.of(action, _document("--document", document), update, array_filters, replacement, delete)
    database, _, collection = namespace.partition(".")
    shown = run(lambda: _shown(user))
    known = exported.current()
    service = None if known is None else known.service(data_source)
    rules = None if service is None else service.ruleset(database, collection)
    if service is None or rules is None:
        raise fail(f"no rule exists for namespace '{namespace}': every call is denied")
    expansions = Expansions(shown)
    steps = explain(rules, expansions, asked.operation, asked.document)
    if asked.document is not None and asked.change is not None and not rules.rights(expansions).is_full:
        schema = service.schema(database, collection)
        steps = chain(steps, _of_change(rules.rights(expansions), expansions, schema, asked.document, asked.change))
    if as_json:
        show_json({"steps": list(steps)})
        return
    out = console()
    for step in steps:
        out.print(step, markup=False)


def _of_change(
    rights: Rights, expansions: Expansions, schema: Schema | None, document: Mapping[str, Any], change: Change
) -> Iterator[str]:
    if change.is_replacement:
        yield f"of what is replaced nothing may be hidden\n  {rights.replace(bson.encode(document))}"
    else:
        is_pipeline = isinstance(change.update, list)
        touched = None if is_pipeline else field_paths.of_update(change.update, list(change.array_filters or []))
        yield from explain_touch(rights, bson.encode(document), touched)
    try:
        old, new = run(lambda: made(document, change))
    except typer.Exit:
        yield "MongoDB refuses the change: nothing is decided on a result"
        raise
    null_allowed = settings.current().schema_null_type_validation
    yield from explain_change(rights, expansions, schema, old, new, null_allowed=null_allowed)


class _Asked(NamedTuple):
    operation: Operation
    document: Mapping[str, Any] | None
    change: Change | None

    @classmethod
    def of(
        cls,
        action: str | None,
        document: Mapping[str, Any] | None,
        update: str | None,
        array_filters: str | None,
        replacement: str | None,
        delete: bool,
    ) -> "_Asked":
        """Check that the options belong together."""
        changes = {"updateOne": update, "replaceOne": replacement, "deleteOne": "" if delete else None}
        given = [name for name, value in changes.items() if value is not None]
        if len(given) > 1:
            raise fail("give one of --update, --replacement and --delete")
        name = action or (given[0] if given else "")
        if name not in _OPERATIONS:
            raise fail(f"{name!r} is not an action: {', '.join(_OPERATIONS)}")
        if given and _OPERATIONS[name] != _OPERATIONS[given[0]]:
            raise fail(f"--action {name} is not what the other options ask about")
        if given and document is None:
            raise fail("a change is made of a document: give --document")
        return cls(_OPERATIONS[name], document, _change(update, array_filters, replacement))


def _change(update: str | None, array_filters: str | None, replacement: str | None) -> Change | None:
    if replacement is not None:
        return Change(_parsed(ejson.document, "--replacement", replacement), is_replacement=True)
    if update is None:
        return None
    changes = _parsed(ejson.value, "--update", update)
    filters = None if array_filters is None else _parsed(ejson.value, "--array-filters", array_filters)
    if not isinstance(changes, dict | list) or not isinstance(filters, list | None):
        raise fail("--update is an object or a pipeline, --array-filters an array")
    return Change(changes, filters)


def _document(option: str, text: str | None) -> dict[str, Any] | None:
    return None if text is None else _parsed(ejson.document, option, text)


def _parsed[T](read: Callable[[bytes], T], option: str, text: str) -> T:
    try:
        return read(text.encode(errors="surrogateescape"))
    except InvalidJSONError as error:
        raise fail(f"{option}: {error}") from None


async def _shown(user_id: str) -> Mapping[str, Any]:
    user = await users.find(user_id)
    if user is not None:
        return user.shown(await custom_data.of(user.id))
    chosen = {"_id": ObjectId(user_id)} if ObjectId.is_valid(user_id) else {"_id": user_id}
    key = await mongo.control_database()[API_KEYS].find_one(chosen)
    if key is None:
        raise NoSuchError(f"there is no user and no key {user_id}")
    if key.get("system"):
        raise NoSuchError(f"the key {user_id} is a system key: no rules apply to it")
    shown = {"id": user_id, "type": "server", "data": {"name": key["name"]}, "identities": []}
    data = await custom_data.of(user_id)
    return shown if data is None else shown | {"custom_data": dict(data)}
