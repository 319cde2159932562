"""How far a long process has come, in a file: what a resumed one goes on from after a kill at any moment."""

import os
import sys
from pathlib import Path
from typing import IO, Any

import msgspec

from admin.process import StoppedError, note

if sys.platform != "win32":
    import fcntl


def read[T](path: Path, kind: type[T]) -> T | None:
    """Return the checkpoint in a file, None if there is none; raise StoppedError if it is something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StoppedError(f"{path} is not a checkpoint of this command: remove it, or give --restart") from None


def write(path: Path, checkpoint: Any) -> None:
    """Replace a checkpoint at once and for good: after a power cut there is the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(checkpoint))
        sync(file)
    replace(new, path)


def sync(file: IO[bytes]) -> None:
    """Bring what was written to the disk."""
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
