"""What a caller demands of a write beside its body: done once, done to no more than so many, or only tried."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.access.cached import invalidating
from shared.access.protocol import Reply
from shared.access.tags import Expected
from shared.admission import Departure
from shared.auth.accounts import Caller
from shared.documents.ejson import Document
from shared.endpoint import etags
from shared.endpoint.openings import Opening
from shared.errors import InvalidParameterError, KeyReusedError, TooManyAffectedError
from shared.mongo import concerns
from shared.mongo.deadlines import atomically, within
from shared.mongo.replies import StoredReply
from shared.options import Options

if TYPE_CHECKING:
    from shared.service import Service

TERMS = "Idempotency-Key, Dozen-Max-Affected, Dozen-Dry-Run, Prefer, If-Match"
"""The headers of a request."""

REPLAYED = "Idempotent-Replayed"
"""The header of a reply that is that of the first time."""

KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
"""What an idempotency key is."""

_NAMES = ("database", "collection")
_COUNT = re.compile(r"[0-9]{1,18}")
_MOST_STORED = 15 * 1024 * 1024  # bytes, of the 16 MiB of a document


class Terms(NamedTuple):
    """The terms of one call."""

    key: str | None
    most: int | None
    is_dry: bool
    is_preferred: bool
    expected: Expected | None


def terms_of(headers: Mapping[str, str], *, changes_one: bool) -> Terms | None:
    """Return the terms in a write's headers, None if there are none; raise for those that cannot be kept."""
    key, most = headers.get("idempotency-key"), headers.get("dozen-max-affected")
    dry, prefer = headers.get("dozen-dry-run"), headers.get("prefer")
    if_match = headers.get("if-match")
    if "if-none-match" in headers:
        raise InvalidParameterError("If-None-Match is for reads")
    if key is None and most is None and dry is None and prefer is None and if_match is None:
        return None
    if if_match is not None and not changes_one:
        refuse_condition(headers)
    if key is not None and not KEY.fullmatch(key):
        raise InvalidParameterError("Idempotency-Key must be 1 to 255 printable characters of ASCII")
    if dry is not None and dry.lower() not in {"true", "false"}:
        raise InvalidParameterError("Dozen-Dry-Run must be true or false")
    preferred = None if prefer is None else _preferred(prefer)
    counts = [_count(name, text) for name, text in (("Dozen-Max-Affected", most), ("Prefer: max-affected", preferred))]
    given = [each for each in counts if each is not None]
    expected = None if if_match is None else etags.expected(if_match)
    is_dry = dry is not None and dry.lower() == "true"
    if not (key or given or is_dry or expected):
        return None
    return Terms(key, min(given, default=None), is_dry, preferred is not None, expected)


def refuse_condition(headers: Mapping[str, str]) -> None:
    """Raise InvalidParameterError for If-Match where no document is met that could have another tag."""
    if "if-match" in headers:
        raise InvalidParameterError("If-Match is for an action that changes or deletes one document")


def refuse_terms(headers: Mapping[str, str]) -> None:
    """Raise InvalidParameterError for terms of what is not done in a transaction."""
    if terms_of(headers, changes_one=False) is not None:
        raise InvalidParameterError(f"'pipeline': no transaction has $out or $merge, so they take none of {TERMS}")


def _preferred(prefer: str) -> str | None:
    """Return the limit in a header Prefer, which counts with strict handling only, as PostgREST has it."""
    parts = (part.partition(";")[0].partition("=") for part in prefer.split(","))
    preferences = {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}
    return preferences.get("max-affected") if preferences.get("handling", "").lower() == "strict" else None


