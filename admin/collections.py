"""`collections`: what there is behind the data sources, and which rules and schema the app has for it."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Annotated, Any

import typer
from pymongo.errors import OperationFailure, PyMongoError
from rich.markup import escape

from admin.output import AsJSON, show_json, show_table, start_table
from admin.process import EXIT_CODES, NoSuchError, run
from shared.mongo.deadlines import driver_call
from shared.service import Service
from shared.settings import folded, shown

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Database = Annotated[str | None, typer.Option("--database", metavar="NAME", help="Only this one.")]
DataSource = Annotated[str | None, typer.Option("--data-source", metavar="NAME", help="Only this one.")]

_OWN = frozenset({"admin", "config", "local"})
_MISSING = "not there, or not to be seen"
_UNMEASURED: Mapping[str, Any] = {
    "collection": None, "type": None, "documents": None, "bytes": None, "stored_bytes": None,
    "indexes": None, "index_bytes": None, "problem": None,
}  # fmt: skip
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


@app.callback()
def main() -> None:
    """Make a group of the one command."""


@app.command("list", epilog=EXIT_CODES)
def list_(database: Database = None, data_source: DataSource = None, as_json: AsJSON = False) -> None:
    """List collections and views: documents, sizes, indexes, and whether the app has rules and a schema for them.

    Numbers are those of MongoDB's metadata. `default` are the rules of a data source for collections without own ones.
    """
    found = run(lambda service: _found(service, data_source, database), endless=True)
    if as_json:
        show_json(found)
        return
    several = len({each["data_source"] for each in found}) > 1
    table = start_table(
        "Namespace", "Documents", "Size", "Indexes", "Rules", "Schema",
        elastic=("Namespace",), numbers=("Documents", "Size", "Indexes"),
    )  # fmt: skip
    for each in found:
        name = f"{each['database']}.{each['collection']}"
        place = f"{each['data_source']}: {name}" if several else name
        kind = "" if each["type"] == "collection" else f" ({each['type']})"
        indexes = "" if each["indexes"] is None else f"{each['indexes']} {_size(each['index_bytes'])}"
        schema = "yes" if each["schema"] else ""
        table.add_row(escape(place + kind), _number(each), _size(each["bytes"]), indexes, each["rules"] or "", schema)
    show_table(table)


async def _found(service: Service, data_source: str | None, database: str | None) -> list[dict[str, Any]]:
    sources = service.settings.data_sources
    chosen = list(sources) if data_source is None else [each for each in sources if each == folded(data_source)]
    if data_source is not None and not chosen:
        if service.settings.data_source_uri(data_source) is None:
            raise NoSuchError(f"there is no data source {data_source}")
        chosen = list(sources)  # with a single one, any name
    return [each for source in chosen async for each in _of_source(service, source, database)]


async def _of_source(service: Service, source: str, only: str | None) -> AsyncIterator[dict[str, Any]]:
    """Yield what is behind a data source; each call of MongoDB has the time that the settings give it, not all."""
    client = service.clients.client(service.settings.data_sources[source])
    names = sorted(await _timed(service, client.list_database_names())) if only is None else [only]
    there = set()
    for name in names:
        if name in _OWN or service.guard.closes(name):
            continue
        for each in await _timed(service, _listed(client[name])):
            namespace = name, each["name"]
            if not namespace[1].startswith("system."):
                there.add(namespace)
                measured = await _timed(service, _measured(client[name], each))
                yield {"data_source": shown(source), "database": name, **measured, **_ruled(service, source, namespace)}
    for namespace in sorted(_with_rules(service, source) - there):
        if only in {None, namespace[0]}:
            missing = {**_UNMEASURED, "collection": namespace[1], "type": _MISSING}
            of_app = _ruled(service, source, namespace)
            yield {"data_source": shown(source), "database": namespace[0], **missing, **of_app}


async def _timed[T](service: Service, call: Awaitable[T]) -> T:
    with driver_call(service.settings.mongo_db_timeout_ms):
        return await call


async def _listed(database: Any) -> list[Mapping[str, Any]]:
    listed = await database.list_collections(authorizedCollections=True, nameOnly=True)
    return sorted(await listed.to_list(), key=lambda found: found["name"])


async def _measured(database: Any, listed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what MongoDB says of a collection; None for what it does not say of a view, or not to this user."""
    found = {**_UNMEASURED, "collection": listed["name"], "type": listed["type"]}
    if listed["type"] == "view":
        return found
    try:
        stats = await database.command("collStats", listed["name"])
    except OperationFailure as error:
        return found | {"problem": error.details.get("codeName") if error.details else None}
    except PyMongoError as error:
        return found | {"problem": type(error).__name__}
    return found | {
        "documents": stats.get("count"),
        "bytes": stats.get("size"),
        "stored_bytes": stats.get("storageSize"),
        "indexes": stats.get("nindexes"),
        "index_bytes": stats.get("totalIndexSize"),
    }


def _exported(service: Service, source: str) -> Any:
    """Return what the app says of a data source, None if nothing."""
    is_only = len(service.settings.data_sources) == 1
    return None if service.app is None else service.app.data_source(shown(source), is_only=is_only)


def _with_rules(service: Service, source: str) -> set[tuple[str, str]]:
    of_app = _exported(service, source)
    return set() if of_app is None else {*of_app.rules, *of_app.schemas}


def _ruled(service: Service, source: str, namespace: tuple[str, str]) -> dict[str, Any]:
    of_app = _exported(service, source)
    if of_app is None:
        return {"rules": None, "schema": False}
    rules = "own" if namespace in of_app.rules else "default" if of_app.default is not None else "none"
    return {"rules": rules, "schema": namespace in of_app.schemas}


def _number(found: dict[str, Any]) -> str:
    if found["problem"]:
        return str(found["problem"])
    return "" if found["documents"] is None else f"{found['documents']:,}"


def _size(count: int | None) -> str:
    if count is None:
        return ""
    size, unit = float(count), 0
    while size >= _THOUSAND and unit < len(_UNITS) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"
