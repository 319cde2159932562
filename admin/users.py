"""`users`: make, list, show, move, disable and delete the app's users, and help those who forgot their password."""

import re
import sys
from typing import Annotated, Any

import orjson
import typer
from bson.objectid import ObjectId
from rich.markup import escape

from admin.options import since as moment
from admin.output import AsJSON, Yes, counted, minute, show_json, show_members, show_table, start_table, tell
from admin.process import (
    EXIT_CODES,
    WRONG_USAGE,
    NoSuchError,
    StoppedError,
    confirm,
    fail,
    is_interactive,
    note,
    object_id,
    run,
)
from admin.stored import found
from admin.transfer import user_lines
from admin.transfer.user_import import import_
from shared.auth.accounts import User
from shared.auth.confirmations import Purpose
from shared.auth.logins import CUSTOM_FUNCTION, CUSTOM_TOKEN
from shared.auth.users import ANONYMOUS, EMAIL_PASSWORD, of_identity, stored_user
from shared.errors import NameInUseError
from shared.service import Service
from shared.settings import OAUTH2

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

UserId = Annotated[str, typer.Argument(metavar="ID", help="The user's id, as `users list` shows it.")]
Email = Annotated[str, typer.Option("--email", "-e", help="The user's e-mail address; its letters' case counts.")]
Password = Annotated[
    str | None,
    typer.Option("--password", "-p", help="6 to 128 characters; asked for on a terminal. Others on it may see this."),
]
PasswordFromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input, one line.")]
OwnId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The id, such as the one that documents know; else a new one.")
]
WithHashes = Annotated[
    bool,
    typer.Option("--password-hashes", help="With what is stored of the passwords: keep the file as you keep keys."),
]
NewPassword = Annotated[str | None, typer.Option("--password", "-p", help="Set this one at once; else print a token.")]
Who = Annotated[str, typer.Argument(metavar="USER", help="The user's id or e-mail address.")]
EmailPart = Annotated[
    str | None, typer.Option("--email", "-e", help="A part of the e-mail address; its letters' case does not count.")
]
Provider = Annotated[str | None, typer.Option("--provider", help="What they log in with, such as local-userpass.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Created since then: a date, or a span before now like 7d."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="The newest so many only.")]

_PROVIDERS = (ANONYMOUS, EMAIL_PASSWORD, CUSTOM_TOKEN, CUSTOM_FUNCTION, *OAUTH2)
_COLOURS = {"disabled": "red", "enabled": "green", "not confirmed": "yellow"}


@app.command(epilog=EXIT_CODES)
def create(
    email: Email,
    password: Password = None,
    password_stdin: PasswordFromStdin = False,
    own_id: OwnId = None,
    as_json: AsJSON = False,
) -> None:
    """Make a user who can log in at once, and print the id."""
    user_id = None if own_id is None else object_id(own_id, "user")
    secret = _read_password(password, password_stdin)
    user = run(lambda service: _create(service, email, secret, user_id))
    if as_json:
        show_json(_as_json(user))
    else:
        typer.echo(user.id)


app.command("import", epilog=EXIT_CODES)(import_)


@app.command(epilog=EXIT_CODES)
def export(password_hashes: WithHashes = False) -> None:
    """Print the users as `users import` reads them, one a line; without passwords, sessions, keys and custom data."""
    users = run(lambda service: _users(service, {}))
    for user in users:
        typer.echo(user_lines.write(user, with_password=password_hashes))
    note(f"{counted(len(users), 'user')} exported")


@app.command("list", epilog=EXIT_CODES)
def list_(
    email: EmailPart = None,
    provider: Provider = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJSON = False,
) -> None:
    """List the users, the oldest first: id, how they log in, when they were created, whether they may."""
    chosen = _chosen(email, provider, since)
    users = run(lambda service: _users(service, chosen, most=limit or 0))
    if as_json:
        show_json([_as_json(user) for user in users])
        return
    table = start_table("ID", "Logs in as", "Created", "State", elastic=("Logs in as",))
    for user in users:
        table.add_row(user.id, escape(_names(user)), f"{user.created:%Y-%m-%d}", _state(user))
    show_table(table)


