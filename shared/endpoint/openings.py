"""What a call may use while it has a place at the connections of a data source."""

from shared.admission import Departure, Places
from shared.mongo.deadlines import is_current


class Opening[T]:
    """What is open while a call has a place at its data source's connections; a transaction has one for all of it."""

    __slots__ = ("_departure", "_opened", "_places")

    def __init__(self, opened: T, places: Places, departure: Departure | None) -> None:
        """Take what is opened, the places, and whether the caller is still there."""
        self._opened = opened
        self._places = None if is_current() else places
        self._departure = departure

    async def __aenter__(self) -> T:
        """Take a place."""
        if self._places is not None:
            await self._places.enter(self._departure)
        return self._opened

    async def __aexit__(self, *_: object) -> None:
        """Give it back."""
        if self._places is not None:
            self._places.leave()
