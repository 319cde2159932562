"""Files that outlive a kill and a power cut: synced to the disk, replaced at once, locked by one process."""

import os
import sys
from pathlib import Path
from typing import IO

from admin.process import StoppedError, note

if sys.platform != "win32":
    import fcntl


def sync(file: IO[bytes]) -> None:
    """Return when what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def replace(source: Path, target: Path) -> None:
    """Rename a file, and return when a power cut cannot undo it."""
    source.replace(target)
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def lock(file: IO[bytes], name: str) -> None:
    """Hold a file until it is closed or this process ends, however it ends; raise StoppedError if another holds it."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoppedError(f"another process is at work on {name}") from None
    except OSError as error:  # some network shares have no locks
        note(f"{name} cannot be locked ({error.strerror}): see that no other process works on it")
