"""`access`: why a caller may do something, or may not."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from bson.objectid import ObjectId

from admin.output import AsJSON, console, show_json
from admin.process import EXIT_CODES, NoSuchError, fail, run
from shared import app as exported
from shared import ejson, mongo
from shared.auth import API_KEYS, custom_data, users
from shared.errors import InvalidJSONError
from shared.rules.explain import Operation, explain

app = typer.Typer(help="Explain what the rules decide.", no_args_is_help=True, epilog=EXIT_CODES)

_OPERATIONS: dict[str, Operation] = {
    "find": "read", "findOne": "read", "aggregate": "read", "insertOne": "insert", "insertMany": "insert",
    "updateOne": "update", "updateMany": "update", "replaceOne": "update", "deleteOne": "delete",
    "deleteMany": "delete",
}  # fmt: skip

UserId = Annotated[
    str, typer.Option("--user", metavar="ID", help="The id of a user, or of a key that is one by itself.")
]
Action = Annotated[str, typer.Option("--action", help="The action of the Data API, such as find.")]
Namespace = Annotated[str, typer.Option("--namespace", metavar="DB.COLLECTION", help="The collection.")]
Document = Annotated[str | None, typer.Option("--document", metavar="JSON", help="A document, in Extended JSON.")]
DataSource = Annotated[str, typer.Option("--data-source", help="The data source.")]


@app.callback()
def main() -> None:
    """Explain what the rules decide."""


@app.command("explain", epilog=EXIT_CODES)
def explain_(
    user: UserId,
    action: Action,
    namespace: Namespace,
    document: Document = None,
    data_source: DataSource = "mongodb-atlas",
    as_json: AsJSON = False,
) -> None:
    """Print step by step which filters and roles count for a call, and what they decide on a document."""
    if action not in _OPERATIONS:
        raise fail(f"{action!r} is not an action: {', '.join(_OPERATIONS)}")
    database, _, collection = namespace.partition(".")
    shown = run(lambda: _shown(user))
    known = exported.current()
    service = None if known is None else known.service(data_source)
    rules = None if service is None else service.ruleset(database, collection)
    if rules is None:
        raise fail(f"no rule exists for namespace '{namespace}': every call is denied")
    access = rules.access(shown, {})
    steps = list(explain(rules, access, _OPERATIONS[action], _parsed(document)))
    if as_json:
        show_json({"steps": steps})
        return
    out = console()
    for step in steps:
        out.print(step, markup=False)


def _parsed(document: str | None) -> Mapping[str, Any] | None:
    try:
        return None if document is None else ejson.loads(document.encode())
    except InvalidJSONError as error:
        raise fail(f"--document: {error}") from None


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
