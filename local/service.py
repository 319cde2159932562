"""The server of a run, as a child process."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import httpx

from local import child, ports
from local.errors import LocalError
from local.steps import step

_READY_S = 60
_POLL_S = 0.05


def refuse_taken(port: int) -> None:
    """Raise LocalError if somebody listens there."""
    if not ports.is_free(port):
        raise LocalError(f"Port {port} is in use: stop what listens there, or set LISTEN_PORT to another port.")


@contextmanager
def server(
    environ: dict[str, str], port: int, advice: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """Serve until the block ends; the block begins when the server and its database answer.

    Its log is shown once the block asks for it; warnings and errors are from the start.
    """
    refuse_taken(port)
    step("starting the server")
    is_shown = threading.Event()
    reads, writes = os.pipe()
    with open(reads, "rb") as log, open(writes, "wb") as output:  # noqa: PTH123  they have no path
        process = child.start([sys.executable, "-m", "server"], env=environ, output=output)
        output.close()
        shown = threading.Thread(target=_show, args=(log, is_shown))
        shown.start()
        try:
            _await_ready(process, port, advice)
            yield process, is_shown.set
        finally:
            child.stop(process)
            shown.join()


def _show(log: IO[bytes], all_of_it: threading.Event) -> None:
    for line in log:
        if all_of_it.is_set() or b'"level":"INFO"' not in line:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _await_ready(process: subprocess.Popen[bytes], port: int, advice: str) -> None:
    deadline = time.monotonic() + _READY_S
    while (answer := _readiness(port)) != "200":
        if process.poll() is not None:
            raise LocalError(f"The server stopped by itself (exit code {process.returncode}).")
        if time.monotonic() > deadline:
            raise LocalError(f"The server was not ready after {_READY_S} s: {answer}{advice}")
        time.sleep(_POLL_S)


def _readiness(port: int) -> str:
    try:
        response = httpx.get(f"http://{ports.LOOPBACK}:{port}/health/ready", trust_env=False)
    except httpx.TransportError as error:
        return repr(error)
    return "200" if response.is_success else f"{response.status_code} {response.text}"