@app.command(epilog=EXIT_CODES)
def show(who: Who, as_json: AsJSON = False) -> None:
    """Show what is known of one user, with the number of keys and sessions."""
    user, keys, sessions = run(lambda service: _shown(service, who))
    if as_json:
        show_json({**_as_json(user), "data": user.data, "keys": keys, "sessions": sessions})
        return
    show_members(
        {
            "ID": user.id,
            "Logs in as": _names(user),
            "Data": orjson.dumps(user.data, default=str).decode(),
            "Created": minute(user.created),
            "State": _word(user),
            "Keys": str(keys),
            "Sessions": str(sessions),
        }
    )


@app.command(epilog=EXIT_CODES)
def disable(user_id: UserId, as_json: AsJSON = False) -> None:
    """Keep a user out: sessions end, and within AUTH_CACHE_SECONDS keys and access tokens stop working."""
    user, sessions = run(lambda service: _disable(service, user_id))
    told = {"id": user.id, "disabled": True, "sessions": sessions}
    tell(f"{_named(user)} is disabled, and {counted(sessions, 'session')} ended", told, as_json=as_json)


@app.command(epilog=EXIT_CODES)
def enable(user_id: UserId, as_json: AsJSON = False) -> None:
    """Let a user in again."""
    user = run(lambda service: _enable(service, user_id))
    tell(f"{_named(user)} is enabled", {"id": user.id, "disabled": False}, as_json=as_json)


@app.command(epilog=EXIT_CODES)
def delete(who: Who, yes: Yes = False, as_json: AsJSON = False) -> None:
    """Delete a user for good, with sessions and keys; what the user wrote stays."""
    user, keys, sessions = run(lambda service: _shown(service, who))
    with_it = f"{counted(keys, 'key')} and {counted(sessions, 'session')}"
    confirm(f"Delete {_named(user)} for good, with {with_it}?", yes)
    run(lambda service: _delete(service, user.id))
    told = {"id": user.id, "keys": keys, "sessions": sessions}
    tell(f"{_named(user)} is deleted, with {with_it}", told, as_json=as_json)


@app.command(epilog=EXIT_CODES)
def confirmation(email: Email, as_json: AsJSON = False) -> None:
    """Print a token and its id that confirm an e-mail address, for a link to it. They work for 30 minutes, once."""
    _print_token(run(lambda service: _token(service, email, "confirm")), as_json=as_json)


@app.command("reset-password", epilog=EXIT_CODES)
def reset_password(
    email: Email, password: NewPassword = None, password_stdin: PasswordFromStdin = False, as_json: AsJSON = False
) -> None:
    """Give a user another password and end all sessions, or print a token and its id that let the user choose one."""
    if password is None and not password_stdin:
        _print_token(run(lambda service: _token(service, email, "reset")), as_json=as_json)
        return
    secret = _read_password(password, password_stdin)
    user, sessions = run(lambda service: _reset(service, email, secret))
    told = {"id": user.id, "sessions": sessions}
    ended = f"{counted(sessions, 'session')} ended"
    tell(f"{_named(user)} has the new password, and {ended}", told, as_json=as_json)


def _print_token(issued: tuple[str, str], *, as_json: bool) -> None:
    token, token_id = issued
    if as_json:
        show_json({"token": token, "token_id": token_id})
    else:
        typer.echo(f"{token} {token_id}")


def _read_password(option: str | None, from_stdin: bool) -> str:
    if option is not None and from_stdin:
        raise fail("give --password or --password-stdin", WRONG_USAGE)
    if option is not None:
        return option
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not is_interactive():
        raise fail("nobody can be asked for the password here: give --password-stdin or --password", WRONG_USAGE)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _as_json(user: User) -> dict[str, Any]:
    identities = [{name: each[name] for name in ("provider_type", "id")} for each in user.identities]
    return {
        "id": user.id,
        "identities": identities,
        "created": user.created,
        "confirmed": user.confirmed,
        "disabled": user.disabled,
    }


