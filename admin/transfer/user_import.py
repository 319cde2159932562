"""`users import`: the users of another deployment, or of App Services, with the ids that documents know them by."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import msgspec
import typer
from pymongo.errors import DocumentTooLarge, DuplicateKeyError, WriteError

from admin.output import AsJSON, show_json
from admin.process import StoppedError, note, run
from admin.transfer import user_lines
from admin.transfer.lines import LineError
from admin.transfer.source import Source
from admin.transfer.user_lines import Moved, ServerKey
from shared.auth.mail import Page
from shared.errors import BadRequestError
from shared.mongo.deadlines import driver_call
from shared.mongo.refusals import translated
from shared.service import Service

File = Annotated[str, typer.Argument(metavar="FILE", help="One user a line, or a JSON array; - is standard input.")]
Reset = Annotated[
    Literal["print", "mail"] | None,
    typer.Option("--reset", help="Give a token to each user of FILE who has an address and no password yet."),
]

_MOST_NAMED = 10
_COUNTED = {
    "custom_data_stored": "custom data stored",
    "custom_data_left_out": "custom data left out, as the app names no collection for them",
    "expired": "anonymous users left out, older than 90 days",
    "user_keys": "API keys that acted as users, to be made anew with `keys create --user ID`",
}


class Outcome(msgspec.Struct):
    """What became of the users of a file; `identities` are those imported, by provider."""

    imported: int = 0
    unchanged: int = 0
    expired: int = 0
    problems: list[str] = []
    identities: dict[str, int] = {}
    server_keys: list[dict[str, str]] = []
    user_keys: int = 0
    custom_data_stored: int = 0
    custom_data_left_out: int = 0
    members_left_out: dict[str, int] = {}
    without_password: int = 0
    mailed: int = 0
    mailed_before: int = 0
    unmailable: list[str] = []
    tokens: list[dict[str, str]] = []


def import_(path: File, reset: Reset = None, as_json: AsJSON = False) -> None:
    """Store users with their ids, of App Services' Admin API or of `users export`; who is there already is left.

    A user who cannot be stored is named, nothing is stored of that user, and the others are. Exit 1 then.
    """
    work = UserImport(reset, as_json)
    run(lambda service: work.of(service, path), endless=True, interrupted="interrupted; the same command goes on")
    if as_json:
        show_json(msgspec.structs.asdict(work.outcome))
    else:
        for sentence in _sentences(work.outcome, reset):
            note(sentence)
    if work.outcome.problems or work.outcome.unmailable:
        raise typer.Exit(1)


class UserImport:
    """One import; tokens are printed as they are made, or gathered for JSON."""

    def __init__(self, reset: Literal["print", "mail"] | None, as_json: bool) -> None:
        self.outcome = Outcome()
        self._reset = reset
        self._as_json = as_json
        self._page = Page("", "")

    async def of(self, service: Service, path: str) -> None:
        """Import a file, or standard input."""
        if self._reset is not None:
            self._page = _page(service, self._reset)
        with _opened(path) as source:
            for place, text in user_lines.texts(source):
                with driver_call(service.settings.mongo_db_timeout_ms):
                    try:
                        await self._one(service, user_lines.read(text))
                    except (LineError, BadRequestError) as error:
                        self._report(f"{place}: {error}")
                    except (WriteError, DocumentTooLarge) as error:
                        self._report(f"{place}: {translated(error)}")

    def _report(self, problem: str) -> None:
        self.outcome.problems.append(problem)
        note(problem)

    async def _one(self, service: Service, user: Moved | ServerKey) -> None:
        if isinstance(user, ServerKey):
            if await service.keys.find({"_id": user.id}) is None:
                self.outcome.server_keys.append({"id": str(user.id), "name": user.name})
            else:
                self.outcome.unchanged += 1
            return
        if "expires" in user.stored and user.stored["expires"] <= datetime.now(UTC):
            self.outcome.expired += 1
            return
        there = await _there(service, user)
        if there is None:
            await self._store(service, user)
        else:
            self.outcome.unchanged += 1
        await self._see_to_password(service, there or user.stored)

    async def _store(self, service: Service, user: Moved) -> None:
        """Store the custom data first: who is stored has them, also if this process is killed in between."""
        if user.custom_data:
            await self._store_custom_data(service, str(user.stored["_id"]), user.custom_data)
        if not await service.users.adopt(user.stored):
            raise LineError("somebody came with the same id or identity just now")
        outcome = self.outcome
        outcome.imported += 1
        outcome.user_keys += user.keys
        for name in sorted(user.unknown):
            if name in outcome.members_left_out or len(outcome.members_left_out) < _MOST_NAMED:
                outcome.members_left_out[name] = outcome.members_left_out.get(name, 0) + 1
        counted = Counter(outcome.identities) + Counter(provider for provider, _ in user.names)
        outcome.identities = dict(sorted(counted.items()))

    async def _store_custom_data(self, service: Service, user_id: str, document: dict[str, Any]) -> None:
        if not service.custom_data.is_named:
            self.outcome.custom_data_left_out += 1
            return
        try:
            self.outcome.custom_data_stored += await service.custom_data.add(user_id, document)
        except DuplicateKeyError:
            raise LineError("another document has the _id of 'custom_data'") from None

    async def _see_to_password(self, service: Service, stored: dict[str, Any]) -> None:
        address = user_lines.address_of(stored)
        if address is None or stored.get("password") or stored["disabled"] or not stored["confirmed"]:
            return
        self.outcome.without_password += 1
        user_id, confirmations = str(stored["_id"]), service.confirmations
        if self._reset == "print":
            token, token_id = await confirmations.issue(user_id, "reset")
            self._show({"id": user_id, "email": address, "token": token, "tokenId": token_id})
        elif self._reset == "mail":
            if await confirmations.is_out(user_id, "reset"):
                self.outcome.mailed_before += 1
                return
            try:
                service.mail.refuse_unmailable(address)
            except BadRequestError:
                self.outcome.unmailable.append(address)
                return
            await self._mail(service, user_id, address)
            self.outcome.mailed += 1

    async def _mail(self, service: Service, user_id: str, address: str) -> None:
        token, is_sent = await service.confirmations.issue(user_id, "reset"), False
        try:
            await service.mail.send("reset", address, token, self._page)
            is_sent = True
        finally:
            if not is_sent:  # so that the next run tries again
                await service.confirmations.withdraw(user_id, "reset")

    def _show(self, token: dict[str, str]) -> None:
        if self._as_json:
            self.outcome.tokens.append(token)
        else:
            typer.echo("\t".join(token.values()))


async def _there(service: Service, user: Moved) -> dict[str, Any] | None:
    """Return the user if it is stored already; raise LineError if the id or an identity is another user's."""
    sharing = {stored["_id"]: stored for stored in await service.users.sharing(user.stored)}
    there = sharing.pop(user.stored["_id"], None)
    for other in sharing.values():
        provider, name = min(user.names & user_lines.names_of(other))
        raise LineError(f"{provider} {name} is another user's: {other['_id']}")
    missing = set() if there is None else user.names - user_lines.names_of(there)
    for provider, name in sorted(missing):
        raise LineError(f"this user is there already, without {provider} {name}")
    return there


