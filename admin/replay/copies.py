"""Copies of the collections that recorded calls touch; what they are copies of is only read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

from bson.errors import BSONError
from pymongo.errors import InvalidName, OperationFailure

from admin import namespace
from admin.process import StoppedError
from admin.replay.plan import NotSentError, Place
from shared.app.model import App
from shared.errors import DataAPIError
from shared.service import Service

_LONGEST_NAME = 63
_VIEW, _SERIES = "view", "timeseries"


class _Original(NamedTuple):
    """What a place names, however the recording spells its data source; without a collection a database."""

    uri: str
    database: str
    collection: str


class Copies:
    """Copies each collection once, before the first call that touches it."""

    def __init__(self, service: Service, suffix: str) -> None:
        """Copy to databases whose names end with a suffix."""
        self._service = service
        self._suffix = suffix
        self._made: dict[_Original, str | None] = {}
        """What was copied, or why it cannot be."""
        self._begun: set[tuple[str, str]] = set()

    @property
    def databases(self) -> list[str]:
        """The databases that hold copies."""
        return sorted({name + self._suffix for _, name in self._begun})

    async def make(self, places: Iterable[Place]) -> None:
        """Copy what is not copied yet; raise NotSentError for what cannot be, StoppedError where a copy is not ours."""
        for place in sorted(set(places)):
            original = _Original(self._uri(place), place.database, place.collection)
            if original not in self._made:
                try:
                    await self._make(place, original)
                except NotSentError as error:
                    self._made[original] = str(error)
                else:
                    self._made[original] = None
            if (reason := self._made[original]) is not None:
                raise NotSentError(reason)

    def _uri(self, place: Place) -> str:
        uri = self._service.settings.data_source_uri(place.data_source)
        if uri is None:
            raise NotSentError("it names a data source that is not there")
        return uri

    async def _make(self, place: Place, original: _Original) -> None:
        target = place.database + self._suffix
        with _not_sent(f"{place.database}.{place.collection}"):
            if len(target.encode()) > _LONGEST_NAME:
                raise NotSentError(f"the name of its copy is too long: {target}")
            if namespace.is_own(place.database) or place.collection.startswith("system."):
                raise NotSentError(f"{place.database}.{place.collection} is MongoDB's own")
            if self._service.guard.closes(place.database) or self._service.guard.closes(target):
                raise NotSentError(f"{place.database} or its copy is a database that the service does not open")
            _refuse_watched(self._service.app, target)
            await self._begin(place, original, target)
            if place.collection:
                await self._copy(place, target)

    async def _begin(self, place: Place, original: _Original, target: str) -> None:
        """Claim the database of a copy: what is there already may be somebody's, and calls would change it."""
        if original[:2] in self._begun:
            return
        into: Any = namespace.collection(self._service, place.data_source, (target, "any")).database
        if await into.list_collection_names():
            raise StoppedError(f"the database {target} is there already: drop it, or choose another --into")
        self._begun.add(original[:2])

    async def _copy(self, place: Place, target: str) -> None:
        names = place.database, place.collection
        source: Any = namespace.collection(self._service, place.data_source, names)
        into: Any = namespace.collection(self._service, place.data_source, (target, place.collection)).database
        listed = await source.database.list_collections(filter={"name": place.collection})
        for found in await listed.to_list():
            await _copy(source, into, dict(found))


@contextmanager
def _not_sent(name: str) -> Iterator[None]:
    """Turn what MongoDB or the settings have against one name into a call that is not sent."""
    try:
        yield
    except (UnicodeError, BSONError, InvalidName):
        raise NotSentError("it names a database or collection that cannot be") from None
    except OperationFailure as error:
        code = (error.details or {}).get("codeName") or error.code
        raise NotSentError(f"{name} cannot be copied: {code}") from None
    except DataAPIError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        raise NotSentError(f"{name} cannot be copied: {error.code}") from None


def _refuse_watched(app: App | None, target: str) -> None:
    """Raise NotSentError where a change of the copy would start a function, which may write wherever it likes."""
    for trigger in () if app is None else app.database_triggers:
        if trigger.database in {"", target}:
            raise NotSentError(f"the trigger '{trigger.name}' would run for what changes in {target}")


async def _copy(source: Any, into: Any, found: dict[str, Any]) -> None:
    if found["type"] in {_VIEW, _SERIES}:
        raise NotSentError(f"{source.full_name} is a {found['type']}, of which no copy is made")
    await into.command({"create": source.name, **dict(found["options"])})
    indexes = [dict(each) for each in await (await source.list_indexes()).to_list()]
    own = [index for index in indexes if index["name"] != "_id_"]
    if own:
        await into.command({"createIndexes": source.name, "indexes": own})
    copied = {"into": {"db": into.name, "coll": source.name}, "on": "_id", "whenMatched": "fail"}
    stages = [{"$merge": copied}] if dict(found["options"]).get("capped") else [{"$out": copied["into"]}]
    await (await source.aggregate(stages, bypassDocumentValidation=True)).to_list()
