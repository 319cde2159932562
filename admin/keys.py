"""`keys`: make, list, show, rotate, disable, enable and delete API keys."""

import getpass
import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from bson.objectid import ObjectId
from rich.markup import escape

from admin.options import span
from admin.output import AsJSON, Yes, minute, show_json, show_members, show_table, start_table, tell
from admin.process import (
    EXIT_CODES,
    WRONG_USAGE,
    NoSuchError,
    StoppedError,
    confirm,
    fail,
    note,
    object_id,
    run,
)
from admin.stored import found
from shared.auth import quota
from shared.auth.keys import Rotated, former_ends, has_ended
from shared.auth.quota import Limit, Quota, QuotaError
from shared.service import Service


class Known(NamedTuple):
    """A limit; how much of it is used and when that is over, if it is known."""

    limit: Limit
    amount: int | None = None
    seconds: int | None = None


app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

_HASHES = ("hash", "former.hash")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")]
IsSystem = Annotated[bool, typer.Option("--system", help="Full access: no rules apply to the key.")]
UserId = Annotated[str | None, typer.Option("--user", metavar="ID", help="The key acts as this user.")]
OwnId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The id, such as the one that documents know; else a new one.")
]
KeyName = Annotated[str, typer.Option("--name", "-n", help="What the key is for, as `keys list` shows it.")]
Expires = Annotated[
    str | None,
    typer.Option("--expires", metavar="SPAN", help="Refuse the key after so long, such as 12h, 90d or 4w."),
]
MadeBy = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who makes it; your login name, if you do not say.")
]
QuotaText = Annotated[
    str | None, typer.Option("--quota", metavar="LIMITS", help="Such as calls=1000/min,documents=1e6/day.")
]
NewQuota = Annotated[
    str, typer.Argument(metavar="LIMITS", help="Such as calls=1000/min,documents=1e6/day; none lifts them.")
]
Keep = Annotated[
    str | None, typer.Option("--keep", metavar="SPAN", help="The old secret works for so long, such as 12h or 7d.")
]


@app.command(epilog=EXIT_CODES)
def create(  # noqa: PLR0913, PLR0917  each is an option of the command
    name: KeyName,
    system: IsSystem = False,
    user: UserId = None,
    own_id: OwnId = None,
    expires: Expires = None,
    limits: QuotaText = None,
    by: MadeBy = None,
    as_json: AsJSON = False,
) -> None:
    """Make a key and print it, alone, on standard output. It is printed this once and stored only as a hash.

    Without --system or --user the key is a user by itself: the app's rules say what it may do.
    """
    if system and user is not None:
        raise fail("a key is either a system key or a user's: give --system or --user", WRONG_USAGE)
    members = {
        "system": system,
        "user_id": None if user is None else object_id(user, "user"),
        "key_id": None if own_id is None else object_id(own_id, "key"),
        "expires": None if expires is None else datetime.now(UTC) + span("--expires", expires),
        "made_by": by or _login_name(),
        "limits": () if limits is None else _limits("--quota", limits),
    }
    key, stored, has_app = run(lambda service: _create(service, name, members))
    if as_json:
        show_json({**_as_json(stored), "key": key})
    else:
        typer.echo(key)
        note(f"{_named(stored)} is made, and shown this once")
    if not system and not has_app:
        note("it may do nothing yet, as APP_CONFIG_DIR names no app whose rules say what; --system gives full access")


@app.command("list", epilog=EXIT_CODES)
def list_(as_json: AsJSON = False) -> None:
    """List the keys: id, name, whom they act as, when each was last used, whether and until when it works.

    The keys themselves are never shown. `keys show` and --json tell more.
    """
    keys = run(_all)
    if as_json:
        show_json([_as_json(key) for key in keys])
        return
    quotas = [limits for key in keys if (limits := quota.of_key(key))]
    known = run(lambda service: _known(service, quotas)) if quotas else {}
    table = start_table("ID", "Name", "Acts as", "Last use (UTC)", "State", elastic=("Name",))
    for key in keys:
        used = f"{key['used']:%Y-%m-%d %H}h" if key.get("used") else ""
        table.add_row(str(key["_id"]), escape(key["name"]), _kind(key), used, _state(key))
        for each in known.get(str(key["_id"]), ()):
            share = "" if each.amount is None else f" {100 * each.amount // each.limit.most}%"
            table.add_row(f"  {each.limit}{share}", "", "", "", "")
    show_table(table)


