"""`sessions`: list and end what is logged in."""

from typing import Annotated, Any

import typer
from bson.objectid import ObjectId

from admin.output import AsJSON, counted, show_json, show_table, start_table, tell
from admin.process import EXIT_CODES, NoSuchError, object_id, run
from admin.stored import found
from shared.auth.sessions import going_on
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

UserId = Annotated[str, typer.Argument(metavar="ID", help="The user's id, as `users list` shows it.")]


@app.command("list", epilog=EXIT_CODES)
def list_(user_id: UserId, as_json: AsJSON = False) -> None:
    """List the sessions of a user that go on, the oldest first: id, provider, when they began and end, in UTC."""
    user = object_id(user_id, "user")
    stored = run(lambda service: _list(service, user))
    if as_json:
        show_json([_as_json(each) for each in stored])
        return
    table = start_table("ID", "Provider", "Began (UTC)", "Ends (UTC)")
    for each in stored:
        times = [f"{each[name]:%Y-%m-%d %H:%M}" for name in ("created", "expires")]
        table.add_row(str(each["_id"]), each["provider_type"], *times)
    show_table(table)


@app.command(epilog=EXIT_CODES)
def revoke(user_id: UserId, as_json: AsJSON = False) -> None:
    """End all sessions of a user, and say how many there were; their access tokens end with them."""
    user = str(object_id(user_id, "user"))
    count = run(lambda service: service.sessions.revoke(user))
    tell(f"{counted(count, 'session')} of {user} ended", {"user_id": user, "sessions": count}, as_json=as_json)


def _as_json(session: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(session["_id"]),
        "user_id": str(session["user_id"]),
        "provider_type": session["provider_type"],
        "key_id": str(session["key_id"]) if "key_id" in session else None,
        "created": session["created"],
        "expires": session["expires"],
    }


async def _list(service: Service, user_id: ObjectId) -> list[dict[str, Any]]:
    control = service.control
    for each in (control.users, control.api_keys):  # a key is a user, too
        if await each.find_one({"_id": user_id}, {"_id": 1}) is not None:
            return await found("session", control.sessions, going_on(user_id), hidden=("hash",))
    raise NoSuchError(f"there is no user {user_id}")
