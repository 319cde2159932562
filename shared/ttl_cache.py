"""A bounded cache with a time to live: the only one that a process has beside its clients."""

import math
import time
from collections.abc import Callable, Hashable
from itertools import islice

_SHARE_DROPPED = 8  # of a full cache an eighth goes at once, so that looking through all of it is seldom


class Cache[K: Hashable, V]:
    """Values by key, each until its time is over or newer ones need its place."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold so many values at most; the clock counts seconds."""
        self._most = most
        self._clock = clock
        self._entries: dict[K, tuple[float, V]] = {}  # when each expires, the oldest first

    def __len__(self) -> int:
        """Count what is held, with what has expired and was not yet dropped."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return a value, None if there is none or its time is over."""
        held = self.timed(key)
        return None if held is None else held[0]

    def timed(self, key: K) -> tuple[V, float] | None:
        """Return the same with the seconds that are left of its time."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        left = expires - self._clock()
        if left <= 0:
            del self._entries[key]
            return None
        return value, left

    def put(self, key: K, value: V, seconds: float = math.inf) -> None:
        """Hold a value for so long, in the place of an older one; for no time, hold none."""
        self._entries.pop(key, None)
        if seconds <= 0:
            return
        if len(self._entries) >= self._most:
            self._make_room()
        self._entries[key] = self._clock() + seconds, value

    def pop(self, key: K) -> V | None:
        """Drop a value, and return it if its time was not over."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def _make_room(self) -> None:
        """Drop what has expired, then the oldest."""
        now = self._clock()
        self._entries = {key: entry for key, entry in self._entries.items() if entry[0] > now}
        room = max(1, self._most // _SHARE_DROPPED)
        surplus = len(self._entries) + room - self._most
        for key in list(islice(self._entries, max(0, surplus))):
            del self._entries[key]