def _count(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise InvalidParameterError(f"{name} must be a whole number of at least 0")
    return int(text)


class _UndoneError(Exception):
    """Ends the transaction of a write that was only tried; it has the reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("only tried")
        self.reply = reply


class TermedWrite:
    """One write on terms: a transaction with all that these need."""

    def __init__(self, terms: Terms, service: "Service", caller: Caller, body: Document, request: bytes) -> None:
        """Take the terms, who calls with which body, and a digest of all that the request is.

        Of the body goes what is an option of the transaction and cannot be one of what is part of it.
        """
        self._terms = terms
        self._options = _of_transaction(body)
        self._service = service
        self._body = body
        self._request = request
        self._name = _name(service.settings.app_id, caller.kind, caller.id, terms.key or "")
        self._stores = terms.key is not None and not terms.is_dry
        self._is_replayed = False

    @property
    def headers(self) -> dict[str, str]:
        """What the reply says of the terms."""
        made = {}
        if self._is_replayed:
            made[REPLAYED] = "true"
        if self._terms.is_dry:
            made["Dozen-Dry-Run"] = "true"
        if self._terms.is_preferred:
            made["Preference-Applied"] = f"handling=strict, max-affected={self._terms.most}"
        return made

    async def reply(self, act: Callable[[], Awaitable[Reply]], departure: Departure | None) -> Reply:
        """Do the write, and return its reply or the one that is stored; what breaks the terms undoes it."""
        source, service = _data_source(self._body), self._service
        if source is None:
            return await act()  # which says what is missing
        target = concerns.applied(service.replies.collection(source), self._options)
        settings = within(service.settings, self._options)
        timeout_ms = min(settings.mongo_db_timeout_ms, settings.transaction_timeout_ms)
        async with Opening(lambda: target, partial(service.clients.places, source), departure):
            if self._stores:
                await service.replies.ensure_index(source)
            work = atomically(target, lambda: self._attempt(act, source), timeout_ms)
            if not self._terms.is_dry:
                return await invalidating(work, service.generations, _namespaces(self._body), settings)
            try:
                return await work
            except _UndoneError as undone:
                return undone.reply

    async def _attempt(self, act: Callable[[], Awaitable[Reply]], source: str) -> Reply:
        """Do the write inside the transaction."""
        stored = await self._service.replies.find(source, self._name) if self._stores else None
        self._is_replayed = stored is not None
        if stored is not None:
            if stored.request != self._request:
                raise KeyReusedError("the Idempotency-Key was sent with another request before")
            return Reply([stored.body], stored.documents, headers=stored.headers)
        reply = await act()
        self._refuse_many(reply.documents if reply.affected is None else reply.affected)
        if self._terms.is_dry:
            raise _UndoneError(reply)
        if self._stores:
            if reply.size > _MOST_STORED:
                raise InvalidParameterError(f"a reply to an Idempotency-Key must have at most {_MOST_STORED} bytes")
            storing = StoredReply(self._request, reply.body, reply.documents or 0, reply.headers)
            await self._service.replies.put(source, self._name, storing)
        return reply

    def _refuse_many(self, affected: int | None) -> None:
        most = self._terms.most
        if most is not None and affected is not None and affected > most:
            raise TooManyAffectedError(f"the write would affect {affected} documents, more than {most}: none is")


def _of_transaction(body: Document) -> Options:
    """Take the options out of a body that a transaction has for all of it; its deadline is that of its parts, too."""
    given = {name: body[name] for name in ("maxTimeMS", "writeConcern") if body.get(name) is not None}
    body.pop("writeConcern", None)
    return Options.of(given, given, ())


def _data_source(body: Mapping[str, Any]) -> str | None:
    """Return the data source of a call, or that of its first operation; None if there is none."""
    name = body.get("dataSource", _operations(body)[0].get("dataSource"))
    return name if type(name) is str else None


def _namespaces(body: Mapping[str, Any]) -> set[str]:
    """Return where a call or its operations may write: an operation has the names of the call that it does not give."""
    of_call = {name: body.get(name) for name in _NAMES}
    given = [{name: each[name] for name in _NAMES if each.get(name) is not None} for each in _operations(body)]
    return {".".join(str(name) for name in each.values()) for each in [of_call, *(of_call | own for own in given)]}


def _operations(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = body.get("operations")
    operations: list[Mapping[str, Any]] = [each for each in given if type(each) is dict] if type(given) is list else []
    return operations or [body]


def _name(*parts: str) -> bytes:
    """Return the name under which a reply is stored, which no other caller of the same key has."""
    encoded = [part.encode() for part in parts]
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in encoded)).digest()
