"""`keys`: make, list, disable and delete API keys."""

from typing import Annotated, Any

import typer
from bson.objectid import ObjectId
from rich.markup import escape

from admin.output import AsJSON, Yes, show_json, show_table, start_table
from admin.process import EXIT_CODES, WRONG_USAGE, NoSuchError, confirm, fail, object_id, run
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")]
IsSystem = Annotated[bool, typer.Option("--system", help="Full access: no rules apply to the key.")]
UserId = Annotated[str | None, typer.Option("--user", metavar="ID", help="The key acts as this user.")]
OwnId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The id, such as the one that documents know; else a new one.")
]
KeyName = Annotated[str, typer.Option("--name", "-n", help="What the key is for, as `keys list` shows it.")]


@app.command(epilog=EXIT_CODES)
def create(name: KeyName, system: IsSystem = False, user: UserId = None, own_id: OwnId = None) -> None:
    """Make a key and print it, alone, on standard output. It is printed this once and stored only as a hash.

    Without --system or --user the key is a user by itself: the app's rules say what it may do.
    """
    if system and user is not None:
        raise fail("a key is either a system key or a user's: give --system or --user", WRONG_USAGE)
    owner = None if user is None else object_id(user, "user")
    key_id = None if own_id is None else object_id(own_id, "key")
    typer.echo(run(lambda service: _create(service, name, system, owner, key_id)))


@app.command("list", epilog=EXIT_CODES)
def list_(as_json: AsJSON = False) -> None:
    """List the keys: id, name, whom they act as, when each was made, whether it works; never the keys themselves."""
    stored = run(lambda service: service.keys.stored({}, by=("created", "_id")))
    if as_json:
        show_json([_as_json(key) for key in stored])
        return
    table = start_table("ID", "Name", "Acts as", "Created", "State")
    for key in stored:
        state = "[red]disabled[/]" if key["disabled"] else "[green]enabled[/]"
        table.add_row(str(key["_id"]), escape(key["name"]), _kind(key), f"{key['created']:%Y-%m-%d %H:%M} UTC", state)
    show_table(table)


@app.command(epilog=EXIT_CODES)
def disable(key_id: KeyId) -> None:
    """Disable a key. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    stored_id = object_id(key_id, "key")
    if not run(lambda service: _disable(service, stored_id)):
        raise fail(f"there is no key {key_id}")


@app.command(epilog=EXIT_CODES)
def delete(key_id: KeyId, yes: Yes = False) -> None:
    """Delete a key for good. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    stored_id = object_id(key_id, "key")
    confirm(f"Delete the key {key_id}?", yes)
    if not run(lambda service: _delete(service, stored_id)):
        raise fail(f"there is no key {key_id}")


def _kind(key: dict[str, Any]) -> str:
    if key.get("user_id"):
        return f"user {key['user_id']}"
    return "[bold]system[/]" if key.get("system") else "itself"


def _as_json(key: dict[str, Any]) -> dict[str, Any]:
    user_id = key.get("user_id")
    return {
        "id": str(key["_id"]),
        "name": key["name"],
        "system": bool(key.get("system")),
        "user_id": str(user_id) if user_id else None,
        "created": key["created"],
        "disabled": key["disabled"],
    }


async def _create(service: Service, name: str, system: bool, user_id: ObjectId | None, key_id: ObjectId | None) -> str:
    if user_id is not None and await service.users.find(str(user_id)) is None:
        raise NoSuchError(f"there is no user {user_id}")
    return (await service.keys.create(name, system=system, user_id=user_id, key_id=key_id))[0]


async def _disable(service: Service, key_id: ObjectId) -> bool:
    return await _revoked(service, await service.keys.set_disabled({"_id": key_id}, True))


async def _delete(service: Service, key_id: ObjectId) -> bool:
    return await _revoked(service, await service.keys.delete({"_id": key_id}))


async def _revoked(service: Service, stored: dict[str, Any] | None) -> bool:
    if stored is not None:
        await service.sessions.end_key(stored)
    return stored is not None
