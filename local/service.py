"""The server of a run, as a child process."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from local import child, ports
from local.errors import LocalError
from local.steps import step

_READY_S = 60
_POLL_S = 0.05


@contextmanager
def server(environ: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block ends; the block begins when the server and its database answer."""
    if not ports.is_free(port):
        raise LocalError(f"Port {port} is in use: stop what listens there, or set LISTEN_PORT to another port.")
    step("starting the server, whose log begins here")
    process = child.start([sys.executable, "-m", "server"], env=environ)
    try:
        _await_ready(process, port)
        yield process
    finally:
        child.stop(process)


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _READY_S
    while (answer := _readiness(port)) != "200":
        if process.poll() is not None:
            raise LocalError(f"The server stopped by itself (exit code {process.returncode}).")
        if time.monotonic() > deadline:
            raise LocalError(f"The server was not ready after {_READY_S} s: {answer}")
        time.sleep(_POLL_S)


def _readiness(port: int) -> str:
    try:
        response = httpx.get(f"http://{ports.LOOPBACK}:{port}/health/ready", trust_env=False)
    except httpx.TransportError as error:
        return repr(error)
    return "200" if response.is_success else f"{response.status_code} {response.text}"
