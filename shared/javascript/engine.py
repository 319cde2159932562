"""The engine of a process: what every run begins with, and the threads in which runs compute."""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.settings import Settings

if TYPE_CHECKING:
    from shared.javascript.script import Script

THREADS = 2
"""How many runs compute at a time in a process; the others wait for their turn."""

READY = 4
"""How many runs are made before they are needed."""

_PARTS = ("types.js", "bridge.js", "mongodb.js")


class Engine:
    """Makes runs. The engine itself is imported when the first is made."""

    def __init__(self, settings: Settings) -> None:
        """Take what limits runs."""
        self._settings = settings
        self._ready: deque[Script] = deque(maxlen=READY)

    @cached_property
    def prelude(self) -> str:
        """What is in a context before a function is: it returns what the process calls."""
        folder = Path(__file__).parent
        parts = [(folder / name).read_text() for name in _PARTS]
        return "\n".join(["(function () {", '"use strict";', *parts, "return host;", "})()"])

    @cached_property
    def prelude_lines(self) -> int:
        """How many lines that has: those of functions follow."""
        return self.prelude.count("\n") + 1

    @staticmethod
    def object_ids() -> dict[str, Any]:
        """Return what the ids that a run makes begin with, so that they are nobody else's."""
        return {"prefix": secrets.token_hex(5), "count": secrets.randbelow(1 << 24)}

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, "javascript")

    async def script(self) -> "Script":
        """Return a new run: one that is ready, or one that is made now."""
        return self._ready.popleft() if self._ready else await self.compute(self._script)

    def exchange(self, ended: "Script") -> None:
        """End a run, and make one ready: its prelude takes longer to read than most functions take to run."""

        def work() -> None:
            ended.end()
            if len(self._ready) < READY:
                self._ready.append(self._script())

        self._threads.submit(work)

    def _script(self) -> "Script":
        from shared.javascript.script import Limits, Script  # noqa: PLC0415  only an app with functions has an engine

        cores = min(os.cpu_count() or 1, THREADS + 1)
        seconds = self._settings.function_timeout_ms / 1000
        return Script(self.prelude, Limits(seconds, self._settings.function_memory_bytes, cores))

    async def compute[T](self, work: Callable[[], T]) -> T:
        """Return what comes of work that is done in a thread of the engine, when one is free."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads end."""
        if "_threads" in self.__dict__:
            self._threads.shutdown(wait=False, cancel_futures=True)