@app.command(epilog=EXIT_CODES)
def show(key_id: KeyId, as_json: AsJSON = False) -> None:
    """Show what is known of one key, but for the key itself."""
    stored_id = object_id(key_id, "key")
    stored, used = run(lambda service: _shown(service, stored_id))
    if as_json:
        show_json({**_as_json(stored), "used_of_quota": [_used_as_json(each) for each in used]})
        return
    show_members(
        {
            "ID": stored["_id"],
            "Name": stored["name"],
            "Acts as": f"user {stored['user_id']}" if stored.get("user_id") else _kind(stored),
            "Created": minute(stored["created"]),
            "Created by": stored.get("made_by"),
            "Last use": f"{stored['used']:%Y-%m-%d %H}h UTC" if stored.get("used") else "",
            "Ends": minute(stored.get("expires")),
            "Also works": ", ".join(f"its old secret, until {minute(end)}" for end in former_ends(stored)),
            "Quota": ", ".join(str(each.limit) for each in used),
            "Used now": ", ".join(f"{each.amount:,} of {each.limit}" for each in used if each.amount is not None)
            or ("not known, as no Valkey tells it" if used else ""),
            "State": "disabled" if stored["disabled"] else "ended" if has_ended(stored) else "enabled",
        }
    )


@app.command("quota", epilog=EXIT_CODES)
def quota_(key_id: KeyId, limits: NewQuota, as_json: AsJSON = False) -> None:
    """Limit what a key may do from now on: calls and documents in a second, a minute, an hour or a day.

    Running processes follow within AUTH_CACHE_SECONDS. They count together with Valkey, each alone without.
    """
    stored_id = object_id(key_id, "key")
    wanted = () if limits == "none" else _limits("LIMITS", limits)
    stored = run(lambda service: _limit(service, stored_id, wanted))
    sentence = f"{_named(stored)} has {f'the quota {quota.shown(wanted)}' if wanted else 'no quota'}"
    tell(sentence, _as_json(stored), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def rotate(key_id: KeyId, keep: Keep = None, yes: Yes = False, as_json: AsJSON = False) -> None:
    """Give a key another secret and print it, alone, on standard output; id, rights and end stay.

    The secret that it had, and the sessions that began with it, end after --keep; without it at once.
    """
    stored_id = object_id(key_id, "key")
    while_kept = timedelta() if keep is None else span("--keep", keep)
    if keep is None and not yes:
        confirm(f"End the secret that {_named(run(lambda service: _one(service, stored_id)))} has, at once?", yes)
    rotated = run(lambda service: _rotate(service, stored_id, while_kept))
    if as_json:
        show_json({**_as_json(rotated.after), "key": rotated.key})
        return
    typer.echo(rotated.key)
    note(f"the secret that the key had works until {minute(rotated.ends)}" if keep else "the secret that it had ended")


@app.command(epilog=EXIT_CODES)
def disable(key_id: KeyId, as_json: AsJSON = False) -> None:
    """Disable a key. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    stored_id = object_id(key_id, "key")
    stored = run(lambda service: _disable(service, stored_id))
    tell(f"{_named(stored)} is disabled", _as_json(stored | {"disabled": True}), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def enable(key_id: KeyId, as_json: AsJSON = False) -> None:
    """Let a disabled key work again; sessions that it began stay ended. One that has ended stays so, too."""
    stored_id = object_id(key_id, "key")
    stored = run(lambda service: _enable(service, stored_id))
    state = "is enabled, but it has ended" if has_ended(stored) else "is enabled"
    tell(f"{_named(stored)} {state}", _as_json(stored | {"disabled": False}), as_json=as_json)


@app.command(epilog=EXIT_CODES)
def delete(key_id: KeyId, yes: Yes = False, as_json: AsJSON = False) -> None:
    """Delete a key for good. Running processes stop accepting it within AUTH_CACHE_SECONDS."""
    stored_id = object_id(key_id, "key")
    if not yes:
        confirm(f"Delete {_named(run(lambda service: _one(service, stored_id)))} for good?", yes)
    stored = run(lambda service: _delete(service, stored_id))
    tell(f"{_named(stored)} is deleted", _as_json(stored), as_json=as_json)


def _limits(option: str, text: str) -> tuple[Limit, ...]:
    try:
        return quota.read(text)
    except QuotaError as error:
        raise fail(f"{option}: {error}", WRONG_USAGE) from None


def _used_as_json(known: Known) -> dict[str, Any]:
    return {**msgspec.to_builtins(known.limit), "used": known.amount, "resets_in_seconds": known.seconds}


def _named(key: dict[str, Any]) -> str:
    return f"the key '{key['name']}' ({key['_id']})"


def _kind(key: dict[str, Any]) -> str:
    if key.get("user_id"):
        return "user"
    return "system" if key.get("system") else "itself"


def _state(key: dict[str, Any]) -> str:
    if key["disabled"]:
        return "[red]disabled[/]"
    if has_ended(key):
        return "[red]ended[/]"
    return f"[green]until {key['expires']:%Y-%m-%d}[/]" if key.get("expires") else "[green]enabled[/]"


def _as_json(key: dict[str, Any]) -> dict[str, Any]:
    user_id = key.get("user_id")
    return {
        "id": str(key["_id"]),
        "name": key["name"],
        "system": bool(key.get("system")),
        "user_id": str(user_id) if user_id else None,
        "created": key["created"],
        "disabled": key["disabled"],
        "expires": key.get("expires"),
        "made_by": key.get("made_by"),
        "used": key.get("used"),
        "former_expires": former_ends(key),
        "quota": key.get("quota", []),
    }


def _login_name() -> str:
    try:
        return getpass.getuser()
    except OSError:  # a user without a name, as in a container
        return f"uid {os.getuid()}"


async def _create(service: Service, name: str, members: dict[str, Any]) -> tuple[str, dict[str, Any], bool]:
    user_id = members["user_id"]
    if user_id is not None and await service.users.find(str(user_id)) is None:
        raise NoSuchError(f"there is no user {user_id}")
    return *await service.keys.create(name, **members), bool(service.settings.app_config_dir)


async def _shown(service: Service, key_id: ObjectId) -> tuple[dict[str, Any], list[Known]]:
    stored = await _one(service, key_id)
    found = quota.of_key(stored)
    return stored, [] if found is None else (await _known(service, [found]))[found.key_id]


async def _known(service: Service, quotas: list[Quota]) -> dict[str, list[Known]]:
    """Return the limits of each key by its id, with what is used of them where Valkey has it."""
    found = {each.key_id: await service.usage.of(each) for each in quotas}
    return {
        each.key_id: [Known(limit) for limit in each.limits]
        if (used := found[each.key_id]) is None
        else [Known(*one) for one in used]
        for each in quotas
    }


async def _limit(service: Service, key_id: ObjectId, limits: tuple[Limit, ...]) -> dict[str, Any]:
    await _one(service, key_id)
    stored = _found(key_id, await service.keys.set_limits(key_id, limits))
    await service.keys.drop_cached(stored)
    return stored


async def _all(service: Service) -> list[dict[str, Any]]:
    return await found("key", service.control.api_keys, {}, hidden=_HASHES, by=(("created", 1), ("_id", 1)))


async def _one(service: Service, key_id: ObjectId) -> dict[str, Any]:
    for each in await found("key", service.control.api_keys, {"_id": key_id}, hidden=_HASHES):
        return each
    raise NoSuchError(f"there is no key {key_id}")


def _found(key_id: ObjectId, stored: dict[str, Any] | None) -> dict[str, Any]:
    """Return what was stored of a key that was seen before; raise NoSuchError if it is gone."""
    if stored is None:
        raise NoSuchError(f"there is no key {key_id}")
    return stored


async def _rotate(service: Service, key_id: ObjectId, keep: timedelta) -> Rotated:
    if has_ended(await _one(service, key_id)):
        raise StoppedError(f"the key {key_id} has ended: make another one")
    rotated = await service.keys.rotate(key_id, keep)
    if rotated is None:
        raise NoSuchError(f"there is no key {key_id}")
    await service.sessions.end_secret(rotated)
    return rotated


async def _enable(service: Service, key_id: ObjectId) -> dict[str, Any]:
    await _one(service, key_id)
    return _found(key_id, await service.keys.set_disabled({"_id": key_id}, False))


async def _disable(service: Service, key_id: ObjectId) -> dict[str, Any]:
    await _one(service, key_id)
    return await _revoked(service, _found(key_id, await service.keys.set_disabled({"_id": key_id}, True)))


async def _delete(service: Service, key_id: ObjectId) -> dict[str, Any]:
    await _one(service, key_id)
    return await _revoked(service, _found(key_id, await service.keys.delete({"_id": key_id})))


async def _revoked(service: Service, stored: dict[str, Any]) -> dict[str, Any]:
    await service.sessions.end_key(stored)
    return stored
