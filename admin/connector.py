"""`connector`: prints a custom connector of Power Platform for one collection."""

import re
from typing import Annotated, Any

import typer

from admin import namespace
from admin.namespace import DataSource, Namespace
from admin.openapi import KeyId, UserId, described
from admin.output import show_json
from admin.process import EXIT_CODES, WRONG_USAGE, fail
from shared.auth.accounts import Caller
from shared.openapi.connector import connector as connector_of

app = typer.Typer(add_completion=False)

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_ANY_APP = "data"
_OPERATOR = Caller("operator", "system")

Host = Annotated[str, typer.Option("--host", metavar="HOST", help="The name at which the service is, over HTTPS.")]


@app.command(epilog=EXIT_CODES)
def connector(
    name: Namespace, host: Host, data_source: DataSource = namespace.DEFAULT, user: UserId = None, key: KeyId = None
) -> None:
    """Print a custom connector of Power Platform for a collection.

    It is Swagger 2.0, with the types of the collection's schema.json. Without --user and --key it is of all that the
    schema says; with one of them, of what the rules open.
    """
    if not _HOST.fullmatch(host):
        raise fail(f"--host: {host!r} is no host name", WRONG_USAGE)
    database, collection = namespace.split(name)
    document, app_id, source = described(user, key, _OPERATOR, data_source)
    place = {"dataSource": data_source, "database": database, "collection": collection}
    documents = _documents(document, place | {"dataSource": source}, bool(user or key))
    show_json(connector_of(document, place, documents, host, app_id or _ANY_APP))


def _documents(document: dict[str, Any], place: dict[str, str], is_asked: bool) -> dict[str, Any]:
    """Return the schemas of the collection's documents; exit 1 if the rules do not open it to whom was asked for."""
    named = document.get("x-dozen-namespaces", [])
    found = next((each for each in named if place.items() <= each.items()), None)
    if found is None and is_asked and named:
        raise fail(f"the app's files name no {place['database']}.{place['collection']} that the rules open there")
    if found is None or "schema" not in found:
        return {"sent": {"type": "object"}, "replied": {"type": "object"}}
    schemas, name = document["components"]["schemas"], found["schema"].rpartition("/")[2]
    return {"sent": schemas[name], "replied": schemas[f"{name}.json"]}
