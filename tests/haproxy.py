"""A real HAProxy in front, which sends all callers over one connection, faulty requests too."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local import child
from local.ports import free_port
from tests.edge import exchange
from tests.hosts import eventually

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")

_CONFIG = """
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    http-reuse always
    option accept-invalid-http-request
frontend all
    bind 127.0.0.1:{port}
    default_backend dozen
backend dozen
    server dozen 127.0.0.1:{target} maxconn 1
"""


@asynccontextmanager
async def haproxy(folder: Path, target: int) -> AsyncIterator[int]:
    """Run it before a server's port, and give its own."""
    port = free_port()
    (folder / "cfg").write_text(_CONFIG.format(port=port, target=target))
    with (folder / "log").open("wb") as log:
        process = child.start([str(HAPROXY), "-db", "-f", str(folder / "cfg")], output=log)

    async def is_up() -> bool:
        try:
            return bool(await exchange(port, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        except ConnectionError:
            return False

    try:
        await eventually(is_up)
        yield port
    finally:
        child.stop(process)
