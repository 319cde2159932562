"""The server processes of one port: started, replaced when one dies, ended in order."""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import DupFd
from types import FrameType
from typing import Any, NamedTuple

from uvicorn.config import STARTUP_FAILURE

from server.draining import SETTLE_SECONDS
from server.handshakes import begin_no_more
from shared.telemetry.log import event

type Serve = Callable[[list[socket.socket]], None]

type Join = Callable[[int, int], None]

_POLL_SECONDS = 0.2
_RESTART_SECONDS = 1.0  # a process that dies at once is not started more often than this
_AFTER_GRACE_SECONDS = 10.0
_IN_ORDER = {0, -signal.SIGTERM}  # the latter while it was still starting, so nothing was accepted
_spawn = multiprocessing.get_context("spawn")  # a fork would copy the parent's event loop and clients


class Supervisor:
    """Keeps so many processes serving its sockets, which outlive each until the end of all, with what waits there."""

    def __init__(self, serve: Serve, listeners: list[socket.socket], count: int, grace_seconds: float) -> None:
        """Take what each process runs; serve must be importable, as each is a fresh interpreter."""
        self._rows: tuple[Join, int] | None = None
        self._serve = serve
        self._listeners = listeners
        self._grace_seconds = grace_seconds
        self._stopping = False
        self._started = [0.0] * count
        self._processes: list[SpawnProcess] = []

    def share(self, join: Join, file: int) -> None:
        """Have each process join a file of memory, in which it has the row of its slot."""
        self._rows = join, file

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, or until no process can start; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._processes = [self._start(slot) for slot in range(len(self._started))]
        failed = False
        while not self._stopping and not failed:
            connection.wait([process.sentinel for process in self._processes], _POLL_SECONDS)
            failed = any(process.exitcode == STARTUP_FAILURE for process in self._processes)
            if not self._stopping and not failed:
                self._replace_dead()
        in_order = self._end()
        return STARTUP_FAILURE if failed else int(not in_order)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, slot: int) -> SpawnProcess:
        self._started[slot] = time.monotonic()
        process = _spawn.Process(target=_run, args=(self._serve, self._listeners, self._joining(slot)))
        # Ctrl-C goes to all at once: one that still starts leaves it to us, one that serves has a handler of its own
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.start()
        signal.signal(signal.SIGINT, before)
        return process

    def _joining(self, slot: int) -> "_Joining | None":
        return None if self._rows is None else _Joining(*self._rows, slot)

    def _replace_dead(self) -> None:
        for slot, process in enumerate(self._processes):
            if process.is_alive():
                continue
            time.sleep(max(0.0, self._started[slot] + _RESTART_SECONDS - time.monotonic()))
            event(
                logging.ERROR, "a server process died and is replaced", process=process.pid, exit_code=process.exitcode
            )
            self._processes[slot] = self._start(slot)

    def _end(self) -> bool:
        """Have every process answer what it has; tell whether all ended in order and in time."""
        deadline = time.monotonic() + self._grace_seconds + _AFTER_GRACE_SECONDS
        for process in self._processes:
            process.terminate()
        time.sleep(SETTLE_SECONDS)  # for which all of them accept, and some for a little longer
        for listener in self._listeners:
            begin_no_more(listener)
            listener.close()  # each has a copy of its own; with ours open, new connections would wait for nobody
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.join()
        return all(process.exitcode in _IN_ORDER for process in self._processes)


class _Joining(NamedTuple):
    join: Join
    file: int
    slot: int

    def __reduce__(self) -> Any:
        """Have the file go with what is sent to a process that is being started."""
        return _joining, (self.join, DupFd(self.file), self.slot)


def _joining(join: Join, file: Any, slot: int) -> _Joining:
    return _Joining(join, file.detach(), slot)


def _run(serve: Serve, listeners: list[socket.socket], joining: _Joining | None) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  this is a child
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if joining is not None:
        joining.join(joining.file, joining.slot)
    serve(listeners)


def _end_with(parent: int) -> None:
    """End in order when the parent has died: nobody else would end this process, which holds the port."""
    connection.wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)
