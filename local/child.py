"""Child processes that never outlive this one.

Linux kills nobody's children when a process dies, so a killed run would leave its mongod behind. Each child therefore
asks the kernel for a SIGTERM at its parent's death (PR_SET_PDEATHSIG), and does so in this very file, run as a script
that then becomes the command: `preexec_fn` would run Python between fork and exec, which can deadlock as soon as there
are threads, and a MongoClient has threads. The process id stays the same. The signal comes when the *thread* that
called `start` ends, so call it from the main thread. Elsewhere than on Linux only an orderly end stops the children.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command; its output goes to the file, or where ours goes."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        process_group=0,  # Ctrl-C reaches us alone, so that we decide who stops first
    )


def stop(process: subprocess.Popen[bytes], *, patience_s: float = 30) -> None:
    """Ask a child to end; insist when it does not."""
    process.terminate()
    process.send_signal(signal.SIGCONT)  # a paused process would never see the request
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    process.kill()  # does nothing to a process that has ended
    process.wait()


def pause(process: subprocess.Popen[bytes]) -> None:
    """Stop a child until it gets a SIGCONT, and return when all its threads stand still.

    After `kill` alone a thread on another core may still run, and answer.
    """
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def _become(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the request, and no signal will come
        return
    try:
        os.execvp(command[0], command)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