def _page(service: Service, reset: Literal["print", "mail"]) -> Page:
    provider = service.exported.providers.email_password
    if provider is None:
        raise StoppedError("the app has no local-userpass: nobody can log in with a password")
    if reset == "mail" and not service.mail.is_sent:
        raise StoppedError("no mail can be sent: set MAIL_SMTP_URL or MAIL_WEBHOOK_URL, or give --reset print")
    return Page(provider.reset_url, provider.reset_subject)


@contextmanager
def _opened(path: str) -> Iterator[Source]:
    with os.fdopen(os.dup(0), "rb") if path == "-" else Path(path).open("rb") as file:
        yield Source(file)


def _sentences(outcome: Outcome, reset: Literal["print", "mail"] | None) -> Iterator[str]:
    yield f"users: {outcome.imported} imported, {outcome.unchanged} there already, {len(outcome.problems)} refused"
    if outcome.identities:
        yield "log in by: " + ", ".join(f"{provider} {count}" for provider, count in outcome.identities.items())
    for member, text in _COUNTED.items():
        if count := getattr(outcome, member):
            yield f"{text}: {count}"
    if outcome.members_left_out:
        names = (f"{name[:100]} {count}" for name, count in outcome.members_left_out.items())
        yield f"members left out, which users do not have here: {', '.join(names)}"
    for key in outcome.server_keys:
        yield f"a server key, to be made anew: keys create --id {key['id']} --name {quote(key['name'])}"
    if reset == "mail":
        yield f"reset tokens: {outcome.mailed} mailed, {outcome.mailed_before} mailed within the last 30 minutes"
    elif reset is None and outcome.without_password:
        yield f"without a password yet, so give --reset print or --reset mail: {outcome.without_password}"
    for address in outcome.unmailable:
        yield f"no mail can be sent to {address}: give a token by users reset-password --email {quote(address)}"
