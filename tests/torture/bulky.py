"""Callers of big calls, in a process of their own: `python -m tests.torture.bulky` takes Calls and gives what came."""

import asyncio
import sys
import time
from collections import Counter
from typing import Self

import msgspec

_PAUSE_SECONDS = 0.5


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked again and again, each by so many callers at a time."""

    port: int
    seconds: float
    requests: dict[str, tuple[int, bytes]]


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """How often each was answered with which status; 0 is none."""

    statuses: dict[str, dict[int, int]]

    def other_than(self, *statuses: int) -> list[str]:
        """Return the answers with another status."""
        return [
            f"{name}: {count} times {status}"
            for name, counts in self.statuses.items()
            for status, count in counts.items()
            if status not in statuses
        ]

    @property
    def total(self) -> int:
        """How many came."""
        return sum(sum(counts.values()) for counts in self.statuses.values())


class Bulky:
    """The process, while it asks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, calls: Calls) -> Self:
        """Start it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.torture.bulky", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(calls))
        await process.stdin.drain()
        process.stdin.write_eof()
        return cls(process)

    async def came(self) -> Came:
        """Return what came, once all have their answers."""
        said, _ = await self._process.communicate()
        return msgspec.json.decode(said, type=Came)


async def _ask(port: int, request: bytes) -> int:
    """Return the status, having taken the whole answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        try:
            writer.write(request)
            status = int((await reader.readuntil(b"\r\n")).split()[1])
            while await reader.read(2**20):
                pass
            return status
        finally:
            writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError):
        return 0


async def _run(calls: Calls) -> Came:
    ends = time.monotonic() + calls.seconds
    came: dict[str, Counter[int]] = {name: Counter() for name in calls.requests}

    async def caller(name: str, request: bytes) -> None:
        while time.monotonic() < ends:
            status = await _ask(calls.port, request)
            came[name][status] += 1
            if status not in {200, 201}:
                await asyncio.sleep(_PAUSE_SECONDS)

    async with asyncio.TaskGroup() as group:
        for name, (number, request) in calls.requests.items():
            for _ in range(number):
                group.create_task(caller(name, request))
    return Came(statuses={name: dict(counts) for name, counts in came.items()})


def main() -> None:
    """Read the calls, and say what came."""
    calls = msgspec.json.decode(sys.stdin.buffer.read(), type=Calls)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_run(calls))))


if __name__ == "__main__":
    main()
