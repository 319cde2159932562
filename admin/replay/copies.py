"""Copies of the collections that recorded calls touch; what they are copies of is only read."""

from collections.abc import Iterable
from typing import Any

from admin import namespace
from admin.process import StoppedError
from admin.replay.plan import NotSentError, Place
from shared.service import Service

_LONGEST_NAME = 63
_VIEW, _SERIES = "view", "timeseries"


class Copies:
    """Copies each collection once, before the first call that touches it."""

    def __init__(self, service: Service, suffix: str) -> None:
        """Copy to databases whose names end with a suffix."""
        self._service = service
        self._suffix = suffix
        self._made: set[Place] = set()
        self._begun: set[tuple[str, str]] = set()

    @property
    def databases(self) -> list[str]:
        """The databases that hold copies."""
        return sorted({name + self._suffix for _, name in self._begun})

    async def make(self, places: Iterable[Place]) -> None:
        """Copy what is not copied yet; raise NotSentError for what cannot be, StoppedError where a copy is not ours."""
        for place in sorted(set(places) - self._made):
            await self._make(place)
            self._made.add(place)

    async def _make(self, place: Place) -> None:
        target = place.database + self._suffix
        if len(target.encode()) > _LONGEST_NAME:
            raise NotSentError(f"the name of its copy is too long: {target}")
        if namespace.is_own(place.database) or place.collection.startswith("system."):
            raise NotSentError(f"{place.database}.{place.collection} is MongoDB's own")
        names = place.database, place.collection
        source: Any = namespace.changeable(self._service, place.data_source, names)
        into: Any = namespace.changeable(self._service, place.data_source, (target, place.collection)).database
        await self._begin(place, into)
        listed = await source.database.list_collections(filter={"name": place.collection})
        for found in await listed.to_list():
            await _copy(source, into, dict(found))

    async def _begin(self, place: Place, into: Any) -> None:
        if (place.data_source, place.database) not in self._begun:
            if await into.list_collection_names():
                raise StoppedError(f"the database {into.name} is there already: drop it, or choose another --into")
            self._begun.add((place.data_source, place.database))


async def _copy(source: Any, into: Any, found: dict[str, Any]) -> None:
    if found["type"] in {_VIEW, _SERIES}:
        raise NotSentError(f"{source.full_name} is a {found['type']}, of which no copy is made")
    await into.command({"create": source.name, **dict(found["options"])})
    indexes = [dict(each) for each in await (await source.list_indexes()).to_list()]
    own = [index for index in indexes if index["name"] != "_id_"]
    if own:
        await into.command({"createIndexes": source.name, "indexes": own})
    await (await source.aggregate([{"$out": {"db": into.name, "coll": source.name}}])).to_list()
