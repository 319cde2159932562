"""How far a transfer has come, in a file: what a resumed one goes on from after a kill at any moment."""

from pathlib import Path
from typing import Any

import msgspec

from admin.process import StoppedError
from admin.transfer import files


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
        files.sync(file)
    files.replace(new, path)
