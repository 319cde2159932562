"""The server, whose loop says once a second how many tasks it had at least, and for how long others had no turn.

At least, as callers that come all at once are no tasks that are left behind.
How long is processor time of the loop's own thread, so that other work on the machine does not count.
"""

import asyncio
import json
import os
import runpy
import time
from pathlib import Path

import uvicorn

from local.ports import free_port
from tests.hosts import Server

_BEAT_SECONDS = 0.002
_REPORT_SECONDS = 1.0


class WatchedServer(Server):
    """A server that is watched, and what was seen of it."""

    command = ("-m", "tests.torture.watched_server")

    def __init__(self, log: Path, **env: str) -> None:
        super().__init__(log, HEALTH_PORT=str(free_port()), **env)

    def seen(self, name: str, since: int = 0) -> list[float]:
        """Return each second's `block_ms` or `tasks`, but for so many seconds at the start."""
        return [line[name] for line in self.log_lines if line["message"] == "loop"][since:]


async def watch() -> None:
    """Write a line to standard error each second."""
    tasks: list[int] = []
    longest, reported, used = 0.0, time.monotonic(), time.thread_time()
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        now = time.thread_time()
        longest, used = max(longest, now - used), now
        tasks.append(len(asyncio.all_tasks()) - 1)
        if time.monotonic() - reported >= _REPORT_SECONDS:
            line = {"message": "loop", "block_ms": longest * 1_000, "tasks": min(tasks)}
            os.write(2, json.dumps(line).encode() + b"\n")
            tasks.clear()
            longest, reported, used = 0.0, time.monotonic(), time.thread_time()


def main() -> None:
    """Serve, and watch the loop meanwhile."""
    serve = uvicorn.Server.serve

    async def watched(self: uvicorn.Server, *args: object, **named: object) -> None:
        watching = asyncio.create_task(watch())
        try:
            await serve(self, *args, **named)  # type: ignore[arg-type]
        finally:
            watching.cancel()

    uvicorn.Server.serve = watched  # type: ignore[method-assign]
    runpy.run_module("server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