def _named(user: User) -> str:
    """Name a user in a sentence."""
    return f"the user {_names(user)} ({user.id})"


def _names(user: User) -> str:
    return ", ".join(f"{each['provider_type']} {each['id']}" for each in user.identities)


def _word(user: User) -> str:
    if user.disabled:
        return "disabled"
    return "enabled" if user.confirmed else "not confirmed"


def _state(user: User) -> str:
    word = _word(user)
    return f"[{_COLOURS[word]}]{word}[/]"


def _chosen(email: str | None, provider: str | None, since: str | None) -> dict[str, Any]:
    """Return what is true of what is stored of the users who are asked for; exit 2 for what cannot be asked."""
    chosen: dict[str, Any] = {}
    if email is not None:
        part = {"$regex": re.escape(email), "$options": "i"}
        of_password = {"$elemMatch": {"provider_type": EMAIL_PASSWORD, "id": part}}
        chosen["$or"] = [{"identities": of_password}, {"data.email": part}]
    if provider is not None:
        if provider not in _PROVIDERS:
            raise fail(f"--provider: {provider!r} is none of {', '.join(_PROVIDERS)}", WRONG_USAGE)
        chosen["identities.provider_type"] = provider
    if since is not None:
        chosen["created"] = {"$gte": moment("--since", since)}
    return chosen


async def _users(service: Service, chosen: dict[str, Any], *, most: int = 0) -> list[User]:
    """Return users, the oldest first; of the newest ones, where they are more than `most`."""
    stored = await found("user", service.control.users, chosen, by=(("_id", -1),), most=most)
    return [user for each in reversed(stored) if (user := stored_user(each)) is not None]


async def _shown(service: Service, who: str) -> tuple[User, int, int]:
    user = await (_one if ObjectId.is_valid(who) else _found)(service, who)
    user_id = ObjectId(user.id)
    keys = await service.control.api_keys.count_documents({"user_id": user_id})
    return user, keys, await service.sessions.count(user_id)


async def _create(service: Service, email: str, password: str, user_id: ObjectId | None) -> User:
    if user_id is not None and await service.control.users.find_one({"_id": user_id}, {"_id": 1}) is not None:
        raise StoppedError(f"there is a user {user_id} already")
    try:
        return await service.users.register(email, password, confirmed=True, user_id=user_id)
    except NameInUseError:
        raise StoppedError(f"there is a user with the address {email} already") from None


async def _one(service: Service, user_id: str) -> User:
    for user in await _users(service, {"_id": ObjectId(user_id)}) if ObjectId.is_valid(user_id) else ():
        return user
    raise NoSuchError(f"there is no user {user_id}")


async def _enable(service: Service, user_id: str) -> User:
    if not await service.users.enable(user_id):
        raise NoSuchError(f"there is no user {user_id}")
    return await _one(service, user_id)


async def _disable(service: Service, user_id: str) -> tuple[User, int]:
    if not await service.users.disable(user_id):
        raise NoSuchError(f"there is no user {user_id}")
    return await _one(service, user_id), await service.sessions.revoke(user_id)


async def _delete(service: Service, user_id: str) -> None:
    if not await service.users.delete(user_id):
        raise NoSuchError(f"there is no user {user_id}")
    await service.sessions.revoke(user_id)


async def _token(service: Service, email: str, purpose: Purpose) -> tuple[str, str]:
    return await service.confirmations.issue((await _found(service, email)).id, purpose)


async def _reset(service: Service, email: str, password: str) -> tuple[User, int]:
    user = await _found(service, email)
    await service.users.set_password(user.id, password)
    return user, await service.sessions.revoke(user.id)


async def _found(service: Service, email: str) -> User:
    for user in await _users(service, {"identities": of_identity(EMAIL_PASSWORD, email)}):
        return user
    raise NoSuchError(f"there is no user with the address {email}")
