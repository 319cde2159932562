"""Impatient callers, in a process of their own: `python -m tests.torture.callers` takes a Load and gives a Tally.

The load is open: callers come at a rate, whatever became of those before them. Who is not answered within a second
leaves, and the next caller opens a new connection.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter, deque
from typing import Any, NamedTuple, Self

import msgspec

from tests.torture.report import percentile

PATIENCE_SECONDS = 1.0

_TICK_SECONDS = 0.005


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, where to, and for how long: so many a second, or without a rate as fast as so many connections."""

    port: int
    request: bytes
    seconds: float
    rate: float = 0.0
    connections: int = 0


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many callers came, and what became of them."""

    came: int
    answered: dict[int, int]
    uninvited: int
    left: int
    lost: int
    seconds: float
    p50_ms: float
    p99_ms: float
    """Of those that got what they asked for."""

    @property
    def useful(self) -> int:
        """How many got what they asked for in time."""
        return self.answered.get(200, 0)


class Caller(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, callers: "Callers", came: float) -> None:
        self._callers = callers
        self.came = came  # 0 when it waits for nothing

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not transport.is_closing():  # its caller may have left while it opened
            transport.write(self._callers.load.request)

    def send(self, came: float) -> None:
        self.came = came
        with contextlib.suppress(RuntimeError):  # uvloop's, of a connection whose end it has not told of yet
            self.transport.write(self._callers.load.request)

    def data_received(self, data: bytes) -> None:
        if self.came and data.startswith(b"HTTP/1.1 "):
            came, self.came = self.came, 0.0
            self._callers.answered(self, data, came)

    def connection_lost(self, _: Exception | None) -> None:
        self._callers.ended(self)


class Callers:
    """All callers of a load."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.came = self.left = self.lost = self._uninvited = 0
        self._statuses: Counter[int] = Counter()
        self._waited: list[float] = []
        self._idle: dict[Caller, None] = {}
        self._waiting: deque[tuple[float, Caller]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._running = True

    async def run(self) -> Tally:
        """Let them come, and wait for the last ones."""
        started = time.monotonic()
        ends = started + self.load.seconds
        for _ in range(self.load.connections):
            self._come(time.monotonic())
        while (now := time.monotonic()) < ends:
            while self.came < min(now - started, self.load.seconds) * self.load.rate:
                self._come(now)
            self._leave(now)
            await self._tick()
        self._running = False
        seconds = time.monotonic() - started
        while self._waiting:
            self._leave(time.monotonic())
            await self._tick()
        return self._tally(seconds)

    async def _tick(self) -> None:
        await asyncio.sleep(_TICK_SECONDS)
        await asyncio.sleep(0)  # what has arrived meanwhile is taken before anybody leaves

    def answered(self, caller: Caller, data: bytes, came: float) -> None:
        """Note an answer; the connection is free for the next caller."""
        now = time.monotonic()
        status = int(data[9:12])
        self._statuses[status] += 1
        self._uninvited += status == 503 and b"\r\nretry-after: 1\r\n" not in data
        if status == 200:
            self._waited.append(now - came)
        if b"\r\nconnection: close" in data:
            caller.transport.abort()
        elif self.load.connections and self._running:
            self.came += 1
            caller.send(now)
            self._waiting.append((now, caller))
        else:
            self._idle[caller] = None

    def ended(self, caller: Caller) -> None:
        """Forget a connection; who waited on it was cut off."""
        self._idle.pop(caller, None)
        if caller.came:
            caller.came = 0.0
            self.lost += 1

    def _come(self, now: float) -> None:
        self.came += 1
        caller = self._free()
        if caller is not None:
            caller.send(now)
        else:
            caller = Caller(self, now)
            task = asyncio.create_task(self._open(caller))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        self._waiting.append((now, caller))

    def _free(self) -> Caller | None:
        """Return a caller whose connection is open and of no use to anybody."""
        while self._idle:
            caller, _ = self._idle.popitem()
            if not caller.transport.is_closing():  # whose end is told of only later
                return caller
        return None

    async def _open(self, caller: Caller) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: caller, "127.0.0.1", self.load.port)
        except TimeoutError:
            pass  # it leaves by itself
        except OSError:
            self.ended(caller)

    def _leave(self, now: float) -> None:
        """Let those leave whose patience is at its end."""
        while self._waiting and (self._waiting[0][0] < now - PATIENCE_SECONDS or not self._waiting[0][1].came):
            came, caller = self._waiting.popleft()
            if caller.came == came:
                caller.came = 0.0
                self.left += 1
                if hasattr(caller, "transport"):
                    caller.transport.abort()

    def _tally(self, seconds: float) -> Tally:
        p50, p99 = (percentile(self._waited, share) * 1_000 for share in (0.5, 0.99))
        return Tally(
            came=self.came, answered=dict(self._statuses), uninvited=self._uninvited, left=self.left, lost=self.lost,
            seconds=seconds, p50_ms=p50, p99_ms=p99,
        )  # fmt: skip


class Process(NamedTuple):
    """The process that callers have for themselves."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, load: Load) -> Self:
        """Start it, with its load."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.torture.callers", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(load))
        process.stdin.write_eof()
        return cls(process)

    async def tally(self) -> Tally:
        """Return what became of all callers, once they have gone."""
        said, _ = await self.process.communicate()
        return msgspec.json.decode(said, type=Tally)


def main() -> None:
    """Read the load, and say what became of it."""
    import uvloop  # noqa: PLC0415  only this process has it for its loop

    os.nice(10)  # on a small machine callers would take the processor from whom they call
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    tally = uvloop.run(Callers(load).run())
    sys.stdout.buffer.write(msgspec.json.encode(tally))


if __name__ == "__main__":
    main()
