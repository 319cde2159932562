"""What is stored of triggers, for those who look after them."""

from collections.abc import Collection, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument

from shared.mongo.clients import RAW
from shared.mongo.control import Control
from shared.triggers.leases import Stored


def _stages(names: Collection[str]) -> list[Mapping[str, Any]]:
    runs = {"$and": [{"$ne": ["$holder", ""]}, {"$gt": ["$expires", "$$NOW"]}]}
    return [{"$match": {"_id": {"$in": list(names)}}}, {"$set": {"runs": runs}}]


class Records:
    """What the control database holds of triggers."""

    def __init__(self, control: Control) -> None:
        """Take the control database."""
        self._control = control

    async def found(self, names: Collection[str]) -> dict[str, Stored]:
        """Return what is stored of some triggers, by name; `runs` tells whether a process has the lease."""
        async with await self._control.triggers.aggregate(_stages(names)) as found:
            return {each["_id"]: each async for each in found}

    async def raw(self, names: Collection[str]) -> list[RawBSONDocument]:
        """Return the same as bytes: what somebody else has stored may be anything."""
        triggers: Any = self._control.triggers.with_options(codec_options=RAW)
        async with await triggers.aggregate(_stages(names)) as found:
            return [each async for each in found]

    async def resume(self, name: str, *, from_now: bool) -> bool:
        """Let a process run a suspended trigger again, from now or behind what it did; False if it is not suspended."""
        changed = {"suspended": "", **({"token": "", "last": ""} if from_now else {})}
        chosen = {"_id": name, "suspended": {"$ne": None}}
        return bool((await self._control.triggers.update_one(chosen, {"$unset": changed})).matched_count)
