"""`keys`: make, list, disable and delete API keys."""

from typing import Annotated, Any

import typer
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.asynchronous.collection import AsyncCollection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from admin.process import fail, run
from shared import mongo
from shared.auth import API_KEYS, new_key

app = typer.Typer(help="Make and revoke the API keys that callers send.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")]
KeyName = Annotated[str, typer.Option("--name", "-n", help="What the key is for, as `keys list` shows it.")]


@app.command()
def create(name: KeyName) -> None:
    """Make a key and print it, alone, on standard output. It is shown this once and stored only as a hash."""
    typer.echo(run(lambda: _create(name)))


@app.command("list")
def list_() -> None:
    """List the keys: id, name, when each was made, whether it works. The keys themselves cannot be shown again."""
    table = Table("ID", "Name", "Created", "State", box=None, header_style="bold")
    for key in run(_stored):
        state = "[red]disabled[/]" if key["disabled"] else "[green]enabled[/]"
        table.add_row(str(key["_id"]), escape(key["name"]), f"{key['created']:%Y-%m-%d %H:%M} UTC", state)
    Console().print(table)


@app.command()
def disable(key_id: KeyId) -> None:
    """Disable a key. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    chosen = _object_id(key_id)
    if not run(lambda: _disable(chosen)):
        raise fail(f"there is no key {key_id}")


@app.command()
def delete(key_id: KeyId) -> None:
    """Delete a key for good. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    chosen = _object_id(key_id)
    if not run(lambda: _delete(chosen)):
        raise fail(f"there is no key {key_id}")


def _object_id(text: str) -> ObjectId:
    try:
        return ObjectId(text)
    except InvalidId:
        raise fail(f"{text!r} is not a key's id: those have 24 hexadecimal digits") from None


def _keys() -> AsyncCollection[dict[str, Any]]:
    return mongo.control_database()[API_KEYS]


async def _create(name: str) -> str:
    await _keys().create_index("hash", unique=True)
    key, stored = new_key(name)
    await _keys().insert_one(stored)
    return key


async def _stored() -> list[dict[str, Any]]:
    return await _keys().find({}, {"hash": 0}).sort({"created": 1, "_id": 1}).to_list()


async def _disable(key_id: ObjectId) -> bool:
    result = await _keys().update_one({"_id": key_id}, {"$set": {"disabled": True}})
    return result.matched_count == 1


async def _delete(key_id: ObjectId) -> bool:
    result = await _keys().delete_one({"_id": key_id})
    return result.deleted_count == 1
