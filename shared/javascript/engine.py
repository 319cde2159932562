"""The engine of a process: what every run begins with, and the threads in which runs compute."""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.javascript.prelude import Prelude
from shared.javascript.threads import Threads
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.javascript.script import Script

THREADS = 2
"""How many runs compute at a time in a process; the others wait for their turn."""

READY = 4
"""How many runs are made before they are needed."""

_FIRST = ("names", "bounds", "bridge")


class Engine:
    """Makes runs. The engine itself is imported when the first is made."""

    def __init__(self, settings: Settings) -> None:
        """Take what limits runs."""
        self._settings = settings
        self._ready: deque[Script] = deque(maxlen=READY)
        self._threads = Threads(THREADS)
        self.runs = 0
        """How many were begun so far."""

    @cached_property
    def prelude(self) -> Prelude:
        """What is in a context before a function is."""
        texts = {path.stem: path.read_text() for path in Path(__file__).parent.glob("*.js")}
        return Prelude.of(*(texts.pop(name) for name in _FIRST), parts=texts)

    @staticmethod
    def object_ids() -> dict[str, str]:
        """Return what the ids and random bytes of a run are made of, so that they are nobody else's."""
        return {"prefix": secrets.token_hex(5), "count": secrets.token_hex(3), "seed": secrets.token_hex(32)}

    async def script(self) -> "Script":
        """Return a new run: one that is ready, or one that is made now."""
        self.runs += 1
        return self._ready.popleft() if self._ready else await self.compute(self._script)

    def exchange(self, ended: "Script", whose: str) -> None:
        """End a run of a caller, after its last turn, and make one ready: reading the prelude takes long."""

        def make() -> None:
            if len(self._ready) < READY:
                self._ready.append(self._script())

        if not ended.is_short:
            self._threads.submit(ended.end, whose)
        self._threads.submit(make)

    def _script(self) -> "Script":
        from shared.javascript.script import Limits, Script  # noqa: PLC0415  only an app with functions has an engine

        cores = min(os.cpu_count() or 1, THREADS + 1)
        seconds = self._settings.function_timeout_ms / 1000
        return Script(self.prelude, Limits(seconds, self._settings.function_memory_bytes, cores))

    async def compute[T](self, work: Callable[[], T], whose: str | None = None) -> T:
        """Return what comes of work that is done in a thread of the engine, when one is free and the caller in none."""
        return await asyncio.wrap_future(self._threads.submit(work, whose))

    def close(self) -> None:
        """Let the threads end."""
        self._threads.close()
