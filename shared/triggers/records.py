"""What is stored of triggers, for those who look after them."""

from collections.abc import Collection, Mapping
from typing import Any

from shared.mongo.control import Control
from shared.triggers.leases import Stored


class Records:
    """What the control database holds of triggers."""

    def __init__(self, control: Control) -> None:
        """Take the control database."""
        self._control = control

    async def found(self, names: Collection[str]) -> dict[str, Stored]:
        """Return what is stored of some triggers, by name; `runs` tells whether a process has the lease."""
        runs = {"$and": [{"$ne": ["$holder", ""]}, {"$gt": ["$expires", "$$NOW"]}]}
        stages: list[Mapping[str, Any]] = [{"$match": {"_id": {"$in": list(names)}}}, {"$set": {"runs": runs}}]
        async with await self._control.triggers.aggregate(stages) as found:
            return {each["_id"]: each async for each in found}

    async def resume(self, name: str, *, from_now: bool) -> bool:
        """Let a process run a suspended trigger again, from now or behind what it did; False if it is not suspended."""
        changed = {"suspended": "", **({"token": "", "last": ""} if from_now else {})}
        chosen = {"_id": name, "suspended": {"$ne": None}}
        return bool((await self._control.triggers.update_one(chosen, {"$unset": changed})).matched_count)
